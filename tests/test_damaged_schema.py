"""A database of which header or schema are damaged: what can be proven to be one flipped bit is put back, and all else is
named with what to do about it."""

import sqlite3

import pytest

from harness import pages
from harness.commands import refused
from harness.registry_client import new_repository
from harness.server import binary
from harness.storage import fsck, kinds


@pytest.fixture
def repository(fresh_wharf):
    if "WHARF_DATABASE_URL" in fresh_wharf.environment:
        pytest.skip("PostgreSQL keeps pages of its own")
    made = new_repository(fresh_wharf, "schema")
    made.push_image("v1")
    made.client.close()
    fresh_wharf.stop()
    return made


def database(wharf):
    return wharf.data_dir / "wharf.db"


def change(wharf, at, change):
    """Changes a byte of the file; the page that it is in, and what the file was."""
    before = database(wharf).read_bytes()
    content = bytearray(before)
    content[at] = change(content[at])
    database(wharf).write_bytes(content)
    return at // pages.page_size(before) + 1, before


def flip(wharf, at, bit=0):
    return change(wharf, at, lambda byte: byte ^ 1 << bit)


def pull(wharf, repository):
    assert wharf.client().batch_get_image(repositoryName=repository.name, imageIds=[{"imageTag": "v1"}])["images"]


def refusal(wharf, *arguments):
    return refused(binary(), *arguments, "--data-dir", wharf.data_dir)


def schema_text(wharf, text):
    return database(wharf).read_bytes().index(text)


# The format's name, the length of pages, the versions of who may write and read, room for checksums, the length of the file,
# the encoding of texts, the kind of the page.
@pytest.mark.parametrize("at", [2, 16, 18, 19, 20, 28, 59, 100])
def test_a_flipped_bit_of_the_header(fresh_wharf, repository, at):
    """A check names it and changes nothing, and a start puts it back, which is told."""
    number, before = flip(fresh_wharf, at, at % 8)
    damaged = database(fresh_wharf).read_bytes()
    report = fsck(fresh_wharf, "--offline", expect=1)
    assert kinds(report) == ["DAMAGED_DATABASE", "DAMAGED_PAGE"] and report["check"]["status"] == "DAMAGED", report
    assert number == 1 and report["findings"][0]["subject"] == "page 1 of wharf.db", report
    assert all("--repair" in finding["advice"] for finding in report["findings"]), report
    assert database(fresh_wharf).read_bytes() == damaged
    logged = fresh_wharf.log_size
    fresh_wharf.start()
    pull(fresh_wharf, repository)
    log = fresh_wharf.log_text(logged)
    assert "a bit of page 1 of the database" in log and "got no checksums" not in log
    (finding,) = fsck(fresh_wharf)["findings"]
    assert finding["kind"] == "DAMAGED_PAGE" and "put back" in finding["repair"], finding
    fresh_wharf.stop()
    assert pages.damaged(database(fresh_wharf).read_bytes()) == []
    assert database(fresh_wharf).read_bytes()[:24] == before[:24]
    fresh_wharf.start()


@pytest.mark.parametrize("text", [b"CREATE TABLE identity_version", b"CREATE TABLE image_tags", b"CREATE INDEX"])
def test_a_flipped_bit_of_the_schema(fresh_wharf, repository, text):
    """Whether SQLite could read it or not."""
    number, _ = flip(fresh_wharf, schema_text(fresh_wharf, text) + len(text) - 3)
    report = fsck(fresh_wharf, "--offline", expect=1)
    assert f"page {number} of wharf.db" in [finding["subject"] for finding in report["findings"]], report
    assert f"page {number}" in refusal(fresh_wharf, "dump")
    fresh_wharf.start()
    pull(fresh_wharf, repository)
    assert f"a bit of page {number} of the database" in fresh_wharf.log_text(0)


def test_pages_are_mended_offline(fresh_wharf, repository):
    """Every page in which one bit was flipped, before anything is written; one with more is named and left."""
    path = database(fresh_wharf)
    before = path.read_bytes()
    size = pages.page_size(before)
    count = len(before) // size
    # Some pages are holes, which have no checksum.
    written = [number for number in range(1, count + 1) if any(before[(number - 1) * size : number * size])]
    numbers = [1, written[1], written[len(written) // 2], written[-1]]
    for number in numbers:
        flip(fresh_wharf, (number - 1) * size + 77 * number % 4000, 3)
    report = fsck(fresh_wharf, "--offline", expect=1)
    assert [finding["subject"] for finding in report["findings"][:-1]] == [f"page {n} of wharf.db" for n in numbers]
    report = fsck(fresh_wharf, "--offline", "--repair")
    assert report["check"]["status"] == "CLEAN" and kinds(report) == ["DAMAGED_PAGE"] * len(numbers), report
    assert all("put back" in finding["repair"] for finding in report["findings"]), report
    assert pages.damaged(path.read_bytes()) == []
    assert fsck(fresh_wharf, "--offline")["findings"] == []
    fresh_wharf.start()
    pull(fresh_wharf, repository)


@pytest.mark.parametrize("table", ["sqlite_sequence", "jobs"])
def test_a_page_that_the_start_itself_writes(fresh_wharf, repository, table):
    """Its checksum fits again before any check can look, and a script that looks at the exit code learns of it all the same."""
    path = database(fresh_wharf)
    connection = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    (number,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", [table]).fetchone()
    connection.close()
    # Between the list of cells and the cells: of no meaning to anybody.
    flip(fresh_wharf, (number - 1) * pages.page_size(path.read_bytes()) + 1000)
    damaged = path.read_bytes()
    assert pages.damaged(damaged) == [number]
    report = fsck(fresh_wharf, "--offline", expect=1)
    assert set(kinds(report)) <= {"DAMAGED_PAGE", "REWRITTEN_PAGE"} and report["check"]["status"] == "DAMAGED", report
    assert {finding["subject"] for finding in report["findings"]} == {f"page {number} of wharf.db"}
    path.write_bytes(damaged)
    assert kinds(fsck(fresh_wharf, "--offline", "--repair")) == ["DAMAGED_PAGE"]
    assert pages.damaged(path.read_bytes()) == []
    fresh_wharf.start()


@pytest.mark.parametrize(("first", "last"), [(0, 32), (16, 24), (20, 22)], ids=["name", "pages", "checksums"])
def test_a_header_that_cannot_be_mended(fresh_wharf, repository, first, last, tmp_path):
    """Nobody guesses: every command names the page and what to do, and the file stays as it is."""
    content = bytearray(database(fresh_wharf).read_bytes())
    content[first:last] = bytes(255 ^ byte for byte in content[first:last])
    database(fresh_wharf).write_bytes(content)
    for arguments in (["--offline"], ["--offline", "--repair"]):
        report = fsck(fresh_wharf, *arguments, expect=1)
        assert kinds(report) == ["DAMAGED_DATABASE", "DAMAGED_PAGE"], report
        assert report["findings"][0]["subject"] == "page 1 of wharf.db", report
        assert "wharf restore" in report["findings"][1]["advice"], report
    assert "wharf restore" in refusal(fresh_wharf, "backup", tmp_path / "backup")
    assert "page 1" in refusal(fresh_wharf, "dump")
    with pytest.raises(AssertionError, match="is damaged, as the checksums of its pages tell"):
        fresh_wharf.start()
    assert "got no checksums" not in fresh_wharf.log_text(0)
    assert database(fresh_wharf).read_bytes() == content
