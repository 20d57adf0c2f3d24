"""The program of the version before, which tests of an upgrade begin with (tests/previous_program builds it)."""

import os
import subprocess
from pathlib import Path

import pytest

from harness.server import ROOT

# What tests/previous_program ends with where the history that it builds from is not there.
NO_HISTORY = 3


def previous_program():
    """Where it is; built if it is not there yet, which takes some minutes. Skips the test in a clone without the history."""
    if named := os.environ.get("WHARF_TEST_PREVIOUS"):
        return Path(named)
    made = subprocess.run([ROOT / "tests/previous_program"], capture_output=True, text=True, check=False)
    if made.returncode == NO_HISTORY:
        pytest.skip(made.stderr.strip())
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip())
