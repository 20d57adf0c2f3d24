"""What lies in a folder while a server adds files to it and takes others away: what has gone in between is left out."""

import contextlib
import os
from pathlib import Path


def paths_under(folder):
    """The folders and files below a folder, at any depth, and what `lstat` says of each."""
    found = {}
    for inner, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            with contextlib.suppress(FileNotFoundError):
                path = Path(inner, name)
                found[path] = path.lstat()
    return found


def files_under(folder):
    """The files below a folder, at any depth, and what `stat` says of each."""
    found = {}
    for path in paths_under(folder):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                found[path] = path.stat()
    return found


def contents_under(folder):
    """The files below a folder, at any depth, and the bytes of each."""
    found = {}
    for path in files_under(folder):
        with contextlib.suppress(FileNotFoundError):
            found[path] = path.read_bytes()
    return found
