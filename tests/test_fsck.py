"""`wharf fsck` finds every kind of damage, repairs what is safe and nothing else, and says what to do about the rest."""

import json
import os
import time
import uuid

import pytest

from conftest import configuration, environment_of
from harness import bucket, storage
from harness.api_push import push_layer
from harness.files import paths_under
from harness.registry_client import (
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    digest_of,
    image_manifest,
    new_repository,
    random_content,
)
from harness.server import SESSION, Wharf, shifted, wait_for
from harness.storage import execute, fsck, kinds, object_of, query, wharf_command

pytestmark = pytest.mark.every_store(
    "StartStorageCheck", "DescribeStorageCheck", "CollectGarbage", "DescribeGarbageCollection"
)

SEGMENT = 65_536
DAY = 24 * 60 * 60
IN_FILES = pytest.mark.skipif(
    "config.getoption('--store') != 'files'", reason="an object cannot be made old, or a folder, in a bucket"
)


class Pushed:
    """An image of a config and one layer of several segments, tagged `v1`."""

    def __init__(self, wharf, prefix="fsck"):
        self.wharf = wharf
        self.repository = new_repository(wharf, prefix)
        self.name = self.repository.name
        self.config = json.dumps({"architecture": "amd64", "os": "linux", "unique": uuid.uuid4().hex}).encode()
        self.layer = random_content(3 * SEGMENT + 1000)
        self.digest = digest_of(self.layer)
        self.push()

    def push(self):
        for content in (self.config, self.layer):
            self.repository.push_blob(content)
        self.body = image_manifest(self.config, [self.layer])
        self.repository.push_manifest(self.body, "v1", OCI_MANIFEST)

    @property
    def place(self):
        return f"123456789012/us-east-1/{self.name}:v1"

    def pull(self):
        answer = self.repository.client.get(self.repository.blob(self.digest)).expect(200)
        assert answer.body == self.layer


@pytest.fixture
def pushed(fresh_wharf):
    return Pushed(fresh_wharf)


def flip(at):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)

    return damage


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def cut_segment(path):
    path.write_bytes(path.read_bytes()[: SEGMENT + 28])


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"more")


class TestBytes:
    def test_nothing_is_wrong(self, fresh_wharf, pushed):
        report = fsck(fresh_wharf)
        assert report["check"]["status"] == "CLEAN" and report["findings"] == []
        progress = report["check"]["progress"]
        assert progress["blobsChecked"] == progress["blobsRead"] == 2
        assert progress["imagesChecked"] == 1 and progress["objectsListed"] == 1, "the config is small"
        assert progress["bytesRead"] == len(pushed.layer) + len(pushed.config)
        assert "Nothing is wrong" in wharf_command(fresh_wharf, "fsck")

    @pytest.mark.parametrize(
        ("kind", "damage"),
        [
            ("MISSING_OBJECT", lambda path: path.unlink()),
            ("DAMAGED_OBJECT", flip(0)),
            ("DAMAGED_OBJECT", flip(SEGMENT + 100)),
            ("DAMAGED_OBJECT", flip(-1)),
            ("WRONG_LENGTH", cut),
            ("WRONG_LENGTH", cut_segment),
            ("WRONG_LENGTH", lengthen),
        ],
    )
    def test_damaged_objects(self, fresh_wharf, pushed, kind, damage):
        """Each is named with the image that suffers; repairing invents nothing; pushing again mends it."""
        path = object_of(fresh_wharf, pushed.digest)
        damage(path)
        report = fsck(fresh_wharf, expect=1)
        (finding,) = report["findings"]
        assert (finding["kind"], finding["subject"]) == (kind, pushed.digest)
        assert finding["object"] == path.name and finding["affected"] == [pushed.place]
        assert "push the image again" in finding["advice"]
        assert report["check"]["status"] == "DAMAGED"
        assert [known["object"] for known in report["damagedObjects"]] == [path.name]
        kept = path.read_bytes() if path.exists() else None
        (finding,) = fsck(fresh_wharf, "--repair", expect=1)["findings"]
        assert finding["kind"] == kind and finding["repair"] is None
        assert kept is None or path.read_bytes() == kept
        assert fsck(fresh_wharf, "--last", expect=1)["findings"] == [finding]
        pushed.push()
        pushed.pull()
        report = fsck(fresh_wharf)
        assert report["findings"] == [] and report["damagedObjects"] == []

    def test_swapped_objects(self, fresh_wharf, pushed):
        """Objects that changed places open nowhere."""
        other = Pushed(fresh_wharf)
        one, two = (object_of(fresh_wharf, image.digest) for image in (pushed, other))
        first, second = one.read_bytes(), two.read_bytes()
        one.write_bytes(second)
        two.write_bytes(first)
        assert kinds(fsck(fresh_wharf, expect=1)) == ["DAMAGED_OBJECT"] * 2

    def test_digest_mismatch(self, fresh_wharf, pushed):
        """A row that leads to another blob's object, with its key: all authentication fits, and the digest does not."""
        other = Pushed(fresh_wharf)
        ((object_id, size),) = query(
            fresh_wharf, f"SELECT object_id, size_bytes FROM blobs WHERE digest = '{other.digest}'"
        )
        copy = f"(SELECT data_key FROM blobs b WHERE b.digest = '{other.digest}')"
        execute(
            fresh_wharf,
            f"UPDATE blobs SET data_key = {copy}, size_bytes = {size} WHERE digest = '{pushed.digest}';"
            f"UPDATE blobs SET object_id = 'x' || object_id WHERE digest = '{other.digest}';"
            f"UPDATE blobs SET object_id = '{object_id}' WHERE digest = '{pushed.digest}';"
            f"UPDATE blobs SET object_id = '{uuid.uuid4().hex}' WHERE digest = '{other.digest}'",
        )
        found = kinds(fsck(fresh_wharf, expect=1))
        assert "DIGEST_MISMATCH" in found, found

    def test_sample(self, fresh_wharf, pushed):
        """Without reading all, what is missing or cut is found still, and the middle is not looked at."""
        path = object_of(fresh_wharf, pushed.digest)
        flip(100)(path)
        report = fsck(fresh_wharf, "--sample", "0%")
        assert report["findings"] == [] and report["check"]["progress"]["blobsRead"] == 0
        cut(path)
        assert kinds(fsck(fresh_wharf, "--sample", "0", expect=1)) == ["WRONG_LENGTH"]
        path.unlink()
        assert kinds(fsck(fresh_wharf, "--sample", "0", expect=1)) == ["MISSING_OBJECT"]

    def test_empty_blob(self, fresh_wharf):
        repository = new_repository(fresh_wharf)
        digest = repository.push_blob(b"")
        assert fsck(fresh_wharf)["findings"] == []
        flip(0)(object_of(fresh_wharf, digest))
        assert kinds(fsck(fresh_wharf, expect=1)) == ["DAMAGED_OBJECT"]

    @IN_FILES
    def test_orphans(self, fresh_wharf, pushed):
        """What nothing names is an orphan once it is old; repairing removes it, and what is new is left alone."""
        folder = object_of(fresh_wharf, pushed.digest).parent
        old, new, foreign = folder / (folder.name + uuid.uuid4().hex[2:]), folder / uuid.uuid4().hex, folder / "README"
        for path in (old, new, foreign):
            path.write_bytes(b"nobody's")
        for path in (old, foreign):
            os.utime(path, (time.time() - 2 * DAY,) * 2)
        report = fsck(fresh_wharf, expect=1)
        assert kinds(report) == ["FOREIGN_FILE", "ORPHAN_OBJECT"]
        (orphan,) = [finding for finding in report["findings"] if finding["kind"] == "ORPHAN_OBJECT"]
        assert orphan["subject"] == old.name and "--repair" in orphan["advice"]
        report = fsck(fresh_wharf, "--repair")
        assert report["check"]["progress"]["repaired"] == 1
        assert kinds(fsck(fresh_wharf)) == ["FOREIGN_FILE"]
        execute(fresh_wharf, "UPDATE removed_objects SET removed_at_ms = 0")
        wharf_command(fresh_wharf, "gc")
        assert not old.exists() and new.exists() and foreign.exists()
        pushed.pull()

    def test_orphans_in_a_bucket(self, tmp_path, default_database):
        """As in a folder; and a multipart upload that nobody knows of is one, too."""
        environment = environment_of(default_database) | bucket.environment_of_new()
        server = Wharf(tmp_path / "wharf", environment=environment).start()
        pushed = Pushed(server)
        folder = object_of(server, pushed.digest).key.rpartition("/")[0]
        names = [folder[-2:] + uuid.uuid4().hex[2:] for _ in range(2)]
        orphan, begun, foreign = f"{folder}/{names[0]}", f"{folder}/{names[1]}", f"{folder}/README"
        for key in (orphan, foreign):
            bucket.write(environment, key, b"nobody's")
        assert fsck(server)["findings"] == []
        bucket.begin_multipart(environment, begun)
        pushed.repository.client.close()
        server.restart(clock="+26h")
        later = shifted("+26h")
        report = fsck(server, expect=1, more=later)
        assert kinds(report) == ["FOREIGN_FILE", "ORPHAN_OBJECT", "ORPHAN_OBJECT"]
        assert {finding["subject"] for finding in report["findings"]} == {*names, foreign}
        assert fsck(server, "--repair", more=later)["check"]["progress"]["repaired"] == 2
        assert kinds(fsck(server, more=later)) == ["FOREIGN_FILE"]
        assert not bucket.exists(environment, orphan) and bucket.exists(environment, foreign)
        assert bucket.unfinished(environment) == []
        server.restart()
        pushed.pull()
        server.finish()

    @IN_FILES
    def test_uploads_in_hand_are_no_orphans(self, fresh_wharf, pushed):
        location = pushed.repository.start_upload()
        pushed.repository.client.patch(location, random_content(2 * SEGMENT)).expect(202)
        for path in paths_under(fresh_wharf.data_dir / "blobs/objects"):
            os.utime(path, (time.time() - 9 * DAY,) * 2)
        assert fsck(fresh_wharf, "--repair")["findings"] == []

    def test_heals_from_another_copy(self, tmp_path, make_server):
        """What is stored in another region as well is copied from there."""
        server = make_server(tmp_path / "regions", configuration(regions=["us-east-1", "eu-west-1"]))
        server.start()
        pushed = Pushed(server)
        name = f"copy/{uuid.uuid4().hex}"

        there = SESSION.client(
            "ecr",
            endpoint_url=server.url,
            region_name="eu-west-1",
            aws_access_key_id=server.credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=server.credentials["AWS_SECRET_ACCESS_KEY"],
        )
        there.create_repository(repositoryName=name)

        push_layer(there, name, pushed.layer)
        flip(5)(object_of(server, pushed.digest))
        (finding,) = fsck(server, "--repair")["findings"]
        assert finding["kind"] == "DAMAGED_OBJECT" and "copied" in finding["repair"]
        assert fsck(server)["findings"] == []
        pushed.pull()
        server.finish()

    def test_heals_from_upstream(self, tmp_path, make_server, fresh_wharf):
        """What came through the cache is fetched again."""
        pushed = Pushed(fresh_wharf, "upstream")
        allow = "[pull_through_cache]\nallow_any_upstream = true\nallow_http = true\nallow_private_networks = true\n"
        server = make_server(tmp_path / "cache", allow)
        server.start()
        secret = server.client("secretsmanager").create_secret(
            Name="ecr-pullthroughcache/upstream",
            SecretString=json.dumps({"username": "AWS", "accessToken": fresh_wharf.password}),
        )
        server.client().create_pull_through_cache_rule(
            ecrRepositoryPrefix="mirror", upstreamRegistryUrl=fresh_wharf.url, credentialArn=secret["ARN"]
        )

        cached = Repository(RegistryClient(server.host, server.authorization), f"mirror/{pushed.name}")
        cached.pull("v1").expect(200)
        assert cached.client.get(cached.blob(pushed.digest)).expect(200).body == pushed.layer
        wait_for(lambda: query(server, "SELECT 1 FROM blobs"), "the layer to be stored")
        object_of(server, pushed.digest).unlink()
        (finding,) = fsck(server, "--repair")["findings"]
        assert finding["kind"] == "MISSING_OBJECT" and "fetched again" in finding["repair"], finding
        assert fsck(server)["findings"] == []
        assert cached.client.get(cached.blob(pushed.digest)).expect(200).body == pushed.layer
        cached.client.close()
        server.finish()


# Statements that damage the metadata of one image, the kind that is found, and whether it can be repaired.
ROWS = {
    "blob counts one too many": (
        "UPDATE blobs SET reference_count = reference_count + 1",
        "WRONG_REFERENCE_COUNT",
        True,
    ),
    "blob counts nothing": ("UPDATE blobs SET reference_count = 0", "WRONG_REFERENCE_COUNT", True),
    "image count": ("UPDATE repository_blobs SET image_count = 7", "WRONG_IMAGE_COUNT", True),
    # Its grace period lasts, so that no collection takes it first.
    "forgotten layer": (
        "UPDATE repository_blobs SET image_count = 0, unreferenced_since_ms = 9999999999999",
        "WRONG_IMAGE_COUNT",
        True,
    ),
    "archived count": ("UPDATE repository_blobs SET archived_image_count = 1", "WRONG_IMAGE_COUNT", True),
    "repository count": ("UPDATE image_counts SET images = images + 3", "WRONG_REPOSITORY_COUNT", True),
    "object noted for removal": (
        "INSERT INTO removed_objects (object_id, removed_at_ms) SELECT object_id, 9999999999999 FROM blobs",
        "OBJECT_NAMED_TWICE",
        True,
    ),
    "size of an image": ("UPDATE images SET size_bytes = 5", "WRONG_SIZE", True),
    "size of a blob": ("UPDATE blobs SET size_bytes = size_bytes + 1", "WRONG_LENGTH", False),
    "manifest": ("UPDATE images SET manifest = {blob}", "DAMAGED_MANIFEST", False),
    "tag without image": ("UPDATE image_tags SET image_id = 4711", "DANGLING_ROW", False),
    "layer without blob": ("DELETE FROM blobs", "DANGLING_ROW", False),
    "image without repository": ("UPDATE images SET repository_id = 4711", "DANGLING_ROW", False),
    "child that is not there": (
        "INSERT INTO image_children (parent_image_id, repository_id, child_digest) "
        "SELECT id, repository_id, 'sha256:00' FROM images",
        "LISTED_IMAGE_MISSING",
        False,
    ),
    "link to another digest": (
        "UPDATE repository_blobs SET blob_id = (SELECT min(id) FROM blobs)",
        "LINK_TO_OTHER_DIGEST",
        False,
    ),
}


class TestRows:
    @pytest.mark.parametrize("name", ROWS)
    def test_wrong_rows(self, fresh_wharf, pushed, name):
        sql, kind, is_repaired = ROWS[name]
        blob = "'\\x00'" if "WHARF_DATABASE_URL" in fresh_wharf.environment else "x'00'"
        execute(fresh_wharf, sql.replace("{blob}", blob))
        report = fsck(fresh_wharf, expect=1)
        assert kind in kinds(report), report["findings"]
        assert all(finding["advice"] for finding in report["findings"])
        if is_repaired:
            assert set(kinds(report)) == {kind}
            repaired = fsck(fresh_wharf, "--repair")
            assert all(finding["repair"] and finding["advice"] is None for finding in repaired["findings"])
            assert fsck(fresh_wharf)["findings"] == []
            wharf_command(fresh_wharf, "gc")
            pushed.pull()
        else:
            again = fsck(fresh_wharf, "--repair", expect=1)
            assert kind in [finding["kind"] for finding in again["findings"] if finding["repair"] is None]

    def test_layer_not_shown(self, fresh_wharf, pushed):
        """An image whose repository has lost the link to a layer that is stored gets it back."""
        other = new_repository(fresh_wharf)
        other.push_blob(pushed.layer)
        execute(
            fresh_wharf,
            f"DELETE FROM repository_blobs WHERE digest = '{pushed.digest}' AND repository_id = "
            f"(SELECT id FROM repositories WHERE name = '{pushed.name}')",
        )
        found = kinds(fsck(fresh_wharf, expect=1))
        assert found == ["LAYER_NOT_SHOWN", "WRONG_REFERENCE_COUNT"]
        fsck(fresh_wharf, "--repair")
        assert fsck(fresh_wharf)["findings"] == []
        pushed.pull()

    def test_tag_of_another_repository(self, fresh_wharf, pushed):
        other = Pushed(fresh_wharf)
        ((image,),) = query(
            fresh_wharf,
            f"SELECT i.id FROM images i JOIN repositories r ON r.id = i.repository_id WHERE r.name = '{other.name}'",
        )
        execute(
            fresh_wharf,
            f"UPDATE image_tags SET image_id = {image} WHERE repository_id = "
            f"(SELECT id FROM repositories WHERE name = '{pushed.name}')",
        )
        (finding,) = fsck(fresh_wharf, expect=1)["findings"]
        assert finding["kind"] == "TAG_ELSEWHERE" and finding["subject"] == "v1"

    def test_size_that_was_never_true(self, fresh_wharf, pushed):
        """A manifest that lies about its layer is worth knowing, and no damage."""
        body = json.loads(pushed.body)
        body["layers"][0]["size"] += 1
        pushed.repository.push_manifest(json.dumps(body).encode(), "lie", OCI_MANIFEST)
        (finding,) = fsck(fresh_wharf)["findings"]
        assert finding["kind"] == "SIZE_NOT_AS_PUSHED"


class TestOffline:
    def test_stopped_server(self, fresh_wharf, pushed):
        """The check needs no running server, leaves none behind, and tells no one but its caller."""
        pushed.repository.client.close()
        fresh_wharf.stop()
        assert fsck(fresh_wharf, "--offline")["check"]["status"] == "CLEAN"
        assert not (fresh_wharf.data_dir / "endpoint").exists()
        path = object_of(fresh_wharf, pushed.digest)
        flip(3)(path)
        assert kinds(fsck(fresh_wharf, "--offline", expect=1)) == ["DAMAGED_OBJECT"]
        fresh_wharf.start()
        assert kinds(fsck(fresh_wharf, "--last", expect=1)) == ["DAMAGED_OBJECT"]

    def test_running_server(self, fresh_wharf, pushed):
        if "WHARF_DATABASE_URL" not in fresh_wharf.environment:
            fsck_failed = storage.run(
                storage.binary(), "fsck", "--offline", "--data-dir", fresh_wharf.data_dir, expect=2
            )
            assert "another server is using the data folder" in fsck_failed.stderr


class TestCollection:
    def test_dry_run_and_real(self, fresh_wharf, pushed):
        """What would go is told before, and what went afterwards."""
        nothing = json.loads(wharf_command(fresh_wharf, "gc", "--dry-run", "--output", "json"))
        assert nothing["totalBytes"] == 0
        lone = random_content(200_000)
        digest = pushed.repository.push_blob(lone)
        path = object_of(fresh_wharf, digest)
        execute(fresh_wharf, "UPDATE repository_blobs SET unreferenced_since_ms = 1 WHERE image_count = 0")
        told = json.loads(wharf_command(fresh_wharf, "gc", "--dry-run", "--output", "json"))
        assert (told["repositoryLayers"], told["blobs"], told["blobBytes"]) == (1, 1, len(lone))
        assert path.exists()
        assert "Would be freed" in wharf_command(fresh_wharf, "gc", "--dry-run")
        wharf_command(fresh_wharf, "gc")
        execute(fresh_wharf, "UPDATE removed_objects SET removed_at_ms = 1")
        state = json.loads(wharf_command(fresh_wharf, "gc", "--output", "json"))
        assert not path.exists()
        assert (state["totalObjectsRemoved"], state["totalBytesRemoved"]) == (1, len(lone))
        assert state["waitingObjects"] == 0 and state["last"]["finishedAt"]
        assert "Freed ever" in wharf_command(fresh_wharf, "gc", "--status")
        pushed.pull()
        assert fsck(fresh_wharf)["findings"] == []

    @IN_FILES
    def test_one_object_that_stays_keeps_nothing_else(self, fresh_wharf, pushed):
        """An object that cannot be removed is told of, and the others go."""
        contents = [random_content(10_000) for _ in range(3)]
        paths = [object_of(fresh_wharf, pushed.repository.push_blob(content)) for content in contents]
        stubborn = paths[1]
        stubborn.unlink()
        stubborn.mkdir()
        (stubborn / "x").touch()
        execute(fresh_wharf, "UPDATE repository_blobs SET unreferenced_since_ms = 1 WHERE image_count = 0")
        wharf_command(fresh_wharf, "gc")
        execute(fresh_wharf, "UPDATE removed_objects SET removed_at_ms = 1")
        state = json.loads(wharf_command(fresh_wharf, "gc", "--output", "json"))
        assert [path.exists() for path in paths] == [False, True, False]
        assert state["waitingObjects"] == 1 and stubborn.name in state["last"]["error"]
