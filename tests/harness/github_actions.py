"""GitHub's actions as a runner starts them: a bundle in JavaScript, its inputs in the environment, its outputs in files."""

import os
import re
from pathlib import Path

import pytest

from harness.commands import program, run

# Where the bundles are: tests/run fetches them into the first, where it can.
FOLDER = os.environ.get("WHARF_TEST_GITHUB_ACTIONS", "")
# What a runner tells every action of the run that it belongs to.
RUN = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "org/app",
    "GITHUB_WORKFLOW": "build and push",
    "GITHUB_ACTION": "__run",
    "GITHUB_ACTOR": "octocat",
    "GITHUB_SHA": "a" * 40,
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_RUN_ID": "1",
    "GITHUB_JOB": "build",
}


def bundle(action):
    """The program of an action, which is a part of its repository."""
    path = Path(FOLDER) / action / "dist/index.js"
    if not FOLDER or not path.exists():
        pytest.skip(f"the bundle of {action} is not here (WHARF_TEST_GITHUB_ACTIONS names its folder)")
    return path


class Step:
    """One step of a job. `outputs` are its outputs, `exported` the variables that it sets for the steps after it."""

    def __init__(self, action, folder, environment, **inputs):
        files = {name: folder / f"{action}-{name}" for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STATE")}
        for path in files.values():
            path.write_text("")
        named = {f"INPUT_{name.replace('_', '-').upper()}": value for name, value in inputs.items()}
        workspace = {"GITHUB_WORKSPACE": str(folder), "RUNNER_TEMP": str(folder), "HOME": str(folder)}
        variables = {**environment, **RUN, **workspace, **{name: str(path) for name, path in files.items()}, **named}
        self.text = run(program("node"), bundle(action), environment=variables, cwd=folder, timeout=60).stdout
        self.exported = values(files["GITHUB_ENV"].read_text())
        self.outputs = values(files["GITHUB_OUTPUT"].read_text())


def values(text):
    """What an action wrote: `NAME<<DELIMITER`, the value, and the delimiter again."""
    found = re.finditer(r"^(?P<name>.+?)<<(?P<end>\S+)\n(?P<value>.*?)\n(?P=end)$", text, re.M | re.S)
    return {match["name"]: match["value"] for match in found}
