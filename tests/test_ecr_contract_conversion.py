"""BatchGetImage by tag gives an image in the other format than it was pushed in, to who accepts only that."""

import json

import pytest

from harness.ecr_client import Ecr
from harness.registry_client import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    digest_of,
)

pytestmark = pytest.mark.every_store

OTHER = {OCI_MANIFEST: DOCKER_MANIFEST, DOCKER_MANIFEST: OCI_MANIFEST}
TYPES = {OCI_MANIFEST: (OCI_CONFIG, OCI_LAYER), DOCKER_MANIFEST: (DOCKER_CONFIG, DOCKER_LAYER)}


@pytest.fixture(scope="module")
def ecr(wharf):
    return Ecr(wharf)


def get(ecr, name, accepted, **image_id):
    return ecr.call("BatchGetImage", repositoryName=name, imageIds=[image_id], acceptedMediaTypes=accepted)


def expect_absent(answer):
    assert answer["images"] == [] and [one["failureCode"] for one in answer["failures"]] == ["ImageNotFound"], answer


@pytest.mark.parametrize("stored", OTHER)
def test_by_tag(ecr, stored):
    """Guide, "Container image manifest format support": the other format, with the same config and layers."""
    name = ecr.repository()
    image = ecr.image(name, "v1", stored, layers=2)
    (found,) = get(ecr, name, [OTHER[stored]], imageTag="v1")["images"]
    assert found["imageManifestMediaType"] == OTHER[stored]
    # The identifier is the image's in the repository, by which it can be asked for again.
    assert found["imageId"] == {"imageTag": "v1", "imageDigest": image.digest}
    expected = json.loads(image.body)
    expected["mediaType"] = OTHER[stored]
    expected["config"]["mediaType"], layer = TYPES[OTHER[stored]]
    for entry in expected["layers"]:
        entry["mediaType"] = layer
    assert json.loads(found["imageManifest"]) == expected
    assert get(ecr, name, [OTHER[stored]], imageTag="v1")["images"] == [found], "not the same bytes again"


@pytest.mark.parametrize("stored", OTHER)
def test_pushed_back(ecr, stored):
    """What was converted is an image like any other when it is pushed, and converts back."""
    name = ecr.repository()
    ecr.image(name, "v1", stored)
    (found,) = get(ecr, name, [OTHER[stored]], imageTag="v1")["images"]
    ecr.call("PutImage", repositoryName=name, imageTag="v2", imageManifest=found["imageManifest"])
    (back,) = get(ecr, name, [stored], imageTag="v2")["images"]
    (first,) = get(ecr, name, [stored], imageTag="v1")["images"]
    assert json.loads(back["imageManifest"]) == json.loads(first["imageManifest"])


@pytest.mark.parametrize("stored", OTHER)
def test_what_is_stored_is_preferred(ecr, stored):
    """Who accepts what is stored gets it byte for byte, whatever else is accepted; so does who says nothing."""
    name = ecr.repository()
    image = ecr.image(name, "v1", stored)
    for accepted in ([OTHER[stored], stored], [stored]):
        (found,) = get(ecr, name, accepted, imageTag="v1")["images"]
        assert found["imageManifest"] == image.body.decode()
    (found,) = ecr.call("BatchGetImage", repositoryName=name, imageIds=[{"imageTag": "v1"}])["images"]
    assert found["imageManifest"] == image.body.decode()


@pytest.mark.parametrize("stored", OTHER)
def test_by_digest(ecr, stored):
    """Never: a digest says which bytes are meant, with a tag beside it or without."""
    name = ecr.repository()
    image = ecr.image(name, "v1", stored)
    expect_absent(get(ecr, name, [OTHER[stored]], imageDigest=image.digest))
    expect_absent(get(ecr, name, [OTHER[stored]], imageDigest=image.digest, imageTag="v1"))


@pytest.mark.parametrize(
    ("stored", "child", "other"), [(OCI_INDEX, OCI_MANIFEST, DOCKER_LIST), (DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX)]
)
def test_lists(ecr, stored, child, other):
    """Never: neither a list into the other kind, nor a list into one of its images."""
    name = ecr.repository()
    ecr.index(name, [ecr.image(name, media_type=child)], "v1", stored)
    for accepted in ([other], [child], [OTHER[child]]):
        expect_absent(get(ecr, name, accepted, imageTag="v1"))


def test_what_docker_cannot_say(ecr, wharf):
    """An artifact, an attestation, a referrer and a layer in zstd have no form in Docker's schema 2."""
    name = ecr.repository()
    repository = Repository(RegistryClient(wharf.host, wharf.authorization), name)
    subject = ecr.image(name, "subject")
    repository.push_artifact(artifact_type="application/vnd.example.sbom", tag="artifact")
    repository.push_artifact(subject.descriptor, "application/vnd.example.sbom", tag="referrer")
    plain = json.loads(ecr.manifest(name).body)
    for tag, layer in {
        "attestation": "application/vnd.in-toto+json",
        "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
    }.items():
        plain["layers"][0]["mediaType"] = layer
        ecr.call("PutImage", repositoryName=name, imageTag=tag, imageManifest=json.dumps(plain))
    for tag in ("artifact", "referrer", "attestation", "zstd"):
        expect_absent(get(ecr, name, [DOCKER_MANIFEST], imageTag=tag))
        assert get(ecr, name, [OCI_MANIFEST], imageTag=tag)["images"]


def test_annotations_are_left_out(ecr):
    """Docker's schema 2 has no place for them, which keeps nobody from the image."""
    name = ecr.repository()
    ecr.image(name, "v1", annotations={"org.opencontainers.image.revision": "1"})
    (found,) = get(ecr, name, [DOCKER_MANIFEST], imageTag="v1")["images"]
    assert "annotations" not in json.loads(found["imageManifest"])


@pytest.mark.parametrize("stored", OTHER)
def test_the_registry_gives_what_is_stored(ecr, wharf, stored):
    """GET /v2/ by tag: the bytes that were pushed, whatever is accepted, as every client of today takes both."""
    name = ecr.repository()
    image = ecr.image(name, "v1", stored)
    repository = Repository(RegistryClient(wharf.host, wharf.authorization), name)
    answer = repository.pull("v1", accept=OTHER[stored]).expect(200)
    assert (answer.body, answer.header("Content-Type")) == (image.body, stored)
    assert answer.header("Docker-Content-Digest") == digest_of(image.body)


@pytest.mark.parametrize("stored", OTHER)
def test_aws_cli(ecr, wharf, stored):
    """`aws ecr batch-get-image --accepted-media-types`, as scripts that read labels call it."""
    name = ecr.repository()
    ecr.image(name, "v1", stored)
    arguments = ["--repository-name", name, "--image-ids", "imageTag=v1", "--accepted-media-types", OTHER[stored]]
    text = wharf.aws("ecr", "batch-get-image", *arguments, "--query", "images[0].imageManifest", "--output", "text")
    assert json.loads(text)["config"]["mediaType"] == TYPES[OTHER[stored]][0]
