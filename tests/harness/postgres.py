"""Databases on a PostgreSQL server: the one that WHARF_TEST_POSTGRES names, or one that is started for this run."""

import atexit
import os
import tempfile
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from harness.commands import run

SCRIPT = Path(__file__).resolve().parents[1] / "postgres"


def server_url():
    """The URL of a server on which databases may be created."""
    if "WHARF_TEST_POSTGRES" not in os.environ:
        folder = tempfile.mkdtemp(prefix="wharf-postgres-")
        os.environ["WHARF_TEST_POSTGRES"] = run(SCRIPT, "start", folder).stdout.strip().splitlines()[-1]
        atexit.register(run, SCRIPT, "stop", folder, expect=None)
    return os.environ["WHARF_TEST_POSTGRES"]


def new_database():
    """The URL of a new empty database."""
    url = server_url()
    name = f"wharf_{uuid.uuid4().hex}"
    run("psql", "--quiet", "--no-psqlrc", "--dbname", url, "--command", f"CREATE DATABASE {name}")
    # What public has comes first, so that `set_clock` can put its own clock before the server's.
    query = "options=-csearch_path%3Dpublic,pg_catalog"
    return urlsplit(url)._replace(path=f"/{name}", query=query).geturl()


def set_clock(url, seconds):
    """Lets the clock that the database tells its clients run ahead or behind; 0 sets it right."""
    function = "public.clock_timestamp()"
    if seconds:
        clock = f"SELECT pg_catalog.clock_timestamp() + interval '{seconds} s'"
        sql = f"CREATE OR REPLACE FUNCTION {function} RETURNS timestamptz LANGUAGE sql AS $$ {clock} $$"
    else:
        sql = f"DROP FUNCTION IF EXISTS {function}"
    run("psql", "--quiet", "--no-psqlrc", "--dbname", url, "--command", sql)
