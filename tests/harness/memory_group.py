"""A control group of the kernel's that limits what a process may use of memory, in version 1 as in version 2."""

import contextlib
import os
import uuid
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
# The limits of each version: of memory, and of memory that is swapped out where the kernel counts it.
VERSION_1 = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.oom_control")
VERSION_2 = ("memory.max", "memory.swap.max", "memory.events")


class NoMemoryGroup(Exception):
    """None can be made here; says why."""


class MemoryGroup:
    """A command that begins with `prefix` runs in it, and is killed by the kernel when it needs more than `limit` bytes."""

    def __init__(self, limit):
        self.folder, files = made()
        self.events = self.folder / files[2]
        try:
            (self.folder / files[0]).write_text(str(limit))
            swap = self.folder / files[1]
            if swap.exists():
                swap.write_text(str(limit if files == VERSION_1 else 0))
        except OSError as problem:
            self.close()
            raise NoMemoryGroup(f"the limit of {self.folder} cannot be set: {problem}") from problem

    @property
    def prefix(self):
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.folder / "cgroup.procs")]

    @property
    def kills(self):
        """How many processes the kernel has ended for want of memory."""
        words = dict(line.split() for line in self.events.read_text().splitlines())
        return int(words["oom_kill"])

    def close(self):
        """Its processes have ended by now."""
        self.folder.rmdir()


def made():
    """A new group and the names of its files."""
    why = []
    for parent, files in parents():
        folder = parent / f"wharf-test-{uuid.uuid4().hex[:8]}"
        try:
            folder.mkdir()
        except OSError as problem:
            why.append(f"{folder.parent}: {problem.strerror}")
            continue
        if os.access(folder / files[0], os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK):
            return folder, files
        with contextlib.suppress(OSError):
            folder.rmdir()
        why.append(f"{parent} does not limit memory")
    raise NoMemoryGroup("; ".join(why) or "the kernel has no control groups for memory")


def parents():
    """Where a group may be made: beside this process's own or above. In version 2 a group that has processes has no
    groups with limits in it, but the root."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            yield from ((folder, VERSION_1) for folder in above(ROOT / "memory", path))
        elif not controllers:
            yield from ((folder, VERSION_2) for folder in above(ROOT, path))


def above(root, path):
    own = root / path.lstrip("/")
    return [folder for folder in (own, *own.parents) if folder.is_relative_to(root) and folder.is_dir()]
