"""A full disk gives a clear error and loses nothing; once there is space again, all goes on without a restart."""

import http.client
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from harness import storage
from harness.commands import run
from harness.registry_client import RegistryClient as CheckedClient
from harness.registry_client import Repository, digest_of, random_content, with_query
from harness.server import Wharf, wait_for
from harness.verify import expect_whole_repository

MIB = 1024 * 1024
DISK = 48 * MIB
BYTES = "application/octet-stream"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, of a known size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={DISK}", "wharf-test", folder)
    yield folder
    run("umount", "--lazy", folder)


@pytest.fixture
def wharf(small_disk):
    server = Wharf(small_disk.parent / "wharf", environment={"WHARF_BALLAST_MIB": "64"})
    server.data_dir = small_disk / "data"
    yield server.start()
    server.finish()


@pytest.fixture
def ecr(wharf):
    return wharf.client()


@pytest.fixture
def repository(wharf, ecr):
    ecr.create_repository(repositoryName="full")
    return Repository(CheckedClient(wharf.host, wharf.authorization), "full")


@contextmanager
def filled(folder, leave):
    """The disk is full but for `leave` bytes."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(64 * 1024))
        except OSError:
            pass
    with filler.open("r+b") as file:
        file.truncate(max(0, filler.stat().st_size - leave))
    try:
        yield
    finally:
        filler.unlink(missing_ok=True)


def request(wharf, method, target, body=None, content_type=BYTES):
    """One request to /v2 whose answer may be a server error. Returns the status and the text."""
    connection = http.client.HTTPConnection(wharf.host, timeout=60)
    headers = {"Authorization": wharf.authorization, "Content-Type": content_type}
    try:
        connection.putrequest(method, target)
        for name, value in [*headers.items(), ("Content-Length", str(len(body or b"")))]:
            connection.putheader(name, value)
        try:
            connection.endheaders(body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was read: the answer is still to be read
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def expect_full(status, text):
    assert status == 507, (status, text)
    assert "storage is full" in text, text


def test_push(wharf, ecr, repository, small_disk):
    """A blob too large for the disk is refused; what was there before still pulls; then the same push works."""
    before = repository.push_image("before")
    content = random_content(8 * MIB)
    with filled(small_disk, leave=2 * MIB):
        start = wharf.log_size
        location = repository.start_upload()
        expect_full(*request(wharf, "PUT", with_query(location, digest=digest_of(content)), content))
        assert "ERROR" in wharf.log_text(start), "someone has to act, so it is logged as an error"
        repository.client.get(repository.blob(digest_of(content))).expect_error(404, "BLOB_UNKNOWN")
        assert expect_whole_repository(ecr, repository) == {(before.digest, "before")}
    repository.push_blob(content)
    repository.push_image("after")
    assert {tag for _, tag in expect_whole_repository(ecr, repository)} == {"before", "after"}


def test_chunked(wharf, repository, small_disk):
    """A chunk that does not fit is refused, and the upload goes on from where it was once there is space."""
    content = random_content(6 * MIB)
    location = repository.start_upload()
    first = repository.client.patch(location, content[:MIB], content_type=BYTES).expect(202)
    location = first.header("Location")
    with filled(small_disk, leave=MIB):
        expect_full(*request(wharf, "PATCH", location, content[MIB:]))
    status = repository.client.get(location).expect(204)
    received = int(status.header("Range").split("-")[1]) + 1
    assert MIB <= received <= len(content)
    target = with_query(status.header("Location") or location, digest=digest_of(content))
    repository.client.put(target, content[received:], content_type=BYTES).expect(201)
    assert repository.client.get(repository.blob(digest_of(content))).expect(200).body == content


def test_nothing_left(wharf, ecr, repository, small_disk):
    """With not a byte left, each change is refused by a clean server error, on both faces; reading goes on."""
    before = repository.push_image("before")
    ecr.get_authorization_token()
    with filled(small_disk, leave=0):
        refused = 0
        for number in range(200):
            try:
                ecr.create_repository(repositoryName=f"full/{number}", tags=[{"Key": "k", "Value": "v" * 256}])
            except ClientError as error:
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 500
                assert error.response["Error"]["Code"] == "ServerException"
                assert "storage is full" in error.response["Error"]["Message"]
                refused += 1
                break
        assert refused, "200 repositories fit on a full disk"
        status, text = request(wharf, "POST", "/v2/full/blobs/uploads/")
        assert status == 202 or "storage is full" in text, (status, text)
        assert (before.digest, "before") in expect_whole_repository(ecr, repository)
        ecr.describe_repositories(repositoryNames=["full"])
    ecr.create_repository(repositoryName="after")
    assert wharf.is_running


def test_restart_on_a_full_disk(wharf, ecr, repository, small_disk):
    """A server that is started on a full disk serves what it has, or says clearly why it does not start."""
    before = repository.push_image("before")
    repository.client.close()
    with filled(small_disk, leave=0):
        wharf.kill()
        try:
            wharf.start()
            assert (before.digest, "before") in expect_whole_repository(ecr, repository)
        except AssertionError:
            assert not wharf.is_running, "it runs, so it must serve"
            assert "space" in wharf.tail() or "full" in wharf.tail(), wharf.tail()
    if not wharf.is_running:
        wharf.start()
    repository.client.close()
    repository.push_image("after")
    assert {tag for _, tag in expect_whole_repository(ecr, repository)} == {"before", "after"}


def fill_database(ecr):
    """Creates repositories until the database takes no more."""
    for number in range(5_000):
        try:
            ecr.create_repository(repositoryName=f"full/{number}", tags=[{"Key": "k", "Value": "v" * 256}])
        except ClientError as error:
            assert "storage is full" in error.response["Error"]["Message"]
            return
    raise AssertionError("5,000 repositories fit on a full disk")


def readiness(wharf):
    status, text = request(wharf, "GET", "/readyz")
    return status, text.strip()


def test_deletions_on_a_full_disk(wharf, ecr, repository, small_disk):
    """With not a byte left, images are deleted and garbage is collected; what would fill the disk again waits."""
    kept = repository.push_image("kept")
    for tag in ("one", "two", "three"):
        repository.push_image(tag)
    repository.client.close()
    assert (wharf.data_dir / "ballast").stat().st_size == DISK // 16
    with filled(small_disk, leave=0):
        fill_database(ecr)
        for tag in ("one", "two"):
            answer = ecr.batch_delete_image(repositoryName="full", imageIds=[{"imageTag": tag}])
            assert answer["imageIds"] and not answer["failures"], answer
        status, text = request(wharf, "DELETE", "/v2/full/manifests/three")
        assert status == 202, (status, text)
        storage.wharf_command(wharf, "gc")
        expect_full(*request(wharf, "POST", "/v2/full/blobs/uploads/"))
        assert expect_whole_repository(ecr, repository) == {(kept.digest, "kept")}
    repository.push_image("after")
    wait_for(lambda: (wharf.data_dir / "ballast").exists(), "space to be kept back again")
    assert {tag for _, tag in expect_whole_repository(ecr, repository)} == {"kept", "after"}


def test_restart_and_deletions_on_a_full_disk(wharf, ecr, repository, small_disk):
    """The start uses what was kept back, and deletions work after it."""
    kept = repository.push_image("kept")
    repository.push_image("gone")
    repository.client.close()
    with filled(small_disk, leave=0):
        fill_database(ecr)
        wharf.kill()
        wharf.start()
        assert ecr.batch_delete_image(repositoryName="full", imageIds=[{"imageTag": "gone"}])["imageIds"]
        assert expect_whole_repository(ecr, repository) == {(kept.digest, "kept")}
        repository.client.close()
        wharf.stop()
        wharf.start()
        assert expect_whole_repository(ecr, repository) == {(kept.digest, "kept")}
    repository.client.close()
    repository.push_image("after")


def test_readiness_on_a_full_disk(wharf, ecr, repository, small_disk):
    """Where nothing can be written, the node says that it is not ready, and is ready again by itself."""
    assert readiness(wharf) == (200, "ready")
    with filled(small_disk, leave=0):
        wait_for(lambda: readiness(wharf)[0] == 503, "the node to see that nothing can be written")
        assert "storage is full" in readiness(wharf)[1]
        status, _ = request(wharf, "GET", "/healthz")
        assert status == 200
    wait_for(lambda: readiness(wharf) == (200, "ready"), "the node to be ready again")


def test_no_ballast(small_disk):
    """Nothing is kept back where none is wanted."""
    server = Wharf(small_disk.parent / "wharf", environment={"WHARF_BALLAST_MIB": "0"})
    server.data_dir = small_disk / "data"
    server.start()
    assert not (server.data_dir / "ballast").exists()
    server.finish()
