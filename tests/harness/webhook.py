"""A receiver of webhooks on this machine, which answers as a test says and remembers all that came."""

import hashlib
import hmac
import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.server import wait_for


@dataclass(frozen=True)
class Delivery:
    """One request: what was answered to it, its headers and its bytes."""

    status: int
    headers: dict
    body: bytes

    @property
    def event(self):
        return json.loads(self.body)

    def has_signature_of(self, secret):
        """As docs/events.md tells receivers to check it."""
        parts = dict(part.split("=", 1) for part in self.headers["wharf-signature"].split(","))
        expected = hmac.new(secret.encode(), parts["t"].encode() + b"." + self.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, parts["v1"]) and abs(time.time() - int(parts["t"])) < 300


class Receiver:
    """`answer` makes a status of a request's event; it may wait. Stopped, it keeps its port for the next start."""

    def __init__(self, answer=lambda event: 200):
        self.answer = answer
        self.deliveries = []
        self.server = None
        self.port = 0
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def events(self):
        """The events that were taken, in the order in which they came."""
        return [delivery.event for delivery in list(self.deliveries) if delivery.status < 300]

    def of(self, repository):
        return [event for event in self.events if event["detail"].get("repository-name") == repository]

    def wait_for(self, count, repository=None, seconds=60):
        """The events, once so many are there."""

        def taken():
            return self.of(repository) if repository else self.events

        wait_for(lambda: len(taken()) >= count, f"{count} events", seconds)
        return taken()

    def start(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.answer(json.loads(body))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.deliveries.append(Delivery(status, headers, body))
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", receiver.url)
                text = b"" if status < 300 else b"receiver says no"
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request, client_address):
                """Servers are killed while they wait for an answer; what matters is what arrived."""

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
