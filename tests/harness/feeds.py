"""Feeds of advisories as publishers have them, served on this machine."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def secdb(packages, release="3.20", repository="main"):
    """Alpine's advisories: `{package: {version that fixes: [vulnerability]}}`."""
    entries = [{"pkg": {"name": name, "secfixes": fixes}} for name, fixes in packages.items()]
    return json.dumps({"distroversion": f"v{release}", "reponame": repository, "packages": entries}).encode()


def tracker(packages, release="bookworm"):
    """Debian's: `{package: {vulnerability: version that fixes, or None}}`."""

    def issue(fixed):
        state = {"status": "resolved", "fixed_version": fixed} if fixed else {"status": "open"}
        return {"description": "about it", "scope": "local", "releases": {release: {**state, "urgency": "medium"}}}

    return json.dumps(
        {name: {id: issue(fixed) for id, fixed in issues.items()} for name, issues in packages.items()}
    ).encode()


class FeedServer:
    """Serves the files of `files`, by their paths, and says by an ETag whether one has changed.

    `answers` has the path and the status of each answer.
    """

    def __init__(self):
        self.files = {}
        self.answers = []
        feeds = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                content = feeds.files.get(self.path)
                if content is None:
                    return self.answer(404, b"no such feed")
                tag = f'"{hashlib.sha256(content).hexdigest()}"'
                if self.headers["If-None-Match"] == tag:
                    return self.answer(304, b"", tag)
                self.answer(200, content, tag)

            def answer(self, status, content, tag=None):
                feeds.answers.append((self.path, status))
                self.send_response(status)
                if tag:
                    self.send_header("ETag", tag)
                if status != 304:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
