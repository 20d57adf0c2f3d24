"""Connections: how long they may take for what, who makes room for whom, and what every answer says.

Limits are of a few seconds where they are to be reached, so a test waits for the server and nothing else.
"""

import contextlib
import itertools
import re
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.raw_http import Dropped, RawConnection, head
from harness.raw_http2 import (
    CANCEL,
    CONTINUATION,
    DATA,
    ENHANCE_YOUR_CALM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW,
    PING,
    PREFACE,
    RESET,
    Http2Connection,
    literal,
)
from harness.registry_client import RegistryClient, digest_of, new_repository, path_of, random_content
from harness.scrape import scrape
from harness.server import Wharf, binary, wait_for

CROWD = Path(__file__).parent / "harness/crowd.py"
GET_HEALTH = head("GET", "/healthz", [("Host", "localhost")])
HALF_HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
# Past these a request, an idle connection and a slow body end; no answer of a test takes as long by itself.
QUICK = """
[connections]
head_timeout_seconds = 1
idle_timeout_seconds = 2
stall_timeout_seconds = 1
min_bytes_per_second = 1000
[metrics]
listen = "127.0.0.1:{port}"
"""
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def start(start_configured):
    def start(config=QUICK, arguments=(), **environment):
        return start_configured(config, arguments, **environment)

    return start


@pytest.fixture(scope="module")
def quick(start):
    return start()


@pytest.fixture(scope="module")
def quick_tls(start):
    return start(arguments=["--tls", "self-signed"])


def ended(server, reason):
    return scrape(server.metrics_url).value("wharf_http_connections_ended_total", reason=reason)


def untrusting():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def drip(connection, data, seconds=0.2):
    """Sends byte after byte until the server closes the connection; fails if it takes all of them.

    The pauses are what is tested: a client that is never silent for long.
    """
    for byte in itertools.chain(data):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.socket.send(bytes([byte]))
        connection.socket.settimeout(seconds)
        try:
            if not connection.socket.recv(65536):
                return
        except TimeoutError:
            continue
        except ConnectionResetError:
            return
    raise AssertionError("the server took all of it")


class TestTime:
    @pytest.mark.parametrize(
        "sent",
        [b"", b"G", b"\r\n", HALF_HEAD, PREFACE[:5], PREFACE, PREFACE + b"\0\0\0\4\0\0\0\0\0"],
        ids=["nothing", "a byte", "an empty line", "half a head", "half a preface", "a preface", "idle HTTP/2"],
    )
    def test_no_request(self, quick, sent):
        """Whoever sends no whole request is not there for long, in either version."""
        connection = RawConnection(quick.host)
        connection.send(sent)
        connection.wait_for_end()

    @pytest.mark.parametrize("sent", [b"", b"G", b"\r\n", HALF_HEAD], ids=["nothing", "byte", "line", "half a head"])
    def test_no_further_request(self, quick, sent):
        connection = RawConnection(quick.host)
        assert connection.exchange(GET_HEALTH).status == 200
        connection.send(sent)
        connection.wait_for_end()

    @pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"], ids=["nothing", "byte", "record"])
    def test_no_handshake(self, quick_tls, sent):
        connection = RawConnection(quick_tls.host)
        connection.send(sent)
        connection.wait_for_end()

    def test_no_request_over_tls(self, quick_tls):
        for protocols in (["http/1.1"], ["h2"], []):
            context = untrusting()
            if protocols:
                context.set_alpn_protocols(protocols)
            connection = RawConnection(quick_tls.host, context=context)
            connection.send(b"")
            connection.wait_for_end()

    def test_dripped_head(self, quick):
        connection = RawConnection(quick.host)
        connection.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        drip(connection, b"x" * 100)
        assert ended(quick, "head_timeout") > 0

    def test_dripped_head_of_a_later_request(self, quick):
        """Within the time that a connection may be idle, but not within that of a head."""
        connection = RawConnection(quick.host)
        assert connection.exchange(GET_HEALTH).status == 200
        drip(connection, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"x" * 100)

    def test_dripped_head_of_http_2(self, quick):
        """A block of headers that never ends, a piece at a time."""
        connection = Http2Connection(quick.host)
        connection.frame(HEADERS, 0, 1, literal(":method", "GET"))
        connection.socket.settimeout(0.2)
        for _ in range(100):
            connection.frame(CONTINUATION, 0, 1, literal("x", "y"))
            try:
                while connection.read():
                    pass
                return
            except TimeoutError:
                continue
        raise AssertionError("the server took all of it")

    def test_idle_http_2(self, quick):
        """It is told that it ends, and pings do not make it busy."""
        connection = Http2Connection(quick.host)
        assert connection.request("/healthz") == 1
        assert connection.read_until(HEADERS, 1).status == 200
        connection.socket.settimeout(0.2)
        said_so = False
        for _ in range(100):
            connection.frame(PING, payload=bytes(8))
            try:
                while frame := connection.read():
                    said_so |= frame.kind == GOAWAY
                assert said_so
                return
            except TimeoutError:
                continue
        raise AssertionError("the connection stayed")

    def test_idle_but_for_empty_lines(self, quick):
        connection = RawConnection(quick.host)
        assert connection.exchange(GET_HEALTH).status == 200
        drip(connection, b"\r\n" * 100)

    def test_requests_go_on(self, quick):
        """A connection that is used does not end, however old it is."""
        connection = RawConnection(quick.host)
        connection.send(b"")
        first = connection.socket
        until = time.monotonic() + 5
        while time.monotonic() < until:
            assert connection.exchange(GET_HEALTH).status == 200
            time.sleep(0.5)
        assert connection.socket is first

    def test_a_long_answer_is_waited_for(self, start):
        """The server may take its time: here it holds back what answers guesses, for longer than anything else lasts."""
        server = start(WHARF_AUTHENTICATION_FAILURES_PER_MINUTE="0")
        guess = head("GET", "/v2/", [("Host", "localhost"), ("Authorization", "Basic QVdTOm5vdGhpbmc=")])
        for _ in range(6):
            RawConnection(server.host).exchange(guess)
        one, two = RawConnection(server.host), Http2Connection(server.host)
        one.send(guess)
        stream = two.request("/v2/", headers=[("authorization", "Basic QVdTOm5vdGhpbmc=")])
        assert one.answer().status in (400, 401)
        assert two.read_until(HEADERS, stream).kind == HEADERS


@pytest.fixture
def repository(quick):
    """Of a client that has not been idle for too long."""
    return new_repository(quick, client=RegistryClient(quick.host, quick.authorization))


def upload_head(wharf, repository, **length):
    location = path_of(repository.start_upload())
    headers = [("Host", wharf.host), ("Authorization", wharf.authorization), *length.items()]
    return location, head("PATCH", location, [(name.replace("_", "-"), value) for name, value in headers])


class TestRate:
    @pytest.mark.parametrize(
        "length", [{"Content_Length": MIB}, {"Transfer_Encoding": "chunked"}], ids=["length", "chunked"]
    )
    def test_dripped_body(self, quick, repository, length):
        """A body may be slow, but not so slow that it never ends."""
        _, sent = upload_head(quick, repository, **length)
        connection = RawConnection(quick.host)
        connection.send(sent)
        drip(connection, b"1\r\nx\r\n" * 50 if "Transfer_Encoding" in length else b"x" * 300)
        assert ended(quick, "slow_body") > 0

    def test_dripped_body_of_http_2(self, quick, repository):
        """Only its own stream ends."""
        connection = Http2Connection(quick.host)
        location = path_of(repository.start_upload())
        slow = connection.request(location, "PATCH", b"x", [("authorization", quick.authorization)])
        connection.socket.settimeout(0.2)
        for _ in range(100):
            connection.frame(DATA, 0, slow, b"x")
            with contextlib.suppress(TimeoutError):
                answer = connection.read_until(HEADERS, slow)
                assert answer.status is None or answer.status >= 400
                break
        else:
            raise AssertionError("the server took all of it")
        connection.socket.settimeout(30)
        assert connection.read_until(HEADERS, connection.request("/healthz")).status == 200

    def test_dripped_anonymous_body(self, quick):
        """What a body is for does not matter."""
        connection = RawConnection(quick.host)
        connection.send(head("POST", "/", [("Host", "localhost"), ("Content-Length", 1000)]))
        drip(connection, b"x" * 300)

    def test_slow_body_that_moves(self, quick, repository):
        """Ten times as long as it may be silent, at the rate that is asked for."""
        content = random_content(12_000)
        location, sent = upload_head(quick, repository, Content_Length=len(content))
        connection = RawConnection(quick.host)
        connection.send(sent)
        for first in range(0, len(content), 300):
            connection.send(content[first : first + 300])
            time.sleep(0.2)
        assert connection.answer("PATCH").status == 202
        put = f"{location}?digest={digest_of(content)}"
        RegistryClient(quick.host, quick.authorization).put(put).expect(201)

    def test_unread_answer(self, quick, repository):
        """A client that asks for much and reads none of it."""
        digest = repository.push_blob(random_content(32 * MIB))
        before = ended(quick, "slow_reader")
        connection = RawConnection(quick.host)
        connection.send(
            head("GET", repository.blob(digest), [("Host", quick.host), ("Authorization", quick.authorization)])
        )
        wait_for(lambda: ended(quick, "slow_reader") > before, "the server to give up on the reader")
        connection.close()

    def test_slow_reader_that_moves(self, quick, repository):
        """Longer than an answer may wait, with pauses."""
        content = random_content(8 * MIB)
        digest = repository.push_blob(content)
        connection = RawConnection(quick.host)
        connection.send(
            head("GET", repository.blob(digest), [("Host", quick.host), ("Authorization", quick.authorization)])
        )
        received = b""
        # The content repeats itself, so its length tells the end.
        while len(received.partition(b"\r\n\r\n")[2]) < len(content):
            data = connection.socket.recv(200_000)
            assert data, f"cut off after {len(received)} bytes"
            received += data
            time.sleep(0.15)
        assert received.endswith(content)

    def test_unread_stream(self, quick, repository):
        """A stream of HTTP/2 whose window stays closed is reset, and the connection goes on."""
        digest = repository.push_blob(random_content(MIB))
        connection = Http2Connection(quick.host, settings=[(INITIAL_WINDOW, 1000)])
        stream = connection.request(repository.blob(digest), headers=[("authorization", quick.authorization)])
        assert connection.read_until(HEADERS, stream).status == 200
        connection.frame(PING, payload=bytes(8))
        reset = None
        while reset is None:
            # Kept from being idle, so that the stream is all that can end.
            other = connection.request("/healthz")
            assert connection.read_until(HEADERS, other).status == 200
            connection.socket.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                reset = connection.read_until(RESET, stream)
            connection.socket.settimeout(30)
        assert int.from_bytes(reset.payload) == CANCEL
        assert connection.read_until(HEADERS, connection.request("/healthz")).status == 200

    def test_rapid_reset(self, quick):
        """CVE-2023-44487: a client that resets what it has just asked for is sent away, and fills no log."""
        connection = Http2Connection(quick.host)
        for _ in range(5000):
            connection.frame(RESET, 0, connection.request("/v2/"), CANCEL.to_bytes(4))
        goaway = connection.read_until(GOAWAY)
        assert goaway is None or int.from_bytes(goaway.payload[4:8]) == ENHANCE_YOUR_CALM
        assert RawConnection(quick.host).exchange(GET_HEALTH).status == 200
        assert "h2::" not in quick.log_text()


SMALL = """
[connections]
max = MAX
[metrics]
listen = "127.0.0.1:{port}"
"""


class TestRoom:
    def test_the_greediest_source_makes_room(self, start):
        """It loses those that have been idle for longest; others lose none."""
        server = start(SMALL.replace("MAX", "20"))
        others = [RawConnection(server.host, source=f"127.0.0.{number}") for number in (3, 4, 5)]
        greedy = [RawConnection(server.host, source="127.0.0.2") for _ in range(17)]
        for connection in [*others, *greedy]:
            assert connection.exchange(GET_HEALTH).status == 200
        late = [RawConnection(server.host, source="127.0.0.6") for _ in range(5)]
        for connection in late:
            assert connection.exchange(GET_HEALTH).status == 200
        for connection in greedy[:5]:
            assert connection.wait_for_end() == b""
        kept = [*others, *greedy[5:], *late]
        sockets = [connection.socket for connection in kept]
        for connection in kept:
            assert connection.exchange(GET_HEALTH).status == 200
        assert [connection.socket for connection in kept] == sockets
        assert ended(server, "given_up") == 5

    def test_bare_connections_make_room(self, start):
        """From one source more than there is room for, and the same source still gets its answer."""
        server = start(SMALL.replace("MAX", "50"))
        crowd = [RawConnection(server.host) for _ in range(200)]
        for connection in crowd:
            connection.send(b"")
        assert RawConnection(server.host).exchange(GET_HEALTH).status == 200
        assert scrape(server.metrics_url).value("wharf_http_connections") <= 51

    def test_all_are_at_work(self, start):
        """Liveness is told nevertheless, other requests are to come again, and nobody's request is cut off."""
        server = start(SMALL.replace("MAX", "4"), WHARF_AUTHENTICATION_FAILURES_PER_MINUTE="0")
        guess = head("GET", "/v2/", [("Host", "localhost"), ("Authorization", "Basic QVdTOm5vdGhpbmc=")])
        for _ in range(7):
            connection = RawConnection(server.host)
            connection.send(guess)
            wait_for(lambda: in_flight(server) > 0, "the request to come")
            connection.abort()
            wait_for(lambda: in_flight(server) == 0, "the request to be given up")
        busy = [RawConnection(server.host) for _ in range(4)]
        for connection in busy:
            connection.send(guess)
        wait_for(lambda: in_flight(server) == 4, "all to be at work")
        assert RawConnection(server.host).exchange(GET_HEALTH).status == 200
        refused = RawConnection(server.host).exchange(head("GET", "/v2/", [("Host", "localhost")]))
        assert refused.status == 503 and refused.header("Retry-After") == "1"
        http_2 = Http2Connection(server.host)
        assert http_2.read_until(HEADERS, http_2.request("/healthz")).status == 200
        assert in_flight(server) == 4, "the answers came too soon for the test"
        for connection in busy:
            assert connection.answer().status in (400, 401)
        assert RawConnection(server.host).exchange(head("GET", "/v2/", [("Host", "localhost")])).status == 401
        assert ended(server, "overflow") == 1

    def test_limit_of_open_files(self, tmp_path):
        """The server takes as many as it may, whatever the shell says."""
        folder = tmp_path / "data"
        command = ["prlimit", "--nofile=256:4096", binary(), "serve", "--data-dir", folder, "--listen", "127.0.0.1:0"]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log)
        try:
            wait_for(lambda: (folder / "endpoint").exists(), "the server to listen")
            limits = Path(f"/proc/{process.pid}/limits").read_text()
            assert re.search(r"Max open files +4096 +4096", limits), limits
        finally:
            process.terminate()
            assert process.wait(60) == 0

    def test_liveness_beside_metrics(self, quick):
        host = quick.metrics_url.removeprefix("http://")
        assert RawConnection(host).exchange(GET_HEALTH).status == 200


def in_flight(server):
    return scrape(server.metrics_url).value("wharf_http_requests_in_flight")


class Crowds:
    """22,000 connections from one source, as two processes of a limited number of files can have them."""

    def __init__(self, host, processes=2, idle=20_000, slow=2_000):
        command = [sys.executable, str(CROWD), host, "127.0.0.2", str(idle // processes), str(slow // processes)]
        self.processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(processes)
        ]

    def wait(self):
        for process in self.processes:
            assert process.stdout.readline() == "open\n"

    def end(self):
        said = [process.communicate(timeout=60)[0] for process in self.processes]
        assert all(process.returncode == 0 for process in self.processes), said


class TestMany:
    def test_crowd(self, start, docker, debian_image):
        """20,000 idle and 2,000 slow connections from one source: liveness within a second, and docker pushes."""
        server = start('[metrics]\nlisten = "127.0.0.1:{port}"\n')
        repository = new_repository(server)
        uri = f"{server.host}/{repository.name}:v1"
        docker("login", "--username", "AWS", "--password-stdin", server.host, stdin=server.password)
        docker("tag", debian_image, uri)
        crowds = Crowds(server.host)
        try:
            crowds.wait()
            pushed = []
            pushing = threading.Thread(target=lambda: pushed.append(docker.run("push", uri, expect=None)))
            pushing.start()
            took = []
            while pushing.is_alive() or len(took) < 20:
                began = time.monotonic()
                assert RawConnection(server.host, source="127.0.0.3").exchange(GET_HEALTH).status == 200
                took.append(time.monotonic() - began)
            pushing.join()
            held = scrape(server.metrics_url)
        finally:
            crowds.end()
        assert pushed[0].returncode == 0, pushed[0]
        print(
            f"healthz: {len(took)} times, longest {max(took):.3f} s; "
            f"connections held {held.value('wharf_http_connections'):.0f}, "
            f"given up {held.value('wharf_http_connections_ended_total', reason='given_up'):.0f}, "
            f"peak memory {server.peak_memory / MIB:.0f} MiB"
        )
        assert max(took) < 1
        RegistryClient(server.host, server.authorization).get(repository.manifest("v1")).expect(200)


HOST = b"Host: localhost\r\n"
CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


class TestLines:
    """RFC 9112, 2.2 and 11.2: what ends a line for one party and not for the other hides a request."""

    @pytest.mark.parametrize(
        "sent",
        [
            b"GET /healthz HTTP/1.1\n" + HOST + b"\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\n\r\n",
            b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\nGET /v2/ HTTP/1.1\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\n" + HOST + b"\n",
            b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
            CHUNKED + b"1\nx\r\n0\r\n\r\n",
            CHUNKED + b"1\r\nx\n0\r\n\r\n",
            CHUNKED + b"0\r\nX: y\n\r\n",
            CHUNKED + b"0\n\r\n",
            # Where it stands for one party in what another takes for a chunk's extension, or behind what nobody looks at.
            CHUNKED + b"2;\nxx\r\nAA\r\n0\r\n\r\n",
            CHUNKED + b"0" * 300 + b"5\r\nGET /\r\n0\r\n\r\n",
            b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length:" + b" " * 300 + b"5\r\n\r\nGET /",
            b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"0" * 300 + b"5\r\n\r\nGET /",
        ],
    )
    @pytest.mark.parametrize("is_pipelined", [False, True])
    def test_bare_line_feed(self, quick, sent, is_pipelined):
        connection = RawConnection(quick.host)
        if is_pipelined:
            connection.send(GET_HEALTH + sent + GET_HEALTH)
            assert connection.answer().status == 200
        else:
            connection.send(sent + GET_HEALTH)
        with contextlib.suppress(Dropped):
            assert 400 <= connection.answer("POST").status < 500
        if connection.socket:
            assert b"HTTP/1.1 200" not in connection.wait_for_end()

    def test_line_feeds_in_bodies(self, quick, repository):
        for content in (b"\n" * 1000, b"GET / HTTP/1.1\nHost: x\n\n" * 10):
            digest = repository.push_blob(content)
            answer = RegistryClient(quick.host, quick.authorization).get(repository.blob(digest)).expect(200)
            assert answer.body == content
            client = RegistryClient(quick.host, quick.authorization)
            location = repository.start_upload()
            client.request("PATCH", location, body=iter([content, content])).expect(202)
            client.get("/healthz").expect(200)


class TestHeaders:
    TARGETS = ("/healthz", "/readyz", "/v2/", "/nothing", "/v2/absent/manifests/v1", "/layers/x")

    def test_content_type_options(self, quick):
        for target in self.TARGETS:
            answer = RegistryClient(quick.host).request("GET", target)
            assert answer.header("X-Content-Type-Options") == "nosniff", answer
            assert answer.header("Strict-Transport-Security") is None, answer
        answer = RegistryClient(quick.host).post("/", b"{}", content_type="application/x-amz-json-1.1")
        assert answer.header("X-Content-Type-Options") == "nosniff", answer
        answer = RawConnection(quick.metrics_url.removeprefix("http://")).exchange(
            head("GET", "/metrics", [("Host", "m")])
        )
        assert answer.header("X-Content-Type-Options") == "nosniff", answer

    def test_strict_transport_security(self, quick_tls):
        for target in self.TARGETS:
            connection = RawConnection(quick_tls.host, context=untrusting())
            answer = connection.exchange(head("GET", target, [("Host", "localhost")]))
            assert answer.header("Strict-Transport-Security") == "max-age=31536000", answer
            assert answer.header("X-Content-Type-Options") == "nosniff", answer


class TestScheme:
    def test_https_to_an_http_port(self, quick):
        """In clear, as the client cannot be told in TLS; Go's clients show that it is HTTP."""
        connection = RawConnection(quick.host)
        hello = ssl.MemoryBIO()
        tls = untrusting().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        connection.send(hello.read())
        answer = connection.answer()
        assert answer.status == 400 and b"speaks http" in answer.body and b"http://" in answer.body, answer

    def test_http_to_an_https_port(self, quick_tls):
        answer = RawConnection(quick_tls.host).exchange(GET_HEALTH)
        assert answer.status == 400 and b"https://" in answer.body, answer


class TestListening:
    def test_another_loopback_address(self, tmp_path):
        """It is shown as it was given: localhost leads elsewhere."""
        server = Wharf(tmp_path, listen="127.0.0.7:0").start()
        assert server.url.startswith("http://127.0.0.7:"), server.url
        assert server.url in server.log_text() and "localhost" not in server.log_text()
        assert server.client().describe_repositories()["repositories"] == []
        server.finish()

    def test_address_in_use(self, quick, tmp_path):
        command = [binary(), "serve", "--data-dir", tmp_path / "other", "--listen", f"127.0.0.1:{quick.port}"]
        told = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)
        assert told.returncode != 0
        for expected in (f"127.0.0.1:{quick.port}", "Address already in use", "--listen"):
            assert expected in told.stderr, told.stderr

    def test_what_the_end_waits_for(self, start, tmp_path):
        server = Wharf(tmp_path).start()
        repository = new_repository(server)
        location, sent = upload_head(server, repository, Content_Length=1000)
        connection = RawConnection(server.host)
        connection.send(sent + b"x")
        wait_for(
            lambda: RegistryClient(server.host, server.authorization).get(location).status in (204, 409), "the upload"
        )
        server.process.terminate()
        wait_for(lambda: "waiting up to 30 s for requests in flight (1)" in server.log_text(), "the server to say so")
        connection.send(b"x" * 999)
        assert connection.answer("PATCH").status == 202
        assert server.wait() == 0
