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
    return urlsplit(url)._replace(path=f"/{name}").geturl()
