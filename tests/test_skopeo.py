"""skopeo copies images of every kind in and out byte for byte, and lists, inspects and deletes them."""

import json
from pathlib import Path

import pytest

from conftest import REGISTRY
from harness.images import docker_image, image, index, write_directory, write_layout
from harness.registry_client import digest_of, new_repository
from harness.skopeo import Skopeo


@pytest.fixture
def skopeo(wharf):
    return Skopeo(wharf)


@pytest.fixture
def name(wharf):
    return new_repository(wharf, "skopeo").name


def expect_directory(folder, made):
    """A `dir:` copy holds exactly the bytes of the image."""
    assert Path(folder, "manifest.json").read_bytes() == made.manifest
    for blob in made.blobs:
        assert Path(folder, digest_of(blob).partition(":")[2]).read_bytes() == blob


def test_docker_image(skopeo, name, tmp_path):
    """A docker v2 schema 2 image in and out."""
    made = docker_image("skopeo docker")
    skopeo.copy(write_directory(tmp_path / "in", made), skopeo.image(name, "v1"), "--preserve-digests")
    skopeo.copy(skopeo.image(name, "v1"), f"dir:{tmp_path}/out")
    expect_directory(tmp_path / "out", made)


def test_oci_image(skopeo, name, tmp_path):
    """An OCI image in and out, by tag and by digest."""
    made = image("skopeo oci", layers=3)
    skopeo.copy(write_layout(tmp_path / "in", made, "v1"), skopeo.image(name, "v1"), "--preserve-digests")
    for number, reference in enumerate(["v1", made.digest]):
        skopeo.copy(skopeo.image(name, reference), f"dir:{tmp_path}/out-{number}")
        expect_directory(tmp_path / f"out-{number}", made)


def test_conversion(skopeo, name, tmp_path):
    """skopeo turns an OCI image into docker's format on its way in."""
    source = write_layout(tmp_path / "in", image("skopeo conversion"), "v1")
    skopeo.copy(source, skopeo.image(name, "v1"), "--format", "v2s2")
    raw = json.loads(skopeo.inspect(skopeo.image(name, "v1"), "--raw"))
    assert raw["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"


def test_every_platform(skopeo, wharf, name, tmp_path):
    """`--all` brings an index and its images; each is there, and all come back."""
    made = index("skopeo all", ["amd64", "arm64", "s390x"])
    skopeo.copy(
        write_layout(tmp_path / "in", made, "multi"), skopeo.image(name, "multi"), "--all", "--preserve-digests"
    )
    skopeo.copy(skopeo.image(name, "multi"), f"oci:{tmp_path}/out:multi", "--all")
    (top,) = json.loads((tmp_path / "out/index.json").read_text())["manifests"]
    assert top["digest"] == made.digest
    found = wharf.client().list_images(repositoryName=name)["imageIds"]
    untagged = {entry["imageDigest"] for entry in found if "imageTag" not in entry}
    assert untagged == {child.digest for child in made.images}
    assert {"imageDigest": made.digest, "imageTag": "multi"} in found


def test_one_platform(skopeo, name, tmp_path):
    """Of an index, a client takes the image of its platform."""
    made = index("skopeo one", ["amd64", "arm64"])
    skopeo.copy(
        write_layout(tmp_path / "in", made, "multi"), skopeo.image(name, "multi"), "--all", "--preserve-digests"
    )
    skopeo.copy(skopeo.image(name, "multi"), f"dir:{tmp_path}/out")
    expect_directory(tmp_path / "out", made.images[0])


def test_inspect(skopeo, name, tmp_path):
    made = image("skopeo inspect")
    skopeo.copy(write_layout(tmp_path / "in", made, "v1"), skopeo.image(name, "v1"), "--preserve-digests")
    told = json.loads(skopeo.inspect(skopeo.image(name, "v1")))
    assert told["Digest"] == made.digest
    assert told["RepoTags"] == ["v1"]
    assert told["Labels"] == {"name": "skopeo inspect"}
    assert told["Layers"] == [digest_of(layer) for layer in made.layers]


def test_list_tags(skopeo, name, tmp_path):
    """More tags than one page of the tags list usually has."""
    source = write_layout(tmp_path / "in", image("skopeo tags", size=100, layers=1), "v1")
    skopeo.copy(source, skopeo.image(name, "tag-0"))
    for number in range(1, 12):
        skopeo.copy(skopeo.image(name, "tag-0"), skopeo.image(name, f"tag-{number}"))
    assert sorted(skopeo.list_tags(name)) == sorted(f"tag-{number}" for number in range(12))


def test_delete(skopeo, name, tmp_path):
    source = write_layout(tmp_path / "in", image("skopeo delete"), "v1")
    skopeo.copy(source, skopeo.image(name, "v1"))
    skopeo.delete(skopeo.image(name, "v1"))
    assert "manifest unknown" in skopeo.copy_refused(skopeo.image(name, "v1"), f"dir:{tmp_path}/out")


def test_between_repositories(skopeo, wharf, name, tmp_path):
    """A copy within the registry: blobs are asked to be mounted, and come over either way."""
    made = image("skopeo between")
    other = new_repository(wharf, "skopeo").name
    skopeo.copy(write_layout(tmp_path / "in", made, "v1"), skopeo.image(name, "v1"), "--preserve-digests")
    skopeo.copy(skopeo.image(name, "v1"), skopeo.image(other, "v1"))
    skopeo.copy(skopeo.image(other, "v1"), f"dir:{tmp_path}/out")
    expect_directory(tmp_path / "out", made)


def test_tls(tls_wharf, private_names, tmp_path):
    """With TLS the certificate is checked, against the name that looks like ECR's own."""
    made = image("skopeo tls")
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    (trusted / "ca.crt").write_bytes(tls_wharf.certificate.read_bytes())
    skopeo = Skopeo(tls_wharf, f"{REGISTRY}:{tls_wharf.port}", private_names.prefix, trusted)
    name = f"skopeo/{made.digest[-12:]}"
    tls_wharf.client().create_repository(repositoryName=name)
    skopeo.copy(write_layout(tmp_path / "in", made, "v1"), skopeo.image(name, "v1"), "--preserve-digests")
    skopeo.copy(skopeo.image(name, "v1"), f"dir:{tmp_path}/out")
    expect_directory(tmp_path / "out", made)
    (trusted / "ca.crt").unlink()
    assert "certificate signed by unknown authority" in skopeo.copy_refused(
        skopeo.image(name, "v1"), f"dir:{tmp_path}/no"
    )
