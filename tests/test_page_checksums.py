"""The pages of the embedded database have checksums: whatever a disk, or another program, changes in its file is found."""

import http.client
import json
import socket
import sqlite3

import pytest

from harness import pages
from harness.registry_client import new_repository
from harness.scrape import scrape
from harness.storage import fsck, kinds, wharf_command


@pytest.fixture(autouse=True)
def embedded(fresh_wharf):
    if "WHARF_DATABASE_URL" in fresh_wharf.environment:
        pytest.skip("PostgreSQL keeps pages of its own")


@pytest.fixture
def repository(fresh_wharf):
    made = new_repository(fresh_wharf, "pages")
    made.push_image("v1")
    made.client.close()
    return made


def database(wharf):
    return wharf.data_dir / "wharf.db"


def arn(wharf, repository):
    (found,) = wharf.client().describe_repositories(repositoryNames=[repository.name])["repositories"]
    return found["repositoryArn"]


def flip(path, text, at, others=b""):
    """Changes a bit of the one text in a file that stands where a value does, and not in a record of who did what."""
    content = bytearray(path.read_bytes())
    places, place = [], content.find(text)
    while place >= 0:
        if not 32 <= content[place - 1] < 127 or content[place - len(others) : place] == others:
            places.append(place)
        place = content.find(text, place + 1)
    content[places[0] + at] ^= 1
    path.write_bytes(content)
    return places[0] // pages.page_size(content) + 1


def ready(wharf):
    connection = http.client.HTTPConnection(wharf.host, timeout=60)
    connection.request("GET", "/readyz")
    status = connection.getresponse().status
    connection.close()
    return status


def of_pages(report):
    return [finding for finding in report["findings"] if "PAGE" in finding["kind"]]


def test_a_good_value_that_becomes_another(fresh_wharf, repository):
    """No index, digest or seal contradicts it, so its page alone tells; everything goes on meanwhile."""
    client = fresh_wharf.client()
    resource = arn(fresh_wharf, repository)
    client.tag_resource(resourceArn=resource, tags=[{"Key": "cost-centre", "Value": "department-4"}])
    fresh_wharf.stop()
    number = flip(database(fresh_wharf), b"department-4", 11, others=b"cost-centre")
    report = fsck(fresh_wharf, "--offline", expect=1)
    assert kinds(report) == ["DAMAGED_PAGE"]
    (finding,) = report["findings"]
    assert finding["subject"] == f"page {number} of wharf.db" and "resource_tags" in finding["detail"], finding
    assert finding["advice"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    fresh_wharf.environment["WHARF_METRICS_LISTEN"] = listen
    fresh_wharf.start()
    assert client.list_tags_for_resource(resourceArn=resource)["tags"] == [
        {"Key": "cost-centre", "Value": "department-5"}
    ]
    assert client.batch_get_image(repositoryName=repository.name, imageIds=[{"imageTag": "v1"}])["images"]
    assert ready(fresh_wharf) == 200
    assert f"page {number} of the database" in fresh_wharf.log_text(0)
    assert scrape(f"http://{listen}").value("wharf_database_damaged_pages_total") == 1
    assert kinds(fsck(fresh_wharf, expect=1)) == ["DAMAGED_PAGE"]
    assert kinds(fsck(fresh_wharf, "--last", expect=1)) == ["DAMAGED_PAGE"]
    # Putting it again writes the page. That it was damaged is told for as long as the server runs.
    client.tag_resource(resourceArn=resource, tags=[{"Key": "cost-centre", "Value": "department-4"}])
    fresh_wharf.restart()
    report = fsck(fresh_wharf)
    assert report["findings"] == []


def test_a_page_that_was_written_since(fresh_wharf, repository):
    """Its checksum fits again, and what was wrong in it passes for right, so a check tells of it until the server starts
    again."""
    client = fresh_wharf.client()
    resource = arn(fresh_wharf, repository)
    client.tag_resource(resourceArn=resource, tags=[{"Key": "cost-centre", "Value": "department-4"}])
    fresh_wharf.stop()
    number = flip(database(fresh_wharf), b"department-4", 11, others=b"cost-centre")
    fresh_wharf.start()
    client.tag_resource(resourceArn=resource, tags=[{"Key": "other", "Value": "x"}])
    (finding,) = fsck(fresh_wharf, expect=1)["findings"]
    assert (finding["kind"], finding["subject"]) == ("REWRITTEN_PAGE", f"page {number} of wharf.db")
    assert "resource_tags" in finding["detail"]


def test_a_tag_that_becomes_another(fresh_wharf, repository):
    """The repository serves what it has, and the check names the table."""
    repository.push_image("marked-tag-of-this-test-4")
    repository.client.close()
    fresh_wharf.stop()
    number = flip(database(fresh_wharf), b"marked-tag-of-this-test-4", 24)
    (finding,) = of_pages(fsck(fresh_wharf, "--offline", expect=1))
    assert finding["kind"] == "DAMAGED_PAGE" and finding["subject"] == f"page {number} of wharf.db"
    assert "image_tags" in finding["detail"], finding
    fresh_wharf.start()
    assert ready(fresh_wharf) == 200
    assert fresh_wharf.client().batch_get_image(repositoryName=repository.name, imageIds=[{"imageTag": "v1"}])["images"]
    (finding,) = of_pages(fsck(fresh_wharf, expect=1))
    assert finding["kind"] == "DAMAGED_PAGE"


def test_another_program(fresh_wharf, repository):
    """One that knows nothing of checksums leaves pages that do not fit."""
    fresh_wharf.stop()
    with sqlite3.connect(database(fresh_wharf)) as connection:
        connection.execute("UPDATE repositories SET created_at_ms = created_at_ms + 1")
    connection.close()
    found = of_pages(fsck(fresh_wharf, "--offline", expect=1))
    assert any("table repositories" in finding["detail"] for finding in found), found
    fresh_wharf.start()


def of_page_1(report):
    """The page is named, and that a database whose header is damaged cannot be looked into."""
    found = {(finding["kind"], finding["subject"]) for finding in report["findings"]}
    assert ("DAMAGED_PAGE", "page 1 of wharf.db") in found, found
    assert {kind for kind, _ in found} <= {"DAMAGED_PAGE", "DAMAGED_DATABASE"} and len(found) <= 2, found


@pytest.mark.parametrize("reserved", [0, 12, 72])
def test_a_header_that_denies_the_checksums(fresh_wharf, reserved):
    """One flipped bit: SQLite must not use the ends of pages, as checksums are put there. Long documents end there."""
    iam = fresh_wharf.client("iam")
    documents = {}

    def put_policies(count):
        for number in range(len(documents), len(documents) + count):
            resources = [f"arn:aws:ecr:us-east-1:123456789012:repository/{number:04}{at:060}" for at in range(50)]
            statement = {"Effect": "Deny", "Action": ["ecr:*"], "Resource": resources}
            document = {"Version": "2012-10-17", "Statement": [statement]}
            policy = iam.create_policy(PolicyName=f"p{number}", PolicyDocument=json.dumps(document))["Policy"]
            documents[policy["Arn"]] = document

    def check_policies():
        for arn, document in documents.items():
            version = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
            assert version["Document"] == document

    put_policies(8)
    fresh_wharf.stop()
    content = bytearray(database(fresh_wharf).read_bytes())
    content[20] = reserved
    database(fresh_wharf).write_bytes(content)
    of_page_1(fsck(fresh_wharf, "--offline", expect=1))
    content = bytearray(database(fresh_wharf).read_bytes())
    content[20] = reserved
    database(fresh_wharf).write_bytes(content)
    fresh_wharf.start()
    check_policies()
    put_policies(8)
    fresh_wharf.restart()
    check_policies()
    assert fsck(fresh_wharf)["findings"] == []
    fresh_wharf.stop()
    content = database(fresh_wharf).read_bytes()
    assert content[20] == 8 and pages.damaged(content) == []
    assert not list(fresh_wharf.data_dir.glob("*checksums"))
    fresh_wharf.start()


def test_a_flipped_bit_in_the_header(fresh_wharf, repository):
    """It is put right whatever field it is in, so the server starts and a check tells of the page."""
    fresh_wharf.stop()
    good = database(fresh_wharf).read_bytes()
    for at, bit in [(3, 5), (16, 0), (17, 0), (18, 1), (19, 3), (21, 2), (28, 0), (44, 1), (47, 6), (56, 0)]:
        content = bytearray(good)
        content[at] ^= 1 << bit
        database(fresh_wharf).write_bytes(content)
        of_page_1(fsck(fresh_wharf, "--offline", expect=1))
    database(fresh_wharf).write_bytes(content)
    fresh_wharf.start()
    assert fresh_wharf.client().batch_get_image(repositoryName=repository.name, imageIds=[{"imageTag": "v1"}])["images"]
    assert "page 1 of the database" in fresh_wharf.log_text(0)


def without_checksums(wharf):
    """Makes the database of a stopped server one of before there were checksums."""
    old = database(wharf).with_name("old.db")
    source, target = sqlite3.connect(database(wharf)), sqlite3.connect(old, isolation_level=None)
    target.execute("PRAGMA journal_mode = WAL")
    target.execute("PRAGMA foreign_keys = OFF")
    target.executescript("\n".join(source.iterdump()))
    for table in ("images", "image_tags"):
        target.execute(f"ALTER TABLE {table} DROP COLUMN replicated_from")
    target.execute("DROP TABLE deleted_repositories")
    for table in (
        "advisory_vulnerabilities",
        "advisory_packages",
        "advisory_records",
        "advisory_feeds",
        "image_scans",
        "layer_facts",
        "scanning_configurations",
    ):
        target.execute(f"DROP TABLE {table}")
    target.execute("DROP INDEX jobs_due_of_account")
    for table, column in (("jobs", "account"), ("images", "is_artifact")):
        target.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    target.execute("DELETE FROM schema_migrations WHERE version >= 23")
    source.close()
    target.close()
    old.replace(database(wharf))
    assert database(wharf).read_bytes()[20] == 0


def test_a_data_folder_of_before(fresh_wharf, repository):
    """It gets checksums when the server starts, once, with all that is in it."""
    fresh_wharf.stop()
    without_checksums(fresh_wharf)
    before = fresh_wharf.log_size
    fresh_wharf.start()
    assert "have checksums now" in fresh_wharf.log_text(before)
    assert fresh_wharf.client().batch_get_image(repositoryName=repository.name, imageIds=[{"imageTag": "v1"}])["images"]
    assert fsck(fresh_wharf)["findings"] == []
    before = fresh_wharf.log_size
    fresh_wharf.restart()
    assert "checksums" not in fresh_wharf.log_text(before)
    fresh_wharf.stop()
    content = database(fresh_wharf).read_bytes()
    assert content[20] == 8 and pages.damaged(content) == []
    # The old one stays for a day.
    assert database(fresh_wharf).with_name("wharf.db.before-checksums").read_bytes()[20] == 0
    fresh_wharf.start()


def test_a_data_folder_that_cannot_get_them(fresh_wharf, repository):
    """The server goes on without, says so, and tries again with the next start."""
    fresh_wharf.stop()
    without_checksums(fresh_wharf)
    blocked = database(fresh_wharf).with_name("wharf.db.with-checksums")
    blocked.mkdir()
    before = fresh_wharf.log_size
    fresh_wharf.start()
    assert "got no checksums" in fresh_wharf.log_text(before)
    assert fresh_wharf.client().batch_get_image(repositoryName=repository.name, imageIds=[{"imageTag": "v1"}])["images"]
    assert fsck(fresh_wharf)["findings"] == []
    fresh_wharf.stop()
    assert database(fresh_wharf).read_bytes()[20] == 0
    blocked.rmdir()
    fresh_wharf.start()
    fresh_wharf.stop()
    content = database(fresh_wharf).read_bytes()
    assert content[20] == 8 and pages.damaged(content) == []
    fresh_wharf.start()


def test_backups_have_them(fresh_wharf, repository, tmp_path):
    """And so has what is restored from one."""
    wharf_command(fresh_wharf, "backup", tmp_path / "backup")
    content = (tmp_path / "backup" / "wharf.db").read_bytes()
    assert content[20] == 8 and pages.damaged(content) == []
    wharf_command(fresh_wharf, "dump")
    fresh_wharf.stop()
    assert pages.damaged(database(fresh_wharf).read_bytes()) == []
    fresh_wharf.start()


def test_killed_while_it_writes(fresh_wharf, repository):
    """What was in the log is folded in with checksums by the next start."""
    for number in range(20):
        fresh_wharf.client().create_repository(repositoryName=f"killed/{number}")
    fresh_wharf.kill()
    fresh_wharf.start()
    assert fsck(fresh_wharf)["findings"] == []
    fresh_wharf.stop()
    assert pages.damaged(database(fresh_wharf).read_bytes()) == []
    fresh_wharf.start()
