"""Scans and updates of advisories that are cut off: in the end images have the findings that they have with a server that was
left alone, and nobody ever sees half of a revision.

A hundred kills in the long form (`harness.soak`); else twenty of one server, and ten of nodes that share a database.
"""

import functools
import random
import threading

import pytest

from conftest import configuration
from harness import bucket, postgres, storage
from harness.alpine import alpine, data
from harness.cluster import Cluster
from harness.feeds import FeedServer, secdb
from harness.interrupted import GONE
from harness.killed import Killer
from harness.registry_client import digest_of
from harness.scan_accounts import Account, feed_path, feeds_configuration, findings, lasting, revisions, status
from harness.server import Wharf, wait_for
from harness.soak import rounds

FIRST, SECOND = "123456789012", "210987654321"
KEYS = {
    FIRST: ("AKIASCANSKILLED00001", "first-secret-of-the-tests-0000000000000001"),
    SECOND: ("AKIASCANSKILLED00002", "second-secret-of-the-tests-000000000000002"),
}
NAME, PROBE, RELEASE = "app", "probe", "3.22"
FEED = f"made-{RELEASE.replace('.', '-')}"
# Packages that images have, and others between them in the feed.
PARTS = [f"part-{number:02}" for number in range(24)]
OTHERS = 3_000
VERSION = "1.0-r0"
LETTERS = "AB"


def fixes(part, letter):
    """What a revision says of a package: one advisory is another one than in the other revision, one is in this alone, and one
    is in both."""
    number = 1000 + PARTS.index(part)
    return {
        {"A": "2.0-r0", "B": "3.0-r0"}[letter]: [f"CVE-2021-{number}"],
        {"A": "4.0-r0", "B": "5.0-r0"}[letter]: [f"CVE-{dict(A=2022, B=2023)[letter]}-{number}"],
        "6.0-r0": [f"CVE-2024-{number}"],
    }


def advisories(letter):
    """A revision of the feed: those on the packages of images are spread over all of it, and half of the others change."""
    packages = {}
    for number in range(OTHERS):
        if number % (OTHERS // len(PARTS)) == 0 and number // (OTHERS // len(PARTS)) < len(PARTS):
            part = PARTS[number // (OTHERS // len(PARTS))]
            packages[part] = fixes(part, letter)
        fixed = f"1.{LETTERS.index(letter) if number % 2 else 7}-r0"
        packages[f"other-{number:05}"] = {fixed: [f"CVE-2020-{10_000 + number}"]}
    return secdb(packages, RELEASE)


def expected(letter, parts):
    found = set()
    for part in parts:
        for fixed, (vulnerability,) in fixes(part, letter).items():
            found.add((vulnerability, part, VERSION, fixed))
    return found


def letter_of(revision):
    """Revisions change by turns, and each that is published comes into force before the next one is."""
    return LETTERS[(revision - 1) % 2]


def parts_of(tag):
    """The packages of an image."""
    if tag == PROBE:
        return PARTS
    chance = random.Random(tag)
    return sorted(chance.sample(PARTS, chance.randint(3, len(PARTS))))


@functools.cache
def made(tag):
    """An image; some of its layers are those of others."""
    number = random.Random(tag).randrange(3)
    shared = [data(f"shared {number}", 400_000), data("shared by all", 150_000)]
    own = data(f"own {tag}", 60_000)
    return alpine(tag, dict.fromkeys(parts_of(tag), VERSION), RELEASE, [*shared, own])


def check(told, tag):
    """What is told of an image is by one revision, or nothing yet."""
    if status(told) in ("PENDING", "IN_PROGRESS"):
        assert not findings(told)
        return None
    assert status(told) == "COMPLETE", told["platforms"]
    found = findings(told)
    by = [letter for letter in LETTERS if found == expected(letter, parts_of(tag))]
    assert by, f"{tag} has findings of no whole revision: {sorted(found)}"
    revision = revisions(told)[FEED]
    assert by == [letter_of(revision)], f"{tag} is said to be by revision {revision}, and has findings of {by}"
    return revision


class Client(threading.Thread):
    """Works at one node, with an account of its own, until the node is gone or nothing more is to be done."""

    def __init__(self, host, account, token):
        super().__init__(daemon=True)
        self.account = Account(host, account, KEYS[account], token)
        self.over = threading.Event()
        self.failure = None

    def run(self):
        try:
            self.work()
        except GONE:
            pass
        except BaseException as failure:
            self.failure = failure
        finally:
            self.account.close()


def end(clients):
    """Lets clients come to their end, which none may have come to by a failure."""
    for client in clients:
        client.over.set()
    for client in clients:
        client.join(60)
        assert not client.is_alive() and client.failure is None, client.failure


class Pusher(Client):
    """Pushes images that wait for it; `pushed` has those that were acknowledged."""

    def __init__(self, host, account, token, waiting, pushed):
        super().__init__(host, account, token)
        self.waiting, self.pushed = waiting, pushed

    def work(self):
        while self.waiting and not self.over.is_set():
            tag = self.waiting[0]
            self.account.push(NAME, made(tag), tag)
            self.pushed.append(self.waiting.pop(0))


class Watcher(Client):
    """Has an image scanned again and again, and looks at what is told of it and others all the time."""

    def __init__(self, host, account, token, pushed, seed, seen):
        super().__init__(host, account, token)
        self.pushed, self.chance, self.seen = pushed, random.Random(seed), seen

    def work(self):
        while not self.over.is_set():
            self.account.start_scan(NAME, PROBE)
            revision = None
            while revision is None and not self.over.is_set():
                revision = check(self.account.describe(NAME, PROBE), PROBE)
                other = self.chance.choice(self.pushed)
                check(self.account.describe(NAME, other), other)
            if revision is not None:
                assert revision >= max(self.seen, default=0), f"revision {revision} after {max(self.seen)}"
                self.seen.append(revision)


class Looker(Client):
    """Has an image scanned again and again, and looks at each scan when it has ended."""

    looks = 0

    def work(self):
        while not self.over.is_set():
            self.account.start_scan(NAME, PROBE)
            check(self.account.ended(NAME, PROBE), PROBE)
            self.looks += 1


class World:
    """The server, or the nodes, that are killed; what clients have pushed; and the feed."""

    def __init__(self, server, nodes, feeds, published=0):
        self.server, self.nodes, self.feeds = server, nodes, feeds
        self.killer = Killer()
        self.published = published
        if not published:
            self.publish()
        self.made = self.lives = 0
        self.seen = []
        self.waiting = {account: [] for account in KEYS}
        self.pushed = {account: [] for account in KEYS}
        self.tokens = {}
        for account in KEYS:
            at = self.at(account)
            self.tokens[account] = at.token
            at.api.ecr(
                "CreateRepository",
                {"repositoryName": NAME, "imageScanningConfiguration": {"scanOnPush": True}},
            ).expect(200)
            at.push(NAME, made(PROBE), PROBE)
            self.pushed[account].append(PROBE)
            at.close()

    def at(self, account, node=None):
        node = node or self.killer.chance.choice(self.nodes)
        return Account(node.host, account, KEYS[account], self.tokens.get(account))

    def publish(self):
        self.feeds.files[feed_path(RELEASE)] = advisories(letter_of(self.published + 1))
        self.published += 1

    def revision(self):
        found = storage.query(self.server, f"SELECT revision FROM advisory_feeds WHERE name = '{FEED}'")
        return int(found[0][0]) if found else 0

    def ask_for_update(self):
        at = self.at(FIRST)
        at.api.wharf("UpdateAdvisories", {"names": [FEED]}).expect(200)
        at.close()

    def progress(self):
        """What changes as layers are analysed, scans end, and records of a revision are written."""
        return storage.query(
            self.server,
            "SELECT (SELECT count(*) FROM layer_facts), (SELECT count(*) FROM image_scans WHERE ended_at_ms IS NULL), "
            "(SELECT max(ended_at_ms) FROM image_scans), (SELECT max(id) FROM advisory_records), "
            "(SELECT count(*) FROM advisory_records WHERE until_revision IS NULL)",
        )

    def clients(self):
        clients = []
        for account in KEYS:
            node = self.killer.chance.choice(self.nodes)
            # A life begins with what the last one did not come to, and something new.
            if len(self.waiting[account]) < 2:
                self.made += 1
                self.waiting[account].append(f"v{self.made}")
                # The same image in both accounts, now and then.
                if self.made % 3 == 0:
                    self.waiting[account].append("common")
            queue = [tag for tag in dict.fromkeys(self.waiting[account]) if tag not in self.pushed[account]]
            self.waiting[account] = queue
            clients.append(Pusher(node.host, account, self.tokens[account], queue, self.pushed[account]))
        node = self.killer.chance.choice(self.nodes)
        seed = self.killer.chance.random()
        clients.append(Watcher(node.host, FIRST, self.tokens[FIRST], self.pushed[FIRST], seed, self.seen))
        return clients

    def life(self):
        """Work goes on until a node is killed somewhere in it."""
        if self.revision() == self.published:
            self.publish()
            self.ask_for_update()
        *_, watcher = clients = self.clients()
        for client in clients:
            client.start()
        # Now and then an update comes to its end, and is looked at, also where lives are shorter than updates.
        self.lives += 1
        if self.lives % 4 == 0:
            wait_for(lambda: self.published in self.seen or watcher.failure, "the update to be seen", 300)
        killed = self.killer.chance.choice(self.nodes)
        self.killer.kill(killed, 0.03, self.progress, 30)
        end(clients)
        self.start(killed)

    def start(self, node):
        if self.server is node:
            node.start()
        else:
            self.server.start_node(node)

    def push_the_rest(self):
        for account, waiting in self.waiting.items():
            at = self.at(account)
            for tag in waiting:
                if tag not in self.pushed[account]:
                    at.push(NAME, made(tag), tag)
                    self.pushed[account].append(tag)
            at.close()

    def wait_for_end(self):
        def is_over():
            return storage.query(
                self.server,
                "SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM image_scans WHERE ended_at_ms IS NULL)",
            ) == [["0", "0"]]

        # What a killed node was at is anybody's after 30 s on PostgreSQL.
        wait_for(is_over, "all scans to end, and all updates", 300)

    def all_told(self):
        """What is told of every image, checked."""
        told = {}
        for account, tags in self.pushed.items():
            at = self.at(account)
            for tag in tags:
                told[account, tag] = at.describe(NAME, tag)
                assert check(told[account, tag], tag), f"{tag} has no findings"
            at.close()
        return told

    def scan_all(self):
        for account, tags in self.pushed.items():
            at = self.at(account)
            for tag in tags:
                at.start_scan(NAME, tag)
            at.close()
        self.wait_for_end()

    def check_storage(self):
        """One row of facts for each layer of each account, nothing of what was cut off, and nothing that fsck finds."""
        found = storage.query(
            self.server,
            "SELECT f.account_id, b.digest, count(*) FROM layer_facts f JOIN blobs b ON b.id = f.blob_id GROUP BY 1, 2",
        )
        layers = {
            (account, digest_of(layer), "1")
            for account, tags in self.pushed.items()
            for tag in tags
            for layer in made(tag).layers
        }
        assert {tuple(row) for row in found} == layers and len(found) == len(layers)
        halves = (
            "SELECT count(*) FROM advisory_records r JOIN advisory_feeds f ON f.name = r.feed "
            "WHERE r.from_revision > f.revision OR r.until_revision > f.revision"
        )
        assert storage.query(self.server, halves) == [["0"]]
        report = storage.fsck(self.nodes[0])
        assert report["check"]["status"] == "CLEAN" and report["findings"] == [], report


@pytest.fixture
def feeds():
    server = FeedServer()
    yield server
    server.close()


@pytest.fixture
def started(feeds):
    """Starts servers by this feed, and nodes of one. Each has time for it, as what was cut off goes on at the same time."""
    servers = []
    config = configuration(accounts=KEYS) + feeds_configuration(feeds.url)

    def start(kind, folder, **options):
        server = kind(folder, config=config, **options)
        servers.append(server)
        for node in getattr(server, "nodes", [server]):
            node.start_seconds = 120
        return server.start()

    yield start
    for server in servers:
        server.finish()


def kill_again_and_again(server, nodes, feeds, kills, start_undisturbed):
    world = World(server, nodes, feeds)
    world.wait_for_end()
    while world.killer.kills < kills:
        world.life()
    world.push_the_rest()
    world.wait_for_end()
    # Each image by the revision that was in force when it was scanned.
    world.all_told()
    assert world.revision() == world.published, "an update was lost"
    world.scan_all()
    in_the_end = {place: lasting(told) for place, told in world.all_told().items()}
    world.check_storage()
    print(f"{len(in_the_end)} images, {world.published} revisions, seen in force: {sorted(set(world.seen))}")
    assert len(set(world.seen)) > 1, "no revision was replaced while anybody looked"

    undisturbed = start_undisturbed()
    alone = World(undisturbed, [undisturbed], feeds, world.published)
    alone.waiting = {account: list(tags) for account, tags in world.pushed.items()}
    alone.push_the_rest()
    alone.wait_for_end()
    for account, tags in world.pushed.items():
        at = alone.at(account)
        for tag in tags:
            assert lasting(at.describe(NAME, tag)) == in_the_end[account, tag], f"{account} {tag}"
        at.close()


@pytest.mark.timeout(1800)
def test_a_server_is_killed(tmp_path, feeds, started):
    server = started(Wharf, tmp_path / "killed")
    kill_again_and_again(server, [server], feeds, rounds(100, 20), lambda: started(Wharf, tmp_path / "undisturbed"))


@pytest.mark.timeout(3600)
def test_nodes_are_killed(tmp_path, feeds, started):
    environment = {"WHARF_DATABASE_URL": postgres.new_database(), **bucket.environment_of_new()}
    cluster = started(Cluster, tmp_path / "cluster", environment=environment)
    kills = rounds(100, 10)
    kill_again_and_again(cluster, cluster.nodes, feeds, kills, lambda: started(Wharf, tmp_path / "undisturbed"))


def test_the_revision_that_is_told(tmp_path, feeds, started):
    """Small revisions take each other's place as fast as they can, while an image is scanned: what is said to be what it was
    compared with is what it was compared with."""
    server = started(Wharf, tmp_path / "wharf")
    small = {letter: secdb({part: fixes(part, letter) for part in PARTS}, RELEASE) for letter in LETTERS}
    feeds.files[feed_path(RELEASE)] = small["A"]
    world = World(server, [server], feeds, 1)
    world.wait_for_end()
    lookers = [Looker(server.host, account, world.tokens[account]) for account in KEYS]
    for looker in lookers:
        looker.start()
    at = world.at(FIRST)
    for revision in range(2, rounds(400, 40)):
        feeds.files[feed_path(RELEASE)] = small[letter_of(revision)]
        at.api.wharf("UpdateAdvisories", {"names": [FEED]}).expect(200)
        wait_for(lambda revision=revision: world.revision() == revision, "the update")
    at.close()
    end(lookers)
    assert all(looker.looks for looker in lookers)
