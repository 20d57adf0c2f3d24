"""Advisories: fetched from feeds, carried to a server without a network, whole or not at all."""

import gzip
import hashlib
import io
import json
import subprocess
import zipfile

import pytest

from conftest import environment_of
from harness.commands import run
from harness.feeds import FeedServer, secdb, tracker
from harness.killed import Killer
from harness.server import Wharf, binary, wait_for
from harness.soak import rounds
from harness.storage import execute, query, wharf_command

OURS = """
[[advisories.feeds]]
name = "ours"
urls = ["{url}/ours.json"]
form = "secdb"
ecosystems = ["Alpine"]
release = "3.20"
licence = "ours"

[[advisories.feeds]]
name = "epss"
enabled = false
"""
OFFLINE = "[scanning]\noffline = true\n"
KILLS = rounds(100, 20)


@pytest.fixture
def feeds():
    server = FeedServer()
    yield server
    server.close()


@pytest.fixture
def start(tmp_path, default_database):
    servers = []

    def start(config, name="wharf"):
        server = Wharf(tmp_path / name, environment=environment_of(default_database), config=config)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.finish()


def advisories(server, *arguments, **options):
    return wharf_command(server, "advisories", *arguments, **options)


def refusal(server, *arguments):
    """What a command says that does not work."""
    command = [
        binary(),
        "advisories",
        *arguments,
        "--data-dir",
        server.data_dir,
        "--config",
        server.folder / "wharf.toml",
    ]
    none = {name: None for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    return run(*command, expect=2, environment={**server.environment, **none}).stderr


def wanted(server):
    """What is wanted, by its name."""
    told = json.loads(advisories(server, "status", "--output", "json"))
    return {file["name"]: file for file in told["files"]}


def update(server, *names, expect=0):
    told = json.loads(advisories(server, "update", "--wait", "--output", "json", *names, expect=expect))
    return {file["name"]: file for file in told}


def in_force(server, feed):
    """The records in force of a feed, with all that is kept of them."""
    hexadecimal = "encode({}, 'hex')" if "WHARF_DATABASE_URL" in server.environment else "hex({})"
    columns = ", ".join(hexadecimal.format(f"r.{name}") for name in ("hash", "head", "details"))
    joined = (
        "advisory_records r JOIN advisory_feeds f ON f.name = r.feed AND r.from_revision <= f.revision "
        "AND (r.until_revision IS NULL OR r.until_revision > f.revision)"
    )
    records = query(server, f"SELECT r.record, {columns} FROM {joined} WHERE f.name = '{feed}'")
    packages = query(
        server,
        f"SELECT r.record, p.ecosystem, p.release, p.name, {hexadecimal.format('p.body')} FROM {joined} "
        f"JOIN advisory_packages p ON p.record_id = r.id WHERE f.name = '{feed}'",
    )
    return sorted(records), sorted(packages)


def names(server, feed):
    return sorted(record[0] for record in in_force(server, feed)[0])


@pytest.mark.every_store("DescribeAdvisories", "UpdateAdvisories")
def test_an_update_is_whole_or_nothing(feeds, start):
    feeds.files["/ours.json"] = secdb(
        {"openssl": {"3.3.2-r1": ["CVE-2024-0001"]}, "zlib": {"1.3.1-r0": ["CVE-2024-0002"]}}
    )
    server = start(OURS.format(url=feeds.url))
    assert "None are wanted yet" in advisories(server, "status")
    assert "No advisories are wanted yet" in advisories(server, "update", "--wait")
    file = update(server, "ours")["ours"]
    assert (file["status"], file["revision"], file["records"]) == ("CURRENT", 1, 2)
    assert feeds.answers == [("/ours.json", 200)]
    first = in_force(server, "ours")
    assert [record[0] for record in first[0]] == ["Alpine 3.20 openssl CVE-2024-0001", "Alpine 3.20 zlib CVE-2024-0002"]

    # All that is wanted, which has not changed.
    assert update(server)["ours"]["revision"] == 1
    assert feeds.answers[1:] == [("/ours.json", 304)]

    feeds.files["/ours.json"] = secdb(
        {"openssl": {"3.3.3-r0": ["CVE-2024-0001"]}, "musl": {"1.2.5-r1": ["CVE-2024-0003"]}}
    )
    file = update(server)["ours"]
    assert (file["revision"], file["records"]) == (2, 2)
    second = in_force(server, "ours")
    assert [record[0] for record in second[0]] == [
        "Alpine 3.20 musl CVE-2024-0003",
        "Alpine 3.20 openssl CVE-2024-0001",
    ]
    assert not set(map(tuple, first[0])) & set(map(tuple, second[0]))

    # A file that breaks off, one that is something else, and none.
    whole = feeds.files["/ours.json"]
    for content, why in [
        (whole[:-20], "no whole revision"),
        (b"<html>elsewhere</html>", "no whole revision"),
        (None, f"there is none at {feeds.url}/ours.json"),
    ]:
        feeds.files["/ours.json"] = content
        file = update(server, expect=1)["ours"]
        assert (file["status"], file["revision"]) == ("CURRENT", 2)
        assert why in file["failure"]
        assert why in advisories(server, "status")
        assert in_force(server, "ours") == second
    feeds.files["/ours.json"] = whole
    file = update(server)["ours"]
    assert "failure" not in file
    assert in_force(server, "ours") == second

    assert "there is no feed" in refusal(server, "import", "nobody", "/dev/null").lower()
    assert "wharf advisories sources" in refusal(server, "update", "nobody")
    assert "enabled = true" in refusal(server, "update", "epss")
    assert "such as alpine/" in refusal(server, "import", "alpine", "/dev/null")


def test_sources(feeds, start):
    server = start(OURS.format(url=feeds.url))
    text = advisories(server, "sources")
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    assert f"{feeds.url}/ours.json" in lines["ours"]
    assert "CC-BY-SA-4.0" in lines["alpine"] and " on " in lines["alpine"] and " off " in lines["epss"]
    assert "[[advisories.feeds]]" in text and "docs/advisories.md" in text
    told = {feed["name"]: feed for feed in json.loads(advisories(server, "sources", "--output", "json"))}
    assert told["ours"]["files"] == [{"name": "ours", "url": f"{feeds.url}/ours.json", "release": "3.20"}]
    assert (told["epss"]["isEnabled"], told["ours"]["licence"]) == (False, "ours")
    assert {"alpine/v3.20/main", "alpine/edge/main"} <= {file["name"] for file in told["alpine"]["files"]}


@pytest.mark.every_store("ImportAdvisories")
def test_files_are_carried_to_a_server_without_a_network(start, tmp_path):
    server = start(OFFLINE)
    assert "wharf advisories import" in refusal(server, "update", "debian")
    assert "fetches none" in advisories(server, "status")
    debian, alpine, npm = tmp_path / "json", tmp_path / "main.json", tmp_path / "all.zip"
    debian.write_bytes(tracker({"openssl": {"CVE-2024-0001": "3.0.15-1", "CVE-2024-0002": None}}))
    text = advisories(server, "import", "debian", debian)
    assert text == "debian is in force as revision 1: 2 records\n"
    assert names(server, "debian") == ["CVE-2024-0001 openssl", "CVE-2024-0002 openssl"]

    alpine.write_bytes(secdb({"zlib": {"1.3.1-r0": ["CVE-2024-0003"]}}))
    command = [binary(), "advisories", "import", "alpine/v3.20/main", "-", "--output", "json"]
    command += ["--data-dir", server.data_dir, "--config", server.folder / "wharf.toml"]
    piped = subprocess.run(command, stdin=alpine.open("rb"), capture_output=True, check=True, timeout=60)
    assert json.loads(piped.stdout)["records"] == 1

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        record = {"id": "GHSA-1", "modified": "2024-01-01T00:00:00Z", "affected": [
            {"package": {"ecosystem": "npm", "name": "left-pad"},
             "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.3.1"}]}]},
        ]}  # fmt: skip
        archive.writestr("GHSA-1.json", json.dumps(record))
    npm.write_bytes(packed.getvalue())
    assert "revision 1: 1 records" in advisories(server, "import", "osv-npm", npm, "--repository", "carried/files")

    # What is no such file changes nothing: it breaks off, is packed otherwise, or is another feed's.
    before = in_force(server, "debian")
    for content in (debian.read_bytes()[:-30], gzip.compress(debian.read_bytes()), npm.read_bytes(), b"{}"):
        debian.write_bytes(content)
        said = refusal(server, "import", "debian", debian)
        assert "was not imported as debian: the file cannot be used" in said
        assert "What was in force stays" in said
        assert in_force(server, "debian") == before
    assert "the last import failed" in advisories(server, "status")
    debian.write_bytes(b"")
    assert "it is empty" in refusal(server, "import", "debian", debian)

    # The same file again, though it is there as a layer already.
    assert "revision 2: 1 records" in advisories(server, "import", "alpine/v3.20/main", alpine)
    assert set(wanted(server)) == {"alpine/v3.20/main", "debian", "osv-npm"}
    assert all(file["status"] == "CURRENT" for file in wanted(server).values())
    fortnight = 15 * 24 * 60 * 60 * 1000
    execute(server, f"UPDATE advisory_feeds SET checked_at_ms = checked_at_ms - {fortnight}")
    assert all(file["isStale"] for file in wanted(server).values())
    assert "too old" in advisories(server, "status")


def version(number, packages=3_000):
    """A feed of which each version has other records than the one before: new, changed, gone, and most of them the same."""
    content = {}
    for package in range(number * 300, number * 300 + packages):
        changed = number if package % 7 == 0 else 0
        content[f"package-{package}"] = {f"1.{changed}-r0": [f"CVE-2024-{package}", f"CVE-2025-{package}"]}
    return secdb(content)


def digest(state):
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


@pytest.mark.timeout(900)
def test_killed_in_the_middle_of_updates(feeds, start):
    """The server dies at any moment of an update, and nothing but whole revisions is ever seen; the update goes on by itself.

    A hundred times in the long form (`harness.soak`), and twenty times else.
    """
    killer = Killer()
    server = start(OURS.format(url=feeds.url), "killed")
    published, seen, halves = 0, [], 0

    def publish():
        nonlocal published
        published += 1
        feeds.files["/ours.json"] = version(published)

    def revision():
        rows = query(server, "SELECT revision FROM advisory_feeds WHERE name = 'ours'")
        return int(rows[0][0]) if rows else 0

    def written():
        return query(server, "SELECT COUNT(*), MAX(id) FROM advisory_records")

    publish()
    update(server, "ours")
    while killer.kills < KILLS:
        if revision() == published:
            publish()
            advisories(server, "update", "ours")
        killer.kill(server, 0.02, written, 50)
        half = "SELECT COUNT(*) FROM advisory_records WHERE from_revision > (SELECT revision FROM advisory_feeds)"
        halves += query(server, half) != [["0"]]
        seen.append((revision(), digest(in_force(server, "ours"))))
        server.start()
    wait_for(lambda: revision() == published, "the last update", 120)
    wait_for(lambda: query(server, "SELECT COUNT(*) FROM jobs") == [["0"]], "the jobs to end", 60)
    assert halves, "no kill was in the middle of an update"

    undisturbed = start(OURS.format(url=feeds.url), "undisturbed")
    whole = {}
    for number in range(1, published + 1):
        feeds.files["/ours.json"] = version(number)
        assert update(undisturbed, "ours")["ours"]["revision"] == number
        whole[number] = digest(in_force(undisturbed, "ours"))
    for number, state in seen:
        assert state == whole[number], f"half of revision {number} was seen"
    assert in_force(server, "ours") == in_force(undisturbed, "ours")
    left = "SELECT COUNT(*) FROM advisory_records WHERE until_revision < (SELECT revision FROM advisory_feeds)"
    assert query(server, left) == query(undisturbed, left)
    assert list(server.data_dir.rglob("ours*")) == []
