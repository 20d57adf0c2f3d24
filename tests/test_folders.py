"""What stands in a folder that a command is given: another registry, somebody's files, half of one's own, or nothing."""

import json
import os
import shutil
import subprocess
import time

import pytest

from harness import storage
from harness.registry_client import RegistryClient, Repository, new_repository, random_content
from harness.server import Wharf, binary
from harness.storage import fsck, kinds

SECRETS = ["service.key", "credentials.json", "tls-authority.json"]
DAY = 24 * 60 * 60
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "sesame-sesame"}


@pytest.fixture
def embedded(tmp_path):
    """Makes registries of the embedded default, whatever database the other tests use."""
    made = []

    def make(name, **options):
        made.append(Wharf(tmp_path / name, **options))
        return made[-1]

    yield make
    for server in made:
        server.finish()


def wharf(*arguments, expect=0):
    return storage.run(binary(), *arguments, expect=expect)


def filled(server, tls=False):
    """A registry with one layer that is a file, and stopped; the layer's digest."""
    if tls:
        server.arguments += ["--tls", "self-signed"]
    server.start()
    digest = None
    if not tls:
        repository = new_repository(server, "filled")
        repository.push_image("v1")
        digest = repository.push_blob(random_content(200_000))
        repository.client.close()
    server.stop()
    return digest


class TestBackupFolders:
    def test_keys_of_an_earlier_backup_go(self, embedded, tmp_path):
        server = embedded("one")
        filled(server, tls=True)
        folder = tmp_path / "backup"
        wharf("backup", folder, "--data-dir", server.data_dir, "--with-key")
        assert all((folder / name).exists() for name in SECRETS)
        # As a backup leaves it that was cut off.
        (folder / "service.key.new").write_bytes((folder / "service.key").read_bytes())
        told = wharf("backup", folder, "--data-dir", server.data_dir).stdout
        assert "NOT part of it" in told and all(name in told for name in SECRETS)
        left = sorted(path.name for path in folder.iterdir())
        assert left == ["archive", "backup.json", "blobs", "wharf.db"], left
        wharf("backup", folder, "--data-dir", server.data_dir, "--with-key")
        (server.data_dir / "tls-authority.json").unlink()
        wharf("backup", folder, "--data-dir", server.data_dir, "--with-key")
        assert [(folder / name).exists() for name in SECRETS] == [True, True, False]

    def test_another_registry_does_not_take_the_folder(self, embedded, tmp_path):
        one, other = embedded("one"), embedded("other")
        for server in (one, other):
            filled(server)
        folder = tmp_path / "backup"
        wharf("backup", folder, "--data-dir", one.data_dir, "--with-key")
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        refused = wharf("backup", folder, "--data-dir", other.data_dir, expect=1).stderr
        assert "backup of another registry" in refused and "name another folder" in refused
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
        # What was restored is the same registry, and goes on where the other was.
        restored = embedded("restored")
        wharf("restore", folder, "--data-dir", restored.data_dir)
        wharf("backup", folder, "--data-dir", restored.data_dir, "--with-key")

    def test_what_is_to_be_put_back_is_named(self, embedded, tmp_path):
        """And the root's access key stays, also if a check comes before the file."""
        server = embedded("one").start()
        key = server.credentials["AWS_ACCESS_KEY_ID"]
        server.stop()
        folder, restored = tmp_path / "backup", embedded("restored")
        wharf("backup", folder, "--data-dir", server.data_dir)
        told = wharf("restore", folder, "--data-dir", restored.data_dir, expect=1).stderr
        assert all(str(restored.data_dir / name) in told for name in SECRETS), told
        shutil.copy(server.data_dir / "service.key", restored.data_dir)
        wharf("fsck", "--offline", "--data-dir", restored.data_dir)
        assert not (restored.data_dir / "credentials.json").exists()
        shutil.copy(server.data_dir / "credentials.json", restored.data_dir)
        assert restored.start().credentials["AWS_ACCESS_KEY_ID"] == key
        assert "has a new access key" not in restored.log_text()
        restored.stop()
        (restored.data_dir / "credentials.json").unlink()
        restored.start()
        assert "credentials.json is missing, so the root user" in restored.log_text()

    def test_what_is_saved_is_told(self, embedded, tmp_path):
        """All of a small registry is in the database, and that is something."""
        server = embedded("one").start()
        repository = new_repository(server, "small")
        repository.push_image("v1")
        repository.client.close()
        told = wharf("backup", tmp_path / "backup", "--data-dir", server.data_dir).stdout
        assert told.startswith("1 image; the database, ") and "iB with 2 small blobs in it" in told, told


class TestFoldersOfServers:
    def test_files_of_others(self, embedded):
        server = embedded("one")
        server.data_dir.mkdir()
        (server.data_dir / "thesis.odt").write_text("mine")
        with pytest.raises(AssertionError, match=r"files of others \(thesis\.odt\).*--data-dir"):
            server.start()
        assert [path.name for path in server.data_dir.iterdir()] == ["thesis.odt"]

    def test_what_may_lie_there(self, embedded):
        server = embedded("one")
        for name in ("lost+found", ".snapshot"):
            (server.data_dir / name).mkdir(parents=True)
        for name in (".nfs0001", "wharf.toml", "registry.pem"):
            (server.data_dir / name).touch()
        (server.data_dir / "service.key").write_text("5a" * 32)
        (server.data_dir / "service.key").chmod(0o600)
        server.start()
        assert "  registry     new" in server.log_text()
        (server.data_dir / "later.txt").touch()
        size = server.log_size
        server.restart()
        log = server.log_text(size)
        assert "Wharf is listening" in log and "  registry     new" not in log
        assert "has read all objects" not in server.log_text()

    @pytest.mark.parametrize("left", [None, "blobs"])
    def test_objects_that_are_missing(self, embedded, left):
        """A disk that is not mounted: its folder is gone, or empty."""
        server = embedded("one")
        filled(server)
        blobs, aside = server.data_dir / "blobs", server.folder / "aside"
        blobs.rename(aside)
        if left:
            blobs.mkdir()
        report = json.loads(
            wharf("fsck", "--offline", "--output", "json", "--data-dir", server.data_dir, expect=1).stdout
        )
        assert set(kinds(report)) == {"MISSING_OBJECT"}
        with pytest.raises(AssertionError, match=r"blobs is missing.*mount its disk"):
            server.start()
        assert blobs.exists() == bool(left) and not (blobs / "objects").exists()
        if left:
            blobs.rmdir()
        aside.rename(blobs)
        server.start()
        server.stop()
        # Lost for good.
        shutil.rmtree(blobs)
        (blobs / "objects").mkdir(parents=True)
        server.start()


class TestNoFolder:
    def test_it_is_called_missing(self, tmp_path):
        nowhere = tmp_path / "nowhere"
        for arguments in (["credentials"], ["policy", "reset", "registry"], ["dump"]):
            told = storage.run(binary(), *arguments, "--data-dir", nowhere, expect=None).stderr
            assert "is not there" in told and "with --data-dir or WHARF_DATA_DIR" in told, told
        told = storage.run(
            binary(), "import", "folder", nowhere, "--endpoint", "http://127.0.0.1:1", expect=None, environment=KEYS
        ).stderr
        assert "there is no such folder" in told, told
        told = wharf("restore", nowhere, "--data-dir", tmp_path / "new", expect=1).stderr
        assert f"there is no folder {nowhere}" in told, told
        assert not (tmp_path / "new").exists()


class TestChecks:
    def test_foreign_files_everywhere(self, embedded):
        server = embedded("one").start()
        data, objects = server.data_dir, server.data_dir / "blobs/objects"
        foreign = [data / "junk3", data / "blobs/junk2", objects / "junkfile", objects / "zz/foo", objects / "00/junk"]
        (objects / "zz").mkdir()
        (data / "blobs/lost+found").mkdir()
        for path in foreign:
            path.write_text("nobody's")
            os.utime(path, (time.time() - 2 * DAY,) * 2)
        report = fsck(server)
        assert sorted(finding["subject"] for finding in report["findings"]) == sorted(map(str, foreign))
        assert set(kinds(report)) == {"FOREIGN_FILE"} and "8 bytes in " in report["findings"][0]["detail"]
        told = storage.wharf_command(server, "fsck")
        assert told.endswith("Nothing is wrong: 5 worth knowing\n"), told

    def test_what_could_not_be_read_was_not_read(self, embedded):
        server = embedded("one").start()
        key = server.client("kms").create_key()["KeyMetadata"]["KeyId"]
        configuration = {"encryptionType": "KMS", "kmsKey": key}
        server.client().create_repository(repositoryName="locked", encryptionConfiguration=configuration)
        repository = new_repository(server, "open")
        repository.push_blob(random_content(100_000))
        repository.client.close()
        locked = Repository(RegistryClient(server.host, server.authorization), "locked")
        locked.push_blob(random_content(200_000))
        locked.client.close()
        server.client("kms").disable_key(KeyId=key)
        report = fsck(server)
        assert kinds(report) == ["KEY_UNUSABLE"]
        progress = report["check"]["progress"]
        assert (progress["blobsChecked"], progress["blobsRead"]) == (2, 1)
        assert progress["bytesRead"] < 150_000


class TestPurging:
    def test_what_goes_when(self, embedded):
        """Layers of a purged image are shown for blob_grace_hours still."""
        server = embedded("one").start()
        repository = new_repository(server, "purged")
        image = repository.push_image("v1")
        repository.client.close()
        ids = [{"imageDigest": image.digest}]
        server.client().batch_delete_image(repositoryName=repository.name, imageIds=ids)
        told = storage.wharf_command(server, "image", "purge-deleted", repository.name, "--all")
        assert "are kept for pushes that count on them (blob_grace_hours), and freed after 20" in told, told
        assert " 0 bytes" not in f" {told}".replace("\n", " "), told
        told = storage.wharf_command(server, "gc")
        assert "Later, named by no image" in told and "at the latest 20" in told, told


def test_a_dump_that_nobody_reads_on(embedded):
    server = embedded("one")
    filled(server)
    dump = subprocess.Popen(
        [binary(), "dump", "--data-dir", server.data_dir], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    dump.stdout.close()
    assert (dump.stderr.read(), dump.wait()) == ("", 0)
