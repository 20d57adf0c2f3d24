"""Upstream registries of the tests' own: docker-registry, and one in Python that can misbehave in every way."""

import json
import os
import re
import secrets
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness.commands import program
from harness.images import Index
from harness.registry_client import RegistryClient, Repository, digest_of
from harness.server import wait_for

# "wharf" with the password "quay-side-42": bcrypt, which is all that docker-registry reads. The salt is fixed.
USER, PASSWORD = "wharf", "quay-side-42"
HTPASSWD = "wharf:$2y$05$abcdefghijklmnopqrstuuQlnxIQ8IzrJt9RdBzYGPfoOG2XnwL16\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class DockerRegistry:
    """docker-registry on loopback. `tls` is a certificate and its key."""

    def __init__(self, folder, has_login=False, tls=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.has_login = has_login
        self.tls = tls
        self.port = free_port()
        self.log = self.folder / "registry.log"
        self.process = None

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.host}"

    def start(self):
        config = {
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": self.host},
        }
        if self.tls:
            certificate, key = self.tls
            config["http"]["tls"] = {"certificate": str(certificate), "key": str(key)}
        if self.has_login:
            passwords = self.folder / "htpasswd"
            passwords.write_text(HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "tests", "path": str(passwords)}}
        file = self.folder / "config.yml"
        # JSON is YAML.
        file.write_text(json.dumps(config))
        with self.log.open("ab") as log:
            command = [program("docker-registry"), "serve", str(file)]
            environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        wait_for(self._answers, f"docker-registry; {self.log}")
        return self

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)

    def push(self, name, made, tag):
        """Pushes an image or index. Only without login and TLS."""
        repository = Repository(RegistryClient(self.host), name)
        children = made.images if isinstance(made, Index) else ()
        for image in children or (made,):
            for blob in image.blobs:
                repository.push_blob(blob)
        for image in children:
            repository.push_manifest(image.manifest, media_type=image.media_type)
        repository.push_manifest(made.manifest, tag, made.media_type)

    def served(self, kind="blobs"):
        """The paths of that kind that were read to the end, in order."""
        pattern = rf'http\.request\.method=GET .*http\.request\.uri="?([^" ]*/{kind}/[^" ]*)"?.*response completed|'
        pattern += rf'response completed.*http\.request\.method=GET .*http\.request\.uri="?([^" ]*/{kind}/[^" ]*)"?'
        return [one or other for one, other in re.findall(pattern, self.log.read_text())]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_request(self):
        upstream = self.server.upstream
        path = self.path.partition("?")[0]
        with upstream.lock:
            upstream.requests.append((self.command, self.path, self.headers.get("Authorization")))
            fault = next((fault for pattern, fault in upstream.faults if re.search(pattern, path)), None)
        if fault is not None:
            if fault(self) is not None:
                return
        elif path == "/v2/":
            self.answer(200, b"{}")
            return
        self.serve(path)

    do_GET = do_HEAD = handle_request

    def serve(self, path):
        found = self.server.upstream.content.get(path)
        if found is None:
            self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
            return
        media_type, body = found
        extra = {"Docker-Content-Digest": digest_of(body)} if "/manifests/" in path else {}
        self.answer(200, body, **{"Content-Type": media_type, **extra})

    def answer(self, status, body=b"", **headers):
        """The whole answer, without a body for HEAD."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return True

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        """A client that goes away is part of some tests."""


class FakeUpstream:
    """A registry that holds what it is given. A fault takes a request over: it returns True if it has answered it."""

    def __init__(self, tls=None):
        self.content = {}
        self.requests = []
        self.faults = []
        self.lock = threading.Lock()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.upstream = self
        self.tls = tls
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def host(self):
        return f"127.0.0.1:{self.server.server_address[1]}"

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.host}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def push(self, name, made, tag):
        children = made.images if isinstance(made, Index) else ()
        for image in [*children, made]:
            for blob in getattr(image, "blobs", []):
                self.content[f"/v2/{name}/blobs/{digest_of(blob)}"] = ("application/octet-stream", blob)
            self.content[f"/v2/{name}/manifests/{image.digest}"] = (image.media_type, image.manifest)
        self.content[f"/v2/{name}/manifests/{tag}"] = (made.media_type, made.manifest)

    def fault(self, pattern, fault):
        """Requests whose path has the pattern are answered by the fault."""
        with self.lock:
            self.faults.insert(0, (pattern, fault))

    def heal(self):
        with self.lock:
            self.faults.clear()

    def asked(self, pattern, method="GET"):
        """The paths that were asked for and have the pattern."""
        with self.lock:
            return [path for verb, path, _ in self.requests if verb == method and re.search(pattern, path)]

    def forget(self):
        with self.lock:
            self.requests.clear()

    # --- Faults ---------------------------------------------------------------------------------------------------

    @staticmethod
    def status(status, **headers):
        return lambda request: request.answer(status, b"no", **headers)

    @staticmethod
    def redirect(location):
        return lambda request: request.answer(307, b"", Location=location)

    @staticmethod
    def body(body, **headers):
        return lambda request: request.answer(200, body, **headers)

    @staticmethod
    def endless(request):
        """Says nothing of its length, and never ends."""
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        request.close_connection = True
        block = secrets.token_bytes(65536)
        while True:
            request.wfile.write(block)

    @staticmethod
    def cut(body, after):
        """Breaks off after so many bytes."""

        def fault(request):
            request.send_response(200)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body[:after])
            request.wfile.flush()
            request.close_connection = True
            return True

        return fault

    @staticmethod
    def slow(seconds):
        """Waits before it does what it is asked."""

        def fault(_):
            time.sleep(seconds)

        return fault

    @staticmethod
    def gate(opened):
        """Waits for an event before it does what it is asked."""

        def fault(_):
            assert opened.wait(60)

        return fault
