"""How the ECR API behaves for layers: availability, the upload in parts, the download address."""

import base64
import http.client
import uuid
from urllib.parse import urlsplit

import pytest

from harness import model_check
from harness.ecr_client import Ecr, part_parameters
from harness.registry_client import RegistryClient, Repository, digest_of, random_content, with_query

pytestmark = pytest.mark.every_store

ABSENT = "sha256:" + "0" * 64
INVALID = "InvalidParameterException"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def ecr(wharf):
    return Ecr(wharf)


def send(ecr, repository, upload, first, content):
    return ecr.call("UploadLayerPart", **part_parameters(repository, upload, first, content))


def complete(ecr, repository, upload, digest):
    return ecr.call("CompleteLayerUpload", repositoryName=repository, uploadId=upload, layerDigests=[digest])


class TestAvailability:
    def test_all_cases(self, ecr):
        """BatchCheckLayerAvailability: available with size, unavailable without, malformed as a failure."""
        name = ecr.repository()
        content = random_content(777)
        digest = ecr.layer(name, content)
        ask = [digest, ABSENT, "bad"]
        answer = ecr.call("BatchCheckLayerAvailability", repositoryName=name, layerDigests=ask)
        found = {entry["layerDigest"]: entry for entry in answer["layers"]}
        assert found[digest]["layerAvailability"] == "AVAILABLE" and found[digest]["layerSize"] == 777
        assert found[ABSENT] == {"layerDigest": ABSENT, "layerAvailability": "UNAVAILABLE"}
        (failure,) = answer["failures"]
        assert (failure["layerDigest"], failure["failureCode"]) == ("bad", "InvalidLayerDigest")

    def test_per_repository(self, ecr):
        """BatchCheckLayerAvailability: what another repository has is not available here."""
        digest = ecr.layer(ecr.repository())
        answer = ecr.call("BatchCheckLayerAvailability", repositoryName=ecr.repository(), layerDigests=[digest])
        assert answer["layers"] == [{"layerDigest": digest, "layerAvailability": "UNAVAILABLE"}]

    @pytest.mark.parametrize("digests", [[], [ABSENT] * 101, ["x" * 1001]], ids=["none", "101", "too long"])
    def test_limits(self, ecr, digests):
        """Model: 1 to 100 digests of at most 1000 characters."""
        ecr.refuse("BatchCheckLayerAvailability", INVALID, repositoryName=ecr.repository(), layerDigests=digests)


class TestUpload:
    def test_part_size(self, ecr):
        """InitiateLayerUpload: a UUID, and parts of 10 MiB."""
        answer = ecr.call("InitiateLayerUpload", repositoryName=ecr.repository())
        assert answer["partSize"] == 10 * MIB
        assert str(uuid.UUID(answer["uploadId"])) == answer["uploadId"]

    def test_parts(self, ecr, wharf):
        """UploadLayerPart, CompleteLayerUpload: consecutive parts make the layer; the upload is then gone."""
        name = ecr.repository()
        content = random_content(12 * MIB + 5)
        digest = digest_of(content)
        upload = ecr.start_upload(name)
        for first in range(0, len(content), 6 * MIB):
            part = content[first : first + 6 * MIB]
            answer = send(ecr, name, upload, first, part)
            assert answer == {
                "registryId": ecr.account,
                "repositoryName": name,
                "uploadId": upload,
                "lastByteReceived": first + len(part) - 1,
            }
        answer = complete(ecr, name, upload, digest)
        assert answer == {"registryId": ecr.account, "repositoryName": name, "uploadId": upload, "layerDigest": digest}
        ecr.refuse("UploadLayerPart", "UploadNotFoundException", **part_parameters(name, upload, len(content), b"x"))
        repository = Repository(RegistryClient(wharf.host, wharf.authorization), name)
        assert repository.client.get(repository.blob(digest)).expect(200).body == content

    def test_largest_part(self, ecr):
        """UploadLayerPart: 20 MiB decoded are taken, a byte more is not."""
        name = ecr.repository()
        upload = ecr.start_upload(name)
        content = random_content(20 * MIB)
        answer = ecr.api.ecr("UploadLayerPart", part_parameters(name, upload, 0, content + b"x"))
        assert answer.status in (400, 413), repr(answer)
        send(ecr, name, upload, 0, content)
        complete(ecr, name, upload, digest_of(content))

    @pytest.mark.parametrize(
        ("first", "last"),
        [(11, 13), (0, 2), (9, 11), (10, 11), (10, 13), (10, 9), (2**62, 2**62 + 2)],
        ids=["gap", "again", "overlap", "short range", "long range", "backwards", "far"],
    )
    def test_wrong_range(self, ecr, first, last):
        """UploadLayerPart: the first byte follows the last one, the range is as long as the blob; the error tells where it is."""
        name = ecr.repository()
        upload = ecr.start_upload(name)
        send(ecr, name, upload, 0, b"0123456789")
        wrong = {**part_parameters(name, upload, first, b"abc"), "partLastByte": last}
        error = ecr.refuse("UploadLayerPart", "InvalidLayerPartException", **wrong)
        told = {key: error[key] for key in ("registryId", "repositoryName", "uploadId", "lastValidByteReceived")}
        expected = {"registryId": ecr.account, "repositoryName": name, "uploadId": upload, "lastValidByteReceived": 9}
        assert told == expected
        send(ecr, name, upload, 10, b"abc")

    def test_wrong_range_of_the_first_part(self, ecr):
        """UploadLayerPart: the error has every member of the model before a byte has come, too."""
        name = ecr.repository()
        upload = ecr.start_upload(name)
        error = ecr.refuse("UploadLayerPart", "InvalidLayerPartException", **part_parameters(name, upload, 5, b"abc"))
        told = {key: error[key] for key in ("registryId", "repositoryName", "uploadId", "lastValidByteReceived")}
        expected = {"registryId": ecr.account, "repositoryName": name, "uploadId": upload, "lastValidByteReceived": 0}
        assert told == expected
        assert error["message"].endswith("must begin at byte 0")
        send(ecr, name, upload, 0, b"abc")

    @pytest.mark.parametrize("blob", ["%%%", "YQ", "YQ==YQ==", "Y Q = =", "YQ==\n", "_-8="])
    def test_blob_that_is_no_base64(self, ecr, blob):
        """UploadLayerPart: what cannot be decoded is refused and changes nothing."""
        name = ecr.repository()
        upload = ecr.start_upload(name)
        answer = ecr.api.ecr("UploadLayerPart", {**part_parameters(name, upload, 0, b"a"), "layerPartBlob": blob})
        assert answer.status == 400, repr(answer)
        assert model_check.error_name(answer) in (INVALID, "SerializationException"), repr(answer)
        send(ecr, name, upload, 0, b"abc")

    def test_upload_of_another_repository(self, ecr):
        """UploadLayerPart, CompleteLayerUpload: an upload belongs to its repository."""
        owner, other = ecr.repository(), ecr.repository()
        upload = ecr.start_upload(owner)
        ecr.refuse("UploadLayerPart", "UploadNotFoundException", **part_parameters(other, upload, 0, b"x"))
        send(ecr, owner, upload, 0, b"x")
        ecr.refuse(
            "CompleteLayerUpload",
            "UploadNotFoundException",
            repositoryName=other,
            uploadId=upload,
            layerDigests=[digest_of(b"x")],
        )

    @pytest.mark.parametrize("upload", ["", "no-uuid", "../../etc", "x" * 1000])
    def test_upload_id_that_is_none(self, ecr, upload):
        """Model: an upload id is a UUID."""
        parameters = part_parameters(ecr.repository(), upload, 0, b"x")
        ecr.refuse("UploadLayerPart", (INVALID, "UploadNotFoundException"), **parameters)

    def test_size_of_the_parts_before_the_last(self, ecr):
        """CompleteLayerUpload: 5 MiB are enough for a part before the last."""
        name = ecr.repository()
        content = random_content(5 * MIB + 1)
        upload = ecr.start_upload(name)
        send(ecr, name, upload, 0, content[: 5 * MIB])
        send(ecr, name, upload, 5 * MIB, content[5 * MIB :])
        complete(ecr, name, upload, digest_of(content))

    def test_several_digests(self, ecr):
        """CompleteLayerUpload: of several digests the sha256 one is checked."""
        name = ecr.repository()
        upload = ecr.start_upload(name)
        send(ecr, name, upload, 0, b"abc-several")
        digests = ["tarsum.v1+sha256:" + "0" * 64, digest_of(b"abc-several")]
        answer = ecr.call("CompleteLayerUpload", repositoryName=name, uploadId=upload, layerDigests=digests)
        assert answer["layerDigest"] == digests[1]

    def test_an_api_upload_is_a_registry_upload(self, ecr, wharf):
        """reference/repositories-images.md 3: one state machine: begun here, it goes on there."""
        name = ecr.repository()
        repository = Repository(RegistryClient(wharf.host, wharf.authorization), name)
        upload = ecr.start_upload(name)
        send(ecr, name, upload, 0, b"first,")
        location = repository.uploads + upload
        status = repository.client.get(location).expect(204)
        assert status.header("Range") == "0-5"
        target = with_query(status.header("Location"), digest=digest_of(b"first,second"))
        headers = {"content_type": "application/octet-stream", "content_range": "6-11"}
        repository.client.put(target, b"second", **headers).expect(201)


class TestDownloadUrl:
    def layer_in_use(self, ecr):
        name = ecr.repository()
        content = random_content(100_000)
        digest = ecr.layer(name, content)
        config = ecr.layer(name, b"{}")
        manifest = (
            '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":'
            f'"application/vnd.oci.empty.v1+json","digest":"{config}","size":2}},"layers":[{{"mediaType":'
            f'"application/octet-stream","digest":"{digest}","size":{len(content)}}}]}}'
        )
        ecr.call("PutImage", repositoryName=name, imageManifest=manifest)
        return name, digest, content

    def fetch(self, url, method="GET", headers=None):
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=30)
        connection.request(method, f"{parts.path}?{parts.query}", headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()

    def test_plain_get(self, ecr):
        """GetDownloadUrlForLayer: an address that needs no other credentials, with ranges."""
        name, digest, content = self.layer_in_use(ecr)
        answer = ecr.call("GetDownloadUrlForLayer", repositoryName=name, layerDigest=digest)
        assert answer["layerDigest"] == digest
        assert self.fetch(answer["downloadUrl"]) == (200, content)
        assert self.fetch(answer["downloadUrl"], headers={"Range": "bytes=5-9"}) == (206, content[5:10])

    def test_every_part_of_the_address_counts(self, ecr):
        """GetDownloadUrlForLayer: a changed address gives nothing."""
        name, digest, content = self.layer_in_use(ecr)
        url = ecr.call("GetDownloadUrlForLayer", repositoryName=name, layerDigest=digest)["downloadUrl"]
        path = urlsplit(url).path
        places = range(1, len(path), max(1, len(path) // 20))
        changed = [url.replace(path, path[:at] + ("A" if path[at] != "A" else "B") + path[at + 1 :]) for at in places]
        changed.append(url.replace(path, path[:-1]))
        for address in changed:
            status, body = self.fetch(address)
            assert 400 <= status < 500 and content not in body, address

    def test_methods(self, ecr):
        """GetDownloadUrlForLayer: the address is for reading."""
        name, digest, _ = self.layer_in_use(ecr)
        url = ecr.call("GetDownloadUrlForLayer", repositoryName=name, layerDigest=digest)["downloadUrl"]
        for method in ("PUT", "POST", "DELETE", "PATCH"):
            status, _ = self.fetch(url, method)
            assert 400 <= status < 500, method

    @pytest.mark.parametrize("digest", ["bad", "", "sha256:", base64.b64encode(b"x").decode()])
    def test_bad_digest(self, ecr, digest):
        """Model: the pattern of a digest."""
        errors = (INVALID, "LayersNotFoundException")
        ecr.refuse("GetDownloadUrlForLayer", errors, repositoryName=ecr.repository(), layerDigest=digest)
