"""Blobs in a bucket: uploads that any node continues, nothing left over, and failures that are called by their names."""

import contextlib
import os
import socket
import subprocess
import threading

import pytest
from botocore.exceptions import ClientError

from conftest import environment_of
from harness import bucket
from harness.images import image, write_layout
from harness.registry_client import RegistryClient, Repository, digest_of, new_repository, random_content, with_query
from harness.server import Wharf, binary
from harness.skopeo import Skopeo
from harness.stored import count, expect_nothing_left_over, objects
from test_skopeo import expect_directory

MIB = 1024 * 1024


@pytest.fixture
def environment():
    """A new database and a new bucket."""
    return environment_of("postgres") | bucket.environment_of_new()


@pytest.fixture
def start(tmp_path, environment):
    """Starts nodes over them."""
    started = []

    def start(**extra):
        shared = {
            "WHARF_SERVICE_KEY": "5a" * 32,
            "WHARF_ACCESS_KEY_ID": "AKIAEXAMPLE000000001",
            "WHARF_SECRET_ACCESS_KEY": "a-secret-of-all-nodes",
        }
        folder = tmp_path / f"node{len(started)}"
        started.append(Wharf(folder, environment={**environment, **shared, **extra}))
        return started[-1].start()

    yield start
    for server in started:
        server.finish()


def on(server, name):
    return Repository(RegistryClient(server.host, server.authorization), name)


def patch(repository, location, at, chunk):
    end = at + len(chunk) - 1
    answer = repository.client.patch(
        location, chunk, content_type="application/octet-stream", content_range=f"{at}-{end}"
    )
    return answer.expect(202).header("Location")


def test_large_image_with_skopeo(start, tmp_path):
    """Layers of over 100 MiB go in parts and come back whole, and any range of them is exact."""
    server = start()
    skopeo, made = Skopeo(server), image("large", size=130 * MIB, layers=1)
    server.client().create_repository(repositoryName="large")
    skopeo.copy(write_layout(tmp_path / "in", made, "v1"), skopeo.image("large", "v1"), "--preserve-digests")
    skopeo.copy(skopeo.image("large", "v1"), f"dir:{tmp_path}/out")
    expect_directory(tmp_path / "out", made)
    layer = max(made.blobs, key=len)
    repository = on(server, "large")
    for first, last in [(0, 0), (8 * MIB - 1, 8 * MIB), (100 * MIB + 5, 101 * MIB), (len(layer) - 3, len(layer) - 1)]:
        answer = repository.client.get(repository.blob(digest_of(layer)), range=f"bytes={first}-{last}").expect(206)
        assert answer.body == layer[first : last + 1]
    assert server.peak_memory < 400 * MIB
    assert bucket.unfinished(server.environment) == []


def test_an_upload_goes_on_at_another_node_when_its_own_is_killed(start):
    """Chunk by chunk at another node, each killed in the middle of the next chunk."""
    first = start()
    name = new_repository(first, "moving").name
    content = os.urandom(41 * MIB + 17)
    location, at = on(first, name).start_upload(), 0
    server = first
    for size in (1, 3 * MIB, 6 * MIB, 17 * MIB):
        location = patch(on(server, name), location, at, content[at : at + size])
        at += size
        # Part of a chunk that is never acknowledged.
        client = RegistryClient(server.host, server.authorization)
        with (
            pytest.raises((OSError, AssertionError)),
            cut_off(client, location, at, content[at : at + 10 * MIB], server),
        ):
            pass
        server = start()
    repository = on(server, name)
    assert repository.client.get(location).expect(204).header("Range") == f"0-{at - 1}"
    location = patch(repository, location, at, content[at:])
    repository.client.put(with_query(location, digest=digest_of(content)), b"").expect(201)
    assert repository.client.get(repository.blob(digest_of(content))).expect(200).body == content


class cut_off:  # noqa: N801
    """Sends half of a chunk and kills the server."""

    def __init__(self, client, location, at, chunk, server):
        self.client, self.location, self.at, self.chunk, self.server = client, location, at, chunk, server

    def __enter__(self):
        def half():
            yield self.chunk[: len(self.chunk) // 2]
            self.server.kill()
            yield self.chunk[len(self.chunk) // 2 :]

        end = self.at + len(self.chunk) - 1
        headers = {"content_type": "application/octet-stream", "content_range": f"{self.at}-{end}"}
        self.client.patch(self.location, half(), **headers).expect(202)

    def __exit__(self, *_):
        return False


def test_nothing_is_left_over(start):
    """Uploads that nobody ends leave no object and no unfinished multipart upload."""
    server = start()
    repository = new_repository(server, "left")
    pushed = repository.push_image("v1")
    for size in (100, MIB, 9 * MIB, 20 * MIB + 5):
        patch(repository, repository.start_upload(), 0, os.urandom(size))
    assert len(bucket.unfinished(server.environment)) == 2
    cancelled = patch(repository, repository.start_upload(), 0, os.urandom(9 * MIB))
    repository.client.delete(cancelled).expect(204)
    repository.client.put(with_query(repository.start_upload(), digest=digest_of(b"other")), b"bytes").expect(400)
    assert count(server, "uploads") == 4
    expect_nothing_left_over(server)
    assert bucket.unfinished(server.environment) == []
    on(server, repository.name).pull("v1").expect(200)
    assert pushed.digest


def test_a_bucket_that_does_not_answer(start):
    """503 and a ServerException, and nothing is called damaged; all is well when it is back."""
    server = start(WHARF_STORAGE_RETRY_SECONDS="1")
    repository = new_repository(server, "away")
    content = os.urandom(200_000)
    digest = repository.push_blob(content)
    server.stop()
    proxy = Gate()
    server.environment["WHARF_STORAGE_ENDPOINT"] = proxy.url
    server.start()
    repository = on(server, repository.name)
    assert repository.client.get(repository.blob(digest)).expect(200).body == content
    proxy.close()
    asked = RegistryClient(server.host, server.authorization, is_gateway=True)
    asked.get(repository.blob(digest)).expect(503)
    with pytest.raises(ClientError) as refused:
        upload = server.client().initiate_layer_upload(repositoryName=repository.name)["uploadId"]
        part = {"partFirstByte": 0, "partLastByte": len(content) - 1, "layerPartBlob": content}
        server.client().upload_layer_part(repositoryName=repository.name, uploadId=upload, **part)
    assert refused.value.response["Error"]["Code"] == "ServerException"
    assert "damaged" not in server.log_text()
    proxy.open()
    assert repository.client.get(repository.blob(digest)).expect(200).body == content


class Gate:
    """A TCP proxy in front of the S3 server that can be closed."""

    def __init__(self):
        host, _, port = bucket.server_url().removeprefix("http://").partition(":")
        self.target = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.is_open = True
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            if not self.is_open:
                client.close()
                continue
            server = socket.create_connection(self.target)
            self.connections += [client, server]
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Ends all connections, and new ones at once."""
        self.is_open = False
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def open(self):
        self.is_open = True


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"WHARF_STORAGE_BUCKET": "no-such-bucket"}, "does not exist"),
        ({"WHARF_STORAGE_ENDPOINT": "http://127.0.0.1:1"}, "check the endpoint"),
        ({"WHARF_STORAGE_ENDPOINT": "http://192.0.2.1:9000"}, "allow_http"),
        ({"WHARF_STORAGE_PREFIX": "a/../b"}, "prefix"),
    ],
)
def test_what_is_wrong_is_said_at_the_start(tmp_path, change, said):
    environment = {**os.environ, **bucket.environment_of_new(), "WHARF_STORAGE_RETRY_SECONDS": "1", **change}
    command = [str(binary()), "serve", "--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:0"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0 and said in ended.stderr + ended.stdout, ended
    assert "Traceback" not in ended.stderr and "test-secret" not in ended.stderr


def test_a_scope_has_a_folder_of_its_own(start):
    server = start(WHARF_REGIONS="us-east-1,eu-west-1")
    new_repository(server, "here").push_blob(random_content(10_000))
    folders = {"/".join(key.parts[2:4]) for key in objects(server, "blobs")}
    assert folders == {"us-east-1/AES256"}
