"""Manifests with a member that differs from a specified one by case alone: clients in Go take it for that one."""

import json

import pytest

from harness.images import image
from harness.registry_client import OCI_INDEX, OCI_MANIFEST, digest_of, index_manifest, new_repository
from harness.skopeo import Skopeo

ABSENT = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": f"sha256:{'2' * 64}", "size": 77}


def pushed(wharf):
    repository, made = new_repository(wharf, "members"), image("members", size=500, layers=1)
    for blob in made.blobs:
        repository.push_blob(blob)
    repository.push_manifest(made.manifest, "good")
    return repository, made


@pytest.mark.parametrize(
    ("place", "name", "value", "known"),
    [
        ((), "Layers", [ABSENT], "layers"),
        ((), "LAYERS", [], "layers"),
        ((), "layer\u017f", [ABSENT], "layers"),
        ((), "MEDIATYPE", OCI_INDEX, "mediaType"),
        ((), "Manifests", [], "manifests"),
        ((), "Subject", ABSENT, "subject"),
        ((), "Annotations", {}, "annotations"),
        (("config",), "Digest", ABSENT["digest"], "digest"),
        (("layers", 0), "digesT", ABSENT["digest"], "digest"),
        (("layers", 0), "URLs", ["https://example.com"], "urls"),
    ],
)
def test_images(wharf, place, name, value, known):
    repository, made = pushed(wharf)
    document = json.loads(made.manifest)
    at = document
    for step in place:
        at = at[step]
    at[name] = value
    body = json.dumps(document).encode()
    answer = repository.client.put(repository.manifest("evil"), body, content_type=OCI_MANIFEST)
    answer.expect_error(400, "MANIFEST_INVALID")
    assert f"must be written '{known}'" in answer.body.decode()
    ecr = wharf.client("ecr")
    with pytest.raises(ecr.exceptions.InvalidParameterException, match=f"must be written '{known}'"):
        ecr.put_image(repositoryName=repository.name, imageManifest=body.decode(), imageTag="evil")
    assert [image["imageTag"] for image in ecr.list_images(repositoryName=repository.name)["imageIds"]] == ["good"]


@pytest.mark.parametrize(
    ("descriptor", "is_taken"),
    [
        ({"platform": {"architecture": "amd64", "os": "linux", "OS": "windows"}}, False),
        ({"Platform": {"architecture": "arm64", "os": "linux"}}, False),
        ({"Size": 1}, False),
        # What nobody specified, and the keys of a map, are as they are.
        ({"annotations": {"a": "1", "A": "2", "Digest": "3"}, "x-Digest": 1}, True),
    ],
)
def test_lists(wharf, descriptor, is_taken):
    repository, made = pushed(wharf)
    body = index_manifest([{**made.descriptor, **descriptor}])
    answer = repository.client.put(repository.manifest("list"), body, content_type=OCI_INDEX)
    if is_taken:
        answer.expect(201)
    else:
        answer.expect_error(400, "MANIFEST_INVALID")


def test_what_skopeo_pulls_is_what_was_checked(wharf, tmp_path):
    """The layers that skopeo finds are those of the manifest that was taken."""
    repository, made = pushed(wharf)
    Skopeo(wharf).copy(Skopeo(wharf).image(repository.name, "good"), f"dir:{tmp_path / 'pulled'}")
    assert {digest_of(layer).removeprefix("sha256:") for layer in made.layers} <= {
        path.name for path in (tmp_path / "pulled").iterdir()
    }
