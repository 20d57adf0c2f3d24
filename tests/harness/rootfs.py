"""A real root file system: a minimal Debian, made once and kept in a cache folder."""

import os
import shutil
import tempfile
from pathlib import Path

from harness.commands import program, run

SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"


def cache_folder():
    folder = Path(os.environ.get("WHARF_TEST_CACHE") or Path.home() / ".cache/wharf-tests")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def debian_rootfs(suite=SUITE):
    """The path of a tar file with a minimal Debian (some 200 MB)."""
    kept = cache_folder() / f"debian-{suite}.tar"
    if not kept.exists():
        folder = Path(tempfile.mkdtemp(prefix="wharf-rootfs-"))
        try:
            run(program("debootstrap"), "--variant=minbase", suite, folder / "root", MIRROR, timeout=900)
            partial = kept.with_suffix(f".{os.getpid()}")
            run("tar", "--numeric-owner", "-C", folder / "root", "-cf", partial, ".")
            partial.rename(kept)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return kept


def unpacked_rootfs(folder, suite=SUITE):
    """Unpacks such a Debian into a folder; returns that."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    run("tar", "--numeric-owner", "-C", folder, "-xf", debian_rootfs(suite))
    return folder
