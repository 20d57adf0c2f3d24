"""Pushes, mounts, deletes, restores and collections at once: nothing that an image needs ever goes, and afterwards nothing
that no image needs is left.

WHARF_TEST_FUZZ_SECONDS says how long: a minute in the long form (`harness.soak`) and 20 s else. WHARF_TEST_FUZZ_URLS names
running nodes to send the requests to, separated by commas, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; WHARF_TEST_SEED
repeats a choice of steps.
"""

import json
import os
import random
import threading
import time
import uuid

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from harness import storage
from harness.files import files_under
from harness.registry_client import (
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    digest_of,
    image_manifest,
    with_query,
)
from harness.seeds import fresh_seed
from harness.server import wait_for
from harness.soak import rounds

SECONDS = int(os.environ.get("WHARF_TEST_FUZZ_SECONDS") or rounds(60, 20))
URLS = [url for url in os.environ.get("WHARF_TEST_FUZZ_URLS", "").split(",") if url]
WORKERS = 6
REPOSITORIES = 4
# Few enough that workers meet in the same blobs, and large enough to have several segments.
CONTENTS = [os.urandom(1) * (1000 + 50_000 * number) + bytes([number]) for number in range(12)]
# What two at once may be told: the other one was first.
EXPECTED = {
    "ImageNotFoundException",
    "LayersNotFoundException",
    "ImageAlreadyExistsException",
    "LayerAlreadyExistsException",
    "UploadNotFoundException",
    "RepositoryNotFoundException",
    "RepositoryAlreadyExistsException",
    "RepositoryNotEmptyException",
    "ImageDigestDoesNotMatchException",
}


class Worker(threading.Thread):
    """Does one thing after the other, each on any node, and pulls what it was told is there."""

    def __init__(self, nodes, seed, deadline, names):
        super().__init__(daemon=True)
        self.nodes, self.deadline, self.names = nodes, deadline, names
        self.random = random.Random(seed)
        self.seed = seed
        self.failure = None
        self.done = {}
        # Each worker has a tag of its own in each repository, so that it knows what must be there.
        self.tag = f"w{uuid.uuid4().hex[:8]}"
        self.own = {}

    def run(self):
        try:
            while time.monotonic() < self.deadline and self.failure is None:
                step = self.random.choices(
                    [
                        self.push,
                        self.mount_and_push,
                        self.lone_blob,
                        self.delete,
                        self.restore,
                        self.pull,
                        self.collect,
                    ],
                    [6, 4, 2, 4, 3, 6, 1],
                )[0]
                step()
                self.done[step.__name__] = self.done.get(step.__name__, 0) + 1
        except Exception as failure:  # noqa: BLE001
            self.failure = failure

    def node(self):
        return self.random.choice(self.nodes)

    def repository(self, name):
        return Repository(self.node().client, name)

    def contents(self):
        config = json.dumps({"architecture": "amd64", "os": "linux", "n": self.random.randrange(6)}).encode()
        return config, self.random.sample(CONTENTS, self.random.randrange(1, 4))

    def put(self, name, config, layers):
        """The image, after layers were pushed or mounted. They may have gone again: then they are pushed anew."""
        repository = self.repository(name)
        body = image_manifest(config, layers)
        answer = repository.client.put(repository.manifest(self.tag), body, content_type=OCI_MANIFEST)
        assert answer.status in (201, 404, 409), answer
        if answer.status == 201:
            self.own[name] = (body, layers)

    def push_blob(self, name, content):
        """Chunk by chunk, each to any node."""
        digest = digest_of(content)
        repository = self.repository(name)
        location = repository.start_upload()
        middle = self.random.randrange(1, len(content)) if self.random.random() < 0.5 else 0
        if middle:
            answer = self.node().client.patch(location, content[:middle], content_type="application/octet-stream")
            assert answer.status == 202, answer
            location = answer.header("Location")
        answer = self.node().client.put(
            with_query(location, digest=digest), content[middle:], content_type="application/octet-stream"
        )
        assert answer.status == 201, answer

    def push(self):
        name = self.random.choice(self.names)
        config, layers = self.contents()
        for content in (config, *layers):
            if self.repository(name).client.head(self.repository(name).blob(digest_of(content))).status != 200:
                self.push_blob(name, content)
        self.put(name, config, layers)

    def mount_and_push(self):
        source, name = self.random.sample(self.names, 2)
        config, layers = self.contents()
        self.push_blob(name, config)
        for content in layers:
            repository = self.repository(name)
            query = {"mount": digest_of(content), "from": source}
            answer = repository.client.post(with_query(repository.uploads, **query), content_length="0")
            assert answer.status in (201, 202), answer
            if answer.status == 202:
                self.push_blob(name, content)
        self.put(name, config, layers)

    def lone_blob(self):
        self.push_blob(self.random.choice(self.names), os.urandom(self.random.randrange(1, 200_000)))

    def delete(self):
        if not self.own:
            return
        name = self.random.choice(list(self.own))
        body, _ = self.own.pop(name)
        self.call("batch_delete_image", repositoryName=name, imageIds=[{"imageDigest": digest_of(body)}])

    def restore(self):
        name = self.random.choice(self.names)
        self.node().wharf("RestoreImage", repositoryName=name, imageIds=[{"imageTag": self.tag}])

    def collect(self):
        self.node().wharf("CollectGarbage")

    def call(self, operation, **arguments):
        try:
            return getattr(self.node().ecr, operation)(**arguments)
        except ClientError as error:
            assert error.response["Error"]["Code"] in EXPECTED, error
            return None

    def pull(self):
        """An image that is tagged is whole: its manifest, its config and its layers, byte for byte."""
        name = self.random.choice(self.names)
        tags = self.repository(name).client.get(self.repository(name).tags).json().get("tags") or []
        if tags:
            pull(self.node().client, name, self.random.choice(tags))


def pull(client, name, tag):
    repository = Repository(client, name)
    answer = repository.pull(tag)
    if answer.status == 404:
        return
    body = json.loads(answer.expect(200).body)
    digest = digest_of(answer.body)
    for part in (body["config"], *body["layers"]):
        found = client.get(repository.blob(part["digest"]))
        if found.status == 404 and repository.pull(digest).status == 404:
            # Deleted since by who owns it.
            return
        assert found.status == 200, (name, tag, part, found)
        assert digest_of(found.body) == part["digest"]


class Node:
    """How one node is spoken to; each thread has its own connection."""

    def __init__(self, url, environment, authorization):
        self.url, self.authorization = url, authorization
        session = boto3.session.Session()
        arguments = {
            "endpoint_url": url,
            "region_name": "us-east-1",
            "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
            "config": Config(retries={"total_max_attempts": 3}, read_timeout=120, max_pool_connections=WORKERS + 2),
        }
        self.ecr = session.client("ecr", **arguments)
        self.environment = environment
        self.local = threading.local()

    @property
    def client(self):
        if not hasattr(self.local, "client"):
            self.local.client = RegistryClient(self.url.partition("://")[2], self.authorization)
        return self.local.client

    def wharf(self, operation, **input_):
        """One of Wharf's own operations; what it answers, whether or not it worked."""
        request = AWSRequest(
            "POST",
            self.url,
            data=json.dumps(input_),
            headers={"X-Amz-Target": f"Wharf_20261121.{operation}", "Content-Type": "application/x-amz-json-1.1"},
        )
        key = Credentials(self.environment["AWS_ACCESS_KEY_ID"], self.environment["AWS_SECRET_ACCESS_KEY"])
        SigV4Auth(key, "wharf", "us-east-1").add_auth(request)
        answer = URLLib3Session().send(request.prepare())
        assert answer.status_code in (200, 400), (operation, answer.status_code, answer.text)
        return json.loads(answer.content)


@pytest.fixture
def server(tmp_path, make_server):
    """A server whose images can be restored for a while, or nothing if nodes are named."""
    if URLS:
        yield None
        return
    server = make_server(tmp_path / "wharf")
    yield server.start()
    server.finish()


def expire(server, reader_seconds=0):
    """Ends grace periods: that of blobs at once, that of objects once readers have had some seconds to open them."""
    before = int((time.time() - reader_seconds) * 1000)
    for sql in (
        "UPDATE repository_blobs SET unreferenced_since_ms = 1 WHERE image_count = 0",
        f"UPDATE removed_objects SET removed_at_ms = 1 WHERE copy_of_blob_id IS NULL AND removed_at_ms > 1 "
        f"AND removed_at_ms <= {before}",
    ):
        storage.execute(server, sql)


@pytest.mark.timeout(600 + 3 * SECONDS)
def test_nothing_that_is_needed_goes_and_nothing_else_stays(server, tmp_path):
    seed = fresh_seed()
    environment = server.credentials if server else dict(os.environ)
    urls = URLS or [node.url for node in getattr(server, "nodes", [server])]
    if server:
        authorization = server.authorization
    else:
        data = Node(urls[0], environment, None).ecr.get_authorization_token()["authorizationData"]
        authorization = f"Basic {data[0]['authorizationToken']}"
    nodes = [Node(url, environment, authorization) for url in urls]
    names = [f"fuzz/{uuid.uuid4().hex[:8]}" for _ in range(REPOSITORIES)]
    for name in names:
        nodes[0].ecr.create_repository(repositoryName=name)
    deadline = time.monotonic() + SECONDS
    workers = [Worker(nodes, seed + number, deadline, names) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        if server:
            # Every blob that no image names at this moment is past its grace period, in the middle of a push, too.
            expire(server, reader_seconds=3)
            nodes[0].wharf("CollectGarbage")
        workers[0].join(0.5)
    for worker in workers:
        assert worker.failure is None, (worker.seed, worker.failure)
    done = {name: sum(worker.done.get(name, 0) for worker in workers) for name in workers[0].done}
    assert min(done.get(name, 0) for name in ("push", "delete", "pull")) > 0, done

    # Everything that is tagged pulls, and all rows and bytes fit each other.
    for name in names:
        for tag in Repository(nodes[0].client, name).client.get(f"/v2/{name}/tags/list").json().get("tags") or []:
            pull(nodes[0].client, name, tag)
    if not server:
        return
    assert storage.fsck(server, timeout=300 + SECONDS)["findings"] == []

    # And when all images are gone for good, so is every byte.
    for name in names:
        nodes[0].ecr.delete_repository(repositoryName=name, force=True)
    storage.execute(server, "UPDATE deleted_images SET expires_at_ms = 1; UPDATE deleted_tags SET expires_at_ms = 1")

    def is_empty():
        expire(server)
        nodes[0].wharf("CollectGarbage")
        return storage.query(server, "SELECT 1 FROM blobs UNION ALL SELECT 1 FROM removed_objects LIMIT 1") == []

    wait_for(is_empty, "all bytes to be collected", 60 + SECONDS)
    assert [path for path in files_under(server.data_dir) if "objects" in path.parts] == []
