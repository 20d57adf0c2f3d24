"""Pushes until the server is gone, and remembers what was acknowledged and what was only tried."""

import http.client
import json
import random
import threading
from dataclasses import dataclass, field

from harness.registry_client import (
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    digest_of,
    image_manifest,
    random_content,
    with_query,
)

# What a client sees when the server is killed: a refused, reset or closed connection, or an answer that stops.
GONE = (OSError, http.client.HTTPException)
BYTES = "application/octet-stream"


@dataclass
class Ledger:
    """What one client knows. A value in `tried` may have taken effect; one in the others must have."""

    blobs: dict = field(default_factory=dict)
    images: dict = field(default_factory=dict)
    tags: dict = field(default_factory=dict)
    tried: dict = field(default_factory=dict)
    resumable: list = field(default_factory=list)


class Pusher(threading.Thread):
    """Pushes one image after the other into a repository; `seed` decides sizes and the forms of the uploads."""

    def __init__(self, host, authorization, name, number, seed):
        super().__init__(daemon=True)
        self.repository = Repository(RegistryClient(host, authorization, timeout=20), name)
        self.number = number
        self.random = random.Random(seed)
        self.ledger = Ledger()
        self.failure = None
        self.started_pushing = threading.Event()

    def run(self):
        try:
            while True:
                self.push_image(len(self.ledger.tags))
        except GONE:
            pass
        except BaseException as failure:
            self.failure = failure
        finally:
            self.repository.client.close()
            self.started_pushing.set()

    def push_image(self, count):
        config = json.dumps({"architecture": "amd64", "os": "linux", "unique": random_content(16).hex()}).encode()
        layer = random_content(self.random.choice([10, 5_000, 200_000, 1_500_000]))
        for content in (config, layer):
            self.random.choice([self.monolithic, self.chunked])(content)
            self.ledger.blobs[digest_of(content)] = content
        body = image_manifest(config, [layer])
        digest = digest_of(body)
        for tag in (f"image-{self.number}-{count}", f"latest-{self.number}"):
            self.ledger.tried[tag] = digest
            self.repository.push_manifest(body, tag, OCI_MANIFEST)
            self.ledger.images[digest] = body
            self.ledger.tags[tag] = digest

    def monolithic(self, content):
        location = self.repository.start_upload()
        self.started_pushing.set()
        self.finish(location, content, digest_of(content))

    def chunked(self, content):
        location = self.repository.start_upload()
        upload = {"location": location, "content": content, "received": 0}
        self.ledger.resumable.append(upload)
        size = max(1, len(content) // 4)
        for first in range(0, len(content), size):
            chunk = content[first : first + size]
            span = f"{first}-{first + len(chunk) - 1}"
            answer = self.repository.client.patch(location, chunk, content_type=BYTES, content_range=span).expect(202)
            self.started_pushing.set()
            location = answer.header("Location")
            upload.update(location=location, received=first + len(chunk))
        self.finish(location, b"", digest_of(content), upload)

    def finish(self, location, rest, digest, upload=None):
        target = with_query(location, digest=digest)
        # From here on the upload may be complete without our knowing.
        if upload:
            self.ledger.resumable.remove(upload)
        self.repository.client.put(target, rest, content_type=BYTES).expect(201)


def resume(repository, upload):
    """Asks how far an upload came, sends the rest and finishes it."""
    status = repository.client.get(upload["location"]).expect(204)
    first, last = map(int, status.header("Range").split("-"))
    assert first == 0
    content = upload["content"]
    # The range of an upload without a byte reads `0-0`, as that of one byte does.
    known = last + 1 if (last or upload["received"]) else 0
    assert upload["received"] <= known <= len(content), f"{upload['received']} acknowledged: {status!r}"
    location = status.header("Location") or upload["location"]
    if known < len(content):
        span = f"{known}-{len(content) - 1}"
        sent = repository.client.patch(location, content[known:], content_type=BYTES, content_range=span)
        location = sent.expect(202).header("Location")
    repository.client.put(with_query(location, digest=digest_of(content)), b"", content_type=BYTES).expect(201)
    return digest_of(content)
