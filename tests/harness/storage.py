"""Stored data changed behind a server's back, and what `wharf fsck` and its kin say of it."""

import contextlib
import json
import sqlite3

from harness import bucket, pages
from harness.commands import CommandFailed, run
from harness.server import binary, wait_for


def execute(wharf, sql):
    """Runs statements on the server's database, with no regard to what refers to what. The pages of an embedded one are
    as if the server had written them: what a change means must be found without their checksums."""
    url = wharf.environment.get("WHARF_DATABASE_URL")
    if url is None:
        with as_if_by(wharf):
            with sqlite3.connect(wharf.data_dir / "wharf.db", timeout=30) as connection:
                # Beside a running server, whose log is folded in by itself alone: it is who gives pages their checksums.
                connection.executescript(f"PRAGMA wal_autocheckpoint = 0; {sql}")
            connection.close()
    else:
        sql = f"SET session_replication_role = replica; {sql}"
        wait_for(lambda: is_executed(url, sql), "statements that the server does not block", 60)


@contextlib.contextmanager
def as_if_by(wharf):
    """A server that is stopped writes no pages of its own: those that Python's SQLite writes, also where it only folds in
    the log of a server that was killed, get their checksums here."""
    path = wharf.data_dir / "wharf.db"
    before = path.stat().st_mtime_ns
    yield
    if not wharf.is_running and path.stat().st_mtime_ns != before:
        pages.seal(path)


def is_executed(url, sql):
    command = ["psql", "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--dbname", url, "--command", sql]
    try:
        run(*command)
    except CommandFailed as failure:
        # The server changes the same rows in another order at the same moment.
        if "deadlock detected" in str(failure):
            return False
        raise
    return True


def query(wharf, sql):
    """The rows of a statement, as lists of texts."""
    url = wharf.environment.get("WHARF_DATABASE_URL")
    if url is None:
        with as_if_by(wharf):
            connection = sqlite3.connect(wharf.data_dir / "wharf.db", timeout=30)
            rows = [["" if value is None else str(value) for value in row] for row in connection.execute(sql)]
            connection.close()
        return rows
    command = ["psql", "--quiet", "--no-psqlrc", "--tuples-only", "--no-align", "--field-separator", "\x1f"]
    lines = run(*command, "--dbname", url, "--command", sql).stdout.splitlines()
    return [line.split("\x1f") for line in lines if line]


def object_of(wharf, digest, region="us-east-1"):
    """What holds a blob's bytes: a file, or an object or a row that is used like one."""
    where = f"FROM blobs WHERE digest = '{digest}' AND region = '{region}'"
    ((row, name, tier, scope),) = query(wharf, f"SELECT id, object_id, tier, encryption_scope {where}")
    if query(wharf, f"SELECT 1 FROM small_blobs WHERE blob_id = {row}"):
        return RowObject(wharf, row, name)
    folder = {"STANDARD": "blobs", "ARCHIVE": "archive"}[tier]
    if "WHARF_STORAGE_BUCKET" in wharf.environment:
        key = f"{wharf.environment['WHARF_STORAGE_PREFIX']}{folder}/{region}/{scope}/{name[:2]}/{name}"
        return BucketObject(wharf.environment, key)
    return wharf.data_dir / folder / "objects" / name[:2] / name


class BucketObject:
    """An object of a bucket with the methods of a path that tests use."""

    def __init__(self, environment, key):
        self.environment, self.key = environment, key
        self.name = key.rpartition("/")[2]

    def read_bytes(self):
        return bucket.read(self.environment, self.key)

    def write_bytes(self, content):
        bucket.write(self.environment, self.key, content)

    def unlink(self):
        bucket.remove(self.environment, self.key)

    def exists(self):
        return bucket.exists(self.environment, self.key)


class RowObject:
    """The object of a small blob, which the database keeps, with the methods of a path that tests use."""

    def __init__(self, wharf, row, name):
        self.wharf, self.row, self.name = wharf, row, name

    def read_bytes(self):
        on_postgres = "WHARF_DATABASE_URL" in self.wharf.environment
        sealed = "encode(sealed, 'hex')" if on_postgres else "hex(sealed)"
        ((content,),) = query(self.wharf, f"SELECT {sealed} FROM small_blobs WHERE blob_id = {self.row}")
        return bytes.fromhex(content)

    def write_bytes(self, content):
        on_postgres = "WHARF_DATABASE_URL" in self.wharf.environment
        literal = f"decode('{content.hex()}', 'hex')" if on_postgres else f"x'{content.hex()}'"
        self.unlink()
        execute(self.wharf, f"INSERT INTO small_blobs (blob_id, sealed) VALUES ({self.row}, {literal})")

    def unlink(self):
        execute(self.wharf, f"DELETE FROM small_blobs WHERE blob_id = {self.row}")

    def exists(self):
        return bool(query(self.wharf, f"SELECT 1 FROM small_blobs WHERE blob_id = {self.row}"))


def fsck(wharf, *arguments, **options):
    """`wharf fsck`; the report."""
    return json.loads(wharf_command(wharf, "fsck", "--output", "json", *arguments, **options))


def wharf_command(wharf, *arguments, expect=0, timeout=300, more=None):
    """A command of the program on the server's data folder; what it printed. `more` is added to its environment."""
    command = [binary(), *arguments, "--data-dir", wharf.data_dir]
    if wharf.config is not None:
        command += ["--config", wharf.folder / "wharf.toml"]
    environment = {
        **wharf.environment,
        **(more or {}),
        **{name: None for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
    }
    return run(*command, expect=expect, environment=environment, timeout=timeout).stdout


def kinds(report):
    return sorted(finding["kind"] for finding in report["findings"])
