"""Size costs no memory: layers of gigabytes, hundreds of pulls at once, with a server that stays small."""

import contextlib
import json
import resource
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.ecr_client import Ecr
from harness.load import Generated, pull_all, send
from harness.registry_client import (
    OCI_INDEX,
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    descriptor,
    digest_of,
    index_manifest,
    path_of,
    random_content,
    with_query,
)
from harness.skopeo import Skopeo

MIB = 1024 * 1024
GIB = 1024 * MIB
BYTES = "application/octet-stream"
LAYER = 5 * GIB
# The layer as it is stored, as a client has pulled it, and as it is pushed again, and room for the tests beside this one.
ROOM = 3 * LAYER + 5 * GIB


@pytest.fixture
def repository(fresh_wharf):
    fresh_wharf.client().create_repository(repositoryName="large")
    return Repository(RegistryClient(fresh_wharf.host, fresh_wharf.authorization, timeout=600), "large")


def push_layer(wharf, repository, size):
    """POST, one streamed PATCH, PUT, as docker does it; returns the digest."""
    location = path_of(repository.start_upload())
    headers = {"Authorization": wharf.authorization, "Content-Type": BYTES}
    status, answered, sha256 = send(wharf.host, "PATCH", location, headers, Generated("large layer", size))
    assert status == 202
    digest = f"sha256:{sha256}"
    repository.client.put(with_query(answered["Location"], digest=digest), b"", content_type=BYTES).expect(201)
    return digest


def pull_layers(wharf, digest, count, hashed):
    """Pulls of one layer at once, each with the right length, and the hashed ones with the right digest."""
    url = f"{wharf.url}/v2/large/blobs/{digest}"
    pulled = pull_all(url, {"Authorization": wharf.authorization}, count, hashed)
    assert {status for status, _, _ in pulled} == {200}
    assert {f"sha256:{sha256}" for _, _, sha256 in pulled if sha256} == {digest}
    return {length for _, length, _ in pulled}


@pytest.mark.timeout(1200)
def test_five_gigabytes(fresh_wharf, repository, tmp_path):
    """A 5 GiB layer is pushed and pulled, and so is the image that has it, with the server under 150 MiB."""
    # A disk that runs full here takes every other test of the run with it.
    free = shutil.disk_usage(tmp_path).free
    assert free >= ROOM, f"{free // GIB} GiB are free in {tmp_path.parent}, and this test needs {ROOM // GIB}"
    layer = push_layer(fresh_wharf, repository, LAYER)
    assert pull_layers(fresh_wharf, layer, 1, 1) == {LAYER}

    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer]}}
    ).encode()
    repository.push_blob(config)
    layer_entry = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": LAYER}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [layer_entry],
    }
    body = json.dumps(manifest).encode()
    repository.push_manifest(body, "v1")
    (detail,) = fresh_wharf.client().describe_images(repositoryName="large")["imageDetails"]
    assert LAYER <= detail["imageSizeInBytes"] <= LAYER + len(config)

    skopeo = Skopeo(fresh_wharf)
    skopeo.copy(skopeo.image("large", "v1"), f"dir:{tmp_path}/out")
    assert (tmp_path / "out" / layer.partition(":")[2]).stat().st_size == LAYER
    fresh_wharf.client().create_repository(repositoryName="large/again")
    skopeo.copy(f"dir:{tmp_path}/out", skopeo.image("large/again", "v1"), "--preserve-digests")
    repository.client.close()
    pulled = Repository(repository.client, "large/again").pull("v1").expect(200)
    assert digest_of(pulled.body) == digest_of(body)

    assert fresh_wharf.peak_memory < 150 * MIB, f"{fresh_wharf.peak_memory / MIB:.0f} MiB"


@pytest.mark.timeout(1200)
def test_five_hundred_pulls(fresh_wharf, repository):
    """500 pulls of 100 MiB at once, with the server under 250 MiB."""
    layer = push_layer(fresh_wharf, repository, 100 * MIB)
    # A few first: a server that keeps whole layers in memory must not take the machine with it.
    for count in (20, 500):
        assert pull_layers(fresh_wharf, layer, count, 4) == {100 * MIB}
        assert fresh_wharf.peak_memory < 250 * MIB, f"{count} pulls: {fresh_wharf.peak_memory / MIB:.0f} MiB"


def test_hundred_pushes(fresh_wharf, repository):
    """100 uploads in hand at once, each with bytes on the way, need no more than fixed buffers."""
    size = 8 * MIB

    def push(number):
        client = RegistryClient(fresh_wharf.host, fresh_wharf.authorization, timeout=600)
        own = Repository(client, "large")
        location = path_of(own.start_upload())
        headers = {"Authorization": fresh_wharf.authorization, "Content-Type": BYTES}
        status, answered, sha256 = send(fresh_wharf.host, "PATCH", location, headers, Generated(f"push {number}", size))
        assert status == 202
        client.put(with_query(answered["Location"], digest=f"sha256:{sha256}"), b"", content_type=BYTES).expect(201)
        client.close()

    with ThreadPoolExecutor(100) as pool:
        list(pool.map(push, range(100)))
    assert fresh_wharf.peak_memory < 250 * MIB, f"{fresh_wharf.peak_memory / MIB:.0f} MiB"


@pytest.mark.timeout(1200)
def test_two_thousand_pulls_beside_two_hundred_pushes(fresh_wharf, repository):
    """All end well, none waits until others have ended, and the server stays under 400 MiB."""
    allow_open_files(8192)
    layer = push_layer(fresh_wharf, repository, 16 * MIB)
    url = f"{fresh_wharf.url}/v2/large/blobs/{layer}"
    starved = []

    def watch(pulls):
        ended = sum(pull.finished.done() for pull in pulls)
        # Several may end between two looks.
        if not starved and ended >= len(pulls) // 4:
            starved.append(sum(pull.received == 0 for pull in pulls))

    def push(number):
        client = RegistryClient(fresh_wharf.host, fresh_wharf.authorization, timeout=600)
        content = random_content(3 * MIB + number)
        Repository(client, "large").push_blob(content)
        client.close()

    with ThreadPoolExecutor(201) as pool:
        pulling = pool.submit(pull_all, url, {"Authorization": fresh_wharf.authorization}, 2000, 4, watch)
        list(pool.map(push, range(200)))
        pulled = pulling.result()
    assert {(status, length) for status, length, _ in pulled} == {(200, 16 * MIB)}
    assert {f"sha256:{sha256}" for _, _, sha256 in pulled if sha256} == {layer}
    assert starved == [0], f"{starved} pulls had nothing when a quarter had all"
    assert fresh_wharf.peak_memory < 400 * MIB, f"{fresh_wharf.peak_memory / MIB:.0f} MiB"


def allow_open_files(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= count, f"the limit of open files is {hard}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


class TestManifests:
    """The longest manifests, many at once and to slow readers, with the server under 200 MiB."""

    def push(self, repository, size, reference, **members):
        """An index with an annotation of that many bytes; returns its body."""
        body = index_manifest([], annotations={"x": "x" * size}, **members)
        repository.client.put(repository.manifest(reference), body, content_type=OCI_INDEX).expect(201)
        return body

    def small(self, wharf):
        assert wharf.peak_memory < 200 * MIB, f"{wharf.peak_memory / MIB:.0f} MiB"

    def test_many_in_one_answer(self, fresh_wharf, repository):
        """BatchGetImage: an image is answered once however often it is named, and an answer ends at 16 MiB."""
        tags = [f"v{number}" for number in range(5)]
        for tag in tags:
            body = self.push(repository, 4 * MIB - 1000, tag)
        ecr = Ecr(fresh_wharf)
        ids = [{"imageTag": tag} for tag in tags]
        answer = ecr.call("BatchGetImage", repositoryName="large", imageIds=ids[:1] * 100)
        assert [image["imageManifest"] for image in answer["images"]] == [body.decode()]
        assert len(ecr.call("BatchGetImage", repositoryName="large", imageIds=ids[:4])["images"]) == 4
        ecr.refuse("BatchGetImage", "LimitExceededException", repositoryName="large", imageIds=ids)
        self.small(fresh_wharf)

    def test_slow_readers(self, fresh_wharf, repository):
        """A hundred clients that ask for one manifest and do not read it share its bytes."""
        body = self.push(repository, 4 * MIB - 1000, "v1")
        request = f"GET {repository.manifest('v1')} HTTP/1.1\r\nHost: {fresh_wharf.host}\r\n"
        request += f"Authorization: {fresh_wharf.authorization}\r\nConnection: close\r\n\r\n"
        host, _, port = fresh_wharf.host.rpartition(":")
        with contextlib.ExitStack() as open_sockets:
            readers = []
            for _ in range(100):
                reader = open_sockets.enter_context(socket.socket())
                reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                reader.connect((host, int(port)))
                reader.sendall(request.encode())
                readers.append(reader)
            for reader in readers:
                assert reader.recv(12) == b"HTTP/1.1 200"
            self.small(fresh_wharf)
            for reader in (readers[0], readers[-1]):
                whole = b"".join(iter(lambda reader=reader: reader.recv(MIB), b""))
                assert digest_of(whole.partition(b"\r\n\r\n")[2]) == digest_of(body)

    def test_referrers(self, fresh_wharf, repository):
        """Pages of referrers end at 4 MiB on both faces, and all of them are listed."""
        subject = descriptor(OCI_INDEX, b"subject")
        pushed = []
        for number in range(20):
            body = self.push(repository, 3 * MIB // 2, f"r{number}", subject={**subject, "size": 7 + number})
            pushed.append(digest_of(body))
        ecr = Ecr(fresh_wharf)
        listed, token = [], {}
        while True:
            page = ecr.call(
                "ListImageReferrers",
                repositoryName="large",
                subjectId={"imageDigest": subject["digest"]},
                maxResults=50,
                **token,
            )
            listed += [referrer["digest"] for referrer in page["referrers"]]
            assert len(page["referrers"]) <= 2
            if "nextToken" not in page:
                break
            token = {"nextToken": page["nextToken"]}
        assert sorted(listed) == sorted(pushed) == listed
        first = repository.client.get(f"{repository.base}/referrers/{subject['digest']}").expect(200)
        assert len(first.body) <= 4 * MIB and first.header("Link"), repr(first)
        assert len(first.json()["manifests"]) == 2
        self.small(fresh_wharf)
