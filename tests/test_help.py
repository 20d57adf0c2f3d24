"""What `--help` tells: every command of it is there, and none of them loses an option that all have."""

import re

from harness.commands import run
from harness.server import binary

OF_EVERY_SERVER_COMMAND = ("--endpoint", "--region", "--ca-bundle", "--output", "--config", "--data-dir")


def help_of(*command):
    return run(binary(), *command, "-h").stdout


def commands_of(text):
    """The commands that a text of help lists."""
    listed = re.search(r"^Commands:\n((?:  .*\n)+)", text, re.MULTILINE)
    names = re.findall(r"^  ([a-z-]+) ", listed[1], re.MULTILINE) if listed else []
    return [name for name in names if name != "help"]


def leaves(*command):
    """Each command that does something, with its help."""
    text = help_of(*command)
    below = commands_of(text)
    if not below:
        yield command, text
    for name in below:
        yield from leaves(*command, name)


def test_every_command():
    found = list(leaves())
    assert len(found) > 60
    for command, text in found:
        assert text.strip() and "Usage: " in text, command
        assert "Exit code: 0" in text, command
        if "Global options:" in text:
            missing = [option for option in OF_EVERY_SERVER_COMMAND if f"{option} <" not in text]
            # An option of a command's own that has the name of one of all commands takes its value.
            assert missing == [], command
