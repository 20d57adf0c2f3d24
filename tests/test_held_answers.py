"""Answers that are made and not taken: what they hold comes out of a pool, whoever may pull, over HTTP/1 as over HTTP/2.

The server may hold 48 MiB of long answers here, and one source half of it. Without the pool, each of the loads took several
hundred MiB.
"""

import contextlib
import json
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.aws_api import ECR_TARGET, JSON_TYPE, AwsApi
from harness.raw_http import RawConnection, head
from harness.raw_http2 import DATA, END_STREAM, HEADERS, INITIAL_WINDOW, WINDOW_UPDATE, Http2Connection
from harness.registry_client import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, RegistryClient, digest_of
from harness.scrape import scrape
from harness.server import Wharf, wait_for

MIB = 1024 * 1024
LONG = 4_000_000
TOKEN = "a-token-of-the-tests"
CONFIG = f"""
[requests]
answers_mib = 48
[metrics]
on_main_listener = true
token = "{TOKEN}"
"""
# What a load may add: the pool, what is made at a time, and what Python and the allocator leave to chance.
MOST = 112 * MIB
OTHER = "127.0.0.2"


class Store:
    """A server with images whose manifests are as long as a test wants."""

    def __init__(self, server):
        self.server = server
        self.api = AwsApi(server)
        self.api.client.is_gateway = True
        self.client = RegistryClient(server.host, server.authorization, is_gateway=True)
        server.client().create_repository(repositoryName="app")
        for content in (b"{}", b"layer"):
            path = f"/v2/app/blobs/uploads/?digest={digest_of(content)}"
            self.client.post(path, content, content_type="application/octet-stream").expect(201)

    def push(self, tag, length, **members):
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": digest_of(b"{}"), "size": 2},
            "layers": [{"mediaType": OCI_LAYER, "digest": digest_of(b"layer"), "size": 5}],
            "annotations": {"tag": tag, "filling": "x" * length},
            **members,
        }
        content = json.dumps(manifest).encode()
        self.client.put(f"/v2/app/manifests/{tag}", content, content_type=OCI_MANIFEST).expect(201)
        return content

    def call(self, operation, **parameters):
        """The headers and the body of a signed call."""
        body = json.dumps({"repositoryName": "app", **parameters}).encode()
        headers = {"Content-Type": JSON_TYPE, "X-Amz-Target": f"{ECR_TARGET}.{operation}"}
        return self.api.signing.sign("POST", f"http://{self.api.host}/", headers, body), body

    def images(self, *tags):
        return self.call("BatchGetImage", imageIds=[{"imageTag": tag} for tag in tags])

    def metric(self, name, pool="answers"):
        return scrape(self.server.url, TOKEN).value(name, pool=pool)

    @property
    def held(self):
        return self.metric("wharf_request_held_bytes")

    @property
    def peak(self):
        return self.server.peak_memory

    def others_are_served(self):
        """From another address, what is short and what is long."""
        authorization = [("Host", self.server.own_host), ("Authorization", self.server.authorization)]
        for tag in ("short", "other"):
            connection = RawConnection(self.server.own_host, source=OTHER)
            answer = connection.exchange(head("GET", f"/v2/app/manifests/{tag}", authorization))
            assert answer.status == 200, repr(answer)
            connection.close()
        assert self.api.ecr("DescribeRegistry").status == 200

    def is_free_again(self):
        wait_for(lambda: self.held == 0, "what the answers held to be free")
        self.client.get("/v2/app/manifests/long").expect(200)
        assert self.api.ecr("BatchGetImage", self.images("long", "long")[1]).status == 200


@pytest.fixture
def store(tmp_path):
    server = Wharf(tmp_path / "wharf", config=CONFIG).start()
    store = Store(server)
    store.push("short", 100)
    store.push("other", MIB)
    store.push("long", LONG)
    yield store
    server.finish()


def lower(headers, length):
    named = [(name.lower(), value) for name, value in headers.items() if name.lower() != "host"]
    return [*named, ("content-length", str(length))]


def statuses_of(connection, count):
    """How many streams have which status; those that hpack gives no number are refusals."""
    heads = []
    while len(heads) < count:
        frame = connection.read()
        assert frame, "the connection has ended"
        if frame.kind == HEADERS:
            heads.append(frame.status)
    return Counter(heads)


def is_refused(connection):
    """Whether the answer that has come, of which nothing is read, is that there is no room for one."""
    with contextlib.suppress(BlockingIOError):
        flags = socket.MSG_PEEK | socket.MSG_DONTWAIT
        return connection.socket.recv(12, flags) == b"HTTP/1.1 503"
    return False


def test_answers_of_the_api_over_http_1(store):
    """Each is four times a manifest, and nobody reads any of them."""
    for number in range(3):
        store.push(f"long{number}", LONG)
    headers, body = store.images("long", "long0", "long1", "long2")
    request = head("POST", "/", [("Host", store.api.host), *lower(headers, len(body))]) + body
    before = store.peak
    connections = []
    for _ in range(24):
        connections.append(RawConnection(store.server.own_host))
        connections[-1].send(request)
    wait_for(lambda: store.metric("wharf_requests_without_room_total") > 0, "an answer to find no room")
    wait_for(lambda: any(map(is_refused, connections)), "one of them to be told so")
    refused = next(filter(is_refused, connections)).answer("POST")
    assert (refused.status, refused.json()["__type"]) == (503, "SlowDown"), repr(refused)
    store.others_are_served()
    assert store.peak - before < MOST
    assert store.held <= 48 * MIB
    for connection in connections:
        connection.abort()
    store.is_free_again()
    # One alone is answered, however long it is.
    whole = store.api.ecr("BatchGetImage", body)
    assert [len(image["imageManifest"]) > LONG for image in whole.json()["images"]] == [True] * 4


@pytest.mark.parametrize("window", [0, 1])
def test_answers_of_the_api_over_http_2(store, window):
    """Whether HTTP has them already, since the client's window was open a little, or not."""
    headers, body = store.images("long")
    before = store.peak
    connection = Http2Connection(store.server.own_host, 60, settings=[(INITIAL_WINDOW, window)])
    for _ in range(60):
        stream = connection.request("/", "POST", b"", lower(headers, len(body)))
        connection.frame(DATA, END_STREAM, stream, body)
    statuses = statuses_of(connection, 60)
    assert 1 <= statuses.pop(200) <= 6
    assert sum(statuses.values()) >= 54
    store.others_are_served()
    assert LONG <= store.held <= 48 * MIB
    assert store.peak - before < MOST
    connection.close()
    store.is_free_again()


def test_many_manifests(store):
    """Different ones, so that none is shared."""
    tags = [f"tag{number}" for number in range(30)]
    for tag in tags:
        store.push(tag, LONG)
    before = store.peak
    connection = Http2Connection(store.server.own_host, 60, settings=[(INITIAL_WINDOW, 0)])
    for tag in tags:
        connection.request(f"/v2/app/manifests/{tag}", headers=[("authorization", store.server.authorization)])
    statuses = statuses_of(connection, len(tags))
    assert 1 <= statuses[200] <= 6
    refused = store.client.get("/v2/app/manifests/tag29")
    if refused.status != 200:
        assert refused.status == 429 and refused.header("Retry-After") == "1", repr(refused)
        assert refused.codes == ["TOOMANYREQUESTS"]
    store.others_are_served()
    assert store.peak - before < MOST
    connection.close()
    store.is_free_again()


def test_one_manifest_of_many_readers(store):
    """It is in memory once, and so it is counted once: nobody is refused."""
    before = store.peak
    connections = [Http2Connection(store.server.own_host, 60, settings=[(INITIAL_WINDOW, 1)]) for _ in range(4)]
    for connection in connections:
        for _ in range(100):
            connection.request("/v2/app/manifests/long", headers=[("authorization", store.server.authorization)])
    for connection in connections:
        assert statuses_of(connection, 100) == {200: 100}
    assert LONG <= store.held < 2 * LONG
    assert store.peak - before < MOST
    for connection in connections:
        connection.close()
    store.is_free_again()


def test_the_last_bytes_count_until_they_are_taken(store):
    """What is short is reckoned with its stream, also when HTTP has all of it and the client's window is shut."""
    store.push("middling", 20_000)
    before = store.metric("wharf_request_held_bytes", "buffers")
    connection = Http2Connection(store.server.own_host, 60, settings=[(INITIAL_WINDOW, 1)])
    streams = [
        connection.request("/v2/app/manifests/middling", headers=[("authorization", store.server.authorization)])
        for _ in range(50)
    ]
    assert statuses_of(connection, 50) == {200: 50}
    held = store.metric("wharf_request_held_bytes", "buffers") - before
    assert held >= 50 * 20_000
    connection.frame(WINDOW_UPDATE, 0, 0, (2 * MIB).to_bytes(4))
    for stream in streams:
        connection.frame(WINDOW_UPDATE, 0, stream, (64 * 1024).to_bytes(4))
    wait_for(
        lambda: store.metric("wharf_request_held_bytes", "buffers") <= before, "what the taken answers held to be free"
    )
    connection.close()


def test_lists_of_referrers(store):
    """Their annotations are as long as manifests."""
    subject = {"mediaType": OCI_MANIFEST, "digest": digest_of(b"subject"), "size": 7}
    for number in range(10):
        store.push(f"referrer{number}", LONG if number < 6 else 100, subject=subject)
    path = f"/v2/app/referrers/{subject['digest']}"
    seen, target = 0, path
    while target:
        page = store.client.get(target)
        page.expect(200)
        seen += len(page.json()["manifests"])
        link = page.header("Link")
        target = link and link[1 : link.index(">")]
    assert seen == 10
    before = store.peak
    connection = Http2Connection(store.server.own_host, 60, settings=[(INITIAL_WINDOW, 0)])
    headers, body = store.call("ListImageReferrers", subjectId={"imageDigest": subject["digest"]})
    for number in range(40):
        if number % 2:
            stream = connection.request("/", "POST", b"", lower(headers, len(body)))
            connection.frame(DATA, END_STREAM, stream, body)
        else:
            connection.request(path, headers=[("authorization", store.server.authorization)])
    assert 1 <= statuses_of(connection, 40)[200] <= 6
    store.others_are_served()
    assert store.peak - before < MOST
    connection.close()
    store.is_free_again()


def test_ordinary_pulls_find_room(store):
    """Hundreds at a time, of manifests of a usual length and of one that is long: none is refused."""
    store.push("usual", 20_000)

    def pull(number):
        client = RegistryClient(store.server.host, store.server.authorization, timeout=120)
        tag = "long" if number % 8 == 0 else "usual"
        status = client.get(f"/v2/app/manifests/{tag}").status
        client.close()
        return status

    with ThreadPoolExecutor(64) as pool:
        assert Counter(pool.map(pull, range(256))) == {200: 256}
    assert store.metric("wharf_requests_without_room_total") == 0
    wait_for(lambda: store.held == 0, "what the answers held to be free")
