"""Docker and the AWS CLI do with Wharf what they do with ECR, over plain HTTP and over TLS.

Every command stands as a person types it. The image is a whole Debian root file system.
"""

import itertools
import json
import os
import re
import shlex
import tarfile
import uuid
from dataclasses import dataclass
from io import BytesIO

import pytest

from conftest import REGISTRY
from harness.images import noise
from harness.server import AWS, ROOT, Wharf

IMMUTABLE = (
    "The image tag '{}' already exists in the '{}' repository and cannot be overwritten because the tag is immutable."
)


@dataclass(frozen=True)
class Site:
    """A server, the host that docker calls its registry by, and what stands before commands that know this name."""

    server: Wharf
    host: str
    prefix: list

    def aws(self, line, expect=0):
        """A line of the AWS CLI; returns its text."""
        return self.server.aws(*shlex.split(line)[1:], expect=expect, prefix=self.prefix)

    def ask(self, line):
        """A line of the AWS CLI; returns its JSON."""
        return json.loads(self.aws(f"{line} --output json"))

    def shell(self, docker, script):
        """Lines of shell in which `aws` and `docker` work for this site."""
        environment = self.server.aws_environment()
        return docker.shell(f'aws() {{ {AWS} "$@"; }}\n{script}', HOST=self.host, **environment)

    def log_in(self, docker):
        return self.shell(docker, 'aws ecr get-login-password | docker login --username AWS --password-stdin "$HOST"')

    def repository(self, *options):
        """A new repository; returns its name and its URI."""
        name = f"docker/{uuid.uuid4().hex}"
        made = self.ask(f"aws ecr create-repository --repository-name {name} {' '.join(options)}")
        return name, made["repository"]["repositoryUri"]

    def tags(self, name):
        found = self.ask(f"aws ecr list-images --repository-name {name}")["imageIds"]
        return {entry.get("imageTag"): entry["imageDigest"] for entry in found}


@pytest.fixture(scope="module", params=["http", "tls"])
def site(request, private_names):
    if request.param == "http":
        server = request.getfixturevalue("wharf")
        return Site(server, server.host, [])
    server = request.getfixturevalue("tls_wharf")
    return Site(server, f"{REGISTRY}:{server.port}", private_names.prefix)


@pytest.fixture(scope="module")
def logged_in(site, docker):
    assert "Login Succeeded" in site.log_in(docker).stdout
    return site


@pytest.fixture(scope="module")
def my_app(logged_in, docker, debian_image):
    """The repository as created, and the digest that docker said when it had pushed Debian as v1.2.3 and stable."""
    created = logged_in.ask(
        "aws ecr create-repository --repository-name my-app --image-scanning-configuration scanOnPush=true"
        " --image-tag-mutability IMMUTABLE"
    )["repository"]
    digests = []
    for tag in ("v1.2.3", "stable"):
        docker("tag", debian_image, f"{logged_in.host}/my-app:{tag}")
        digests.append(pushed_digest(docker("push", f"{logged_in.host}/my-app:{tag}")))
    assert digests[0] == digests[1], "a second tag of one image is the same image"
    return created, digests[0]


def pushed_digest(said):
    found = re.search(r"digest: (sha256:[0-9a-f]{64})", said)
    assert found, said
    return found[1]


def small_image(docker, folder, name):
    """An image of one small file, different for every name."""
    packed = folder / f"{uuid.uuid4().hex}.tar"
    content = noise(name, 50_000)
    with tarfile.open(packed, "w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        archive.addfile(entry, BytesIO(content))
    docker("import", packed, name)
    return name


def push_small(site, docker, folder, uri, tag):
    name = small_image(docker, folder, f"{uri}:{tag}")
    return pushed_digest(docker("push", name))


def test_pasted_commands(fresh_wharf, docker, tmp_path):
    """What `wharf serve` prints as next commands makes and pushes an image as it stands, and it comes back."""
    commands = printed_commands(fresh_wharf)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/aws").symlink_to(AWS)
    # Only what the commands themselves set counts, not what this machine has.
    clean = {name: None for name in [*os.environ, *fresh_wharf.aws_environment()] if name.startswith("AWS_")}
    docker.shell("\n".join(commands), path=tmp_path / "bin", **clean)
    name = f"{fresh_wharf.host}/my-app:v1"
    docker.forget(name)
    assert f"newer image for {name}" in docker("pull", name)


def test_readme_shows_what_is_printed(fresh_wharf):
    """The block of the README is what the server prints, but for where the program, its data and its port are."""
    shown = re.search(r"ready to paste:\n\n```\n(.*?)\n```\n", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    elsewhere = re.sub(r"\$\((\S+) credentials --data-dir \S+ ", "$(wharf credentials --data-dir DIR ", shown)
    here = "\n".join(command.strip() for command in printed_commands(fresh_wharf))
    here = re.sub(r"\$\((\S+) credentials --data-dir \S+ ", "$(wharf credentials --data-dir DIR ", here)
    assert here.replace(fresh_wharf.host, "localhost:5000") == elsewhere


def printed_commands(server):
    """The commands that the server printed to push an image."""
    said = server.log_text().splitlines()
    start = next(number for number, line in enumerate(said) if line.startswith("Push an image"))
    commands = list(itertools.takewhile(lambda line: line.startswith("  "), said[start + 1 :]))
    assert len(commands) >= 4, said
    return commands


class TestLogin:
    def test_password_of_the_cli(self, site, docker):
        """`aws ecr get-login-password | docker login`, as AWS's documentation has it."""
        docker.log_out(site.host)
        assert "Login Succeeded" in site.log_in(docker).stdout

    def test_old_command(self, site, docker):
        """`aws ecr get-login` prints a docker command that works as it stands."""
        docker.log_out(site.host)
        printed = site.aws("aws ecr get-login --no-include-email").strip()
        assert printed.startswith("docker login -u AWS -p "), printed
        assert printed.endswith(f"://{site.host}"), printed
        assert "Login Succeeded" in site.shell(docker, f"{printed} 2>/dev/null").stdout

    def test_wrong_password(self, site, docker):
        docker.log_out(site.host)
        said = docker.refused("login", "--username", "AWS", "--password-stdin", site.host, stdin="wrong")
        assert re.search("40[01]|unauthorized|[Ii]nvalid", said), said
        site.log_in(docker)

    def test_without_login(self, site, docker):
        """The daemon is told to authenticate, and says so."""
        name, uri = site.repository()
        docker.log_out(site.host)
        assert "no basic auth credentials" in docker.refused("pull", f"{uri}:any")
        site.log_in(docker)
        assert f"manifest for {uri}:any not found" in docker.refused("pull", f"{uri}:any")


class TestDebian:
    def test_created_repository(self, my_app, site):
        created, _ = my_app
        assert created["repositoryUri"] == f"{site.host}/my-app"
        assert created["registryId"] == "123456789012"
        assert created["repositoryArn"] == "arn:aws:ecr:us-east-1:123456789012:repository/my-app"
        assert created["imageTagMutability"] == "IMMUTABLE"
        assert created["imageScanningConfiguration"] == {"scanOnPush": True}

    def test_describe_repositories(self, my_app, site):
        created, _ = my_app
        found = site.ask("aws ecr describe-repositories")["repositories"]
        assert created in found
        assert site.ask("aws ecr describe-repositories --repository-names my-app")["repositories"] == [created]

    def test_describe_images(self, my_app, site):
        """Docker's digest and ours are one; the size is that of the compressed layers."""
        _, digest = my_app
        (detail,) = site.ask("aws ecr describe-images --repository-name my-app")["imageDetails"]
        assert detail["imageDigest"] == digest
        assert sorted(detail["imageTags"]) == ["stable", "v1.2.3"]
        assert detail["imageManifestMediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
        assert 30_000_000 < detail["imageSizeInBytes"] < 200_000_000

    def test_table(self, my_app, site):
        query = "imageDetails[*].[imageTags[0],imagePushedAt,imageSizeInBytes]"
        table = site.aws(f"aws ecr describe-images --repository-name my-app --query '{query}' --output table")
        # This AWS CLI shows a time as it comes over the wire: seconds.
        assert re.search(r"\|\s+(v1\.2\.3|stable)\s*\|\s+\d{10}\.\d+\s*\|\s+\d{8,9}\s*\|", table), table

    def test_list_images(self, my_app, site):
        _, digest = my_app
        assert site.tags("my-app") == {"stable": digest, "v1.2.3": digest}

    @pytest.mark.parametrize("change", [True, False], ids=["another image", "the same image"])
    def test_push_to_a_taken_tag(self, my_app, site, docker, debian_image, tmp_path, change):
        """Refused in ECR's words, which docker shows; the tag stays where it was."""
        _, digest = my_app
        name = f"{site.host}/my-app:v1.2.3"
        docker("tag", small_image(docker, tmp_path, "change") if change else debian_image, name)
        assert f"tag invalid: {IMMUTABLE.format('v1.2.3', 'my-app')}" in docker.refused("push", name)
        assert site.tags("my-app")["v1.2.3"] == digest

    def test_pull_and_run(self, my_app, site, docker, debian_image):
        """What was pushed comes back with every file, and runs."""
        _, digest = my_app
        name = f"{site.host}/my-app:v1.2.3"
        docker.forget(name, f"{site.host}/my-app:stable", debian_image)
        try:
            assert f"Digest: {digest}" in docker("pull", name)
            release = docker("run", "--rm", "--network", "none", name, "cat", "/etc/os-release")
            assert "ID=debian" in release
            assert docker("run", "--rm", "--network", "none", name, "dpkg", "--verify") == ""
        finally:
            docker("tag", name, debian_image)

    def test_pull_by_digest(self, my_app, site, docker):
        _, digest = my_app
        docker.forget(f"{site.host}/my-app@{digest}")
        assert f"Digest: {digest}" in docker("pull", f"{site.host}/my-app@{digest}")


class TestDelete:
    def test_by_tag(self, logged_in, docker, tmp_path):
        """The tag goes; the image stays while it has another."""
        name, uri = logged_in.repository()
        digest = push_small(logged_in, docker, tmp_path, uri, "one")
        docker("tag", f"{uri}:one", f"{uri}:two")
        docker("push", f"{uri}:two")
        answer = logged_in.ask(f"aws ecr batch-delete-image --repository-name {name} --image-ids imageTag=one")
        assert answer == {"imageIds": [{"imageDigest": digest, "imageTag": "one"}], "failures": []}
        assert logged_in.tags(name) == {"two": digest}
        docker.forget(f"{uri}:one", f"{uri}:two")
        assert f"manifest for {uri}:one not found" in docker.refused("pull", f"{uri}:one")
        docker("pull", f"{uri}:two")

    def test_by_digest(self, logged_in, docker, tmp_path):
        """The image goes with all its tags."""
        name, uri = logged_in.repository()
        digest = push_small(logged_in, docker, tmp_path, uri, "one")
        docker("tag", f"{uri}:one", f"{uri}:two")
        docker("push", f"{uri}:two")
        answer = logged_in.ask(f"aws ecr batch-delete-image --repository-name {name} --image-ids imageDigest={digest}")
        assert not answer["failures"]
        assert {(each["imageDigest"], each["imageTag"]) for each in answer["imageIds"]} == {
            (digest, "one"),
            (digest, "two"),
        }
        assert logged_in.tags(name) == {}
        assert f"manifest for {uri}@{digest} not found" in docker.refused("pull", f"{uri}@{digest}")

    def test_push_again(self, logged_in, docker, tmp_path):
        """A deleted tag of an immutable repository is free again."""
        name, uri = logged_in.repository("--image-tag-mutability IMMUTABLE")
        push_small(logged_in, docker, tmp_path, uri, "one")
        logged_in.ask(f"aws ecr batch-delete-image --repository-name {name} --image-ids imageTag=one")
        docker("push", f"{uri}:one")

    def test_repository(self, logged_in, docker, tmp_path):
        """A repository with images goes only by force, and what was in it goes with it."""
        name, uri = logged_in.repository()
        push_small(logged_in, docker, tmp_path, uri, "one")
        logged_in.aws(f"aws ecr delete-repository --repository-name {name}", expect=255)
        logged_in.ask(f"aws ecr delete-repository --repository-name {name} --force")
        docker.forget(f"{uri}:one")
        assert re.search("not found|does not exist", docker.refused("pull", f"{uri}:one"))


class TestRefused:
    def test_push_to_no_repository(self, logged_in, docker, tmp_path):
        name = small_image(docker, tmp_path, f"{logged_in.host}/nowhere:v1")
        said = docker.refused("push", name)
        assert (
            "name unknown: The repository with name 'nowhere' does not exist in the registry with id '123456789012'"
            in said
        )

    def test_moved_tag(self, logged_in, docker, tmp_path):
        """A mutable tag moves; the image that it left stays, untagged."""
        name, uri = logged_in.repository()
        first = push_small(logged_in, docker, tmp_path, uri, "latest")
        small_image(docker, tmp_path, "another")
        docker("tag", "another", f"{uri}:latest")
        second = pushed_digest(docker("push", f"{uri}:latest"))
        assert logged_in.tags(name) == {"latest": second, None: first}
