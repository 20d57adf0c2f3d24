"""Stored data changed behind a server's back, and what `wharf fsck` and its kin say of it."""

import json
import sqlite3

from harness.commands import CommandFailed, run
from harness.server import binary, wait_for


def execute(wharf, sql):
    """Runs statements on the server's database, with no regard to what refers to what."""
    url = wharf.environment.get("WHARF_DATABASE_URL")
    if url is None:
        with sqlite3.connect(wharf.data_dir / "wharf.db", timeout=30) as connection:
            connection.executescript(sql)
        connection.close()
    else:
        sql = f"SET session_replication_role = replica; {sql}"
        wait_for(lambda: is_executed(url, sql), "statements that the server does not block", 60)


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
        connection = sqlite3.connect(wharf.data_dir / "wharf.db", timeout=30)
        rows = [["" if value is None else str(value) for value in row] for row in connection.execute(sql)]
        connection.close()
        return rows
    command = ["psql", "--quiet", "--no-psqlrc", "--tuples-only", "--no-align", "--field-separator", "\x1f"]
    lines = run(*command, "--dbname", url, "--command", sql).stdout.splitlines()
    return [line.split("\x1f") for line in lines if line]


def object_of(wharf, digest):
    """The file that holds a blob's bytes."""
    ((name, tier),) = query(wharf, f"SELECT object_id, tier FROM blobs WHERE digest = '{digest}'")
    folder = {"STANDARD": "blobs", "ARCHIVE": "archive"}[tier]
    return wharf.data_dir / folder / "objects" / name[:2] / name


def fsck(wharf, *arguments, expect=0, timeout=300):
    """`wharf fsck`; the report."""
    return json.loads(wharf_command(wharf, "fsck", "--output", "json", *arguments, expect=expect, timeout=timeout))


def wharf_command(wharf, *arguments, expect=0, timeout=300):
    """A command of the program on the server's data folder; what it printed."""
    command = [binary(), *arguments, "--data-dir", wharf.data_dir]
    if wharf.config is not None:
        command += ["--config", wharf.folder / "wharf.toml"]
    environment = {**wharf.environment, **{name: None for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}}
    return run(*command, expect=expect, environment=environment, timeout=timeout).stdout


def kinds(report):
    return sorted(finding["kind"] for finding in report["findings"])
