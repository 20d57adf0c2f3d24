"""A full disk gives a clear error and loses nothing; once there is space again, all goes on without a restart."""

import http.client
import json
import shutil
import sqlite3
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from harness import storage
from harness.commands import run
from harness.registry_client import RegistryClient as CheckedClient
from harness.registry_client import Repository, digest_of, random_content, with_query
from harness.server import Wharf, binary, wait_for
from harness.verify import expect_whole_repository

MIB = 1024 * 1024
DISK = 48 * MIB
BYTES = "application/octet-stream"
LOCKED = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "ecr:PutImage"}]}
)


@pytest.fixture
def small_disk(request, tmp_path):
    """A file system of its own, of a known size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={getattr(request, 'param', DISK)}", "wharf-test", folder)
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


def fill_up(folder):
    """Another program takes what room there is, while the disk is `filled`."""
    with (folder / "filler").open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


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
    wait_for(lambda: (wharf.data_dir / "ballast").stat().st_size == DISK // 16, "space to be kept back again")
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


@pytest.mark.parametrize("small_disk", [256 * MIB], indirect=True)
def test_a_disk_that_fills_again_and_again(wharf, ecr, repository, small_disk):
    """What others take of the space that was kept back leaves some for the next deletion, and for a start."""
    kept = repository.push_image("kept")
    tags = [f"gone-{number}" for number in range(4)]
    for tag in tags:
        repository.push_image(tag)
    repository.client.close()
    ballast, whole = wharf.data_dir / "ballast", 256 * MIB // 16
    assert ballast.stat().st_size == whole
    with filled(small_disk, leave=0):
        fill_database(ecr)
        for tag in tags[:3]:
            assert ecr.batch_delete_image(repositoryName="full", imageIds=[{"imageTag": tag}])["imageIds"]
            fill_up(small_disk)
            assert 0 < ballast.stat().st_size < whole
        wharf.kill()
        fill_up(small_disk)
        wharf.start()
        assert ecr.batch_delete_image(repositoryName="full", imageIds=[{"imageTag": tags[3]}])["imageIds"]
        fill_up(small_disk)
        storage.wharf_command(wharf, "gc")
        wharf.stop()
        fill_up(small_disk)
        storage.wharf_command(wharf, "fsck", "--offline")
        wharf.start()
        assert expect_whole_repository(ecr, repository) == {(kept.digest, "kept")}
        repository.client.close()
    wait_for(lambda: ballast.stat().st_size == whole, "space to be kept back again")
    repository.push_image("after")


def test_what_a_start_leaves_for_the_next(wharf, ecr, repository, small_disk):
    """The last part of what is kept back is no deletion's, and made again as soon as there is a little room."""
    repository.push_image("kept")
    for number in range(40):
        repository.push_image(f"gone-{number}")
    ballast = wharf.data_dir / "ballast"
    part = ballast.stat().st_size // 8
    with filled(small_disk, leave=0):
        fill_database(ecr)
        for number in range(40):
            try:
                ecr.batch_delete_image(repositoryName="full", imageIds=[{"imageTag": f"gone-{number}"}])
            except ClientError as error:
                assert "storage is full" in error.response["Error"]["Message"]
                break
            fill_up(small_disk)
        else:
            raise AssertionError("40 deletions found room on a disk that is full again after each")
        assert ballast.stat().st_size == part
        repository.client.close()
        wharf.kill()
        fill_up(small_disk)
        wharf.start()
        fill_up(small_disk)
        assert not ballast.exists()
        with (small_disk / "filler").open("r+b") as file:
            file.truncate((small_disk / "filler").stat().st_size - 8 * part)
        wait_for(lambda: ballast.exists() and ballast.stat().st_size == part, "space for the next start")


def complaint(*command):
    """What a command says that has to fail of a full disk: nothing of the database's own words."""
    # Where 1 says what was found, or that something was refused, what could not be done is 2.
    text = run(binary(), *command, expect=2 if command[0] in ("fsck", "policy") else 1).stderr
    assert "is full: " in text and "MiB should be" in text, text
    assert "Error code" not in text and "os error" not in text, text
    return text


def test_commands_without_any_space(wharf, ecr, repository, small_disk, tmp_path):
    """Where nothing is left, the start and each command on the data folder says which disk is full, and what to do."""
    kept = repository.push_image("kept")
    repository.push_image("gone")
    ecr.set_repository_policy(repositoryName="full", policyText=LOCKED)
    repository.client.close()
    wharf.stop()
    (wharf.data_dir / "ballast").unlink()
    data_dir = ["--data-dir", wharf.data_dir]
    with filled(small_disk, leave=0):
        for command in (
            ["serve", "--listen", "127.0.0.1:0"],
            ["fsck", "--offline"],
            ["policy", "reset", "repository", "full"],
            ["dump"],
            ["backup", tmp_path / "backup"],
        ):
            text = complaint(*command, *data_dir)
            assert f"the disk of {wharf.data_dir}" in text or command[0] == "backup", text
        with (small_disk / "filler").open("r+b") as file:
            file.truncate((small_disk / "filler").stat().st_size - 4 * MIB)
        storage.wharf_command(wharf, "policy", "reset", "repository", "full")
        storage.wharf_command(wharf, "fsck", "--offline")
        wharf.start()
        assert ecr.batch_delete_image(repositoryName="full", imageIds=[{"imageTag": "gone"}])["imageIds"]
        assert expect_whole_repository(ecr, repository) == {(kept.digest, "kept")}
        repository.client.close()


def test_backups_and_a_full_disk(small_disk, tmp_path):
    """A backup into a full disk, a restore into one, and a backup that gets everything off one."""
    server = Wharf(tmp_path / "elsewhere").start()
    try:
        server.client().create_repository(repositoryName="kept")
        Repository(CheckedClient(server.host, server.authorization), "kept").push_image("v1")
        good = tmp_path / "good"
        storage.wharf_command(server, "backup", good, "--with-key")
        with filled(small_disk, leave=256 * 1024):
            text = complaint("backup", small_disk / "backup", "--data-dir", server.data_dir, "--copy")
            assert f"the disk of {small_disk}/backup is full" in text and "another disk" in text, text
            text = complaint("restore", good, "--data-dir", small_disk / "data")
            assert f"the disk of {small_disk}/data is full" in text, text
    finally:
        server.finish()


def test_backup_of_a_full_disk(wharf, ecr, repository, small_disk, tmp_path):
    """What is kept back lets a backup begin, while the server runs and while it does not."""
    repository.push_image("kept")
    repository.client.close()
    with filled(small_disk, leave=0):
        fill_database(ecr)
        storage.wharf_command(wharf, "backup", tmp_path / "while-it-runs")
        wharf.kill()
        fill_up(small_disk)
        storage.wharf_command(wharf, "backup", tmp_path / "while-it-does-not")


def test_a_start_removes_what_nobody_needs(wharf, ecr, repository, small_disk):
    """Bytes that only wait for their time to go make room for a start that has none left."""
    kept = repository.push_image("kept")
    location = repository.start_upload()
    location = repository.client.patch(location, random_content(8 * MIB), content_type=BYTES).expect(202)
    repository.client.delete(location.header("Location")).expect(204)
    repository.client.close()
    wharf.kill()
    with sqlite3.connect(wharf.data_dir / "wharf.db") as database:
        database.execute("PRAGMA wal_autocheckpoint = 0")
        assert database.execute("UPDATE removed_objects SET removed_at_ms = 0").rowcount == 1
        database.commit()
        # What a killed server leaves beside the database stays, as this connection is not the last one to be closed.
        (wharf.data_dir / "ballast").unlink()
        with filled(small_disk, leave=0):
            wharf.start()
            free = shutil.disk_usage(small_disk).free
            assert free > 4 * MIB or (wharf.data_dir / "ballast").exists(), free
            assert expect_whole_repository(ecr, repository) == {(kept.digest, "kept")}
            repository.client.close()
    database.close()


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
