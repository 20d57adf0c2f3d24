"""containerd pulls and pushes through ctr: images and indexes, whole, by tag and by digest."""

import pytest

from harness.containerd import Containerd
from harness.images import docker_image, image, index, write_archive
from harness.registry_client import OCI_INDEX, RegistryClient, Repository, digest_of, new_repository


@pytest.fixture(scope="module")
def containerd(tmp_path_factory, private_names):
    daemon = Containerd(tmp_path_factory.mktemp("containerd"), private_names.prefix).start()
    yield daemon
    daemon.stop()


@pytest.fixture
def name(wharf):
    return new_repository(wharf, "containerd").name


def access(wharf, password=None):
    return ["--plain-http", "--user", f"AWS:{password or wharf.password}"]


def push(containerd, wharf, name, made, tag, folder):
    archive = write_archive(folder / "image.tar", made, tag)
    containerd.ctr("images", "import", "--no-unpack", "--all-platforms", "--base-name", f"{wharf.host}/{name}", archive)
    containerd.ctr("images", "push", *access(wharf), f"{wharf.host}/{name}:{tag}")


def forget(containerd):
    """Images and their content go, so that the next pull fetches all of it."""
    for each in containerd.ctr("images", "list", "--quiet").split():
        containerd.ctr("images", "rm", "--sync", each)
    assert containerd.ctr("content", "list", "--quiet").split() == []


@pytest.mark.parametrize("make", [image, docker_image])
def test_image(containerd, wharf, name, tmp_path, make):
    made = make(f"containerd {make.__name__}")
    push(containerd, wharf, name, made, "v1", tmp_path)
    forget(containerd)
    containerd.ctr("images", "pull", *access(wharf), f"{wharf.host}/{name}:v1")
    assert made.digest in containerd.ctr("images", "list")
    stored = set(containerd.ctr("content", "list", "--quiet").split())
    assert stored >= {made.digest, *map(digest_of, made.blobs)}


def test_index(containerd, wharf, name, tmp_path):
    """Every platform of an index goes in and comes back."""
    made = index("containerd index", ["amd64", "arm64"])
    push(containerd, wharf, name, made, "multi", tmp_path)
    forget(containerd)
    containerd.ctr("images", "pull", "--all-platforms", *access(wharf), f"{wharf.host}/{name}:multi")
    stored = set(containerd.ctr("content", "list", "--quiet").split())
    assert stored >= {made.digest, *[child.digest for child in made.images]}
    answer = Repository(RegistryClient(wharf.host, wharf.authorization), name).pull("multi").expect(200)
    assert answer.header("Content-Type") == OCI_INDEX
    assert answer.body == made.manifest


def test_by_digest(containerd, wharf, name, tmp_path):
    made = image("containerd digest")
    push(containerd, wharf, name, made, "v1", tmp_path)
    forget(containerd)
    containerd.ctr("images", "pull", *access(wharf), f"{wharf.host}/{name}@{made.digest}")
    assert made.digest in containerd.ctr("content", "list", "--quiet")


def test_refused(containerd, wharf, name):
    said = containerd.ctr_refused("images", "pull", *access(wharf), f"{wharf.host}/{name}:absent")
    assert "not found" in said
    said = containerd.ctr_refused("images", "pull", *access(wharf, "wrong"), f"{wharf.host}/{name}:absent")
    assert "40" in said or "authoriz" in said, said
