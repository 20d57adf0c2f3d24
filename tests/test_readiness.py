"""`/readyz` tells whether the node can do its work, and `/healthz` only that it runs."""

import urllib.error
import urllib.request

from harness.server import wait_for
from harness.storage import execute

# What a database that takes no writes does to them.
REFUSE = {
    "sqlite": "CREATE TRIGGER refuse BEFORE INSERT ON collection_holds BEGIN SELECT RAISE(ABORT, 'read-only'); END",
    "postgres": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'read-only' USING ERRCODE = '25006'; END $$; "
        "CREATE TRIGGER refuse BEFORE INSERT ON collection_holds EXECUTE FUNCTION refuse(); "
        "ALTER TABLE collection_holds ENABLE ALWAYS TRIGGER refuse"
    ),
}
ALLOW = {"sqlite": "DROP TRIGGER refuse", "postgres": "DROP TRIGGER refuse ON collection_holds"}


def ask(wharf, path):
    try:
        with urllib.request.urlopen(f"{wharf.url}/{path}", timeout=30) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().strip()


def database_of(wharf):
    return "postgres" if "WHARF_DATABASE_URL" in wharf.environment else "sqlite"


def test_a_database_that_takes_no_writes(fresh_wharf):
    """The node is not ready, says why in its answer and its log, and is ready again by itself."""
    assert ask(fresh_wharf, "readyz") == (200, "ready")
    execute(fresh_wharf, REFUSE[database_of(fresh_wharf)])
    wait_for(lambda: ask(fresh_wharf, "readyz")[0] == 503, "the node to see that nothing can be written")
    assert ask(fresh_wharf, "readyz") == (503, "the database cannot be written")
    assert ask(fresh_wharf, "healthz") == (200, "ok")
    assert "read-only" in fresh_wharf.log_text(0)
    execute(fresh_wharf, ALLOW[database_of(fresh_wharf)])
    wait_for(lambda: ask(fresh_wharf, "readyz") == (200, "ready"), "the node to be ready again")


def test_objects_that_cannot_be_written(fresh_wharf):
    """The folder of objects counts as well as the database."""
    if "WHARF_STORAGE_BUCKET" in fresh_wharf.environment:
        return
    blocking = fresh_wharf.data_dir / "blobs" / "writable"
    blocking.mkdir()
    wait_for(lambda: ask(fresh_wharf, "readyz")[0] == 503, "the node to see that nothing can be written")
    assert ask(fresh_wharf, "readyz") == (503, "the folder of objects cannot be written")
    blocking.rmdir()
    wait_for(lambda: ask(fresh_wharf, "readyz") == (200, "ready"), "the node to be ready again")
