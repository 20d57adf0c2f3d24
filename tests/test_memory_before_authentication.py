"""What a server holds for requests of whom nothing is proven: strangers, and whoever knows the id of a key but not its
secret. Loads are bounded by their number, and memory is what the process ever had."""

import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.aws_api import ECR_TARGET, FORM_TYPE, JSON_TYPE, AwsApi
from harness.raw_http import RawConnection, head
from harness.raw_http2 import CONTINUATION, HEADERS, Http2Connection, literal
from harness.registry_client import RegistryClient
from harness.scrape import scrape
from harness.server import Wharf, wait_for

MIB = 1024 * 1024
PART_BYTES = 20 * MIB
SMALL = """
[requests]
memory_mib = 48
spool_mib = 64
[metrics]
on_main_listener = true
token = "a-token-of-the-tests"
"""


@pytest.fixture
def small_wharf(tmp_path):
    """A server that holds little: strangers 12 MiB, known keys 36 MiB, and 64 MiB on disk; one source half of each."""
    server = Wharf(tmp_path / "wharf", config=SMALL)
    yield server.start()
    server.finish()


def part_of(upload, content, first=0, name="app"):
    return json.dumps(
        {
            "repositoryName": name,
            "uploadId": upload,
            "partFirstByte": first,
            "partLastByte": first + len(content) - 1,
            "layerPartBlob": base64.b64encode(content).decode(),
        }
    ).encode()


def begin(connection, method, target, headers, length, body):
    """Sends a head that announces so many bytes, and some of them."""
    connection.send(head(method, target, [*headers, ("Content-Length", length)]) + body)
    return connection


def upload_headers(api, body, signing=None):
    headers = {"Content-Type": JSON_TYPE, "X-Amz-Target": f"{ECR_TARGET}.UploadLayerPart"}
    signed = (signing or api.signing).sign("POST", f"http://{api.host}/", headers, body)
    return [("Host", api.host), *signed.items()]


def api_of(server):
    """503 is an answer that these tests ask for."""
    api = AwsApi(server)
    api.client.is_gateway = True
    return api


def held_bytes(server, pool):
    return scrape(server.url, "a-token-of-the-tests").value("wharf_request_held_bytes", pool=pool)


def works(api):
    answer = api.ecr("DescribeRegistry")
    assert answer.status == 200, repr(answer)
    assert api.sts().status == 200


def test_strangers_are_not_listened_to(small_wharf):
    """Anonymous forms of a mebibyte: as many as would be a gibibyte once, and none is read past 64 KiB."""
    api = api_of(small_wharf)
    works(api)
    before = small_wharf.peak_memory
    form = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&WebIdentityToken=" + b"x" * MIB
    headers = [("Host", api.host), ("Content-Type", FORM_TYPE)]
    chunked = [*headers, ("Transfer-Encoding", "chunked")]
    connections = []
    for number in range(400):
        connection = RawConnection(small_wharf.own_host)
        if number % 2:
            begin(connection, "POST", "/", headers, len(form), form[: 60 * 1024])
        else:
            connection.send(head("POST", "/", chunked) + b"f000\r\n" + form[:0xF000])
        connections.append(connection)
    # Those that announce too much are refused at once, whatever else comes; others while they come.
    for connection in connections[1::2]:
        answer = connection.answer("POST")
        assert answer.status == 413, repr(answer)
    works(api)
    assert small_wharf.peak_memory - before < 64 * MIB
    for connection in connections:
        connection.abort()
    works(api)


def test_strangers_share_a_part_of_the_memory(small_wharf):
    """What they fill is theirs alone, and is free again when they are gone."""
    api = api_of(small_wharf)
    form = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&WebIdentityToken=" + b"x" * 63 * 1024
    headers = [("Host", api.host), ("Content-Type", FORM_TYPE)]
    held = []

    def is_full():
        answer = api.client.request("POST", "/", form, {"Content-Type": FORM_TYPE})
        assert answer.status in (400, 503), repr(answer)
        return answer.status == 503 and b"<Code>SlowDown</Code>" in answer.body

    def fill():
        # Bodies that come side by side can all be refused for the room that each of them still takes. More come then.
        for _ in range(110):
            held.append(begin(RawConnection(small_wharf.own_host), "POST", "/", headers, len(form), form[:-1]))
        return is_full()

    wait_for(fill, "the strangers' part to be full")
    works(api)
    for connection in held:
        connection.abort()
    wait_for(lambda: not is_full(), "the strangers' part to be free again")


def test_an_unknown_key_is_answered_before_its_body(small_wharf):
    """In every protocol: the key is looked up before anything is read."""
    api = api_of(small_wharf)
    unknown = api.signing.but(access_key="AKIA" + "Z" * 16)
    # Such a client waits for leave to send, and the answer is the leave not to.
    waits = ("Expect", "100-continue")

    def ask(method, target, headers, length):
        return begin(RawConnection(small_wharf.own_host), method, target, [*headers, waits], length, b"").answer(method)

    answer = ask("POST", "/", upload_headers(api, b"", unknown), 25 * MIB)
    assert answer.json()["__type"] == "UnrecognizedClientException", repr(answer)
    for service in ("sts", "iam"):
        signed = unknown.but(service=service).sign("POST", f"http://{api.host}/", {"Content-Type": FORM_TYPE}, b"")
        answer = ask("POST", "/", [("Host", api.host), *signed.items()], MIB)
        assert answer.status == 403 and b"InvalidClientTokenId" in answer.body, repr(answer)
    answer = ask("POST", "/", [("Host", api.host), ("Content-Type", FORM_TYPE)], MIB)
    assert answer.status == 413, repr(answer)
    no_token = [("Host", api.host), ("Authorization", "Basic QVdTOm5vbmU=")]
    assert ask("PUT", "/v2/app/manifests/v1", no_token, 4 * MIB).status == 400


def test_a_false_signature_holds_no_memory(fresh_wharf):
    """Whoever knows a key's id sends parts of 20 MiB: they are on disk until the signature turns out to be false."""
    api = AwsApi(fresh_wharf)
    works(api)
    before = fresh_wharf.peak_memory
    body = part_of("00000000-0000-0000-0000-000000000000", os.urandom(PART_BYTES))
    headers = upload_headers(api, body, api.signing.but(secret_key="wrong"))

    def send(_):
        connection = RawConnection(fresh_wharf.own_host, timeout=120)
        connection.send(head("POST", "/", [*headers, ("Content-Length", len(body))]))
        connection.send(body)
        answer = connection.answer("POST")
        connection.close()
        return answer.json()["__type"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(16)))
    assert answers == ["InvalidSignatureException"] * 16
    assert fresh_wharf.peak_memory - before < 48 * MIB
    works(api)
    assert list((fresh_wharf.data_dir / "spool").iterdir()) == []


def test_what_has_no_room_is_asked_to_slow_down(small_wharf):
    """In the shape of each protocol; what waits is not disturbed, and afterwards there is room again."""
    api = api_of(small_wharf)
    small_wharf.client().create_repository(repositoryName="app")
    upload = api.ecr("InitiateLayerUpload", {"repositoryName": "app"}).json()["uploadId"]
    content = os.urandom(PART_BYTES)
    body = part_of(upload, content)
    waiting = RawConnection(small_wharf.own_host)
    begin(waiting, "POST", "/", upload_headers(api, body), len(body), body[:-1])
    # One source has 32 MiB: the second part does not fit beside the first.
    answer = api.ecr("UploadLayerPart", body)
    assert (answer.status, answer.json()["__type"]) == (503, "SlowDown"), repr(answer)
    works(api)
    waiting.send(body[-1:])
    answer = waiting.answer("POST")
    assert answer.status == 200 and answer.json()["lastByteReceived"] == PART_BYTES - 1, repr(answer)
    second = part_of(upload, content, PART_BYTES)
    assert api.ecr("UploadLayerPart", second).json()["lastByteReceived"] == 2 * PART_BYTES - 1


def test_manifests_have_room_or_wait(small_wharf):
    """4 MiB each, of whoever may push: three fit into what one source may hold."""
    api = api_of(small_wharf)
    small_wharf.client().create_repository(repositoryName="app")
    headers = [
        ("Host", api.host),
        ("Authorization", small_wharf.authorization),
        ("Content-Type", "application/vnd.oci.image.manifest.v1+json"),
    ]
    held = []
    for _ in range(3):
        connection = RawConnection(small_wharf.own_host)
        held.append(begin(connection, "PUT", "/v2/app/manifests/v1", headers, 4 * MIB, b" " * (4 * MIB - 1)))
    length = 4 * MIB - 1
    wait_for(lambda: held_bytes(small_wharf, "known") == 3 * length, "three manifests to come")
    connection = RawConnection(small_wharf.own_host)
    body = b" " * 2 * MIB
    answer = connection.exchange(
        head("PUT", "/v2/app/manifests/v1", [*headers, ("Content-Length", len(body))]) + body, "PUT"
    )
    assert answer.status == 429 and answer.header("Retry-After") == "1", repr(answer)
    assert answer.codes == ["TOOMANYREQUESTS"]
    works(api)
    for connection in held:
        connection.abort()
    wait_for(lambda: held_bytes(small_wharf, "known") == 0, "what they held to be free")
    client = RegistryClient(small_wharf.host, small_wharf.authorization)
    assert client.request("PUT", "/v2/app/manifests/v1", body, dict(headers[2:])).codes == ["MANIFEST_INVALID"]


def test_authorised_parts_stream(tmp_path):
    """Thirty parts of 20 MiB at once, each of an upload of its own, were half a gibibyte."""
    server = Wharf(tmp_path / "wharf").start()
    api = AwsApi(server)
    server.client().create_repository(repositoryName="app")
    uploads = [api.ecr("InitiateLayerUpload", {"repositoryName": "app"}).json()["uploadId"] for _ in range(30)]
    before = server.peak_memory
    content = os.urandom(PART_BYTES)

    def send(upload):
        body = part_of(upload, content)
        connection = RawConnection(server.own_host, timeout=120)
        connection.send(head("POST", "/", [*upload_headers(api, body), ("Content-Length", len(body))]))
        connection.send(body)
        answer = connection.answer("POST")
        connection.close()
        return answer

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(send, uploads))
    assert [answer.status for answer in answers] == [200] * 30, [answer for answer in answers if answer.status != 200]
    assert server.peak_memory - before < 100 * MIB
    server.finish()


def test_parts_are_what_was_sent(wharf):
    """Pieces of any length, JSON as several writers write it, and what is no base64."""
    api = AwsApi(wharf)
    wharf.client().create_repository(repositoryName="parts")
    upload = api.ecr("InitiateLayerUpload", {"repositoryName": "parts"}).json()["uploadId"]
    content = bytes(range(251)) * 1700
    at = 0
    for length in (1, 2, 3, 131072, len(content) - 131078):
        piece = content[at : at + length]
        body = part_of(upload, piece, at, "parts")
        if length > 3:
            body = body.replace(b"/", rb"\/").replace(b"+", rb"\u002B")
        answer = api.ecr("UploadLayerPart", body)
        assert answer.status == 200, repr(answer)
        at += length
    for spoilt in (b"=", b"====", b"a", b"!!!!", b"aGk=aGk=", b"a Gk="):
        body = part_of(upload, b"", at, "parts").replace(b'Blob": ""', b'Blob": "' + spoilt + b'"')
        answer = api.ecr("UploadLayerPart", body)
        assert answer.json()["__type"] == "SerializationException", repr(answer)
    for missing in (
        b'{"repositoryName":"parts"}',
        b'{"layerPartBlob":null}',
        b'{"layerPartBlob":5}',
        b'{"layerPartBlob"',
    ):
        assert api.ecr("UploadLayerPart", missing).status == 400
    twice = part_of(upload, b"x", at, "parts")[:-1] + b', "layerPartBlob": "eA=="}'
    assert api.ecr("UploadLayerPart", twice).json()["__type"] == "SerializationException"
    client = RegistryClient(wharf.host, wharf.authorization)
    status = client.request("GET", f"/v2/parts/blobs/uploads/{upload}")
    assert status.header("Range") == f"0-{len(content) - 1}"


def test_streams_that_announce_nothing_and_do_not_end(small_wharf):
    """Over HTTP/2 a stream stays open, with its head, until it ends, whatever length it has announced."""
    before = held_bytes(small_wharf, "buffers")
    connection = Http2Connection(small_wharf.own_host)
    for _ in range(10):
        connection.request("/", "POST", body=b"", headers=[("content-length", "0"), ("content-type", FORM_TYPE)])
    wait_for(lambda: held_bytes(small_wharf, "buffers") >= before + 10 * 512 * 1024, "ten streams to be counted")
    connection.close()
    wait_for(lambda: held_bytes(small_wharf, "buffers") == before, "what they held to be free")


def test_unfinished_heads_of_http_2(small_wharf):
    """Heads in many frames, of which the last never comes: those that find no room any more end."""
    ends = "wharf_http_connections_ended_total"
    before = scrape(small_wharf.url, "a-token-of-the-tests").value(ends, reason="long_heads")
    fields = b"".join(literal(f"x-{number}", "a" * 1000) for number in range(15))
    open_heads = []

    def is_refused():
        for _ in range(200):
            connection = Http2Connection(small_wharf.own_host)
            connection.frame(HEADERS, 0, 1, fields)
            for _ in range(2):
                connection.frame(CONTINUATION, 0, 1, fields)
            open_heads.append(connection)
        return scrape(small_wharf.url, "a-token-of-the-tests").value(ends, reason="long_heads") > before

    wait_for(is_refused, "heads to find no more room", 120)
    # One that is whole is answered all the same.
    assert RegistryClient(small_wharf.own_host, None).get("/healthz").status == 200
    for connection in open_heads:
        connection.close()
