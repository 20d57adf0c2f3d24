"""One registry behind two faces: what the ECR API pushed docker pulls, and what docker pushed the API fetches."""

import hashlib
import json
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from harness.api_push import push_image, push_index
from harness.commands import run
from harness.images import docker_image, image, index, noise, write_directory
from harness.registry_client import digest_of, new_repository
from harness.skopeo import Skopeo
from test_skopeo import expect_directory

pytestmark = pytest.mark.every_store

MIB = 1024 * 1024


@pytest.fixture
def ecr(wharf):
    return wharf.client()


@pytest.fixture
def name(wharf):
    return new_repository(wharf, "faces").name


class TestApiToClients:
    def test_docker(self, wharf, ecr, name, docker):
        """An image pushed purely by API is pulled by docker, under the digest that the API told."""
        made = docker_image("api to docker")
        pushed = push_image(ecr, name, made, "v1")
        assert pushed["imageId"] == {"imageDigest": made.digest, "imageTag": "v1"}
        docker("login", "--username", "AWS", "--password-stdin", wharf.host, stdin=wharf.password)
        assert f"Digest: {made.digest}" in docker("pull", f"{wharf.host}/{name}:v1")
        labels = docker("inspect", "--format", "{{json .Config.Labels}}", f"{wharf.host}/{name}:v1")
        assert json.loads(labels) == {"name": "api to docker"}

    @pytest.mark.parametrize("make", [image, docker_image])
    def test_skopeo(self, wharf, ecr, name, tmp_path, make):
        """Layers of several parts, of one part, and a config: every byte comes out."""
        made = make(f"api to skopeo {make.__name__}", size=12 * MIB, layers=2)
        push_image(ecr, name, made, "v1")
        skopeo = Skopeo(wharf)
        skopeo.copy(skopeo.image(name, "v1"), f"dir:{tmp_path}/out")
        expect_directory(tmp_path / "out", made)

    def test_index(self, wharf, ecr, name, tmp_path):
        made = index("api index")
        push_index(ecr, name, made, "multi")
        skopeo = Skopeo(wharf)
        skopeo.copy(skopeo.image(name, "multi"), f"oci:{tmp_path}/out:multi", "--all")
        (top,) = json.loads((tmp_path / "out/index.json").read_text())["manifests"]
        assert top["digest"] == made.digest


class TestClientsToApi:
    @pytest.fixture
    def pushed(self, wharf, name, tmp_path):
        """A docker image pushed by skopeo, as v1."""
        made = docker_image("clients to api", size=3 * MIB)
        skopeo = Skopeo(wharf)
        skopeo.copy(write_directory(tmp_path / "in", made), skopeo.image(name, "v1"), "--preserve-digests")
        return made

    def test_every_byte(self, ecr, name, pushed, tmp_path):
        """BatchGetImage and GetDownloadUrlForLayer, fetched with plain curl, give the image as it was pushed."""
        answer = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])
        assert answer["failures"] == []
        (found,) = answer["images"]
        assert found["imageManifest"].encode() == pushed.manifest
        assert found["imageId"] == {"imageDigest": pushed.digest, "imageTag": "v1"}
        for blob in pushed.blobs:
            assert curl(download_url(ecr, name, digest_of(blob)), tmp_path / "blob") == 200
            assert (tmp_path / "blob").read_bytes() == blob

    def test_docker(self, wharf, ecr, name, docker, tmp_path):
        """The layers of an image that docker pushed are those that docker said."""
        (tmp_path / "file").write_bytes(noise("docker to api", 100_000))
        run("tar", "-C", tmp_path, "-cf", tmp_path / "root.tar", "file")
        uri = f"{wharf.host}/{name}:v1"
        docker("login", "--username", "AWS", "--password-stdin", wharf.host, stdin=wharf.password)
        docker("import", tmp_path / "root.tar", uri)
        docker("push", uri)
        (found,) = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])["images"]
        manifest = json.loads(found["imageManifest"])
        for entry in [manifest["config"], *manifest["layers"]]:
            assert curl(download_url(ecr, name, entry["digest"]), tmp_path / "blob") == 200
            content = (tmp_path / "blob").read_bytes()
            assert (len(content), digest_of(content)) == (entry["size"], entry["digest"])

    def test_range(self, ecr, name, pushed, tmp_path):
        """A broken download goes on where it stopped, as `curl --continue-at` does."""
        layer = pushed.layers[0]
        (tmp_path / "blob").write_bytes(layer[: MIB + 1])
        assert curl(download_url(ecr, name, digest_of(layer)), tmp_path / "blob", "--continue-at", "-") == 206
        assert (tmp_path / "blob").read_bytes() == layer

    def test_tampered_url(self, wharf, ecr, name, pushed, tmp_path):
        """No part of the URL may be changed: not the digest, nor the expiry, nor the signature."""
        first, second = (digest_of(layer) for layer in pushed.layers)
        url = download_url(ecr, name, first)
        parts = urlsplit(url)
        changed = [url.replace(first, second), url.replace(first[7:], second[7:]), f"{wharf.url}{parts.path}"]
        pairs = parts.query.split("&") if parts.query else []
        for number, pair in enumerate(pairs):
            spoilt = pair[:-1] + ("0" if pair[-1] != "0" else "1")
            changed.append(parts._replace(query="&".join([*pairs[:number], spoilt, *pairs[number + 1 :]])).geturl())
        for each in set(changed) - {url}:
            assert 400 <= curl(each, tmp_path / "blob") < 500, each

    def test_unreferenced_layer(self, ecr, name):
        """A layer that no image has cannot be fetched by API."""
        upload = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
        content = noise("unreferenced", 1000)
        ecr.upload_layer_part(
            repositoryName=name, uploadId=upload, partFirstByte=0, partLastByte=999, layerPartBlob=content
        )
        ecr.complete_layer_upload(repositoryName=name, uploadId=upload, layerDigests=[digest_of(content)])
        with pytest.raises(ClientError) as refused:
            download_url(ecr, name, digest_of(content))
        assert refused.value.response["Error"]["Code"] == "LayerInaccessibleException"


def test_expired_url(fresh_wharf, tmp_path):
    """The download URL works for about an hour, also after a restart, and then no longer."""
    name = new_repository(fresh_wharf, "faces").name
    ecr = fresh_wharf.client()
    made = image("expired url")
    push_image(ecr, name, made, "v1")
    url = download_url(ecr, name, digest_of(made.layers[0]))
    for clock, expected in ((None, 200), ("+50m", 200), ("+70m", 403)):
        fresh_wharf.restart(clock=clock)
        assert curl(url, tmp_path / "blob") == expected, clock
    said = (tmp_path / "blob").read_bytes()
    assert b"xpired" in said, said


def download_url(ecr, name, digest):
    answer = ecr.get_download_url_for_layer(repositoryName=name, layerDigest=digest)
    assert answer["layerDigest"] == digest
    return answer["downloadUrl"]


def curl(url, path, *options):
    """Fetches as a person would, without any login; returns the status."""
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", *options]
    return int(run(*command, "--output", path, "--write-out", "%{http_code}", url).stdout)


def test_sha256_of_a_part_boundary(ecr, name):
    """The layer's digest is over all parts, whatever their sizes."""
    content = noise("part boundary", 11 * MIB)
    upload = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
    first = 0
    for size in (5 * MIB, 5 * MIB + 1, MIB - 1):
        answer = ecr.upload_layer_part(
            repositoryName=name,
            uploadId=upload,
            partFirstByte=first,
            partLastByte=first + size - 1,
            layerPartBlob=content[first : first + size],
        )
        first += size
        assert answer["lastByteReceived"] == first - 1
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    done = ecr.complete_layer_upload(repositoryName=name, uploadId=upload, layerDigests=[digest])
    assert done["layerDigest"] == digest
    (told,) = ecr.batch_check_layer_availability(repositoryName=name, layerDigests=[digest])["layers"]
    assert (told["layerAvailability"], told["layerSize"]) == ("AVAILABLE", len(content))
