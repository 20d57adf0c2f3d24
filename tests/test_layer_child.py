"""The process that reads a layer: this program, started once more, which gives up its rights and sets up nothing else."""

import os
import subprocess

from harness.commands import run
from harness.server import binary

BOUNDS = (str(1 << 30), "10")
# The version, and every part of its confinement that does not depend on the kernel's Landlock.
SECCOMP, LIMITS, PRIVILEGES, SECRECY, DESCRIPTORS, LEASH = (1 << at for at in (0, 4, 5, 6, 7, 8))


def child(*arguments, **options):
    command = [str(binary()), "analyze-layer", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, **options)


def test_a_child_says_first_how_it_is_confined():
    """Its parent is gone here: that it says too, and ends."""
    told = child(*BOUNDS, env={})
    kind, length, version = told.stdout[:1], told.stdout[1:9], told.stdout[9]
    assert (kind, int.from_bytes(length, "little"), version) == (b"c", 4, 1)
    parts = int.from_bytes(told.stdout[10:12], "little")
    wanted = SECCOMP | LIMITS | PRIVILEGES | SECRECY | DESCRIPTORS | LEASH
    assert parts & wanted == wanted, bin(parts)
    assert (len(told.stdout), told.returncode) == (13, 3), told.stderr


def test_a_child_looks_at_nothing_that_is_configured(tmp_path):
    """A configuration that no server starts with, and a log of everything, make no difference."""
    broken = tmp_path / "wharf.toml"
    broken.write_text("no = configuration")
    environment = {**os.environ, "WHARF_CONFIG": str(broken), "WHARF_LOG": "trace", "WHARF_LISTEN": "nowhere"}
    told = child(*BOUNDS, env=environment)
    assert (told.stdout[:1], told.returncode) == (b"c", 3)
    assert b"TRACE" not in told.stderr


def test_it_is_no_command_for_people():
    assert "analyze-layer" not in run(binary(), "--help").stdout
    for arguments in ((), ("1",), ("many", "10"), (*BOUNDS, "more")):
        told = child(*arguments)
        assert (told.stdout, told.returncode) == (b"", 2), arguments
        assert b"for the program itself" in told.stderr
