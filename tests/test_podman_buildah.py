"""podman and buildah log in, push and pull; an image that one of them made runs in the other's hands."""

import json
import tarfile
import tempfile

import pytest

from harness.commands import program, refused, run
from harness.images import image, noise, write_layout
from harness.registry_client import new_repository


class ContainerTool:
    """podman or buildah, with storage and logins of the tests' own. What it mounts is seen and ends in a namespace."""

    def __init__(self, name, folder, namespace):
        self.name = name
        self.environment = {
            "REGISTRY_AUTH_FILE": f"{folder}/auth.json",
            "XDG_RUNTIME_DIR": f"{folder}/runtime",
            "DBUS_SESSION_BUS_ADDRESS": None,
        }
        (folder / "runtime").mkdir(exist_ok=True)
        # podman refuses a longer name than that of a folder directly under /tmp.
        self.run_root = tempfile.TemporaryDirectory(prefix="wharf-", dir="/tmp", ignore_cleanup_errors=True)
        driver = ["--storage-driver=overlay", f"--root={folder}/root", f"--runroot={self.run_root.name}"]
        own = (
            ["--cgroup-manager=cgroupfs", "--events-backend=file", f"--tmpdir={folder}/tmp"] if name == "podman" else []
        )
        self.prefix = namespace.prefix
        self.command = [*self.prefix, program(name), *driver, *own]

    def __call__(self, *arguments, stdin=None):
        return run(*self.command, *arguments, stdin=stdin, environment=self.environment).stdout.strip()

    def refused(self, *arguments):
        return refused(*self.command, *arguments, environment=self.environment)

    def read(self, container, path):
        """The content of a file in one of buildah's containers."""
        folder = self("mount", container)
        return run(*self.prefix, "cat", f"{folder}{path}", text=False).stdout

    def log_in(self, server):
        """With the password of `aws ecr get-login-password`, on standard input as people pipe it."""
        password = server.aws("ecr", "get-login-password")
        said = self("login", "--tls-verify=false", "--username", "AWS", "--password-stdin", server.host, stdin=password)
        assert "Login Succeeded" in said
        return self


@pytest.fixture(scope="module")
def podman(wharf, tmp_path_factory, private_names):
    return ContainerTool("podman", tmp_path_factory.mktemp("podman"), private_names).log_in(wharf)


@pytest.fixture(scope="module")
def buildah(wharf, tmp_path_factory, private_names):
    return ContainerTool("buildah", tmp_path_factory.mktemp("buildah"), private_names).log_in(wharf)


@pytest.fixture
def name(wharf):
    return f"{wharf.host}/{new_repository(wharf, 'podman').name}"


def test_podman(podman, name, tmp_path):
    """An image goes in with podman, and comes back as the same image."""
    podman("pull", write_layout(tmp_path / "layout", image("podman"), "v1"))
    (made,) = json.loads(podman("image", "list", "--format", "json"))
    podman("push", "--tls-verify=false", made["Id"], f"{name}:v1")
    podman("rmi", "--force", made["Id"])
    assert podman("pull", "--tls-verify=false", f"{name}:v1") == made["Id"]


def test_podman_digest_file(podman, name, wharf, tmp_path):
    """The digest that podman writes for scripts is the digest that the API tells."""
    podman("pull", write_layout(tmp_path / "layout", image("podman digest"), "v1"))
    identity = podman("image", "list", "--filter", "label=name=podman digest", "--quiet", "--no-trunc")
    podman("push", "--tls-verify=false", "--digestfile", tmp_path / "digest", identity, f"{name}:v1")
    repository = name.partition("/")[2]
    (detail,) = wharf.client().describe_images(repositoryName=repository)["imageDetails"]
    assert detail["imageDigest"] == (tmp_path / "digest").read_text()


def test_podman_formats(podman, name, wharf, tmp_path):
    """podman pushes in both formats, under two tags."""
    podman("pull", write_layout(tmp_path / "layout", image("podman formats"), "v1"))
    identity = podman("image", "list", "--filter", "label=name=podman formats", "--quiet", "--no-trunc")
    for form in ("oci", "v2s2"):
        podman("push", "--tls-verify=false", "--format", form, identity, f"{name}:{form}")
    details = wharf.client().describe_images(repositoryName=name.partition("/")[2])["imageDetails"]
    types = {detail["imageTags"][0]: detail["imageManifestMediaType"] for detail in details}
    assert types == {
        "oci": "application/vnd.oci.image.manifest.v1+json",
        "v2s2": "application/vnd.docker.distribution.manifest.v2+json",
    }


def test_podman_errors(podman, name, wharf):
    assert "manifest unknown" in podman.refused("pull", "--tls-verify=false", f"{name}:absent")
    assert "name unknown" in podman.refused("pull", "--tls-verify=false", f"{wharf.host}/nowhere:v1")


def test_buildah(buildah, name, tmp_path):
    """An image that buildah builds, pushes and pulls holds the file that was put in."""
    content = noise("buildah", 50_000)
    (tmp_path / "file").write_bytes(content)
    container = buildah("from", "scratch")
    buildah("copy", container, tmp_path / "file", "/file")
    buildah("commit", container, "made")
    buildah("push", "--tls-verify=false", "made", f"{name}:v1")
    buildah("rmi", "--all", "--force")
    buildah("pull", "--tls-verify=false", f"{name}:v1")
    pulled = buildah("from", "--pull-never", f"{name}:v1")
    assert buildah.read(pulled, "/file") == content


def test_buildah_manifest_list(buildah, name, wharf, tmp_path):
    """A manifest list made by buildah arrives with its images."""
    buildah("manifest", "create", "list")
    for architecture in ("amd64", "arm64"):
        made = image(f"buildah {architecture}", architecture=architecture)
        buildah("manifest", "add", "list", write_layout(tmp_path / architecture, made, "v1"))
    buildah("manifest", "push", "--all", "--tls-verify=false", "list", f"docker://{name}:multi")
    found = wharf.client().list_images(repositoryName=name.partition("/")[2])["imageIds"]
    assert sorted("imageTag" in entry for entry in found) == [False, False, True]


def test_from_podman_to_buildah(podman, buildah, name, debian_rootfs_image, tmp_path):
    """A root file system travels from podman through the registry to buildah."""
    podman("push", "--tls-verify=false", debian_rootfs_image, f"{name}:debian")
    container = buildah("from", "--tls-verify=false", f"{name}:debian")
    assert b"ID=debian" in buildah.read(container, "/etc/os-release")


@pytest.fixture
def debian_rootfs_image(podman, tmp_path):
    """A few files of a root file system; docker's tests carry the whole."""
    (tmp_path / "os-release").write_text("ID=debian\n")
    packed = tmp_path / "rootfs.tar"
    with tarfile.open(packed, "w") as archive:
        archive.add(tmp_path / "os-release", arcname="etc/os-release")
    return podman("import", packed, "rootfs:test")
