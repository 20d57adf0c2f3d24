"""OCI distribution specification, category Pull: manifests, blobs, existence checks, support, errors and the login challenge."""

import base64
import json
import uuid

import pytest

from harness.registry_client import (
    ANY_MANIFEST,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    RegistryClient,
    digest_of,
    new_repository,
    random_content,
)

pytestmark = pytest.mark.every_store

ABSENT = "sha256:" + "0" * 64

MEDIA_TYPES = {
    "OCI image": OCI_MANIFEST,
    "OCI index": OCI_INDEX,
    "Docker image": DOCKER_MANIFEST,
    "Docker list": DOCKER_LIST,
}


def push_one(repository, media_type, tag):
    if media_type in (OCI_MANIFEST, DOCKER_MANIFEST):
        return repository.push_image(tag, media_type)
    child = repository.push_image(media_type=DOCKER_MANIFEST if media_type == DOCKER_LIST else OCI_MANIFEST)
    return repository.push_index([child], tag, media_type)


class TestPullingManifests:
    @pytest.mark.parametrize("media_type", MEDIA_TYPES.values(), ids=MEDIA_TYPES.keys())
    @pytest.mark.parametrize("by", ["tag", "digest"])
    def test_the_manifest_comes_back_as_it_was_pushed(self, wharf, media_type, by):
        """Pulling manifests: 200, the expected bytes, their digest, and the type of the push without parameters."""
        repository = new_repository(wharf)
        image = push_one(repository, media_type, "v1")
        answer = repository.pull("v1" if by == "tag" else image.digest, accept=media_type)
        answer.expect(200)
        assert answer.body == image.body
        assert answer.header("Docker-Content-Digest") == image.digest
        assert answer.header("Content-Type") == media_type
        assert answer.header("Content-Length") == str(len(image.body))

    @pytest.mark.parametrize("accept", [None, "*/*", ANY_MANIFEST, f"{OCI_MANIFEST};q=0.5, */*;q=0.1"])
    def test_accept_headers_that_include_the_type(self, wharf, accept):
        """Pulling manifests: the Content-Type of the answer says the type; Accept is a wish that clients should send."""
        repository = new_repository(wharf)
        image = repository.push_image("v1")
        answer = repository.client.get(repository.manifest("v1"), **({"accept": accept} if accept else {}))
        answer.expect(200)
        assert answer.body == image.body
        assert answer.header("Content-Type") == OCI_MANIFEST

    @pytest.mark.parametrize(
        "reference",
        ["absent", ABSENT, "sha512:" + "0" * 128, "_" + "a" * 127],
        ids=["tag", "sha256", "sha512", "128 characters"],
    )
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_absent_manifest(self, wharf, method, reference):
        """Pulling manifests, Checking if content exists: 404 for what the repository does not hold."""
        repository = new_repository(wharf)
        repository.push_image("v1")
        answer = repository.client.request(method, repository.manifest(reference)).expect(404)
        if method == "GET":
            answer.expect_error(404, "MANIFEST_UNKNOWN")
            assert answer.messages == ["Requested image not found"]

    @pytest.mark.parametrize(
        "reference",
        ["a" * 129, "-leading", ".leading", "with%20space", "sha256:abc", "sha256:" + "G" * 64, "a:b:c"],
        ids=["129 characters", "dash", "dot", "space", "short digest", "no hex", "colons"],
    )
    def test_reference_that_is_neither_tag_nor_digest(self, wharf, reference):
        """Pulling manifests: a reference has the form of a digest or of a tag of at most 128 characters, no other."""
        repository = new_repository(wharf)
        repository.push_image("v1")
        repository.pull(reference).expect(400, 404)

    def test_a_manifest_is_visible_in_its_own_repository_only(self, wharf):
        """Pulling manifests: found means found in the repository that the path names."""
        image = new_repository(wharf).push_image("v1")
        other = new_repository(wharf)
        other.pull(image.digest).expect_error(404, "MANIFEST_UNKNOWN")

    @pytest.mark.parametrize("path", ["manifests/latest", f"manifests/{ABSENT}", f"blobs/{ABSENT}", "tags/list"])
    def test_absent_repository(self, wharf, path):
        """Pushing manifests (pull of a nonexistent repository): 404; the text is ECR's."""
        client = RegistryClient(wharf.host, wharf.authorization)
        name = f"absent/{uuid.uuid4().hex}"
        answer = client.get(f"/v2/{name}/{path}").expect_error(404, "NAME_UNKNOWN")
        assert answer.messages == [
            f"The repository with name '{name}' does not exist in the registry with id '{wharf.account}'"
        ]

    @pytest.mark.parametrize("name", ["UPPER/case", "a..b", "a/-b", "a___b", "a//b", "a/b-"])
    def test_name_outside_the_grammar(self, wharf, name):
        """Pulling manifests: a name matches the regular expression; anything else names no repository."""
        client = RegistryClient(wharf.host, wharf.authorization)
        client.get(f"/v2/{name}/manifests/latest").expect(400, 404)

    def test_names_that_end_like_an_endpoint(self, wharf):
        """Pulling manifests: words such as tags, blobs or manifests are proper parts of a name."""
        for tail in ("tags", "blobs", "manifests/x", "blobs/uploads", "referrers", "tags/list"):
            repository = new_repository(wharf)
            repository.name = f"{repository.name}/{tail}"
            repository.base = f"/v2/{repository.name}"
            wharf.client("ecr").create_repository(repositoryName=repository.name)
            image = repository.push_image("v1")
            assert repository.pull("v1").expect(200).body == image.body, tail
            assert repository.client.get(repository.tags).expect(200).json()["tags"] == ["v1"], tail

    def test_conditional_get(self, wharf):
        """API (HTTP semantics): an ETag that the client already holds is answered 304 without a body."""
        repository = new_repository(wharf)
        image = repository.push_image("v1")
        etag = repository.pull("v1").expect(200).header("ETag")
        assert etag and etag.startswith('"') and etag.endswith('"')
        for condition in (etag, f'"other", {etag}', f"W/{etag}", "*"):
            answer = repository.pull("v1", if_none_match=condition).expect(304)
            assert answer.header("ETag") == etag, condition
            assert answer.header("Docker-Content-Digest") == image.digest, condition
        repository.pull("v1", if_none_match='"other"').expect(200)
        repository.client.head(repository.manifest("v1"), if_none_match=etag).expect(304)

    def test_the_etag_changes_with_the_tag(self, wharf):
        """API (HTTP semantics): a tag that moved is a changed resource for a conditional request."""
        repository = new_repository(wharf)
        repository.push_image("v1")
        etag = repository.pull("v1").expect(200).header("ETag")
        moved = repository.push_image("v1")
        answer = repository.pull("v1", if_none_match=etag).expect(200)
        assert answer.body == moved.body

    def test_the_namespace_query_of_proxies_is_tolerated(self, fresh_wharf):
        """Registry Proxying: a registry that mirrors nothing ignores `ns`; an answer scoped by it names it."""
        repository = new_repository(fresh_wharf)
        image = repository.push_image("v1")
        answer = repository.pull("v1?ns=docker.io").expect(200)
        assert answer.body == image.body
        assert answer.header("OCI-Namespace") in (None, "docker.io")


class TestPullingBlobs:
    @pytest.mark.parametrize("size", [0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 3_000_000])
    def test_the_blob_comes_back_as_it_was_pushed(self, wharf, size):
        """Pulling blobs: 200, the expected bytes, and a digest header that matches the body."""
        repository = new_repository(wharf)
        content = random_content(size)
        digest = repository.push_blob(content)
        answer = repository.client.get(repository.blob(digest)).expect(200)
        assert answer.body == content
        assert answer.header("Docker-Content-Digest") == digest
        assert answer.header("Content-Length") == str(size)

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_absent_blob(self, wharf, method):
        """Pulling blobs, Checking if content exists: 404 for what the repository does not hold."""
        repository = new_repository(wharf)
        answer = repository.client.request(method, repository.blob(ABSENT)).expect(404)
        if method == "GET":
            answer.expect_error(404, "BLOB_UNKNOWN")

    def test_a_blob_is_visible_in_its_own_repository_only(self, wharf):
        """Pulling blobs: found means found in the repository that the path names, though storage may be shared."""
        digest = new_repository(wharf).push_blob(random_content())
        other = new_repository(wharf)
        other.client.get(other.blob(digest)).expect_error(404, "BLOB_UNKNOWN")
        other.client.head(other.blob(digest)).expect(404)

    @pytest.mark.parametrize(
        "digest", ["sha256:abc", "latest", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:" + "Z" * 64]
    )
    def test_blob_reference_that_is_no_digest(self, wharf, digest):
        """Pulling blobs: only a digest names a blob."""
        repository = new_repository(wharf)
        repository.client.get(repository.blob(digest)).expect(400, 404)

    RANGES = {
        "first byte": ("bytes=0-0", 0, 1),
        "inside": ("bytes=100-199", 100, 200),
        "across a stored segment": ("bytes=65530-65545", 65530, 65546),
        "from a point on": ("bytes=199990-", 199990, 200000),
        "the last bytes": ("bytes=-7", 199993, 200000),
        "longer than the blob": ("bytes=199999-999999", 199999, 200000),
        "suffix longer than the blob": ("bytes=-999999", 0, 200000),
        "all of it": ("bytes=0-199999", 0, 200000),
        "upper case unit": ("BYTES=5-9", 5, 10),
    }

    @pytest.mark.parametrize(("value", "start", "end"), RANGES.values(), ids=RANGES.keys())
    def test_range(self, wharf, value, start, end):
        """Pulling blobs: the Range header should work as HTTP says: 206, the part, and where it lies."""
        repository = new_repository(wharf)
        content = random_content(200_000)
        digest = repository.push_blob(content)
        answer = repository.client.get(repository.blob(digest), range=value).expect(206)
        assert answer.body == content[start:end]
        assert answer.header("Content-Range") == f"bytes {start}-{end - 1}/200000"
        assert answer.header("Content-Length") == str(end - start)

    @pytest.mark.parametrize("value", ["bytes=200000-", "bytes=200000-200001", "bytes=-0"])
    def test_range_outside_of_the_blob(self, wharf, value):
        """Pulling blobs: a range that no byte satisfies is answered 416 with the size of the blob."""
        repository = new_repository(wharf)
        digest = repository.push_blob(random_content(200_000))
        answer = repository.client.get(repository.blob(digest), range=value).expect(416)
        assert answer.header("Content-Range") == "bytes */200000"

    @pytest.mark.parametrize("value", ["bytes=9-5", "bytes=", "bytes=a-b", "bytes 0-5", "bytes=1"])
    def test_range_that_is_no_range(self, wharf, value):
        """Pulling blobs (HTTP semantics): an invalid range may be ignored or refused; it never gives a wrong part."""
        repository = new_repository(wharf)
        content = random_content(100)
        digest = repository.push_blob(content)
        answer = repository.client.get(repository.blob(digest), range=value).expect(200, 400, 416)
        assert answer.status != 200 or answer.body == content

    def test_range_in_another_unit(self, wharf):
        """Pulling blobs (HTTP semantics): a unit that the server does not know is ignored."""
        repository = new_repository(wharf)
        content = random_content(100)
        digest = repository.push_blob(content)
        assert repository.client.get(repository.blob(digest), range="lines=1-2").expect(200).body == content

    def test_several_ranges(self, wharf):
        """Pulling blobs (HTTP semantics): several ranges may come as parts, or the whole is sent."""
        repository = new_repository(wharf)
        content = random_content(100)
        digest = repository.push_blob(content)
        answer = repository.client.get(repository.blob(digest), range="bytes=0-1,50-51").expect(200, 206)
        if answer.status == 200:
            assert answer.body == content
        else:
            assert answer.header("Content-Type").startswith("multipart/byteranges")
            assert content[0:2] in answer.body and content[50:52] in answer.body

    def test_ranges_are_announced_and_do_not_touch_head(self, wharf):
        """Pulling blobs (HTTP semantics): Accept-Ranges says that ranges work; they are defined for GET alone."""
        repository = new_repository(wharf)
        digest = repository.push_blob(random_content(100))
        assert repository.client.get(repository.blob(digest)).expect(200).header("Accept-Ranges") == "bytes"
        answer = repository.client.head(repository.blob(digest), range="bytes=0-9").expect(200)
        assert answer.header("Content-Length") == "100"

    def test_conditional_get(self, wharf):
        """API (HTTP semantics): If-None-Match and If-Range take the ETag that the server gave."""
        repository = new_repository(wharf)
        content = random_content(100)
        digest = repository.push_blob(content)
        etag = repository.client.get(repository.blob(digest)).expect(200).header("ETag")
        assert etag
        repository.client.get(repository.blob(digest), if_none_match=etag).expect(304)
        part = repository.client.get(repository.blob(digest), range="bytes=0-9", if_range=etag).expect(206)
        assert part.body == content[:10]
        whole = repository.client.get(repository.blob(digest), range="bytes=0-9", if_range='"other"').expect(200)
        assert whole.body == content


class TestCheckingIfContentExists:
    @pytest.mark.parametrize("media_type", MEDIA_TYPES.values(), ids=MEDIA_TYPES.keys())
    def test_head_of_a_manifest(self, wharf, media_type):
        """Checking if content exists: 200 with digest and size, for a tag and a digest alike."""
        repository = new_repository(wharf)
        image = push_one(repository, media_type, "v1")
        for reference in ("v1", image.digest):
            answer = repository.client.head(repository.manifest(reference), accept=media_type).expect(200)
            assert answer.header("Docker-Content-Digest") == image.digest
            assert answer.header("Content-Length") == str(len(image.body))
            assert answer.header("Content-Type") == media_type

    @pytest.mark.parametrize("size", [0, 1, 100_000])
    def test_head_of_a_blob(self, wharf, size):
        """Checking if content exists: 200 with digest and size."""
        repository = new_repository(wharf)
        content = random_content(size)
        digest = repository.push_blob(content)
        answer = repository.client.head(repository.blob(digest)).expect(200)
        assert answer.header("Docker-Content-Digest") == digest == digest_of(content)
        assert answer.header("Content-Length") == str(size)


class TestDeterminingSupport:
    def test_the_version_endpoint(self, wharf):
        """Determining Support: 200 at /v2/ says that this is a registry."""
        RegistryClient(wharf.host, wharf.authorization).get("/v2/").expect(200)

    def test_no_other_version(self, wharf):
        """Endpoints: nothing is served under another version."""
        answer = RegistryClient(wharf.host, wharf.authorization).get("/v1/_ping")
        assert 400 <= answer.status < 500, repr(answer)

    @pytest.mark.parametrize(
        ("method", "path"),
        [("PUT", "/v2/"), ("POST", "/v2/app/tags/list"), ("PATCH", "/v2/app/manifests/v1"), ("POST", "/v2/_catalog")],
    )
    def test_method_that_an_endpoint_does_not_have(self, wharf, method, path):
        """Endpoints, Error Codes: another method is refused as unsupported."""
        RegistryClient(wharf.host, wharf.authorization).request(method, path, b"").expect(404, 405)

    def test_unknown_path(self, wharf):
        """Endpoints: a path of no endpoint is answered 404."""
        client = RegistryClient(wharf.host, wharf.authorization)
        for path in ("/v2/_other", "/v2/a/other/b", "/v2/a"):
            client.get(path).expect(404)


class TestCredentials:
    """Outside of the specification ("may be used for authentication"): what docker login needs and ECR sends."""

    BAD = {
        "none": None,
        "another scheme": "Bearer abc",
        "no base64": "Basic %%%",
        "no password": "Basic " + base64.b64encode(b"AWS").decode(),
        "empty": "",
    }

    @pytest.mark.parametrize("path", ["/v2/", "/v2/a/manifests/latest", "/v2/_catalog", f"/v2/a/blobs/{ABSENT}"])
    @pytest.mark.parametrize("value", BAD.values(), ids=BAD.keys())
    def test_challenge(self, wharf, value, path):
        """reference/access.md 7: 401, a Basic challenge with realm and service, and a plain text body of 15 bytes."""
        answer = RegistryClient(wharf.host, value).get(path).expect(401)
        challenge = answer.header("Www-Authenticate")
        assert challenge.startswith('Basic realm="') and challenge.endswith(',service="ecr.amazonaws.com"')
        assert answer.header("Content-Type").startswith("text/plain")
        assert answer.body == b"Not Authorized\n"

    @pytest.mark.parametrize("password", ["garbage", "x" * 5000, base64.b64encode(b"\0" * 300).decode(), "é"])
    def test_garbage_token(self, wharf, password):
        """reference/access.md 7: a token that this registry never gave is answered 400 DENIED."""
        value = "Basic " + base64.b64encode(f"AWS:{password}".encode()).decode()
        answer = RegistryClient(wharf.host, value).get("/v2/").expect_error(400, "DENIED")
        assert answer.messages == ["Your Authorization Token is invalid."]

    def test_every_bit_of_the_token_counts(self, wharf):
        """reference/access.md 6: a token that was changed anywhere is no token."""
        password = base64.b64decode(wharf.authorization.removeprefix("Basic ")).decode().split(":", 1)[1]
        for position in range(0, len(password), max(1, len(password) // 40)):
            other = "A" if password[position] != "A" else "B"
            changed = password[:position] + other + password[position + 1 :]
            value = "Basic " + base64.b64encode(f"AWS:{changed}".encode()).decode()
            RegistryClient(wharf.host, value).get("/v2/").expect_error(400, "DENIED")

    def test_another_user_name(self, wharf):
        """reference/access.md 6: the user is AWS."""
        password = base64.b64decode(wharf.authorization.removeprefix("Basic ")).decode().split(":", 1)[1]
        value = "Basic " + base64.b64encode(f"root:{password}".encode()).decode()
        RegistryClient(wharf.host, value).get("/v2/").expect(400, 401)

    def test_nothing_is_told_without_credentials(self, wharf):
        """reference/access.md 7: authentication comes before everything, so present and absent look alike."""
        repository = new_repository(wharf)
        repository.push_image("v1")
        anonymous = RegistryClient(wharf.host)
        present = anonymous.get(repository.manifest("v1")).expect(401)
        absent = anonymous.get("/v2/absent/manifests/v1").expect(401)
        assert present.body == absent.body

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "blobs/uploads/"),
            ("PUT", "manifests/v2"),
            ("DELETE", "manifests/v1"),
            ("PATCH", f"blobs/uploads/{uuid.UUID(int=1)}"),
            ("GET", "tags/list"),
            ("GET", f"referrers/{ABSENT}"),
        ],
    )
    def test_every_endpoint_wants_credentials(self, wharf, method, path):
        """reference/access.md 7: no endpoint is open, and a refused write leaves nothing behind."""
        repository = new_repository(wharf)
        repository.push_image("v1")
        body = json.dumps({}).encode() if method in ("PUT", "PATCH") else None
        RegistryClient(wharf.host).request(method, f"{repository.base}/{path}", body).expect(401)
        assert repository.client.get(repository.tags).expect(200).json()["tags"] == ["v1"]
