"""`wharf backup` and `wharf restore`: a copy that is whole, taken while pushes go on."""

import json
import threading

import pytest

from harness.registry_client import RegistryClient, Repository, new_repository, random_content
from harness.server import Wharf, binary
from harness.storage import execute, fsck, object_of, query, run, wharf_command

SEGMENT = 65_536


@pytest.fixture
def wharf(tmp_path):
    """The embedded default, whatever database the other tests use."""
    server = Wharf(tmp_path / "wharf")
    yield server.start()
    server.finish()


def backup(wharf, folder, *arguments):
    return run(binary(), "backup", folder, "--data-dir", wharf.data_dir, *arguments).stdout


def restore(folder, place, expect=0, environment=None):
    return run(binary(), "restore", folder, "--data-dir", place.data_dir, expect=expect, environment=environment)


class Pushing(threading.Thread):
    """Pushes images until it is told to stop; `acknowledged` has their manifests by tag, in order."""

    def __init__(self, wharf, name):
        super().__init__(daemon=True)
        self.repository = Repository(RegistryClient(wharf.host, wharf.authorization), name)
        self.acknowledged = {}
        self.stopped = threading.Event()
        self.failure = None

    def run(self):
        try:
            number = 0
            while not self.stopped.is_set():
                tag = f"v{number}"
                pushed = self.repository.push_image(tag)
                self.repository.push_blob(random_content(2 * SEGMENT))
                self.acknowledged[tag] = pushed.body
                number += 1
        except Exception as failure:  # noqa: BLE001
            self.failure = failure
        finally:
            self.repository.client.close()

    def finish(self):
        self.stopped.set()
        self.join(60)
        assert self.failure is None, self.failure


class TestBackup:
    def test_while_pushes_go_on(self, wharf, tmp_path):
        """What was acknowledged before is in it; what is in it pulls; a second backup copies only what is new."""
        names = [new_repository(wharf, "backup").name for _ in range(3)]
        pushers = [Pushing(wharf, name) for name in names]
        for pusher in pushers:
            pusher.start()
        while not all(len(pusher.acknowledged) >= 3 for pusher in pushers):
            assert all(pusher.is_alive() for pusher in pushers), [pusher.failure for pusher in pushers]
        before = [dict(pusher.acknowledged) for pusher in pushers]
        folder = tmp_path / "backup"
        assert "is part of it" in backup(wharf, folder, "--with-key")
        first = json.loads((folder / "backup.json").read_text())
        assert first["missing"] == [] and first["objects"] >= 9 and first["linked"] > 0
        told = json.loads(backup(wharf, folder, "--with-key", "--copy", "--output", "json"))
        assert told["folder"] == str(folder) and told["withKey"] and told["missing"] == []
        assert told == {**json.loads((folder / "backup.json").read_text()), "folder": str(folder)}
        assert told["objects"] >= first["objects"] and told["takenAtMs"] > first["takenAtMs"] and told["images"] >= 9
        second = json.loads((folder / "backup.json").read_text())
        assert second["kept"] >= first["linked"] and second["objects"] >= first["objects"]
        for pusher in pushers:
            pusher.finish()
        assert fsck(wharf)["findings"] == []
        restored = Wharf(tmp_path / "restored")
        told = restore(folder, restored)
        assert "Nothing is wrong" in told.stdout, told.stdout
        restored.start()
        for name, acknowledged in zip(names, before, strict=True):
            repository = Repository(RegistryClient(restored.host, restored.authorization), name)
            tags = repository.client.get(repository.tags).expect(200).json()["tags"]
            assert set(acknowledged) <= set(tags)
            for tag in tags:
                body = repository.pull(tag).expect(200).body
                assert acknowledged.get(tag, body) == body
                for layer in json.loads(body)["layers"]:
                    content = repository.client.get(repository.blob(layer["digest"])).expect(200).body
                    assert len(content) == layer["size"]
            repository.push_image("after")
            repository.client.close()
        assert fsck(restored)["findings"] == []
        assert query(restored, "SELECT * FROM collection_holds") == []
        restored.finish()

    def test_collection_waits(self, wharf, tmp_path):
        """While somebody holds the collection back no byte goes, and afterwards it does."""
        repository = new_repository(wharf)
        path = object_of(wharf, repository.push_blob(random_content(10_000)))
        execute(wharf, "UPDATE repository_blobs SET unreferenced_since_ms = 1")
        execute(wharf, "INSERT INTO collection_holds (id, until_ms) VALUES ('test', 9999999999999)")
        wharf_command(wharf, "gc")
        execute(wharf, "UPDATE removed_objects SET removed_at_ms = 1")
        state = json.loads(wharf_command(wharf, "gc", "--output", "json"))
        assert path.exists() and state["heldUntil"] and state["waitingObjects"] == 1
        execute(wharf, "DELETE FROM collection_holds")
        wharf_command(wharf, "gc")
        assert not path.exists()

    def test_what_is_gone_leaves_the_backup(self, wharf, tmp_path):
        repository = new_repository(wharf)
        digest = repository.push_blob(random_content(10_000))
        name = object_of(wharf, digest).name
        backup(wharf, tmp_path / "backup")
        copied = tmp_path / "backup/blobs/objects" / name[:2] / name
        assert copied.exists() and not (tmp_path / "backup/service.key").exists()
        execute(wharf, "UPDATE repository_blobs SET unreferenced_since_ms = 1")
        wharf_command(wharf, "gc")
        backup(wharf, tmp_path / "backup")
        assert not copied.exists()
        assert json.loads((tmp_path / "backup/backup.json").read_text())["removed"] == 1

    def test_without_the_key(self, wharf, tmp_path):
        """A backup without the key says so, and is restored with the key from elsewhere."""
        repository = new_repository(wharf)
        pushed = repository.push_image("v1")
        assert "NOT part of it" in backup(wharf, tmp_path / "backup")
        restored = Wharf(tmp_path / "restored")
        told = restore(tmp_path / "backup", restored, expect=1)
        assert f"`wharf fsck --offline --data-dir {restored.data_dir}`" in told.stderr, told.stderr
        assert "no service key" in told.stderr
        (restored.data_dir / "service.key").write_bytes((wharf.data_dir / "service.key").read_bytes())
        (restored.data_dir / "service.key").chmod(0o600)
        fsck(restored, "--offline")
        restored.start()
        again = Repository(RegistryClient(restored.host, restored.authorization), repository.name)
        assert again.pull("v1").expect(200).body == pushed.body
        again.client.close()
        restored.finish()

    def test_refusals(self, wharf, tmp_path):
        """Nothing is overwritten: neither a folder that holds something else, nor a data folder in use."""
        other = tmp_path / "other"
        other.mkdir()
        (other / "file").touch()
        failed = run(binary(), "backup", other, "--data-dir", wharf.data_dir, expect=1)
        assert "neither empty nor a backup" in failed.stderr and [*other.iterdir()] == [other / "file"]
        failed = run(binary(), "backup", wharf.data_dir / "in", "--data-dir", wharf.data_dir, expect=1)
        assert "inside the data folder" in failed.stderr
        backup(wharf, tmp_path / "backup")
        failed = restore(tmp_path / "backup", wharf, expect=1)
        assert "not empty" in failed.stderr
        failed = restore(other, Wharf(tmp_path / "new"), expect=1)
        assert "is no backup" in failed.stderr

    def test_missing_objects_are_told(self, wharf, tmp_path):
        repository = new_repository(wharf)
        path = object_of(wharf, repository.push_blob(random_content(10_000)))
        path.unlink()
        failed = run(binary(), "backup", tmp_path / "backup", "--data-dir", wharf.data_dir, expect=1)
        assert path.name in failed.stderr
