"""A containerd of the tests' own, and ctr, which speaks to it."""

import subprocess
from pathlib import Path

from harness.commands import program, refused, run
from harness.server import wait_for


class Containerd:
    """`prefix` is put before every command, as to run it in a namespace."""

    def __init__(self, folder, prefix=()):
        self.folder = Path(folder)
        self.prefix = list(prefix)
        self.socket = self.folder / "containerd.sock"
        self.process = None

    def start(self):
        config = self.folder / "config.toml"
        config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        command = [*self.prefix, program("containerd"), "--config", config, "--address", self.socket]
        command += ["--root", self.folder / "root", "--state", self.folder / "state"]
        with (self.folder / "containerd.log").open("ab") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=subprocess.STDOUT)
        wait_for(self._answers, f"containerd to answer; {self.folder}/containerd.log", 60)
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"containerd ended:\n{(self.folder / 'containerd.log').read_text()[-4000:]}")
        return self.socket.exists() and run(*self._ctr, "version", expect=None).returncode == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    @property
    def _ctr(self):
        return [*self.prefix, program("ctr"), "--address", self.socket, "--namespace", "tests"]

    def ctr(self, *arguments):
        return run(*self._ctr, *arguments).stdout

    def ctr_refused(self, *arguments):
        return refused(*self._ctr, *arguments)
