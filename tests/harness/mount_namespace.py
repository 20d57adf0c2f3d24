"""A private view of /etc: names of our own and docker's trusted certificates, without changing the machine's files."""

import subprocess
from pathlib import Path

from harness.server import wait_for

# Runs in the new namespace: what is mounted there is seen by nobody else.
SCRIPT = """
set -eu
mount --make-rprivate /
mkdir -p /etc/docker
mount --bind "$1/hosts" /etc/hosts
mount --bind "$1/docker" /etc/docker
touch "$1/ready"
exec sleep infinity
"""


class MountNamespace:
    """`names` maps a host name to its address. Commands that begin with `prefix` run inside."""

    def __init__(self, folder, names):
        self.folder = Path(folder)
        (self.folder / "docker/certs.d").mkdir(parents=True)
        lines = [f"{address} {name}" for name, address in names.items()]
        (self.folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))
        self.holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", SCRIPT, "sh", str(self.folder)])
        wait_for((self.folder / "ready").exists, "a mount namespace")

    @property
    def prefix(self):
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--"]

    def trust(self, host, certificate):
        """Docker takes this certificate for this registry from now on."""
        folder = self.folder / "docker/certs.d" / host
        folder.mkdir(exist_ok=True)
        (folder / "ca.crt").write_bytes(Path(certificate).read_bytes())

    def close(self):
        self.holder.kill()
        self.holder.wait()
