"""Many transfers at once, with a client that is as cheap as Python allows: bodies are counted, some are hashed."""

import asyncio
import hashlib
import http.client
import re
import socket
from urllib.parse import urlsplit

BUFFER = 1024 * 1024
RECEIVE_BUFFER = 128 * 1024


class Pull(asyncio.BufferedProtocol):
    """One GET whose body is dropped as it comes. `finished` gives the status and the number of body bytes."""

    # Bytes that nobody looks at may land in one place for all connections.
    shared = memoryview(bytearray(BUFFER))

    def __init__(self, request, is_hashed):
        self.request = request
        self.hash = hashlib.sha256() if is_hashed else None
        self.head = b""
        self.status = None
        self.expected = None
        self.received = 0
        self.finished = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def ask(self):
        self.transport.write(self.request)

    def get_buffer(self, size_hint):
        return self.shared

    def buffer_updated(self, count):
        data = self.shared[:count]
        if self.status is None:
            self.head += bytes(data)
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            self.status = int(self.head.split(b" ", 2)[1])
            self.expected = int(re.search(rb"\r\ncontent-length: *(\d+)", self.head, re.IGNORECASE)[1])
            data = self.head[end + 4 :]
        self.received += len(data)
        if self.hash:
            self.hash.update(data)
        if self.received >= self.expected:
            self.transport.close()

    def connection_lost(self, error):
        if not self.finished.done():
            self.finished.set_result((self.status, self.received, self.hash and self.hash.hexdigest()))


async def _pull_all(url, headers, count, hashed, watch):
    parts = urlsplit(url)
    lines = [
        f"GET {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        *[f"{name}: {value}" for name, value in headers.items()],
    ]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    loop = asyncio.get_running_loop()

    async def start(number):
        connection = socket.socket()
        connection.setblocking(False)
        # Thousands of receive buffers that grow as they like reach the kernel's limit for all connections. It drops
        # what came then, and whoever is hit at his first bytes waits through longer and longer repetitions.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        await loop.sock_connect(connection, (parts.hostname, parts.port))
        return await loop.create_connection(lambda: Pull(request, number < hashed), sock=connection)

    opened = await asyncio.gather(*[start(number) for number in range(count)])
    pulls = [protocol for _, protocol in opened]
    # Connecting takes some clients seconds on a loaded machine: none gets a head start by that.
    for pull in pulls:
        pull.finished.add_done_callback(lambda _: watch(pulls))
        pull.ask()
    return await asyncio.gather(*[pull.finished for pull in pulls])


def pull_all(url, headers, count, hashed, watch=lambda pulls: None):
    """`count` GETs, asked when all are connected; the first `hashed` of them are hashed. Returns (status, bytes, sha256 or
    None) of each.

    `watch` is called with all of them whenever one ends.
    """
    return asyncio.run(_pull_all(url, headers, count, hashed, watch))


class Generated:
    """A body of any length made of one random block with a running number in each copy, never held whole."""

    def __init__(self, seed, size, block=4 * 1024 * 1024):
        self.size = size
        self.block = hashlib.shake_256(seed.encode()).digest(block)

    def __iter__(self):
        for number, first in enumerate(range(0, self.size, len(self.block))):
            length = min(len(self.block), self.size - first)
            yield (number.to_bytes(8, "big") + self.block[8:])[:length]


def send(host, method, target, headers, body):
    """One request with a body that is sent as it is made. Returns the status, the headers and the sha256 of the body."""
    connection = http.client.HTTPConnection(host, timeout=600)
    digest = hashlib.sha256()
    try:
        connection.putrequest(method, target)
        for name, value in {**headers, "Content-Length": str(body.size)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        for chunk in body:
            digest.update(chunk)
            connection.send(chunk)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers, digest.hexdigest()
    finally:
        connection.close()
