"""How long a body is, is said in one way that every party before the server reads alike (RFC 9112, 6): else a request
could hide in another's body."""

import contextlib
import ssl

import pytest

from harness.raw_http import Dropped, RawConnection, head
from harness.raw_http2 import GOAWAY, HEADERS, RESET, Http2Connection
from harness.registry_client import RegistryClient, new_repository, path_of

METRICS = '[metrics]\nlisten = "127.0.0.1:{port}"\n'
CHUNKED = ("Transfer-Encoding", "chunked")
CHUNKS = b"5\r\nAAAAA\r\n0\r\n\r\n"
GET_HEALTH = head("GET", "/healthz", [("Host", "localhost")])
REFUSED = {
    "two codings": [("Transfer-Encoding", "gzip, chunked")],
    "twice in a line": [("Transfer-Encoding", "chunked, chunked")],
    "two lines": [CHUNKED, CHUNKED],
    "two lines of two codings": [("Transfer-Encoding", "gzip"), CHUNKED],
    "two lines apart": [CHUNKED, ("X", "y"), ("transfer-encoding", "chunked")],
    "chunked before another": [("Transfer-Encoding", "chunked, gzip")],
    "identity": [("Transfer-Encoding", "identity")],
    "another name": [("Transfer-Encoding", "xchunked")],
    "a parameter": [("Transfer-Encoding", "chunked;q=1")],
    "quoted": [("Transfer-Encoding", '"chunked"')],
    "empty": [("Transfer-Encoding", "")],
    "an empty element": [("Transfer-Encoding", "chunked,")],
    "folded": [("Transfer-Encoding", "\r\n chunked")],
    "a vertical tab": [("Transfer-Encoding", "\x0bchunked")],
    "a form feed": [("Transfer-Encoding", "\x0cchunked")],
    "a blank before the colon": [("Transfer-Encoding ", "chunked")],
    "a length before": [("Content-Length", "5"), CHUNKED],
    "a length behind": [CHUNKED, ("Content-Length", "5")],
    "a length of nothing": [CHUNKED, ("Content-Length", "0")],
    "a length that is none": [CHUNKED, ("Content-Length", "x")],
}
TAKEN = {
    "chunked": [CHUNKED],
    "in capitals": [("TRANSFER-ENCODING", "CHUNKED")],
    "blanks around": [("Transfer-Encoding", " \tchunked \t")],
    "no blank": [("Transfer-Encoding", b"chunked")],
    "a length": [("Content-Length", len(CHUNKS))],
}


@pytest.fixture(scope="module")
def in_clear(start_configured):
    return start_configured(METRICS)


@pytest.fixture(scope="module")
def over_tls(start_configured):
    return start_configured("", arguments=["--tls", "self-signed"])


@pytest.fixture(params=["clear", "tls", "metrics"])
def connect(request):
    """Connections to each front of HTTP/1."""
    if request.param == "tls":
        server = request.getfixturevalue("over_tls")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return lambda: RawConnection(server.host, context=context)
    server = request.getfixturevalue("in_clear")
    host = server.host if request.param == "clear" else server.metrics_url.removeprefix("http://")
    return lambda: RawConnection(host)


def post(fields, version=b"HTTP/1.1"):
    return head("POST", "/healthz", [("Host", "localhost"), *fields]).replace(b"HTTP/1.1", version, 1) + CHUNKS


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("is_pipelined", [False, True])
def test_refused(connect, fields, is_pipelined):
    """With 400, and nothing behind it is a request."""
    connection = connect()
    before = GET_HEALTH if is_pipelined else b""
    connection.send(before + post(fields) + GET_HEALTH)
    if is_pipelined:
        assert connection.answer().status == 200
    assert connection.answer("POST").status == 400
    assert connection.socket is None or b"HTTP/1.1" not in connection.wait_for_end()


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_refused_at_once(connect, fields):
    """Nothing else has to come for that."""
    connection = connect()
    connection.send(head("POST", "/healthz", [("Host", "localhost"), *fields]))
    assert connection.answer("POST").status == 400
    connection.close()


@pytest.mark.parametrize("fields", TAKEN.values(), ids=TAKEN)
def test_taken(connect, fields):
    connection = connect()
    connection.send(post(fields) + GET_HEALTH)
    assert connection.answer("POST").status < 500
    with contextlib.suppress(Dropped):
        assert connection.answer().status == 200


def test_version_1_0(connect):
    """It knows no codings."""
    connection = connect()
    keep = ("Connection", "keep-alive")
    connection.send(post([keep, CHUNKED], b"HTTP/1.0") + GET_HEALTH)
    assert connection.answer("POST").status == 400
    assert connection.socket is None or b"HTTP/1.1" not in connection.wait_for_end()


def test_http_2(in_clear):
    """It has no such header (RFC 9113, 8.2.2)."""
    connection = Http2Connection(in_clear.host)
    stream = connection.request("/healthz", "POST", b"x", [("transfer-encoding", "chunked")])
    while frame := connection.read():
        assert frame.kind != HEADERS, frame
        if frame.kind in (RESET, GOAWAY):
            break
    connection = Http2Connection(in_clear.host)
    stream = connection.request("/healthz")
    assert connection.read_until(HEADERS, stream).status == 200


def test_uploads_in_chunks(in_clear):
    """As docker sends layers."""
    repository = new_repository(in_clear)
    client = RegistryClient(in_clear.host, in_clear.authorization)
    location = path_of(repository.start_upload())
    client.request("PATCH", location, body=iter([b"a" * 1000, b"b" * 1000])).expect(202)
    assert client.get(location).header("Range") == "0-1999"
