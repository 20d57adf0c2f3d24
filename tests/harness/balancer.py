"""haproxy before one server, as people put it there. It reaches the server from an address of its own, which can be trusted."""

import socket
import subprocess

from harness.cluster import free_port
from harness.server import STOP_SECONDS, wait_for

PROXY_ADDRESS = "127.0.0.2"
CONFIGURATION = """\
global
    maxconn 1000
defaults
    mode {mode}
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend clients
    bind 127.0.0.1:{port} {bind}
{rules}
    default_backend server
backend server
    server wharf {server} source {source} {send}
"""


class Balancer:
    """`server` is an address, as a name may lead to another one; `rules` are lines of the frontend, `bind` and `send` options of the two sides."""

    def __init__(self, folder, server, mode="http", rules=(), bind="", send=""):
        self.folder = folder
        self.port = free_port()
        lines = "\n".join(f"    {rule}" for rule in rules)
        text = CONFIGURATION.format(
            mode=mode, port=self.port, bind=bind, rules=lines, server=server, source=PROXY_ADDRESS, send=send
        )
        (folder / "haproxy.cfg").write_text(text)
        self.host = f"127.0.0.1:{self.port}"
        self.process = None

    def __enter__(self):
        with (self.folder / "haproxy.log").open("wb") as log:
            command = ["haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(self._answers, f"haproxy; {self.folder}/haproxy.log")
        return self

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "haproxy.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(STOP_SECONDS)
