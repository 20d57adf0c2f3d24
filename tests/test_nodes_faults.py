"""Three nodes under load while nodes die and stop, the database dies, the store fails and a clock is set: what was
acknowledged stays, what was not is never half visible, an immutable tag never moves, and afterwards all rows and bytes fit
each other.

WHARF_TEST_FAULT_SECONDS says for how long: three minutes in the long form (`harness.soak`) and one else, half an hour before a
release.
"""

import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness import bucket, storage
from harness.cluster import Cluster
from harness.commands import run
from harness.fault_proxy import FAULTS, FaultProxy
from harness.registry_client import (
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    digest_of,
    image_manifest,
    with_query,
)
from harness.seeds import fresh_seed
from harness.server import FAKETIME, wait_for
from harness.soak import rounds

SECONDS = int(os.environ.get("WHARF_TEST_FAULT_SECONDS") or rounds(180, 60))
PUSHERS = 20
PULLERS = 50
PAUSE_SECONDS = 30 if SECONDS >= 600 else 12
REPOSITORIES = {"mutable": "MUTABLE", "immutable": "IMMUTABLE"}
POSTGRES = Path(__file__).parent / "postgres"
# The objects of the layers that images have, but for small ones, which the database holds.
OBJECTS_OF_IMAGES = (
    "SELECT DISTINCT b.object_id FROM blobs b JOIN repository_blobs r ON r.blob_id = b.id WHERE r.image_count > 0 "
    "AND NOT EXISTS (SELECT 1 FROM small_blobs s WHERE s.blob_id = b.id)"
)
# A request that fails is tried again until this; nobody is down for longer than a stopped node.
PATIENCE = 120


class Unknown(Exception):
    """Nobody knows whether a request took effect."""


class Database:
    """A PostgreSQL server of the test's own, which it may kill."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="wharf-faults-")
        self.url = run(POSTGRES, "start", self.folder).stdout.strip().splitlines()[-1]

    def crash(self):
        run(POSTGRES, "crash", self.folder)

    def stop(self):
        run(POSTGRES, "stop", self.folder, expect=None)


@pytest.fixture
def database():
    database = Database()
    yield database
    database.stop()


@pytest.fixture
def store():
    """The proxy before the S3 server, and the environment of servers that use it."""
    proxy = FaultProxy(urlsplit(bucket.server_url()).netloc)
    yield proxy, bucket.environment_of_new(proxy.url)
    proxy.stop()


@pytest.fixture
def cluster(tmp_path, database, store):
    environment = {"WHARF_DATABASE_URL": database.url, **store[1]}
    cluster = Cluster(tmp_path / "cluster", environment=environment)
    for number, node in enumerate(cluster.nodes):
        # What the file says is added to the node's clock, from the moment that it says so.
        clock = tmp_path / f"clock{number}"
        clock.write_text("+0")
        node.clock = clock
        # Its start waits for a database and a store that are away.
        node.start_seconds = 120
        node.environment |= {
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
    yield cluster.start()
    cluster.finish()


class World:
    """What was acknowledged, as the clients know it."""

    def __init__(self):
        self.lock = threading.Lock()
        # By repository and tag: the digest that was acknowledged last, if any was, and those that it may have.
        self.tags = {}
        self.content = {}
        self.pushes = self.pulls = self.attempts = 0
        self.violations = []

    def known(self):
        with self.lock:
            return list(self.tags.items())


class Client:
    """Sends requests to the balancer, again and again if they fail."""

    def __init__(self, cluster, world, stop, seed):
        self.world, self.stop = world, stop
        self.chance = random.Random(seed)
        self.repositories = {
            name: Repository(RegistryClient(cluster.host, cluster.authorization, is_gateway=True, timeout=90), name)
            for name in REPOSITORIES
        }

    def patiently(self, act, *statuses):
        """The first answer with one of the statuses. Unknown if an earlier attempt may have taken effect is not told
        apart here: what is sent can be sent twice."""
        deadline = time.monotonic() + PATIENCE
        answer = None
        while time.monotonic() < deadline:
            with self.world.lock:
                self.world.attempts += 1
            try:
                answer = act()
                if answer.status in statuses:
                    return answer
                if answer.status < 500 and answer.status != 429:
                    raise AssertionError(f"expected {statuses}: {answer!r}")
            except (OSError, HTTPException) as error:
                answer = error
            time.sleep(self.chance.uniform(0.05, 0.5))
        raise Unknown(repr(answer))

    # --- Pushing ---------------------------------------------------------------------------------------------------

    def push_blob(self, repository, content):
        """A blob from the beginning, until it is there: in one piece or in chunks."""
        digest = digest_of(content)
        chunks = self.chance.choice([1, 1, 3])

        def attempt():
            answer = repository.client.post(repository.uploads, content_length="0")
            if answer.status != 202:
                return answer
            location, at = answer.header("Location"), 0
            size = -(-len(content) // chunks)
            for start in range(0, len(content) if chunks > 1 else 0, size):
                chunk = content[start : start + size]
                content_range = f"{start}-{start + len(chunk) - 1}"
                answer = repository.client.patch(location, chunk, content_range=content_range)
                if answer.status != 202:
                    # The upload is given up, as docker does, and begun anew.
                    return broken(answer)
                location, at = answer.header("Location"), start + len(chunk)
            return broken(repository.client.put(with_query(location, digest=digest), content[at:]))

        self.patiently(attempt, 201)
        return digest

    def push(self, turn):
        name = self.chance.choice(list(self.repositories))
        repository = self.repositories[name]
        sizes = [self.chance.choice([10, 3000, 70_000, 400_000, 1_500_000, 9_000_000 if turn % 10 == 0 else 20])]
        layers = [self.chance.randbytes(size) for size in sizes]
        config = self.chance.randbytes(40)
        for content in [config, *layers]:
            self.push_blob(repository, content)
        body = image_manifest(config, layers)
        digest = digest_of(body)
        # Each tag has one pusher, so that the order of its pushes is known.
        tag = f"p{id(self)}-{self.chance.randrange(20) if name == 'mutable' else turn}"
        place = (name, tag)
        with self.world.lock:
            self.world.content[digest] = (body, [digest_of(content) for content in [config, *layers]])
            # From here on it may be seen.
            acknowledged, possible = self.world.tags.get(place, (None, frozenset([None])))
            self.world.tags[place] = (acknowledged, possible | {digest})
        target = repository.manifest(tag)
        try:
            answer = self.patiently(lambda: repository.client.put(target, body, content_type=OCI_MANIFEST), 201, 400)
            if answer.status == 400:
                # An attempt whose answer was lost has set the tag, which cannot be set again.
                assert name == "immutable", repr(answer)
                answer.expect_error(400, "TAG_INVALID")
                there = self.patiently(lambda: repository.pull(tag), 200)
                assert there.header("Docker-Content-Digest") == digest, f"{tag} was moved: {there!r}"
        except Unknown:
            return
        with self.world.lock:
            self.world.tags[place] = (digest, frozenset([digest]))
            self.world.pushes += 1
        if name == "immutable" and turn % 3 == 0:
            self.try_to_move(repository, tag, config)

    def try_to_move(self, repository, tag, config):
        other = image_manifest(config, [config], annotations={"who": "another"})
        target = repository.manifest(tag)
        self.patiently(lambda: repository.client.put(target, other, content_type=OCI_MANIFEST), 400)

    # --- Pulling ---------------------------------------------------------------------------------------------------

    def pull(self):
        known = self.world.known()
        if not known:
            time.sleep(0.05)
            return
        (name, tag), (_, before) = self.chance.choice(known)
        repository = self.repositories[name]
        answer = self.patiently(lambda: repository.pull(tag), 200, 404)
        with self.world.lock:
            _, after = self.world.tags[name, tag]
        digest = answer.header("Docker-Content-Digest") if answer.status == 200 else None
        # A push that began and ended meanwhile is in neither, unless it is the last one; only its pusher pushes the tag.
        if digest not in before | after and len(before | after) == 1:
            self.violation(f"{name}:{tag} is {digest} and should be one of {before} or {after}")
            return
        if digest:
            self.check(repository, digest, answer.body)
        with self.world.lock:
            self.world.pulls += 1

    def check(self, repository, digest, body, every=False):
        pushed, blobs = self.world.content[digest]
        if body != pushed:
            self.violation(f"manifest {digest} is not what was pushed")
        for blob in blobs if every else self.chance.sample(blobs, 1):
            content = self.patiently(lambda blob=blob: repository.client.get(repository.blob(blob)), 200)
            if digest_of(content.body) != blob:
                self.violation(f"blob {blob} of {digest} is not what was pushed")

    def violation(self, text):
        with self.world.lock:
            self.world.violations.append(text)


def broken(answer):
    """What ends an upload other than well is a failure of the attempt, whatever the status."""
    if answer.status in (400, 404, 416):
        raise OSError(f"the upload is broken: {answer!r}")
    return answer


# --- Faults ------------------------------------------------------------------------------------------------------------


class Faults:
    """One fault after the other, each of a kind that chance picks; all is well between them for a moment."""

    def __init__(self, cluster, database, proxy, seed):
        self.cluster, self.database, self.proxy = cluster, database, proxy
        self.chance = random.Random(seed)
        self.count = {}

    def one(self):
        kinds = [self.kill_node, self.pause_node, self.crash_database, self.fail_store, self.fail_store, self.set_clock]
        kind = self.chance.choice(kinds)
        self.count[kind.__name__] = self.count.get(kind.__name__, 0) + 1
        print(f"{time.strftime('%H:%M:%S')} {kind.__name__}", flush=True)
        kind()

    def kill_node(self):
        node = self.chance.choice(self.cluster.nodes)
        node.kill()
        time.sleep(self.chance.uniform(0, 3))
        self.start(node)

    def start(self, node):
        # The database or the store may be away at this moment too.
        wait_for(lambda: self.has_started(node), "a node to start again", 300)

    def has_started(self, node):
        try:
            self.cluster.start_node(node)
        except (AssertionError, subprocess.SubprocessError):
            return False
        return True

    def pause_node(self):
        node = self.chance.choice(self.cluster.nodes)
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(PAUSE_SECONDS)
        node.process.send_signal(signal.SIGCONT)

    def crash_database(self):
        self.database.crash()

    def fail_store(self):
        self.proxy.fault = self.chance.choice(FAULTS[1:])
        time.sleep(self.chance.uniform(2, 8))
        self.proxy.fault = "none"

    def set_clock(self):
        node = self.chance.choice(self.cluster.nodes)
        node.clock.write_text(self.chance.choice(["+600", "-600", "+0"]))


@pytest.mark.timeout(900 + 4 * SECONDS)
def test_nothing_acknowledged_is_lost(cluster, database, store):
    seed = fresh_seed()
    for name, mutability in REPOSITORIES.items():
        cluster.client().create_repository(repositoryName=name, imageTagMutability=mutability)
    assert cluster.authorization
    world, stop = World(), threading.Event()
    clients = [Client(cluster, world, stop, seed + number) for number in range(PUSHERS + PULLERS)]
    failures = []

    def work(number, client):
        turn = 0
        try:
            while not stop.is_set():
                turn += 1
                if number < PUSHERS:
                    client.push(turn)
                else:
                    client.pull()
        except Unknown as error:
            failures.append(f"gave up after {PATIENCE} s: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must tell of it
            failures.append(repr(error))

    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in enumerate(clients)]
    for thread in threads:
        thread.start()
    faults = Faults(cluster, database, store[0], seed)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and not failures and not world.violations:
        faults.one()
        time.sleep(faults.chance.uniform(1, 4))
    store[0].fault = "none"
    for node in cluster.nodes:
        if not node.is_running:
            faults.start(node)
    stop.set()
    for thread in threads:
        thread.join(PATIENCE + 60)
    print(f"{world.pushes} pushes, {world.pulls} pulls, {world.attempts} attempts, faults {faults.count}")
    assert not world.violations, world.violations[:5]
    assert not failures, failures[:5]
    assert not any(thread.is_alive() for thread in threads)
    check_at_the_end(cluster, world, clients[0])
    check_what_is_stored(cluster)
    assert world.pushes > SECONDS / 4 and world.pulls > SECONDS, "hardly anything happened"


def check_at_the_end(cluster, world, client):
    """All that was acknowledged is there, on every node, and all that is there is whole."""
    for (name, tag), (_, possible) in world.known():
        node = client.chance.choice(cluster.nodes)
        repository = Repository(RegistryClient(node.host, cluster.authorization), name)
        answer = repository.pull(tag).expect(200, 404)
        digest = answer.header("Docker-Content-Digest") if answer.status == 200 else None
        assert digest in possible, f"{name}:{tag} is {digest} and should be one of {possible}"
    for name in REPOSITORIES:
        repository = client.repositories[name]
        for page in cluster.client().get_paginator("list_images").paginate(repositoryName=name):
            for digest in {image["imageDigest"] for image in page["imageIds"]}:
                answer = repository.pull(digest)
                if digest in world.content:
                    client.check(repository, digest, answer.expect(200).body, every=True)
    assert not world.violations, world.violations[:5]


def check_what_is_stored(cluster):
    """Every byte is where a row says, whatever died in the middle of what; and when the grace periods of what was cut off
    are over, the store has what images need and nothing else. (For fsck nothing is an orphan that is so new.)"""
    check_storage(cluster)
    needed = {name for (name,) in storage.query(cluster, OBJECTS_OF_IMAGES)}
    cut_off = storage.query(cluster, "SELECT count(*) FROM uploads")[0][0]
    end_grace_periods = (
        "UPDATE uploads SET updated_at_ms = 1;"
        "UPDATE repository_blobs SET unreferenced_since_ms = 1 WHERE image_count = 0;"
        # A part that was on its way to the store when its node died has arrived by now.
        "UPDATE removed_objects SET removed_at_ms = 1 WHERE removed_at_ms > 1"
    )

    def is_collected():
        storage.execute(cluster, end_grace_periods)
        storage.wharf_command(cluster, "gc", timeout=300 + SECONDS)
        return storage.query(cluster, "SELECT id FROM uploads UNION ALL SELECT object_id FROM removed_objects") == []

    wait_for(is_collected, "what was cut off to be collected", 60 + SECONDS)
    stored = {key.name for tier in ("blobs", "archive") for key in bucket.objects(cluster.environment, tier)}
    print(f"{len(stored)} objects, {cut_off} uploads were cut off")
    assert stored == needed
    # One without a part may be there, begun for a node that died before it knew: that is for fsck to end.
    assert bucket.unfinished_parts(cluster.environment) == []
    storage.fsck(cluster, "--repair", timeout=300 + SECONDS)
    assert bucket.unfinished(cluster.environment) == []
    check_storage(cluster)


def check_storage(cluster):
    report = storage.fsck(cluster, timeout=300 + SECONDS)
    assert report["check"]["status"] == "CLEAN" and report["findings"] == [], report
    progress = report["check"]["progress"]
    assert progress["blobsRead"] == progress["blobsChecked"] > 0 and progress["imagesChecked"] > 0
