"""The pull through cache: killed while it imports and fetches, it holds in the end what one holds that was left alone."""

import threading

import pytest

from conftest import environment_of
from harness.images import Image, Index, image, index, noise
from harness.interrupted import GONE
from harness.killed import Killer
from harness.registry_client import RegistryClient, Repository
from harness.server import Wharf, wait_for
from harness.soak import rounds
from harness.stored import contents, count, expect_no_contradiction, expect_nothing_left_over, objects
from harness.upstream import FakeUpstream
from test_pull_through_cache import OPEN, pull_whole, rule

KILLS = rounds(100, 20)
PREFIX = "up"
CLIENTS = 3
# Layers that several images have, in one repository and in others.
SHARED = (noise("shared by all", 900_000), noise("shared by many", 70_000))


class Puller(threading.Thread):
    """Pulls images whole, one after the other, until the server is gone; `pulled` has those that came."""

    def __init__(self, server, wanted, pulled):
        super().__init__(daemon=True)
        self.client = RegistryClient(server.host, server.authorization, timeout=60, is_gateway=True)
        self.wanted, self.pulled = wanted, pulled
        self.failure = None

    def run(self):
        try:
            for name, reference, digest in self.wanted:
                assert pull_whole(Repository(self.client, name), reference) == digest
                self.pulled.add((name, reference, digest))
        except GONE:
            pass
        except BaseException as failure:
            self.failure = failure
        finally:
            self.client.close()


def publish(upstream, number, chance):
    """Makes images upstream; returns what clients pull of them: (repository, tag or digest, digest)."""
    name, tag = f"app-{number % 7}", f"v{number}"
    own = noise(f"layer {number}", chance.choice([10, 300_000, 2_500_000]))
    config = b'{"architecture": "amd64", "os": "linux", "number": %d}' % number
    single = Image(config, (*SHARED, own))
    if number % 3:
        made = single
    else:
        made = Index((single, image(f"arm {number}", architecture="arm64", layers=3)))
    if number % 6 == 0:
        # A list of lists.
        made = Index((made, index(f"inner {number}", size=5000)))
        for inner in made.images:
            upstream.push(name, inner, f"inner-{number}")
    upstream.push(name, made, tag)
    wanted = [(f"{PREFIX}/{name}", tag, made.digest)]
    if number % 4 == 0:
        wanted.append((f"{PREFIX}/{name}", f"moved-{number}", made.digest))
        upstream.push(name, made, f"moved-{number}")
        by_digest = image(f"by digest {number}", size=20_000)
        upstream.push(name, by_digest, f"hidden-{number}")
        wanted.append((f"{PREFIX}/{name}", by_digest.digest, by_digest.digest))
    return wanted


def pull_everything(server, wanted):
    client = RegistryClient(server.host, server.authorization, timeout=60, is_gateway=True)
    for name, reference, digest in wanted:
        assert pull_whole(Repository(client, name), reference) == digest
    client.close()


@pytest.mark.timeout(900)
def test_killed_while_it_fetches(tmp_path, default_database):
    """Clients pull, the server dies in the middle, and they pull again, until they have everything.

    A hundred times in the long form (`harness.soak`), and twenty times else.
    """
    upstream, killer = FakeUpstream(), Killer()

    def start(name):
        server = Wharf(tmp_path / name, environment=environment_of(default_database), config=OPEN).start()
        rule(server, upstream.url, PREFIX)
        return server

    server = start("killed")
    everything, waiting, pulled = [], [], set()
    number = 0
    while killer.kills < KILLS:
        # A life begins with what the last one did not come to, and something new.
        if len(waiting) < 2:
            waiting += publish(upstream, number, killer.chance)
            number += 1
        clients = [Puller(server, killer.chance.sample(waiting, len(waiting)), pulled) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        killer.kill(server, 0.01, lambda: (len(upstream.requests), objects(server, "blobs")), 16)
        for client in clients:
            client.join()
            assert client.failure is None, client.failure
        server.start()
        everything += [each for each in waiting if each in pulled]
        waiting = [each for each in waiting if each not in pulled]
    everything += waiting
    pull_everything(server, everything)
    wait_for(lambda: count(server, "jobs") == 0, "the jobs to end", 60)

    undisturbed = start("undisturbed")
    pull_everything(undisturbed, everything)
    expected, found = contents(undisturbed), contents(server)
    for kind, lines in expected.items():
        assert found[kind] == lines, f"{kind}: {set(found[kind]) ^ set(lines)}"
    assert not found["blobs still upstream"]
    expect_no_contradiction(server)
    expect_nothing_left_over(server)
    assert contents(server) == expected
    asked = len(upstream.requests)
    pull_everything(server, everything)
    assert len(upstream.requests) == asked, "all of it is here"
    for each in (server, undisturbed):
        each.finish()
    upstream.close()
