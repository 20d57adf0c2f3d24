"""A docker daemon of the tests' own, without networks, and the docker command that speaks to it."""

import os
import subprocess
from pathlib import Path

from harness.commands import program, refused, run
from harness.server import wait_for


def docker_program():
    """Debian's client where there are several."""
    return "/usr/bin/docker" if Path("/usr/bin/docker").exists() else program("docker")


class DockerDaemon:
    """`prefix` is put before every command, as to run it in a namespace."""

    def __init__(self, folder, prefix=()):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket = f"unix://{self.folder}/docker.sock"
        self.prefix = list(prefix)
        self.process = None

    def start(self):
        command = [
            program("dockerd"),
            "--iptables=false",
            "--ip6tables=false",
            "--bridge=none",
            f"--data-root={self.folder}/data",
            f"--exec-root={self.folder}/exec",
            f"--host={self.socket}",
            f"--pidfile={self.folder}/docker.pid",
        ]
        with (self.folder / "dockerd.log").open("ab") as log:
            self.process = subprocess.Popen([*self.prefix, *command], stdout=log, stderr=subprocess.STDOUT)
        wait_for(self._answers, f"dockerd to answer; {self.folder}/dockerd.log", 60)
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"dockerd ended:\n{(self.folder / 'dockerd.log').read_text()[-4000:]}")
        return (self.folder / "docker.sock").exists() and self.run("info", expect=None).returncode == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    @property
    def environment(self):
        return {"DOCKER_HOST": self.socket, "DOCKER_CONFIG": str(self.folder / "config")}

    def run(self, *arguments, expect=0, stdin=None):
        command = [*self.prefix, docker_program(), *arguments]
        return run(*command, expect=expect, stdin=stdin, environment=self.environment)

    def __call__(self, *arguments, stdin=None):
        """The docker command; returns what it printed on standard output."""
        return self.run(*arguments, stdin=stdin).stdout

    def refused(self, *arguments, stdin=None):
        """A docker command that must fail; returns all that it printed."""
        command = [*self.prefix, docker_program(), *arguments]
        return refused(*command, stdin=stdin, environment=self.environment)

    def shell(self, script, path=None, **environment):
        """Lines of shell as people paste them; `docker` in them is this daemon's. `path` goes before the PATH."""
        paths = ":".join([*([str(path)] if path else []), str(Path(docker_program()).parent), os.environ["PATH"]])
        variables = {**self.environment, "PATH": paths, **environment}
        return run(*self.prefix, "bash", "-euo", "pipefail", "-c", script, environment=variables)

    def log_out(self, host):
        self.run("logout", host, expect=None)

    def forget(self, *names):
        """Removes images, so that the next pull has to fetch them."""
        for name in names:
            self.run("rmi", "--force", name, expect=None)
