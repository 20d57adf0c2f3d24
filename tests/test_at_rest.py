"""What lies on the disk tells nothing of what was pushed, and whatever is changed there is refused on reading."""

import http.client
import json
import re
import shutil

import pytest

from conftest import environment_of
from harness.files import files_under
from harness.registry_client import OCI_MANIFEST, digest_of, image_manifest, new_repository
from harness.server import Wharf
from harness.storage import object_of

MIB = 1024 * 1024
# What is so short is kept by the database.
MAX_SMALL = 4096
# Long enough to be no accident, and in every line of what is pushed.
SECRET = b"the secret of the tests: %08d; "
NEEDLE = b"the secret of the tests"


def telling(size, number=0):
    """Content that says so wherever it is looked at."""
    line = SECRET % number
    return (line * (size // len(line) + 1))[:size]


@pytest.fixture
def repository(fresh_wharf):
    return new_repository(fresh_wharf, "rest")


def files(wharf):
    return set(files_under(wharf.data_dir))


def objects(wharf):
    return set(files_under(wharf.data_dir / "blobs/objects"))


def store(wharf, repository, content):
    """Pushes a blob; returns its digest and what holds its bytes: the one file that appeared for it, or its row."""
    before = objects(wharf)
    digest = repository.push_blob(content)
    holder, new = object_of(wharf, digest), objects(wharf) - before
    assert new == ({holder} if len(content) > MAX_SMALL else set())
    return digest, holder


def restart(wharf, repository):
    """So that nothing is answered from memory."""
    repository.client.close()
    wharf.restart()


class TestPlaintext:
    def test_nothing_is_readable(self, fresh_wharf, repository):
        """No file of the data folder holds a piece of a layer, a config, a manifest or an upload in hand.

        Of a manifest the database knows in clear what lists show and look up: digests, media types, annotations.
        """
        config = json.dumps({"architecture": "amd64", "os": "linux", "secret": telling(5_000).decode()}).encode()
        layers = [telling(100, 1), telling(300_000, 2), telling(3 * MIB, 3)]
        for content in (config, *layers):
            repository.push_blob(content)
        body = image_manifest(config, layers, note=telling(2_000, 4).decode())
        repository.push_manifest(body, "v1", OCI_MANIFEST)
        repository.client.patch(repository.start_upload(), telling(2 * MIB, 5)).expect(202)
        expect_unreadable(fresh_wharf)
        restart(fresh_wharf, repository)
        expect_unreadable(fresh_wharf)
        assert repository.pull("v1").expect(200).body == body

    def test_equal_content_does_not_show(self, fresh_wharf, repository):
        """Two blobs with the same bytes in the middle have nothing in common on the disk."""
        paths = [store(fresh_wharf, repository, b"%d" % number + telling(MIB))[1] for number in range(2)]
        first, second = (path.read_bytes() for path in paths)
        pieces = {first[at : at + 32] for at in range(0, len(first) - 32, 32)}
        assert not any(second[at : at + 32] in pieces for at in range(0, len(second) - 32))

    def test_private(self, fresh_wharf, repository):
        """Only the owner may look: the folder is 0700, and keys are 0600."""
        store(fresh_wharf, repository, telling(10_000))
        assert fresh_wharf.data_dir.stat().st_mode & 0o777 == 0o700
        for path in fresh_wharf.data_dir.iterdir():
            if path.is_file() and "key" in path.name:
                assert path.stat().st_mode & 0o777 == 0o600, path

    def test_digests_are_not_file_names(self, fresh_wharf, repository):
        """A file's name does not tell which public layer it holds."""
        digest, path = store(fresh_wharf, repository, telling(10_000))
        assert digest.partition(":")[2][:16] not in str(path)


def expect_unreadable(wharf):
    found = [path for path in files(wharf) if NEEDLE in path.read_bytes()]
    assert not found, f"plaintext in {found}"
    assert len(files(wharf)) > 3, "the data folder holds the files that were looked at"


def flip(position):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[int(position * (len(content) - 1))] ^= 0x01
        path.write_bytes(content)

    return damage


def cut(keep):
    """Keeps a part of the file; `keep` is a number of bytes, from the end when it is negative, or a part of the whole."""

    def damage(path):
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep) if isinstance(keep, float) else keep])

    return damage


def lengthen(path):
    path.write_bytes(path.read_bytes() + bytes(100))


def repeat_a_segment(path):
    """The second half overwritten by the first."""
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] * 2 + content[2 * half :])


DAMAGES = {
    "first byte flipped": flip(0.0),
    "byte near the start flipped": flip(0.01),
    "byte in the middle flipped": flip(0.5),
    "byte near the end flipped": flip(0.99),
    "last byte flipped": flip(1.0),
    "last byte cut off": cut(-1),
    "last segment cut off": cut(-65_536 - 16),
    "cut in the first segment": cut(500),
    "cut in half": cut(0.5),
    "emptied": cut(0),
    "lengthened": lengthen,
    "half repeated": repeat_a_segment,
    "removed": lambda path: path.unlink(),
}


def read(wharf, target, headers=None):
    """One GET. Returns the status and the body, or None as body when the connection ended before the body did."""
    connection = http.client.HTTPConnection(wharf.host, timeout=60)
    try:
        connection.request("GET", target, headers={"Authorization": wharf.authorization, **(headers or {})})
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        except (http.client.HTTPException, OSError):
            return answer.status, None
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return None, None
    finally:
        connection.close()


def expect_refused(wharf, repository, digest, path):
    """No reader takes the bytes for whole, and the log names the blob or its file."""
    start = wharf.log_size
    status, body = read(wharf, repository.blob(digest))
    assert body is None or (status is not None and status >= 500), f"a damaged blob was sent as whole, status {status}"
    lines = [line for line in wharf.log_text(start).splitlines() if digest in line or path.name in line]
    clear = re.compile("damage|corrupt|missing|truncat|cut|not found|authentic", re.IGNORECASE)
    assert any("ERROR" in line and clear.search(line) for line in lines), wharf.log_text(start)
    return status


SIZES = {"small": 1_000, "one segment": 10_000, "large": 2 * MIB + 5}
CASES = [(damage, size) for damage in DAMAGES for size in SIZES if size == "large" or "segment" not in damage]


@pytest.mark.parametrize(("damage", "size"), CASES)
def test_damage(damaged_wharf, damage, size):
    """Each way of changing a file is refused, and other blobs are not touched by it."""
    wharf, repository = damaged_wharf
    number = 2 * CASES.index((damage, size))
    size = SIZES[size]
    digest, path = store(wharf, repository, telling(size, number))
    other, _ = store(wharf, repository, telling(size, number + 1))
    original = path.read_bytes()
    DAMAGES[damage](path)
    if path.exists() and path.read_bytes() == original:
        pytest.fail("the damage changed nothing")
    restart(wharf, repository)
    expect_refused(wharf, repository, digest, path)
    status, body = read(wharf, repository.blob(other))
    assert (status, digest_of(body)) == (200, other)


@pytest.fixture(scope="module")
def damaged_wharf(tmp_path_factory, default_database):
    """One server for all damages, as each has blobs of its own."""
    server = Wharf(tmp_path_factory.mktemp("damaged"), environment=environment_of(default_database)).start()
    yield server, new_repository(server, "damage")
    server.finish()


def test_swapped_files(damaged_wharf):
    """Two blobs of one length whose files were exchanged: neither is given out for the other."""
    wharf, repository = damaged_wharf
    pairs = [store(wharf, repository, telling(MIB, 70_000_000 + number)) for number in range(2)]
    (_, first), (_, second) = pairs
    kept = first.with_suffix(".kept")
    shutil.move(first, kept)
    shutil.move(second, first)
    shutil.move(kept, second)
    restart(wharf, repository)
    for digest, path in pairs:
        expect_refused(wharf, repository, digest, path)


@pytest.mark.parametrize("size", [500, 10_000])
def test_old_bytes_put_back(damaged_wharf, size):
    """Bytes of another blob in the place of this one's are refused, also when both are one segment long."""
    wharf, repository = damaged_wharf
    numbers = [71_000_000 + size + number for number in range(2)]
    (_, source), (digest, target) = [store(wharf, repository, telling(size, number)) for number in numbers]
    target.write_bytes(source.read_bytes())
    restart(wharf, repository)
    expect_refused(wharf, repository, digest, target)


def test_range_of_a_damaged_blob(damaged_wharf):
    """A range is checked as the whole is; a range that the damage does not touch is still right."""
    wharf, repository = damaged_wharf
    content = telling(4 * MIB, 72_000_000)
    digest, path = store(wharf, repository, content)
    flip(0.9)(path)
    restart(wharf, repository)
    near = int(len(content) * 0.9)
    status, body = read(wharf, repository.blob(digest), {"Range": f"bytes={near - 1000}-{near + 1000}"})
    assert body is None or status >= 500
    status, body = read(wharf, repository.blob(digest), {"Range": "bytes=0-999"})
    assert body is None or status >= 500 or (status, body) == (206, content[:1000])


def test_pushed_again(damaged_wharf):
    """A damaged blob is healed by pushing it again."""
    wharf, repository = damaged_wharf
    content = telling(MIB, 73_000_000)
    digest, path = store(wharf, repository, content)
    path.unlink()
    restart(wharf, repository)
    expect_refused(wharf, repository, digest, path)
    repository.push_blob(content)
    status, body = read(wharf, repository.blob(digest))
    assert (status, body) == (200, content)
