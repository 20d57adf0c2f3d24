"""Replication: whoever is killed, and however often, the destination ends as the source is.

A hundred kills in the long form (`harness.soak`), and twenty else.
"""

import json

import pytest

from conftest import environment_of
from harness import images
from harness.killed import Killer
from harness.registry_client import (
    OCI_INDEX,
    OCI_MANIFEST,
    Pushed,
    RegistryClient,
    Repository,
    image_manifest,
    index_manifest,
)
from harness.server import Wharf, wait_for
from harness.soak import rounds
from harness.stored import contents, count, expect_no_contradiction, expect_nothing_left_over
from harness.verify import expect_whole_repository
from test_replication import ACCOUNT, AWAY, HOME, in_region, remote_of, replicate, statuses

KILLS = rounds(100, 20)
NAME = "app"
BASE = images.noise("base", 400_000)
# Deletions and tags that go are replicated, too.
EXTENSIONS = "[replication]\ndeletes = true\ntag_removals = true\n"


class Source:
    """Changes a repository in every way that replicates, one acknowledged change after the other."""

    def __init__(self, server, chance):
        self.server, self.chance = server, chance
        self.client = RegistryClient(server.host, server.authorization)
        self.repository = Repository(self.client, NAME)
        self.repository.push_blob(BASE)
        self.made = []

    def change(self):
        ways = [self.push_image] * 5 + [self.push_index, self.push_referrer, self.untag, self.delete]
        self.chance.choice(ways)()

    def push(self, manifest, *tags, media_type=OCI_MANIFEST):
        for tag in tags or (None,):
            self.repository.push_manifest(manifest, tag, media_type)
        self.made.append(Pushed(manifest, media_type))

    def push_image(self):
        number = len(self.made)
        config = json.dumps({"architecture": "amd64", "os": "linux", "number": number}).encode()
        layer = images.noise(f"layer {number}", self.chance.choice([100, 60_000, 1_500_000]))
        for blob in (config, layer):
            self.repository.push_blob(blob)
        # One tag of its own, and one that moves.
        self.push(image_manifest(config, [BASE, layer]), f"v{number}", "latest")

    def push_index(self):
        there = self.digests()
        children = [made for made in self.made if made.digest in there and made.media_type == OCI_MANIFEST][-3:]
        body = index_manifest([child.descriptor for child in children], annotations={"number": str(len(self.made))})
        self.push(body, f"multi{len(self.made)}", media_type=OCI_INDEX)

    def push_referrer(self):
        number = len(self.made)
        config, signature = b"{}", f"signature {number}".encode()
        for blob in (config, signature):
            self.repository.push_blob(blob)
        subject = self.chance.choice(self.made).descriptor
        self.push(image_manifest(config, [signature], subject=subject))

    def untag(self):
        tags = [tag for _, tag, _ in contents(self.server, HOME)["tags"] if tag != "latest"]
        if tags:
            self.remove(imageTag=self.chance.choice(tags))

    def delete(self):
        # The newest, which is perhaps on its way.
        self.remove(imageDigest=self.chance.choice(self.made[-6:]).digest)

    def remove(self, **image):
        answer = self.server.client().batch_delete_image(repositoryName=NAME, imageIds=[image])
        codes = {failure["failureCode"] for failure in answer["failures"]}
        assert codes <= {"ImageNotFound", "ImageReferencedByManifestList"}, codes

    def digests(self):
        return {line[1] for line in contents(self.server, HOME)["images"]}


def is_over(home):
    waiting = "image_replications WHERE status = 'IN_PROGRESS'"
    return not any(count(home, table) for table in ("jobs", "replication_removals", waiting))


def replicate_under_kills(home, away, victims, progress):
    """A back-fill of what was there before, and everything that comes after, while `victims` are killed."""
    killer = Killer()
    ecr = home.client()
    ecr.create_repository(repositoryName=NAME)
    source = Source(home, killer.chance)
    for _ in range(12):
        source.push_image()
    replicate(ecr, (AWAY, ACCOUNT))
    backfill = ecr.start_replication_backfill(destination={"region": AWAY, "registryId": ACCOUNT})
    while killer.kills < KILLS:
        for _ in range(killer.chance.choice([0, 1, 1, 2, 4])):
            source.change()
        source.client.close()
        killed = killer.chance.choice(victims)
        for server in killed:
            killer.kill(server, 0.02, progress, 12)
        for server in killed:
            server.start()
    # The last push of all has whoever waits for a destination try it again.
    source.push_image()
    # Jobs that a killed node held are anybody's after 30 s on PostgreSQL, and a destination that was down is tried every 15 s.
    wait_for(lambda: is_over(home), "the queue to be empty", 120)
    source.client.close()
    ecr = home.client()
    found = ecr.describe_replication_backfill_results(replicationBackfillId=backfill["replicationBackfillId"])
    assert found["status"] == "COMPLETE"
    for digest in source.digests():
        assert {entry["status"] for entry in statuses(ecr, NAME, digest).values()} == {"COMPLETE"}, digest
    expect_equal(home, away)
    for server in {each for killed in victims for each in killed}:
        expect_nothing_left_over(server)
    expect_equal(home, away)


def expect_equal(home, away):
    """The destination has what the source has, no more and no less, and all of it can be pulled."""
    expected, found = contents(home, HOME), contents(away, AWAY)
    for kind, lines in expected.items():
        assert found[kind] == lines, f"{kind}: {set(found[kind]) ^ set(lines)}"
    expect_no_contradiction(away)
    client = RegistryClient(away.host, away.authorization)
    listed = expect_whole_repository(away.client(), Repository(client, NAME))
    client.close()
    assert {digest for digest, _ in listed} == {line[1] for line in expected["images"]}


@pytest.mark.timeout(900)
def test_between_two_wharfs(tmp_path, default_database):
    """The source and the destination are killed, by turns and at the same time."""

    def start(name, region, config):
        server = Wharf(
            tmp_path / name,
            environment={**environment_of(default_database), "WHARF_LOG": "info"},
            config=f'account_id = "{ACCOUNT}"\nregions = ["{region}"]\n{config}',
        )
        server.region = region
        return server.start()

    away = start("away", AWAY, "")
    home = start("home", HOME, EXTENSIONS + remote_of(away))
    # Every request that comes to the destination is a line of its log.
    replicate_under_kills(home, away, [[home], [home], [away], [home, away]], lambda: away.log_size)
    for server in (home, away):
        server.finish()


@pytest.mark.timeout(900)
def test_within_one_wharf(tmp_path, default_database):
    server = Wharf(
        tmp_path / "wharf",
        environment=environment_of(default_database),
        config=f'account_id = "{ACCOUNT}"\nregions = ["{HOME}", "{AWAY}"]\n{EXTENSIONS}',
    ).start()

    def progress():
        return [count(server, table) for table in ("images", "blobs", "uploads", "removed_objects", "repository_blobs")]

    replicate_under_kills(server, in_region(server, AWAY), [[server]], progress)
    server.finish()
