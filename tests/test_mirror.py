"""The transparent mirror: clients ask for other registries' images by their own names, and get them through the cache."""

import pytest

from harness.containerd import Containerd
from harness.images import docker_image, image, index
from harness.registry_client import RegistryClient, digest_of
from harness.server import Wharf
from harness.terraform import Terraform
from harness.upstream import DockerRegistry, FakeUpstream


@pytest.fixture(scope="module")
def upstreams(tmp_path_factory):
    """What stands in for Docker Hub and Quay."""
    hub, quay = (DockerRegistry(tmp_path_factory.mktemp(name)).start() for name in ("hub", "quay"))
    yield hub, quay
    hub.stop()
    quay.stop()


@pytest.fixture(scope="module")
def mirror(tmp_path_factory, upstreams):
    """A server that mirrors both for everybody."""
    hub, quay = upstreams
    config = f"""
[pull_through_cache.endpoints]
"registry-1.docker.io" = "{hub.url}"
"quay.io" = "{quay.url}"

[mirror]
anonymous = true
registries = ["docker.io", "quay.io"]
"""
    server = Wharf(tmp_path_factory.mktemp("mirror"), config=config).start()
    ecr = server.client()
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="hub", upstreamRegistryUrl="registry-1.docker.io")
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="quay", upstreamRegistryUrl="quay.io")
    yield server
    server.finish()


@pytest.fixture(scope="module")
def containerd(tmp_path_factory):
    daemon = Containerd(tmp_path_factory.mktemp("containerd")).start()
    yield daemon
    daemon.stop()


def hosts_toml(folder, server):
    """What docs/pull-through-cache.md tells people to write."""
    for registry, origin in {"docker.io": "https://registry-1.docker.io", "quay.io": "https://quay.io"}.items():
        (folder / registry).mkdir(parents=True)
        (folder / registry / "hosts.toml").write_text(
            f'server = "{origin}"\n\n[host."{server.url}"]\n  capabilities = ["pull", "resolve"]\n'
        )
    return folder


def test_containerd_pulls_names_unchanged(containerd, mirror, upstreams, tmp_path):
    hub, quay = upstreams
    one, several = image("mirrored"), index("mirrored index")
    hub.push("library/x", one, "v1")
    quay.push("org/y", several, "v2")
    folder = hosts_toml(tmp_path / "hosts", mirror)
    for name, made in [("docker.io/library/x:v1", one), ("quay.io/org/y:v2", several)]:
        containerd.ctr("images", "pull", "--all-platforms", "--hosts-dir", folder, name)
        assert made.digest in containerd.ctr("images", "list", f"name=={name}")
    names = [each["repositoryName"] for each in mirror.client().describe_repositories()["repositories"]]
    assert names == ["hub/library/x", "quay/org/y"]


def test_docker_pulls_through_a_prefix(mirror, upstreams, docker):
    _, quay = upstreams
    made = docker_image("docker")
    quay.push("some/app", made, "v1")
    docker("login", "--username", "AWS", "--password-stdin", mirror.host, stdin=mirror.password)
    name = f"{mirror.host}/quay/some/app:v1"
    assert made.digest in docker("pull", name)
    docker.forget(name)
    docker.log_out(mirror.host)


def anonymous(server):
    return RegistryClient(server.host)


def test_nobody_gets_more_than_the_mirror(mirror, upstreams):
    hub, _ = upstreams
    hub.push("library/z", image("z"), "v1")
    client = anonymous(mirror)
    path = "/v2/library/z/manifests/v1"
    assert client.get(f"{path}?ns=docker.io").expect(200).header("OCI-Namespace") == "docker.io"
    assert client.get(f"{path}?ns=registry-1.docker.io").expect(200)
    client.get(path).expect(401)
    client.get("/v2/hub/library/z/manifests/v1").expect(401)
    client.get(f"{path}?ns=ghcr.io").expect(401)
    client.get("/v2/").expect(401)
    client.get("/v2/_catalog?ns=docker.io").expect(401)
    client.get("/v2/library/z/tags/list?ns=docker.io").expect(401)
    client.put(f"{path}?ns=docker.io", b"{}").expect(401)
    client.delete(f"{path}?ns=docker.io").expect(401)
    client.post("/v2/library/z/blobs/uploads/?ns=docker.io").expect(401)
    bad = RegistryClient(mirror.host, "Basic QVdTOndyb25n")
    bad.get(f"{path}?ns=docker.io").expect(400)


def test_with_a_token(mirror, upstreams):
    hub, _ = upstreams
    made = image("token mirror")
    hub.push("library/t", made, "v1")
    client = RegistryClient(mirror.host, mirror.authorization)
    answer = client.get("/v2/library/t/manifests/v1?ns=docker.io").expect(200)
    assert digest_of(answer.body) == made.digest
    client.get("/v2/library/t/manifests/v1?ns=ghcr.io").expect_error(404, "NAME_UNKNOWN")
    own = client.get(f"/v2/hub/library/t/manifests/v1?ns={mirror.host}").expect(200)
    assert digest_of(own.body) == made.digest


def test_without_being_configured(wharf):
    anonymous(wharf).get("/v2/library/x/manifests/v1?ns=docker.io").expect(401)


RULE = """
resource "aws_secretsmanager_secret" "hub" {
  name = "ecr-pullthroughcache/@secret@"
}

resource "aws_secretsmanager_secret_version" "hub" {
  secret_id     = aws_secretsmanager_secret.hub.id
  secret_string = jsonencode({ username = "u", accessToken = "t" })
}

resource "aws_ecr_pull_through_cache_rule" "quay" {
  ecr_repository_prefix = "@prefix@"
  upstream_registry_url = "quay.io"
}

resource "aws_ecr_pull_through_cache_rule" "hub" {
  ecr_repository_prefix      = "hub"
  upstream_registry_url      = "registry-1.docker.io"
  upstream_repository_prefix = "library"
  credential_arn             = aws_secretsmanager_secret.hub.arn
  depends_on                 = [aws_secretsmanager_secret_version.hub]
}
"""


def test_terraform(fresh_wharf, tmp_path):
    """Applied, planned empty, changed, destroyed."""
    terraform = Terraform(fresh_wharf, tmp_path / "terraform", services=("ecr", "sts", "secretsmanager"))
    ecr = fresh_wharf.client()

    def rules():
        found = ecr.describe_pull_through_cache_rules()["pullThroughCacheRules"]
        return {each["ecrRepositoryPrefix"]: each.get("credentialArn") for each in found}

    for secret, prefix in [("one", "quay"), ("two", "other")]:
        terraform.apply(RULE.replace("@secret@", secret).replace("@prefix@", prefix))
        found = rules()
        assert set(found) == {prefix, "hub"} and f"/{secret}-" in found["hub"], found
    terraform("destroy", "-auto-approve")
    assert rules() == {}


def test_a_fake_hub_is_not_asked_twice(tmp_path):
    """The mirror's names and the prefixed names are one repository."""
    fake = FakeUpstream()
    fake.push("library/x", image("one repository"), "v1")
    config = f'[pull_through_cache.endpoints]\n"docker.io" = "{fake.url}"\n[mirror]\nanonymous = true\n'
    server = Wharf(tmp_path / "wharf", config=config).start()
    server.client().create_pull_through_cache_rule(
        ecrRepositoryPrefix="dh", upstreamRegistryUrl="registry-1.docker.io", upstreamRepositoryPrefix="library"
    )
    anonymous(server).get("/v2/library/x/manifests/v1?ns=docker.io").expect(200)
    RegistryClient(server.host, server.authorization).get("/v2/dh/x/manifests/v1").expect(200)
    assert len(fake.requests) == 1
    anonymous(server).get("/v2/other/x/manifests/v1?ns=docker.io").expect_error(404, "NAME_UNKNOWN")
    server.finish()
    fake.close()
