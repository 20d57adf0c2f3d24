"""Files of Debian's packages, unpacked without being installed, and kept in the tests' cache folder."""

import os
import shutil
import tempfile
from pathlib import Path

from harness.commands import CommandFailed, program, run
from harness.rootfs import cache_folder


def debian_archive(package, folder):
    """A package as Debian has it, fetched into a folder that is there."""
    # apt fetches as a user of its own.
    folder.chmod(0o777)
    fetch(package, folder)
    (archive,) = folder.glob(f"{package}_*.deb")
    return archive


def debian_files(package, *paths):
    """A folder with the files of a package, or with some of them alone."""
    kept = cache_folder() / f"package-{package}"
    if not kept.exists():
        folder = Path(tempfile.mkdtemp(prefix="wharf-package-"))
        try:
            archive = debian_archive(package, folder)
            content = run(program("dpkg-deb"), "--fsys-tarfile", archive, text=False).stdout
            partial = kept.with_suffix(f".{os.getpid()}")
            partial.mkdir()
            run("tar", "-x", "-C", partial, *(f"./{path}" for path in paths), stdin=content, text=False)
            partial.rename(kept)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return kept


def fetch(package, folder):
    try:
        run(program("apt-get"), "download", package, cwd=folder)
    except CommandFailed:
        # Nobody has asked yet what packages there are, or their versions are gone.
        run(program("apt-get"), "update", "--quiet")
        run(program("apt-get"), "download", package, cwd=folder)


def go_tool():
    """Debian's `go`, and the environment in which it tells what programs are made of."""
    folder = debian_files("golang-1.19-go", "usr/lib/go-1.19/bin/go")
    return folder / "usr/lib/go-1.19/bin/go", {"GOROOT": str(folder), "GOFLAGS": "", "GOTOOLCHAIN": "local"}
