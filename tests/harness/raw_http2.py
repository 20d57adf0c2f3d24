"""HTTP/2 as frames on a socket, for clients that no library would be."""

import contextlib
import socket
import struct
from dataclasses import dataclass

from harness.raw_http import connect

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
CANCEL, ENHANCE_YOUR_CALM = 8, 11
INITIAL_WINDOW = 4
# RFC 7541, appendix A: how a header block begins with these statuses.
STATUSES = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}


@dataclass(frozen=True)
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def status(self):
        """The status that a block of headers begins with; none if it is not one of the few that have a number."""
        return STATUSES.get(self.payload[0])


class Http2Connection:
    """A connection in clear that knows from the start that the server speaks HTTP/2."""

    def __init__(self, host, timeout=30, source=None, settings=()):
        name, _, port = host.rpartition(":")
        self.socket = connect((name, int(port)), timeout, source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host = host
        self.next_stream = 1
        self.received = b""
        self.send(PREFACE)
        self.frame(SETTINGS, payload=b"".join(struct.pack(">HI", *setting) for setting in settings))

    def send(self, data):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def frame(self, kind, flags=0, stream=0, payload=b""):
        self.send(encode(kind, flags, stream, payload))

    def request(self, path, method="GET", body=None, headers=()):
        """Sends a head, and the body if there is one; returns the stream. An open body goes on with `frame(DATA, …)`."""
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        fields = [(":method", method), (":scheme", "http"), (":authority", self.host), (":path", path), *headers]
        ends = END_STREAM if body is None else 0
        self.frame(HEADERS, END_HEADERS | ends, stream, b"".join(literal(*field) for field in fields))
        if body:
            self.frame(DATA, 0, stream, body)
        return stream

    def read(self):
        """The next frame; None at the end of the connection."""
        head = self._exactly(9)
        if head is None:
            return None
        length = int.from_bytes(head[:3])
        payload = self._exactly(length)
        return None if payload is None else Frame(head[3], head[4], int.from_bytes(head[5:]) & 0x7FFFFFFF, payload)

    def read_until(self, kind, stream=None):
        """The next frame of a kind, of one stream; None if the connection ends before it."""
        while frame := self.read():
            if frame.kind == kind and stream in (None, frame.stream):
                return frame
        return None

    def _exactly(self, length):
        while len(self.received) < length:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.received += data
        taken, self.received = self.received[:length], self.received[length:]
        return taken

    def close(self):
        self.socket.close()


def encode(kind, flags, stream, payload):
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def literal(name, value):
    """A header that no table knows, and that none is to remember (RFC 7541, 6.2.2)."""
    return b"\0" + b"".join(integer(len(text)) + text.encode() for text in (name, value))


def integer(value):
    """RFC 7541, 5.1, with a prefix of seven bits."""
    if value < 127:
        return bytes([value])
    encoded, value = [127], value - 127
    while value >= 128:
        encoded.append(value % 128 + 128)
        value //= 128
    return bytes([*encoded, value])
