"""A NATS server, and a client that subscribes and asks: only what tests of events need."""

import json
import shutil
import socket
import subprocess
import threading

from harness.server import wait_for

PROGRAM = shutil.which("nats-server") or "/usr/sbin/nats-server"


class NatsServer:
    """`config` is the text of its configuration. Restarted, it keeps its port."""

    def __init__(self, folder, config=""):
        self.folder = folder
        self.config = config
        self.port = free_port()
        self.process = None
        self.start()

    def start(self):
        path = self.folder / "nats.conf"
        path.write_text(f"listen: 127.0.0.1:{self.port}\n{self.config}")
        log = self.folder / "nats.log"
        self.process = subprocess.Popen([PROGRAM, "-c", str(path), "-l", str(log)])
        wait_for(self._listens, f"nats-server; {log}")

    def _listens(self):
        assert self.process.poll() is None, (self.folder / "nats.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self):
        self.process.kill()
        self.process.wait()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Subscriber:
    """Remembers every message of a subject as (headers, body)."""

    def __init__(self, port, subject, context=None, **login):
        self.messages = []
        self.subject = subject
        connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        info = b""
        while not info.endswith(b"\n"):
            info += connection.recv(1)
        if context:
            connection = context.wrap_socket(connection, server_hostname="localhost")
        self.connection = connection
        self.file = connection.makefile("rb")
        hello = {"verbose": False, "headers": True, "protocol": 1, "lang": "test", "version": "1", **login}
        self.send(f"CONNECT {json.dumps(hello)}\r\nSUB {subject} 1\r\nPING\r\n")
        while self.file.readline().strip() != b"PONG":
            pass
        connection.settimeout(None)
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def send(self, text):
        self.connection.sendall(text.encode())

    def publish(self, subject, reply, body):
        self.send(f"PUB {subject} {reply} {len(body)}\r\n{body}\r\n")

    def _listen(self):
        try:
            while line := self.file.readline():
                words = line.decode().split()
                if words[0] == "PING":
                    self.send("PONG\r\n")
                elif words[0] in ("MSG", "HMSG"):
                    content = self.file.read(int(words[-1]) + 2)[:-2]
                    head = int(words[-2]) if words[0] == "HMSG" else 0
                    self.messages.append((content[:head].decode(), content[head:]))
        except OSError:
            pass

    def wait_for(self, count):
        wait_for(lambda: len(self.messages) >= count, f"{count} messages")
        return self.messages

    def ask(self, subject, body):
        """The answer of the server, such as of JetStream's API, to the subject that was subscribed to."""
        count = len(self.messages)
        self.publish(subject, self.subject, json.dumps(body))
        return json.loads(self.wait_for(count + 1)[count][1])

    def close(self):
        self.connection.close()
