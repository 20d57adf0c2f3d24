"""What a server has stored, read past it: the rows of its database and the files of its data folder, or the
objects of its bucket."""

import contextlib
import csv
import io
import sqlite3

from harness import bucket
from harness.commands import run
from harness.files import files_under
from harness.server import wait_for

# What two servers have in common that hold the same, whatever keys their rows have and whenever they were made.
CONTENTS = {
    "images": "SELECT r.name, i.digest, i.media_type, i.artifact_type, i.subject_digest, i.size_bytes, i.status "
    "FROM images i JOIN repositories r ON r.id = i.repository_id",
    "tags": "SELECT r.name, t.tag, i.digest FROM image_tags t JOIN images i ON i.id = t.image_id "
    "JOIN repositories r ON r.id = t.repository_id",
    "children": "SELECT r.name, i.digest, c.child_digest FROM image_children c JOIN images i ON i.id = c.parent_image_id "
    "JOIN repositories r ON r.id = i.repository_id",
    "blobs of images": "SELECT r.name, b.digest, b.media_type, b.image_count, s.size_bytes, s.tier "
    "FROM repository_blobs b JOIN blobs s ON s.id = b.blob_id JOIN repositories r ON r.id = b.repository_id "
    "WHERE b.image_count > 0",
    "blobs still upstream": "SELECT r.name, b.digest, b.media_type, b.image_count FROM upstream_blobs b "
    "JOIN repositories r ON r.id = b.repository_id",
}
# Of blobs whose bytes the database does not hold itself.
IN_A_STORE = "NOT EXISTS (SELECT 1 FROM small_blobs s WHERE s.blob_id = blobs.id)"
# Rows that contradict others.
CONTRADICTIONS = {
    "blobs whose references are counted wrongly": "SELECT digest, reference_count FROM blobs WHERE reference_count <> "
    "(SELECT count(*) FROM repository_blobs b WHERE b.blob_id = blobs.id) + "
    "(SELECT count(*) FROM deleted_image_blobs d WHERE d.blob_id = blobs.id)",
    "blobs whose images are counted wrongly": "SELECT repository_id, digest, image_count FROM repository_blobs b "
    "WHERE image_count <> (SELECT count(*) FROM image_blobs n JOIN images i ON i.id = n.image_id "
    "WHERE i.repository_id = b.repository_id AND n.digest = b.digest)",
    "repositories whose images are counted wrongly": "SELECT id, name FROM repositories r WHERE "
    "(SELECT count(*) FROM images i WHERE i.repository_id = r.id) <> "
    "(SELECT COALESCE(sum(images), 0) FROM image_counts c WHERE c.repository_id = r.id)",
    "blobs that are there and still upstream": "SELECT u.repository_id, u.digest FROM upstream_blobs u "
    "JOIN repository_blobs b ON b.repository_id = u.repository_id AND b.digest = u.digest",
    "tags without an image of their repository": "SELECT t.repository_id, t.tag FROM image_tags t "
    "LEFT JOIN images i ON i.id = t.image_id AND i.repository_id = t.repository_id WHERE i.id IS NULL",
}


def rows(wharf, sql):
    """What a query of the server's database finds, as texts."""
    url = wharf.environment.get("WHARF_DATABASE_URL")
    if url:
        said = run("psql", "--no-psqlrc", "--csv", "--tuples-only", "--dbname", url, "--command", sql).stdout
        return [tuple(row) for row in csv.reader(io.StringIO(said))]
    with contextlib.closing(sqlite3.connect(wharf.data_dir / "wharf.db")) as database:
        return [tuple(map(str, row)) for row in database.execute(sql)]


def count(wharf, table):
    return int(rows(wharf, f"SELECT count(*) FROM {table}")[0][0])


def objects(wharf, tier):
    """The bytes of the objects in a folder of the data folder, by file, or in the bucket, by key."""
    if "WHARF_STORAGE_BUCKET" in wharf.environment:
        return bucket.objects(wharf.environment, tier)
    return {path: stat.st_size for path, stat in files_under(wharf.data_dir / tier / "objects").items()}


def small(wharf):
    """The names of the objects that the database holds."""
    return {name for (name,) in rows(wharf, f"SELECT object_id FROM blobs WHERE NOT ({IN_A_STORE})")}


def read_object(wharf, path):
    """What is stored under a name that `objects` gave."""
    if "WHARF_STORAGE_BUCKET" in wharf.environment:
        return bucket.read(wharf.environment, path)
    return path.read_bytes()


def write_object(wharf, path, content):
    if "WHARF_STORAGE_BUCKET" in wharf.environment:
        bucket.write(wharf.environment, path, content)
    else:
        path.write_bytes(content)


def stored(wharf):
    """Where blobs are: {digest: (object, tier, encoding)}; every object that is known to go; jobs that are not done."""
    blobs = {row[0]: row[1:] for row in rows(wharf, "SELECT digest, object_id, tier, encoding FROM blobs")}
    gone = {row[0] for row in rows(wharf, "SELECT object_id FROM removed_objects")}
    return blobs, gone, count(wharf, "jobs")


def contents(wharf, region=None):
    """All images of a region with all that belongs to them, by kind; sorted, and with every row as often as it is there."""
    where = f"r.region = '{region or wharf.region}'"
    return {
        kind: sorted(rows(wharf, f"{sql} {'AND' if 'WHERE' in sql else 'WHERE'} {where}"))
        for kind, sql in CONTENTS.items()
    }


def expect_no_contradiction(wharf):
    for what, sql in CONTRADICTIONS.items():
        found = rows(wharf, sql)
        assert not found, f"{what}: {found[:5]}"


def expect_nothing_left_over(wharf):
    """Restarts the server some days later, twice. What was cut off is gone by then: no upload goes on, every file belongs to
    a blob and is of its length, every blob that is not small has its file, and no job waits. The server runs afterwards, at the real time."""
    expect_no_contradiction(wharf)
    # An upload that does not grow ends after a day, as does a layer that no image names.
    wharf.restart(clock="+25h")
    wait_for(lambda: count(wharf, "uploads") == 0, "uploads that were cut off to go")
    wait_for(
        lambda: count(wharf, "repository_blobs WHERE image_count = 0") == 0,
        "layers that no image names to go from view",
    )
    # A collection that is cut off leaves the rest to the next one.
    wait_for(lambda: count(wharf, "blobs WHERE reference_count = 0") == 0, "blobs that nobody refers to to go")
    wait_for(lambda: count(wharf, "jobs") == 0, "the collection to end")
    # The bytes stay for an hour in a bucket, a minute in a folder, after the last row that named them.
    wharf.restart(clock="+27h")
    wait_for(lambda: count(wharf, "removed_objects") == 0, "the bytes that nothing names to go")
    expect_no_contradiction(wharf)
    known = sorted(rows(wharf, f"SELECT object_id FROM blobs WHERE {IN_A_STORE}"))
    files = sorted((path.name,) for tier in ("blobs", "archive") for path in objects(wharf, tier))
    assert files == known, f"{len(files)} files, {len(known)} blobs"
    # A collection may begin at any moment, and ends soon.
    wait_for(lambda: count(wharf, "jobs") == 0, "background work to end")
    if "WHARF_STORAGE_BUCKET" in wharf.environment:
        assert bucket.unfinished(wharf.environment) == []
    wharf.restart()
