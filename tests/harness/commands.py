"""Runs the programs that the tests drive, and shows everything they said when they fail."""

import os
import re
import shutil
import subprocess


class CommandFailed(AssertionError):
    """A program ended with another exit code than expected."""

    def __init__(self, finished):
        self.finished = finished
        super().__init__(shown(finished))


# For an environment in which nothing leads the program to another server or other credentials.
WITHOUT_AWS = dict.fromkeys(
    (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_CA_BUNDLE",
        "AWS_PROFILE",
    )
)


def run(*command, expect=0, environment=None, stdin=None, timeout=300, text=True, cwd=None):
    """Runs to the end. `expect` is the exit code, or None for any; `environment` is added to ours; None removes a
    variable.

    Returns the finished process with `stdout` and `stderr`.
    """
    variables = {**os.environ, **(environment or {})}
    finished = subprocess.run(
        [str(part) for part in command],
        input=stdin,
        capture_output=True,
        env={name: value for name, value in variables.items() if value is not None},
        timeout=timeout,
        text=text,
        cwd=cwd,
        check=False,
    )
    if expect is not None and finished.returncode != expect:
        raise CommandFailed(finished)
    return finished


def refused(*command, **options):
    """Runs a command that must fail; returns all that it printed."""
    finished = run(*command, expect=None, **options)
    assert finished.returncode != 0, f"expected a refusal: {shown(finished)}"
    return finished.stdout + finished.stderr


def program(name):
    """The path of a program that the tests need; absent, the test fails and says what to do."""
    path = shutil.which(name)
    assert path, f"{name} is not installed: run tests/run, which installs all that the tests need"
    return path


def shown(finished):
    """The command, its exit code and what it said, without the hundred lines in which docker counts seconds."""
    said = "".join(
        f"\n{name}: {text}" for name, text in (("stdout", finished.stdout), ("stderr", finished.stderr)) if text
    )
    said = re.sub(r"(?m)^.*Retrying in \d+ seconds?\n", "", said)
    return f"{' '.join(finished.args)}\nended with exit code {finished.returncode}{said}"
