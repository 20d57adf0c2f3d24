"""The restore window: whenever the server is killed, an image is there or restorable, and goes when its time is over.

A hundred kills in the long form (`harness.soak`), and twenty else.
"""

import shutil
import threading
import time

import pytest

from harness import images
from harness.api_push import push_image, put
from harness.aws_api import AwsApi
from harness.interrupted import GONE
from harness.killed import Killer
from harness.registry_client import OCI_MANIFEST, Pushed, RegistryClient, Repository, image_manifest, index_manifest
from harness.server import Wharf, wait_for
from harness.soak import rounds
from harness.stored import IN_A_STORE, contents, count, expect_no_contradiction, expect_nothing_left_over, objects, rows
from harness.verify import expect_whole_repository

KILLS = rounds(100, 20)
NAME = "app"
WORKERS = 3


def tags_of(number):
    return frozenset({f"v{number}", f"also-{number}", f"more-{number}"})


class Owner(threading.Thread):
    """Deletes and restores images and tags that nobody else touches, until the server is gone.

    `known` has for each image the states that it can be in, each whether it is there and which tags it has; or would
    have. It is one state, except while a request is under way.
    """

    def __init__(self, server, mine, known, chance, answered):
        super().__init__(daemon=True)
        self.api = AwsApi(server)
        self.mine, self.known, self.chance = mine, known, chance
        self.answered = answered
        self.failure = None

    def run(self):
        try:
            while True:
                self.change(self.chance.choice(self.mine))
        except GONE:
            pass
        except BaseException as failure:
            self.failure = failure
        finally:
            self.api.client.close()

    def change(self, digest):
        ((is_there, tags, lost),) = self.known[digest]
        by_digest = {"imageDigest": digest}
        ways = []
        if is_there:
            ways.append((self.delete, by_digest, (False, tags, lost)))
            for tag in sorted(tags):
                # The last tag takes the image along.
                after = (True, tags - {tag}, lost | {tag}) if len(tags) > 1 else (False, tags, lost)
                ways.append((self.delete, {"imageTag": tag}, after))
        else:
            ways += [(self.restore, image, (True, tags, lost)) for image in (by_digest, {"imageTag": min(tags)})]
        ways += [(self.restore, {"imageTag": tag}, (True, tags | {tag}, lost - {tag})) for tag in sorted(lost)]
        way, image, after = self.chance.choice(ways)
        self.known[digest] = {(is_there, tags, lost), after}
        way(image)
        self.known[digest] = {after}
        self.answered.append(digest)

    def delete(self, image):
        answer = self.api.ecr("BatchDeleteImage", {"repositoryName": NAME, "imageIds": [image]}).expect(200).json()
        assert not answer["failures"], answer

    def restore(self, image):
        answer = self.api.wharf("RestoreImage", {"repositoryName": NAME, "imageIds": [image]}).expect(200).json()
        assert not answer["failures"], answer


def states(server):
    """What the server says: each image with whether it is there, its tags, and the tags that can be restored alone."""
    found, lost = {}, {}
    for page in server.client().get_paginator("describe_images").paginate(repositoryName=NAME):
        for image in page["imageDetails"]:
            found[image["imageDigest"]] = (True, frozenset(image.get("imageTags", [])))
    api = AwsApi(server)
    deleted = api.wharf("ListDeletedImages", {"repositoryName": NAME, "maxResults": 1000}).expect(200).json()
    api.client.close()
    for image in deleted["deletedImages"]:
        assert image["imageDigest"] not in found, "there, or deleted, and once"
        found[image["imageDigest"]] = (False, frozenset(image["imageTags"]))
    for tag in deleted["deletedTags"]:
        lost.setdefault(tag["imageDigest"], []).append(tag["imageTag"])
    assert all(len(set(tags)) == len(tags) for tags in lost.values()), lost
    return {digest: (*state, frozenset(lost.get(digest, []))) for digest, state in found.items()}


@pytest.mark.timeout(900)
def test_deleting_and_restoring(fresh_wharf):
    """What was answered is so after a kill; what was under way is done or not, and never by halves."""
    server, killer = fresh_wharf, Killer()
    ecr = server.client()
    ecr.create_repository(repositoryName=NAME)
    base = images.noise("base", 5000)
    made = [images.Image(b'{"number": %d}' % number, (base, images.noise(f"{number}", 500))) for number in range(12)]
    known = {}
    for number, image in enumerate(made):
        push_image(ecr, NAME, image)
        for tag in tags_of(number):
            put(ecr, NAME, image, tag)
        known[image.digest] = {(True, tags_of(number), frozenset())}
    before = contents(server)
    digests = list(known)
    while killer.kills < KILLS:
        answered = []
        owners = [Owner(server, digests[each::WORKERS], known, killer.chance, answered) for each in range(WORKERS)]
        for owner in owners:
            owner.start()
        killer.kill(server, 0.03, lambda answered=answered: len(answered), 15)
        for owner in owners:
            owner.join()
            assert owner.failure is None, owner.failure
        server.start()
        found = states(server)
        assert found.keys() == known.keys()
        for digest, state in found.items():
            assert state in known[digest], f"{digest} is {state}, not one of {known[digest]}"
            known[digest] = {state}
        expect_no_contradiction(server)
    api = AwsApi(server)
    for number, image in enumerate(made):
        wanted = [{"imageDigest": image.digest}, *({"imageTag": tag} for tag in sorted(tags_of(number)))]
        answer = api.wharf("RestoreImage", {"repositoryName": NAME, "imageIds": wanted}).expect(200).json()
        assert not answer["failures"], answer
    api.client.close()
    assert contents(server) == before
    for table in ("deleted_images", "deleted_tags", "deleted_image_blobs", "deleted_image_children", "jobs"):
        assert count(server, table) == 0, table
    expect_nothing_left_over(server)
    assert contents(server) == before
    client = RegistryClient(server.host, server.authorization)
    listed = expect_whole_repository(server.client(), Repository(client, NAME))
    client.close()
    assert listed == {(image.digest, tag) for number, image in enumerate(made) for tag in tags_of(number)}


# Each has two kills.
DAYS = KILLS // 2
IMAGES_PER_DAY = 8


def fill(server, day):
    """A repository whose images can be restored for so many days, and are deleted."""
    name, ecr = f"day-{day}", server.client()
    ecr.create_repository(repositoryName=name)
    window = {"repositoryName": name, "restoreWindowDays": day}
    api = AwsApi(server)
    api.wharf("PutRestoreWindow", window).expect(200)
    client = RegistryClient(server.host, server.authorization)
    repository = Repository(client, name)
    config, shared = b"{}", images.noise("shared by all days", 3000)
    for blob in (config, shared):
        repository.push_blob(blob)
    made = []
    for number in range(IMAGES_PER_DAY):
        own = images.noise(f"{day} {number}", 20_000)
        repository.push_blob(own)
        made.append(Pushed(image_manifest(config, [shared, own]), OCI_MANIFEST))
        repository.push_manifest(made[-1].body, f"v{number}")
    index = index_manifest([each.descriptor for each in made[:3]])
    ecr.put_image(repositoryName=name, imageManifest=index.decode(), imageTag="multi")
    # A layer of the last image is in one that stays, unless the whole repository goes.
    kept = image_manifest(config, [images.noise(f"{day} {IMAGES_PER_DAY - 1}", 20_000)])
    repository.push_manifest(kept, "kept")
    ids = [{"imageTag": "multi"}, *({"imageDigest": each.digest} for each in made)]
    for first in ([ids[0]], ids[1:]):
        answer = ecr.batch_delete_image(repositoryName=name, imageIds=first)
        assert not answer["failures"], answer
    if day % 3 == 0:
        ecr.delete_repository(repositoryName=name, force=True)
    for each in (client, api.client):
        each.close()


def deleted_after(day):
    """How many deleted images can be restored for more than so many days: each day's, its index, and with its repository one
    more that had stayed."""
    return sum(IMAGES_PER_DAY + 1 + (each % 3 == 0) for each in range(day + 1, DAYS + 1))


def clock(day):
    return f"+{24 * day + 1}h"


def expect_day_is_over(server, day):
    """What was due until that day is gone, and all that is due later is there with its bytes."""
    server.restart(clock=clock(day))
    wait_for(lambda: count(server, "deleted_images") == deleted_after(day), f"day {day} to be over")
    there = {path.name for path in objects(server, "blobs")}
    missing = [
        line for line in rows(server, f"SELECT object_id, digest FROM blobs WHERE {IN_A_STORE}") if line[0] not in there
    ]
    assert not missing, missing
    expect_no_contradiction(server)


def wait_for_the_end(server):
    """The rows go on one day, the layers that no image names on the next, and their bytes on the one after that."""
    for later in (1, 2):
        server.restart(clock=clock(DAYS + later))
        wait_for(lambda: count(server, "deleted_images") == 0, "deleted images to go")
        wait_for(lambda: count(server, "repository_blobs WHERE image_count = 0") == 0, "layers to go")
        wait_for(lambda: count(server, "blobs WHERE reference_count = 0") == 0, "blobs to go")
    server.restart(clock=clock(DAYS + 3))
    wait_for(lambda: count(server, "removed_objects") == 0, "bytes to go")
    wait_for(lambda: count(server, "jobs") == 0, "the collection to end")


def left(server):
    """All that the end of a window changes, and the lengths of the files."""
    tables = ("deleted_images", "deleted_tags", "deleted_image_blobs", "deleted_image_children", "jobs", "uploads")
    blobs = sorted(rows(server, "SELECT digest, size_bytes, reference_count FROM blobs"))
    files = sorted(objects(server, "blobs").values())
    return {table: count(server, table) for table in tables}, blobs, files, contents(server)


@pytest.mark.timeout(900)
def test_end_of_the_window(tmp_path):
    """Each day a repository's images go, and the server dies while it starts and while it lets them go."""
    server, killer = Wharf(tmp_path / "killed").start(), Killer()
    for day in range(1, DAYS + 1):
        fill(server, day)
    assert count(server, "deleted_images") == deleted_after(0)
    assert server.stop() == 0
    undisturbed = Wharf(tmp_path / "undisturbed")
    shutil.copytree(server.data_dir, undisturbed.data_dir)
    began = time.monotonic()
    undisturbed.start(clock=clock(2))
    wait_for(lambda: count(undisturbed, "deleted_images") == deleted_after(2), "the first days to be over")
    life = time.monotonic() - began

    def progress():
        return count(server, "deleted_images"), count(server, "removed_objects"), objects(server, "blobs").keys()

    for day in range(1, DAYS + 1):
        server.launch(clock=clock(day))
        killer.kill(server, 2 * life)
        server.start(clock=clock(day))
        killer.kill(server, 0.01, progress, 8)
        if day % (DAYS // 5) == 0:
            server.start()
            expect_day_is_over(server, day)
            server.kill()
    assert killer.kills >= KILLS
    for each in (server, undisturbed):
        if not each.is_running:
            each.start(clock=clock(DAYS))
        wait_for_the_end(each)
    assert left(server) == left(undisturbed)
    assert left(server)[0] == dict.fromkeys(left(server)[0], 0)
    expect_no_contradiction(server)
    files, blobs = (
        {path.name for path in objects(server, "blobs")},
        rows(server, f"SELECT object_id FROM blobs WHERE {IN_A_STORE}"),
    )
    assert files == {name for (name,) in blobs}
    # The images that were never deleted are whole, at the real time.
    server.restart()
    client, ecr = RegistryClient(server.host, server.authorization), server.client()
    for day in (day for day in range(1, DAYS + 1) if day % 3):
        assert len(expect_whole_repository(ecr, Repository(client, f"day-{day}"))) == 1
    client.close()
    for each in (server, undisturbed):
        each.finish()
