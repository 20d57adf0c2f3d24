"""Several nodes of Wharf over one database and one store, behind a load balancer that sends each request to any of them."""

import random
import secrets
import socket
import subprocess
from urllib.parse import urlsplit

from harness.seeds import fresh_seed
from harness.server import STOP_SECONDS, Wharf, wait_for

# Asks another node if one does not answer, as clients of a load balancer expect; waits as long as docker does.
HAPROXY = """\
global
    maxconn 8000
defaults
    mode http
    balance random
    retries 5
    option redispatch
    option http-no-delay
    retry-on conn-failure
    timeout connect 2s
    timeout client 300s
    timeout server 300s
    timeout queue 30s
frontend clients
    bind 127.0.0.1:{port}
    default_backend nodes
backend nodes
    option httpchk GET /readyz
    default-server check inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""


class Cluster(Wharf):
    """Looks like one server: `url` leads to the balancer. `nodes` are the servers themselves.

    `environment` says where the database and the store are; without a store, the nodes share a folder.
    """

    def __init__(self, folder, nodes=3, environment=None, config=None, arguments=()):
        super().__init__(folder, arguments=arguments, environment=environment, config=config)
        self._port = free_port()
        shared = {
            "WHARF_SERVICE_KEY": secrets.token_hex(32),
            "WHARF_PUBLIC_URL": f"http://localhost:{self._port}",
            **self.environment,
        }
        if "[[accounts]]" not in (config or ""):
            shared |= {
                "WHARF_ACCESS_KEY_ID": f"AKIA{secrets.token_hex(8).upper()}",
                "WHARF_SECRET_ACCESS_KEY": secrets.token_hex(20),
            }
        self.environment = shared
        self.nodes = [
            Wharf(self.folder / f"node{number}", arguments=arguments, environment=dict(shared), config=config)
            for number in range(nodes)
        ]
        self.data_dir = self.nodes[0].data_dir
        self.balancer = None
        self._chance = random.Random(fresh_seed())

    def start(self, clock=None):
        for node in self.nodes:
            self.start_node(node, clock)
        servers = [f"    server n{number} {node.listen}" for number, node in enumerate(self.nodes)]
        (self.folder / "haproxy.cfg").write_text(HAPROXY.format(port=self._port, servers="\n".join(servers)))
        with (self.folder / "haproxy.log").open("ab") as log:
            command = ["haproxy", "-db", "-f", self.folder / "haproxy.cfg"]
            self.balancer = subprocess.Popen([str(part) for part in command], stdout=log, stderr=subprocess.STDOUT)
        self.url = self.named_url = f"http://localhost:{self._port}"
        wait_for(self._answers, "the balancer")
        return self

    def start_node(self, node, clock=None):
        """Starts one node, for the first time or again."""
        if "WHARF_STORAGE_BUCKET" not in self.environment:
            for tier in ("blobs", "archive"):
                shared = self.folder / tier
                shared.mkdir(exist_ok=True)
                node.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
                if not (node.data_dir / tier).exists():
                    (node.data_dir / tier).symlink_to(shared)
        return node.start(clock)

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            assert self.balancer.poll() is None, (self.folder / "haproxy.log").read_text()
            return False
        return True

    def stop(self):
        codes = [node.stop() for node in self.nodes if node.is_running]
        self._stop_balancer()
        return max(codes, default=0)

    def _stop_balancer(self):
        self.balancer.terminate()
        self.balancer.wait(STOP_SECONDS)

    def restart(self, clock=None):
        assert self.stop() == 0, self.tail()
        return self.start(clock)

    def kill(self):
        for node in self.nodes:
            if node.is_running:
                node.kill()
        self._stop_balancer()

    @property
    def is_running(self):
        return any(node.is_running for node in self.nodes)

    def finish(self):
        for node in self.nodes:
            node.finish()
        self._stop_balancer()

    def log_text(self, start=0):
        return "".join(node.log_text() for node in self.nodes)

    @property
    def host(self):
        return urlsplit(self.url).netloc

    @property
    def own_host(self):
        """A node's, as the balancer sets right what is not quite HTTP."""
        return self._chance.choice(self.nodes).host

    @property
    def port(self):
        return self._port


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
