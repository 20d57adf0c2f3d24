"""Tags over three nodes behave like registers that one server does everything to, one request at a time.

WHARF_TEST_TAG_OPERATIONS says how many requests: 10,000 in the long form (`harness.soak`) and 2,000 else.
"""

import math
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from harness.linearizable import ABSENT, Operation, is_linearizable
from harness.registry_client import (
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    digest_of,
    image_manifest,
    random_content,
)
from harness.seeds import fresh_seed
from harness.soak import rounds

CLIENTS = 9
OPERATIONS = int(os.environ.get("WHARF_TEST_TAG_OPERATIONS") or rounds(10_000, 2_000))
# Each has some eighty requests, however many there are in all.
TAGS = OPERATIONS // 80


class Client:
    """One client; each request goes to a node that chance picks, and is noted with the times around it."""

    def __init__(self, cluster, name, seed, blobs):
        self.repositories = [
            Repository(RegistryClient(node.host, cluster.authorization), name) for node in cluster.nodes
        ]
        self.chance = random.Random(seed)
        self.seed = seed
        self.blobs = blobs
        self.count = 0
        self.histories = {}

    def note(self, tag, kind, act):
        repository = self.chance.choice(self.repositories)
        called = time.monotonic()
        value, succeeded = act(repository)
        operation = Operation(kind, called, time.monotonic(), value, succeeded)
        self.histories.setdefault(tag, []).append(operation)

    def read(self, tag):
        def act(repository):
            answer = repository.pull(tag).expect(200, 404)
            return (answer.header("Docker-Content-Digest") if answer.status == 200 else ABSENT), True

        self.note(tag, "read", act)

    def write(self, tag, kind="write"):
        self.count += 1
        config, layer = self.blobs
        body = image_manifest(config, [layer], annotations={"who": f"{self.seed} {self.count}"})

        def act(repository):
            target = repository.manifest(tag)
            answer = repository.client.put(target, body, content_type=OCI_MANIFEST)
            answer.expect(*((201,) if kind == "write" else (201, 400)))
            if answer.status == 400:
                answer.expect_error(400, "TAG_INVALID")
            return digest_of(body), answer.status == 201

        self.note(tag, kind, act)

    def remove(self, tag):
        def act(repository):
            return ABSENT, repository.client.delete(repository.manifest(tag)).expect(202, 404).status == 202

        self.note(tag, "remove", act)


def run(cluster, name, mutability, actions):
    """Lets the clients act at once; returns the history of each tag."""
    cluster.client().create_repository(repositoryName=name, imageTagMutability=mutability)
    blobs = b"{}", random_content()
    first = Repository(RegistryClient(cluster.nodes[0].host, cluster.authorization), name)
    for content in blobs:
        first.push_blob(content)
    seed = fresh_seed()
    clients = [Client(cluster, name, seed + number, blobs) for number in range(CLIENTS)]
    barrier = threading.Barrier(CLIENTS)

    def act(client):
        barrier.wait(30)
        for turn in range(OPERATIONS // CLIENTS + 1):
            # All clients are at the same few tags at the same time.
            tag = f"t{turn * TAGS // (OPERATIONS // CLIENTS + 1)}"
            action = client.chance.choices(list(actions), list(actions.values()))[0]
            action(client, tag)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(act, clients))
    histories = {}
    for client in clients:
        for tag, operations in client.histories.items():
            histories.setdefault(tag, []).extend(operations)
    assert sum(map(len, histories.values())) >= OPERATIONS
    return histories


def overlaps(history):
    """How many operations overlap with the one before, so that a test without concurrency shows itself."""
    history = sorted(history, key=lambda operation: operation.called)
    return sum(later.called < earlier.returned < math.inf for earlier, later in zip(history, history[1:], strict=False))


def check(histories):
    assert sum(map(overlaps, histories.values())) > OPERATIONS // 10, "hardly anything happened at once"
    wrong = {tag: history for tag, history in histories.items() if not is_linearizable(history)}
    for tag, history in list(wrong.items())[:2]:
        print(tag, *sorted(history, key=lambda operation: operation.called), sep="\n  ")
    assert not wrong, f"{len(wrong)} of {len(histories)} tags: {sorted(wrong)}"


def test_mutable_tags(cluster):
    actions = {Client.read: 5, Client.write: 4, Client.remove: 1}
    check(run(cluster, "mutable", "MUTABLE", actions))


def test_immutable_tags(cluster):
    actions = {Client.read: 5, lambda client, tag: client.write(tag, "create"): 5}
    check(run(cluster, "immutable", "IMMUTABLE", actions))
