"""Only commands that say so make a registry: a wrong folder is refused and left as it was."""

import shutil

import pytest

from harness import storage
from harness.registry_client import new_repository, random_content
from harness.server import binary

COMMANDS = {
    "fsck": ["fsck", "--offline"],
    "backup": ["backup", "{backup}"],
    "dump": ["dump"],
}


def refused(*arguments):
    done = storage.run(binary(), *arguments, expect=None)
    assert done.returncode != 0, done
    return done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_is_not_there(tmp_path, name):
    typo = tmp_path / "typo"
    arguments = [part.replace("{backup}", str(tmp_path / "backup")) for part in COMMANDS[name]]
    assert "holds no registry" in refused(*arguments, "--data-dir", typo)
    assert not typo.exists()


@pytest.mark.parametrize("arguments", [["credentials"], ["gc"], ["service-key", "status"]], ids=lambda part: part[0])
def test_commands_that_call_a_server(tmp_path, arguments):
    """They need a server, and make nothing in a folder that has none."""
    typo = tmp_path / "typo"
    refused(*arguments, "--data-dir", typo)
    assert not typo.exists()


def test_a_database_that_is_missing(fresh_wharf, tmp_path):
    """Objects without their database are no new registry, for the server as for the check."""
    if "WHARF_DATABASE_URL" in fresh_wharf.environment or "WHARF_STORAGE_BUCKET" in fresh_wharf.environment:
        pytest.skip("the database is not in the folder, or the objects are not")
    repository = new_repository(fresh_wharf, "lost")
    image = repository.push_image("v1")
    repository.push_blob(random_content(100_000))
    repository.client.close()
    fresh_wharf.stop()
    database = fresh_wharf.data_dir / "wharf.db"
    kept = tmp_path / "kept.db"
    shutil.move(database, kept)
    error = refused("fsck", "--offline", "--data-dir", fresh_wharf.data_dir)
    assert "wharf.db is missing" in error
    with pytest.raises(AssertionError, match=r"wharf\.db is missing"):
        fresh_wharf.start()
    assert not database.exists()
    shutil.move(kept, database)
    fresh_wharf.start()
    assert fresh_wharf.client().batch_get_image(
        repositoryName=repository.name, imageIds=[{"imageDigest": image.digest}]
    )["images"]


@pytest.mark.parametrize("files", [["server.json"], ["credentials.json"]], ids=lambda files: files[0])
def test_a_database_that_is_missing_where_it_held_everything(fresh_wharf, files):
    """Small objects lie in the database, so that no object tells of it; what a start leaves does. A key alone may be given to
    a new registry."""
    if "WHARF_DATABASE_URL" in fresh_wharf.environment or "WHARF_SERVICE_KEY" in fresh_wharf.environment:
        pytest.skip("the database is not in the folder, or the key is not")
    fresh_wharf.stop()
    for path in fresh_wharf.data_dir.iterdir():
        if path.is_file() and path.name not in ["service.key", *files]:
            path.unlink()
    assert "wharf.db is missing" in refused("fsck", "--offline", "--data-dir", fresh_wharf.data_dir)
    with pytest.raises(AssertionError, match=r"wharf\.db is missing"):
        fresh_wharf.start()
    assert not (fresh_wharf.data_dir / "wharf.db").exists()
    for name in files:
        (fresh_wharf.data_dir / name).unlink()
    fresh_wharf.start()
