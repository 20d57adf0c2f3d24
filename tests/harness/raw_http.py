"""HTTP as bytes on a socket, for requests that no library would send."""

import contextlib
import http.client
import io
import socket
import ssl

from harness.registry_client import Answer

# Linux's IP_BIND_ADDRESS_NO_PORT, which Python does not name.
BIND_ADDRESS_NO_PORT = 24


class Dropped(Exception):
    """The server closed the connection without an answer."""


def connect(address, timeout, source=None):
    """A socket that is connected to `address`, from the IPv4 address `source` if one is named.

    Its port is chosen as that of any other connection: a bind would take one that no connection to any server has or had
    of late, of which there are not enough for the tests of thousands.
    """
    if source is None:
        return socket.create_connection(address, timeout)
    connection = socket.socket(socket.AF_INET)
    try:
        connection.settimeout(timeout)
        connection.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
        connection.bind((source, 0))
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


class RawConnection:
    """One connection to the server; opened at once, and again by the first request after it was closed.

    `source` is the address that it comes from, `context` makes it one of TLS.
    """

    def __init__(self, host, timeout=30, source=None, context=None):
        name, _, port = host.rpartition(":")
        self.address = (name, int(port))
        self.timeout = timeout
        self.source = source
        self.context = context
        self.socket = None

    def send(self, data):
        """Writes bytes; what the server no longer wants to read is no error here."""
        if self.socket is None:
            self.socket = connect(self.address, self.timeout, self.source)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                self.socket = self.context.wrap_socket(self.socket, server_hostname="localhost")
            self.reader = _SharedReader(self.socket)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def finish_sending(self):
        """Says that no more bytes will come, and stays to read the answer."""
        self.socket.shutdown(socket.SHUT_WR)

    def expect_continue(self):
        """Waits until the server asks for the body of a request that expects so."""
        lines = iter(self.reader.readline, b"\r\n")
        status = next(lines)
        assert status.startswith(b"HTTP/1.1 100 "), status
        list(lines)

    def answer(self, method="GET", shown=""):
        """Reads one answer, or raises Dropped."""
        response = http.client.HTTPResponse(self.reader, method=method)
        try:
            response.begin()
            body = response.read()
        except (http.client.HTTPException, ConnectionResetError, BrokenPipeError) as problem:
            self.close()
            raise Dropped(f"no whole answer ({problem!r}) to {shown}") from problem
        finally:
            response.close()
        if response.will_close:
            self.close()
        return Answer(shown, response.status, response.getheaders(), body)

    def exchange(self, data, method="GET"):
        """One request, one answer."""
        self.send(data)
        return self.answer(method, repr(data[:2000]))

    def wait_for_end(self):
        """What the server sends until it closes the connection; fails if it does not."""
        received = b""
        with contextlib.suppress(ConnectionResetError, ssl.SSLError):
            while data := self.socket.recv(65536):
                received += data
        self.close()
        return received

    def abort(self):
        """Cuts the connection as a lost client does: with a reset, without a goodbye."""
        if self.socket is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.close()

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None


class _SharedReader(io.BufferedReader):
    """One buffer for all answers of a connection: what came along with one answer belongs to the next."""

    def __init__(self, connection):
        super().__init__(socket.SocketIO(connection, "r"))

    def makefile(self, _mode):
        """What HTTPResponse asks a socket for."""
        return self

    def close(self):
        """Each HTTPResponse closes its file at its end; the connection goes on."""


def head(method, target, headers):
    """A request line and headers. `target` and values may be bytes, which go out as they are."""
    lines = [b" ".join([method.encode(), as_bytes(target), b"HTTP/1.1"])]
    lines += [b": ".join([as_bytes(name), as_bytes(value)]) for name, value in headers]
    return b"\r\n".join([*lines, b"", b""])


def as_bytes(text):
    return text if isinstance(text, bytes) else str(text).encode()
