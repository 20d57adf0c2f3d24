"""OCI distribution specification, category Push: uploads in every form, and mounting."""

import re
import uuid

import pytest

from harness.registry_client import (
    UUID,
    RegistryClient,
    digest_of,
    new_repository,
    path_of,
    random_content,
    with_query,
)

pytestmark = pytest.mark.every_store

BYTES = "application/octet-stream"
ABSENT = "sha256:" + "0" * 64


def expect_blob(repository, digest, content):
    answer = repository.client.get(repository.blob(digest)).expect(200)
    assert answer.body == content
    assert answer.header("Docker-Content-Digest") == digest


def expect_pullable(repository, answer, content):
    """The Location of a created thing gives the thing."""
    assert answer.header("Location"), repr(answer)
    assert repository.client.get(answer.header("Location")).expect(200).body == content


class TestMonolithic:
    def test_session(self, wharf):
        """POST then PUT: 202 and a Location with a UUID of its own."""
        repository = new_repository(wharf)
        locations = {path_of(repository.start_upload()) for _ in range(3)}
        assert len(locations) == 3
        assert all(UUID.search(location) for location in locations)

    @pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_001])
    def test_post_then_put(self, wharf, size):
        """POST then PUT: 201 with a Location from which the blob can be pulled."""
        repository = new_repository(wharf)
        content = random_content(size)
        digest = digest_of(content)
        location = repository.start_upload()
        answer = repository.client.put(with_query(location, digest=digest), content, content_type=BYTES).expect(201)
        assert answer.header("Docker-Content-Digest") == digest
        expect_pullable(repository, answer, content)
        expect_blob(repository, digest, content)

    @pytest.mark.parametrize("form", ["path", "absolute URL"])
    def test_location_absolute_and_relative(self, wharf, form):
        """POST then PUT: whichever form the Location has, its path and query on this host must work."""
        repository = new_repository(wharf)
        content = random_content()
        location = path_of(repository.start_upload())
        target = location if form == "path" else f"{wharf.url.rstrip('/')}{location}"
        repository.client.put(with_query(target, digest=digest_of(content)), content, content_type=BYTES).expect(201)

    def test_uploads_path_without_the_last_slash(self, wharf):
        """POST then PUT: the path ends with a slash; clients exist that drop it, and an answer must be clean."""
        repository = new_repository(wharf)
        repository.client.post(repository.uploads.rstrip("/")).expect(202, 307, 308, 404)

    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    def test_single_post(self, wharf, algorithm):
        """Single POST: 201 with a pullable Location, or 202 with a Location at which a PUT completes it."""
        repository = new_repository(wharf)
        content = random_content()
        digest = digest_of(content, algorithm)
        answer = repository.client.post(with_query(repository.uploads, digest=digest), content, content_type=BYTES)
        if answer.expect(201, 202).status == 202:
            target = with_query(answer.header("Location"), digest=digest)
            answer = repository.client.put(target, content, content_type=BYTES).expect(201)
        expect_pullable(repository, answer, content)
        expect_blob(repository, digest, content)

    def test_sha512(self, wharf):
        """Pushing a blob in chunks (digest-algorithm): a blob can be pushed and pulled under its sha512 digest."""
        repository = new_repository(wharf)
        content = random_content(100_000)
        digest = repository.push_blob(content, "sha512")
        expect_blob(repository, digest, content)
        assert repository.client.head(repository.blob(digest)).expect(200).header("Content-Length") == "100000"

    def test_sha512_without_having_said_so(self, wharf):
        """Pushing a blob in chunks: naming the algorithm at the start is a SHOULD of clients, so a server takes it at the end."""
        repository = new_repository(wharf)
        content = random_content()
        digest = digest_of(content, "sha512")
        location = repository.start_upload()
        answer = repository.client.put(with_query(location, digest=digest), content, content_type=BYTES)
        answer.expect(201)
        expect_blob(repository, digest, content)

    def test_unknown_algorithm_at_the_start(self, wharf):
        """Pushing blobs: an unsupported algorithm is refused with 400."""
        repository = new_repository(wharf)
        answer = repository.client.post(with_query(repository.uploads, digest_algorithm="md5"))
        answer.expect(400)

    BAD_DIGESTS = {
        "of other bytes": ABSENT,
        "short": "sha256:abc",
        "upper case": "sha256:" + "A" * 64,
        "no hex": "sha256:" + "g" * 64,
        "unsupported algorithm": "md5:d41d8cd98f00b204e9800998ecf8427e",
        "no algorithm": "0" * 64,
        "empty": "",
        "sha512 of other bytes": "sha512:" + "0" * 128,
    }

    @pytest.mark.parametrize("digest", BAD_DIGESTS.values(), ids=BAD_DIGESTS.keys())
    def test_bad_digest_at_put(self, wharf, digest):
        """Pushing blobs: an invalid digest, or one of other bytes, is answered 400, and nothing becomes visible."""
        repository = new_repository(wharf)
        content = random_content()
        location = repository.start_upload()
        answer = repository.client.put(with_query(location, digest=digest), content, content_type=BYTES)
        answer.expect_error(400, "DIGEST_INVALID")
        repository.client.head(repository.blob(digest_of(content))).expect(404)
        if ":" in digest:
            repository.client.get(repository.blob(digest)).expect(400, 404)

    @pytest.mark.parametrize("digest", BAD_DIGESTS.values(), ids=BAD_DIGESTS.keys())
    def test_bad_digest_at_single_post(self, wharf, digest):
        """Single POST: the digest must be that of the content; a server that takes no single POST says 202."""
        repository = new_repository(wharf)
        content = random_content()
        answer = repository.client.post(with_query(repository.uploads, digest=digest), content, content_type=BYTES)
        answer.expect(400, 202)
        repository.client.head(repository.blob(digest_of(content))).expect(404)

    def test_put_without_digest(self, wharf):
        """Pushing a blob in chunks: the closing PUT must name the digest."""
        repository = new_repository(wharf)
        location = repository.start_upload()
        repository.client.put(location, b"x", content_type=BYTES).expect_error(400, "DIGEST_INVALID")

    def test_the_same_blob_twice(self, wharf):
        """Layer Upload De-duplication: pushing again what is there succeeds."""
        repository = new_repository(wharf)
        content = random_content()
        assert repository.push_blob(content) == repository.push_blob(content)
        expect_blob(repository, digest_of(content), content)

    @pytest.mark.parametrize("method", ["POST", "GET", "PATCH", "PUT", "DELETE"])
    def test_absent_repository(self, wharf, method):
        """Endpoints end-4a to end-14: 404 for a repository that does not exist."""
        client = RegistryClient(wharf.host, wharf.authorization)
        target = f"/v2/absent/{uuid.uuid4().hex}/blobs/uploads/"
        if method != "POST":
            target += str(uuid.uuid4())
        if method == "PUT":
            target = with_query(target, digest=digest_of(b""))
        client.request(method, target, b"" if method in ("PATCH", "PUT") else None).expect_error(404, "NAME_UNKNOWN")


def send_chunk(repository, location, content, first, **headers):
    content_range = f"{first}-{first + len(content) - 1}"
    return repository.client.patch(location, content, content_type=BYTES, content_range=content_range, **headers)


class TestChunks:
    def minimum(self, answer):
        """OCI-Chunk-Min-Length: what a registry may ask of every chunk but the last."""
        value = answer.header("OCI-Chunk-Min-Length")
        assert value is None or re.fullmatch(r"[0-9]+", value), repr(answer)
        return int(value or 0)

    @pytest.mark.parametrize("last_chunk_in", ["PATCH", "PUT"])
    @pytest.mark.parametrize("chunks", [1, 2, 5])
    def test_chunks_in_order(self, wharf, chunks, last_chunk_in):
        """Pushing a blob in chunks: 202, Location and Range for each; 201 with a pullable Location at the end."""
        repository = new_repository(wharf)
        opened = repository.client.post(repository.uploads, content_length="0").expect(202)
        size = max(self.minimum(opened), 70_000)
        content = random_content(size * chunks)
        location, first = opened.header("Location"), 0
        while first < len(content):
            chunk = content[first : first + size]
            is_last = first + size >= len(content)
            if is_last and last_chunk_in == "PUT":
                break
            answer = send_chunk(repository, location, chunk, first).expect(202)
            first += len(chunk)
            assert answer.header("Range") == f"0-{first - 1}"
            location = answer.header("Location")
            assert location and UUID.search(location)
        rest = content[first:]
        headers = {"content_range": f"{first}-{len(content) - 1}", "content_type": BYTES} if rest else {}
        answer = repository.client.put(with_query(location, digest=digest_of(content)), rest, **headers).expect(201)
        expect_pullable(repository, answer, content)
        expect_blob(repository, digest_of(content), content)

    def test_one_stream_without_content_range(self, wharf):
        """Pushing a blob in chunks, as docker does it: one PATCH of unknown length, then an empty PUT."""
        repository = new_repository(wharf)
        content = random_content(500_000)
        location = repository.start_upload()
        pieces = [content[at : at + 50_000] for at in range(0, len(content), 50_000)]
        answer = repository.client.request("PATCH", location, iter(pieces), {"Content-Type": BYTES}).expect(202)
        assert answer.header("Range") == "0-499999"
        target = with_query(answer.header("Location"), digest=digest_of(content))
        repository.client.put(target, b"").expect(201)
        expect_blob(repository, digest_of(content), content)

    def test_put_of_unknown_length(self, wharf):
        """POST then PUT: a body with chunked transfer encoding is a body like any other."""
        repository = new_repository(wharf)
        content = random_content(100_000)
        target = with_query(repository.start_upload(), digest=digest_of(content))
        repository.client.request("PUT", target, iter([content[:777], content[777:]]), {"Content-Type": BYTES}).expect(
            201
        )
        expect_blob(repository, digest_of(content), content)

    OUT_OF_ORDER = {"a gap": 101, "the same again": 0, "an overlap": 50, "far away": 10**15}

    @pytest.mark.parametrize("first", OUT_OF_ORDER.values(), ids=OUT_OF_ORDER.keys())
    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_out_of_order(self, wharf, method, first):
        """Pushing a blob in chunks: a chunk out of order is answered 416, and the upload goes on where it was."""
        repository = new_repository(wharf)
        content = random_content(150)
        location = repository.start_upload()
        location = send_chunk(repository, location, content[:100], 0).expect(202).header("Location")
        target = location if method == "PATCH" else with_query(location, digest=digest_of(content))
        headers = {"Content-Range": f"{first}-{first + 49}", "Content-Type": BYTES}
        repository.client.request(method, target, content[100:], headers).expect(416)
        status = repository.client.get(location).expect(204)
        assert status.header("Range") == "0-99"
        location = send_chunk(repository, status.header("Location"), content[100:], 100).expect(202).header("Location")
        repository.client.put(with_query(location, digest=digest_of(content))).expect(201)
        expect_blob(repository, digest_of(content), content)

    def test_first_chunk_not_at_zero(self, wharf):
        """Pushing a blob in chunks: the first range begins with 0."""
        repository = new_repository(wharf)
        send_chunk(repository, repository.start_upload(), b"x" * 10, 5).expect(416)

    @pytest.mark.parametrize(
        "value", ["bytes=0-9", "0", "-9", "0-", "a-b", "9-0", "0-9-18", "0-99", "0-99999999999999999999"]
    )
    def test_content_range_that_is_none(self, wharf, value):
        """Pushing a blob in chunks: a range has the given form, both ends inclusive, and is as long as the content."""
        repository = new_repository(wharf)
        location = repository.start_upload()
        answer = repository.client.patch(location, b"0123456789", content_type=BYTES, content_range=value)
        answer.expect(400, 416)
        status = repository.client.get(location).expect(204)
        assert status.header("Range") in ("0-0", "0--1")

    def test_status(self, wharf):
        """Pushing a blob in chunks (status): 204 with Location and Range; the chunk goes to that Location."""
        repository = new_repository(wharf)
        location = repository.start_upload()
        fresh = repository.client.get(location).expect(204)
        assert fresh.header("Location") and fresh.header("Range")
        location = send_chunk(repository, location, b"a" * 10, 0).expect(202).header("Location")
        status = repository.client.get(location).expect(204)
        assert status.header("Range") == "0-9"
        send_chunk(repository, status.header("Location"), b"b" * 5, 10).expect(202)
        assert repository.client.get(location).expect(204).header("Range") == "0-14"

    def test_wrong_digest_after_chunks(self, wharf):
        """Pushing a blob in chunks: the digest is that of the whole blob, not of the last chunk."""
        repository = new_repository(wharf)
        content = random_content(100)
        location = send_chunk(repository, repository.start_upload(), content[:60], 0).expect(202).header("Location")
        target = with_query(location, digest=digest_of(content[60:]))
        answer = repository.client.put(target, content[60:], content_type=BYTES, content_range="60-99")
        answer.expect_error(400, "DIGEST_INVALID")
        for part in (content, content[:60], content[60:]):
            repository.client.head(repository.blob(digest_of(part))).expect(404)

    def test_a_closed_session_is_gone(self, wharf):
        """Pushing a blob in chunks: PUT closes the session."""
        repository = new_repository(wharf)
        location = repository.start_upload()
        repository.client.put(with_query(location, digest=digest_of(b"x")), b"x", content_type=BYTES).expect(201)
        repository.client.get(location).expect_error(404, "BLOB_UPLOAD_UNKNOWN")
        repository.client.patch(location, b"y", content_type=BYTES).expect_error(404, "BLOB_UPLOAD_UNKNOWN")

    @pytest.mark.parametrize("with_chunk", [False, True], ids=["fresh", "after a chunk"])
    def test_cancel(self, wharf, with_chunk):
        """Cancel a blob upload: 204, and the session is gone."""
        repository = new_repository(wharf)
        location = repository.start_upload()
        if with_chunk:
            location = send_chunk(repository, location, b"x" * 10, 0).expect(202).header("Location")
        repository.client.delete(location, content_length="0").expect(204)
        repository.client.get(location).expect_error(404, "BLOB_UPLOAD_UNKNOWN")
        repository.client.delete(location, content_length="0").expect_error(404, "BLOB_UPLOAD_UNKNOWN")

    @pytest.mark.parametrize("session", [str(uuid.UUID(int=7)), "no-uuid", "0" * 300], ids=["uuid", "no uuid", "long"])
    @pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
    def test_unknown_session(self, wharf, method, session):
        """Endpoints end-5, end-6, end-13, end-14: 404 for a session that does not exist."""
        repository = new_repository(wharf)
        target = repository.uploads + session
        if method == "PUT":
            target = with_query(target, digest=digest_of(b"x"))
        body = b"x" if method in ("PATCH", "PUT") else None
        repository.client.request(method, target, body).expect_error(404, "BLOB_UPLOAD_UNKNOWN")

    def test_session_of_another_repository(self, wharf):
        """POST then PUT: a session belongs to the repository in which it began."""
        owner, other = new_repository(wharf), new_repository(wharf)
        location = path_of(owner.start_upload())
        stolen = location.replace(owner.base, other.base)
        target = with_query(stolen, digest=digest_of(b"x"))
        other.client.put(target, b"x", content_type=BYTES).expect_error(404, "BLOB_UPLOAD_UNKNOWN")
        owner.client.get(location).expect(204)


@pytest.fixture
def mounting(wharf):
    """Switches the account setting for mounting on, and off again afterwards."""
    ecr = wharf.client("ecr")
    ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    yield
    ecr.put_account_setting(name="BLOB_MOUNTING", value="DISABLED")


def mount(target, source, digest):
    return target.client.post(with_query(target.uploads, mount=digest, **{"from": source}), content_length="0")


def expect_fallback(repository, answer, content):
    """202 opens an upload that works."""
    answer.expect(202)
    assert UUID.search(answer.header("Location") or ""), repr(answer)
    target = with_query(answer.header("Location"), digest=digest_of(content))
    repository.client.put(target, content, content_type=BYTES).expect(201)
    expect_blob(repository, digest_of(content), content)


class TestMounting:
    def test_mount(self, wharf, mounting):
        """Mounting a blob: 201, a pullable Location, the digest; the blob is in both repositories."""
        source, target = new_repository(wharf), new_repository(wharf)
        content = random_content(100_000)
        digest = source.push_blob(content)
        answer = mount(target, source.name, digest).expect(201)
        assert answer.header("Docker-Content-Digest") == digest
        expect_pullable(target, answer, content)
        expect_blob(target, digest, content)
        expect_blob(source, digest, content)

    def test_a_mounted_blob_outlives_its_source(self, wharf, mounting):
        """Mounting a blob: it is then a blob of the target, whatever becomes of the source."""
        source, target = new_repository(wharf), new_repository(wharf)
        content = random_content()
        digest = source.push_blob(content)
        mount(target, source.name, digest).expect(201)
        wharf.client("ecr").delete_repository(repositoryName=source.name, force=True)
        expect_blob(target, digest, content)

    def test_mount_of_an_absent_blob(self, wharf, mounting):
        """Mounting a blob: what cannot be mounted is answered 202 with an upload that works."""
        source, target = new_repository(wharf), new_repository(wharf)
        content = random_content()
        expect_fallback(target, mount(target, source.name, digest_of(content)), content)

    def test_mount_from_an_absent_repository(self, wharf, mounting):
        """Mounting a blob: an unknown source is no error either."""
        target = new_repository(wharf)
        content = random_content()
        expect_fallback(target, mount(target, f"absent/{uuid.uuid4().hex}", digest_of(content)), content)

    def test_mount_without_from(self, wharf, mounting):
        """Mounting a blob: without a source the registry may find the blob anywhere, or open an upload."""
        source, target = new_repository(wharf), new_repository(wharf)
        content = random_content()
        digest = source.push_blob(content)
        answer = target.client.post(with_query(target.uploads, mount=digest), content_length="0").expect(201, 202)
        if answer.status == 202:
            expect_fallback(target, answer, content)
        expect_blob(target, digest, content)

    def test_mount_within_one_repository(self, wharf, mounting):
        """Mounting a blob: the source may be the target."""
        repository = new_repository(wharf)
        content = random_content()
        digest = repository.push_blob(content)
        mount(repository, repository.name, digest).expect(201)
        expect_blob(repository, digest, content)

    def test_mount_when_the_account_does_not_allow_it(self, wharf):
        """Mounting a blob: a registry that does not mount opens an upload; off is ECR's default."""
        source, target = new_repository(wharf), new_repository(wharf)
        content = random_content()
        digest = source.push_blob(content)
        answer = mount(target, source.name, digest)
        answer.expect(202)
        target.client.head(target.blob(digest)).expect(404)
        expect_fallback(target, answer, content)

    @pytest.mark.parametrize("digest", ["sha256:abc", "latest", ""])
    def test_mount_of_what_is_no_digest(self, wharf, mounting, digest):
        """Pushing blobs: an invalid digest is refused, or the request is a plain start of an upload."""
        source, target = new_repository(wharf), new_repository(wharf)
        mount(target, source.name, digest).expect(400, 202)
