"""What the transparent mirror shows to whoever comes without a token: what the cache itself brought in, and nothing else."""

import json
import re

import pytest
from botocore.exceptions import ClientError

from harness.images import image, index
from harness.registry_client import RegistryClient, Repository, digest_of, image_manifest
from harness.server import Wharf
from harness.upstream import FakeUpstream
from test_ctl import Program

NS = "ns=docker.io"


@pytest.fixture(scope="module")
def hub():
    upstream = FakeUpstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory, hub):
    server = Wharf(tmp_path_factory.mktemp("wharf"), config=configuration(hub)).start()
    server.client().create_pull_through_cache_rule(
        ecrRepositoryPrefix="hub", upstreamRegistryUrl="registry-1.docker.io"
    )
    yield server
    server.finish()


def configuration(hub, more=""):
    return f'[pull_through_cache.endpoints]\n"docker.io" = "{hub.url}"\n[mirror]\nanonymous = true\n{more}'


def owner(server, name):
    """The repository that the cache fills, for somebody with a token."""
    return Repository(RegistryClient(server.host, server.authorization), f"hub/{name}")


def nobody(server):
    return RegistryClient(server.host)


def push_whole(repository, made, tag=None):
    for blob in made.blobs:
        repository.push_blob(blob)
    repository.push_manifest(made.manifest, tag, made.media_type)


def make_repository(server, name):
    server.client().create_repository(repositoryName=f"hub/{name}")


def sees_nothing_of(client, name, made, *tags):
    for reference in [made.digest, *tags]:
        for ask in (client.get, client.head):
            ask(f"/v2/{name}/manifests/{reference}?{NS}").expect(404)
    for blob in made.blobs:
        path = f"/v2/{name}/blobs/{digest_of(blob)}?{NS}"
        client.get(path).expect_error(404, "BLOB_UNKNOWN")
        client.head(path).expect(404)
        client.get(path, range="bytes=0-3").expect(404)


def pulls(client, name, made, reference):
    assert digest_of(client.get(f"/v2/{name}/manifests/{reference}?{NS}").expect(200).body) == made.digest
    for blob in made.blobs:
        assert client.get(f"/v2/{name}/blobs/{digest_of(blob)}?{NS}").expect(200).body == blob


def test_private_images_under_a_prefix_stay_private(server):
    make_repository(server, "org/private")
    made, signature = image("private"), image("private signature")
    repository = owner(server, "org/private")
    push_whole(repository, made, "v1")
    push_whole(repository, signature)
    repository.push_artifact(subject=repository.push_image("subject").descriptor, artifact_type="application/x")
    client = nobody(server)
    sees_nothing_of(client, "org/private", made, "v1")
    for path in ["tags/list", "blobs/uploads/"]:
        client.get(f"/v2/org/private/{path}?{NS}").expect(401)
    client.get(f"/v2/_catalog?{NS}").expect(401)
    # Nothing of it has moved, and its owner sees it as before.
    assert repository.pull("v1").expect(200).body == made.manifest


def test_a_private_image_beside_cached_ones(server, hub):
    cached, private, shared = image("cached beside"), image("private beside"), image("shared beside")
    hub.push("org/mixed", cached, "v1")
    client, repository = nobody(server), owner(server, "org/mixed")
    pulls(client, "org/mixed", cached, "v1")
    # A private image with a layer of the cached one: the layer came from upstream, the rest did not.
    config = json.dumps({"architecture": "amd64", "os": "linux", "private": True}).encode()
    repository.push_blob(config)
    mixed = image_manifest(config, [cached.layers[0], private.layers[0]])
    repository.push_blob(private.layers[0])
    repository.push_manifest(mixed, "mixed")
    for reference in ["mixed", digest_of(mixed)]:
        client.get(f"/v2/org/mixed/manifests/{reference}?{NS}").expect(404)
    for private_blob in [config, private.layers[0]]:
        client.get(f"/v2/org/mixed/blobs/{digest_of(private_blob)}?{NS}").expect(404)
    client.get(f"/v2/org/mixed/blobs/{digest_of(cached.layers[0])}?{NS}").expect(200)
    push_whole(repository, shared, "shared")
    sees_nothing_of(client, "org/mixed", shared, "shared")
    pulls(client, "org/mixed", cached, "v1")


def test_tags_are_the_caches_or_private(server, hub):
    cached, private = image("cached tag"), image("private tag")
    hub.push("org/tags", cached, "v1")
    client, repository = nobody(server), owner(server, "org/tags")
    pulls(client, "org/tags", cached, "v1")
    # A name that somebody gave to the cached image is theirs.
    repository.push_manifest(cached.manifest, "internal", cached.media_type)
    client.get(f"/v2/org/tags/manifests/internal?{NS}").expect(404)
    # One that upstream has too, with the same image, is shown as soon as upstream has shown it.
    hub.push("org/tags", cached, "internal")
    pulls(client, "org/tags", cached, "internal")
    # One that was pushed over the cache's is private from then on, and stays where it is.
    push_whole(repository, private, "v1")
    sees_nothing_of(client, "org/tags", private, "v1")
    pulls(client, "org/tags", cached, cached.digest)
    assert repository.pull("v1").expect(200).body == private.manifest


def test_an_image_that_was_pushed_first(server, hub):
    """What is the same upstream is shown once upstream has shown it, layer by layer."""
    made = image("pushed first")
    make_repository(server, "org/first")
    repository, client = owner(server, "org/first"), nobody(server)
    push_whole(repository, made, "v1")
    sees_nothing_of(client, "org/first", made, "v1")
    hub.push("org/first", made, "v1")
    asked = len(hub.asked(r"/org/first/blobs/"))
    pulls(client, "org/first", made, "v1")
    assert len(hub.asked(r"/org/first/blobs/")) == asked + len(made.blobs)
    pulls(client, "org/first", made, "v1")
    assert len(hub.asked(r"/org/first/blobs/")) == asked + len(made.blobs)


def test_an_upstream_that_names_private_layers(server, hub):
    """Its manifest is shown, and the bytes that it does not have are not."""
    make_repository(server, "evil/app")
    private = image("named by evil")
    repository, client = owner(server, "evil/app"), nobody(server)
    push_whole(repository, private, "private")
    config = json.dumps({"architecture": "amd64", "os": "linux", "evil": True}).encode()
    evil = image_manifest(config, private.layers)
    hub.content["/v2/evil/app/manifests/latest"] = ("application/vnd.oci.image.manifest.v1+json", evil)
    hub.content[f"/v2/evil/app/blobs/{digest_of(config)}"] = ("application/octet-stream", config)
    client.get(f"/v2/evil/app/manifests/latest?{NS}").expect(200)
    client.get(f"/v2/evil/app/blobs/{digest_of(config)}?{NS}").expect(200)
    for layer in private.layers:
        path = f"/v2/evil/app/blobs/{digest_of(layer)}?{NS}"
        client.head(path).expect(404)
        client.get(path).expect(404)
        client.get(path, range="bytes=0-0").expect(404)
        repository.client.get(repository.blob(digest_of(layer))).expect(200)


def test_private_children_of_a_cached_list(server, hub):
    made = index("list of both")
    first, second = made.images[:2]
    make_repository(server, "org/list")
    repository, client = owner(server, "org/list"), nobody(server)
    push_whole(repository, first)
    hub.push("org/list", made, "v1")
    del hub.content[f"/v2/org/list/manifests/{first.digest}"]
    client.get(f"/v2/org/list/manifests/v1?{NS}").expect(200)
    pulls(client, "org/list", second, second.digest)
    client.get(f"/v2/org/list/manifests/{first.digest}?{NS}").expect(404)


def test_private_referrers(server, hub):
    cached = image("with referrers")
    hub.push("org/referrers", cached, "v1")
    client, repository = nobody(server), owner(server, "org/referrers")
    pulls(client, "org/referrers", cached, "v1")
    private = repository.push_artifact(subject=cached.descriptor, artifact_type="application/private")
    path = f"/v2/org/referrers/referrers/{cached.digest}?{NS}"
    assert client.get(path).expect(200).json()["manifests"] == []
    listed = repository.client.get(repository.referrers(cached.digest)).expect(200).json()["manifests"]
    assert [each["digest"] for each in listed] == [private.digest]
    client.get(f"/v2/org/referrers/manifests/{private.digest}?{NS}").expect(404)


def test_after_deletion_and_restore(server, hub):
    cached, private = image("restored cached"), image("restored private")
    hub.push("org/restore", cached, "v1")
    client, repository = nobody(server), owner(server, "org/restore")
    pulls(client, "org/restore", cached, "v1")
    push_whole(repository, private, "p1")
    for tag in ["v1", "p1"]:
        repository.client.delete(repository.manifest(tag)).expect(202)
    program = Program(server)
    program("image", "restore", "hub/org/restore:v1")
    program("image", "restore", "hub/org/restore:p1")
    pulls(client, "org/restore", cached, "v1")
    sees_nothing_of(client, "org/restore", private, "p1")


def test_policies_can_take_it_away(server, hub):
    made = image("denied")
    hub.push("org/denied", made, "v1")
    client = nobody(server)
    pulls(client, "org/denied", made, "v1")
    statement = {"Sid": "no", "Effect": "Deny", "Principal": "*", "Action": "ecr:GetDownloadUrlForLayer"}
    server.client().set_repository_policy(
        repositoryName="hub/org/denied", policyText=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    client.get(f"/v2/org/denied/blobs/{digest_of(made.config)}?{NS}").expect(403)
    client.get(f"/v2/org/denied/manifests/v1?{NS}").expect(200)


def test_a_closer_rule_of_another_registry_is_not_the_mirrors(server, hub):
    """`hub/private` is filled from elsewhere, with a login perhaps: a name of Docker Hub does not lead there."""
    other = FakeUpstream()
    other.push("secret/app", image("of another registry"), "v1")
    server.client().create_pull_through_cache_rule(
        ecrRepositoryPrefix="hub/closer", upstreamRegistryUrl="quay.io", upstreamRepositoryPrefix="secret"
    )
    nobody(server).get(f"/v2/closer/app/manifests/v1?{NS}").expect_error(404, "NAME_UNKNOWN")
    other.close()


def root_rule(server):
    return server.client().create_pull_through_cache_rule(
        ecrRepositoryPrefix="ROOT", upstreamRegistryUrl="registry-1.docker.io"
    )


def test_root_rules_are_refused(server):
    with pytest.raises(ClientError, match="must not be ROOT") as refused:
        root_rule(server)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterException"


def test_a_root_rule_from_before_keeps_the_server_from_starting(tmp_path, hub):
    plain = f'[pull_through_cache.endpoints]\n"docker.io" = "{hub.url}"\n'
    server = Wharf(tmp_path / "wharf", config=plain).start()
    root_rule(server)
    made = image("everything")
    server.client().create_repository(repositoryName="app")
    push_whole(Repository(RegistryClient(server.host, server.authorization), "app"), made, "v1")
    server.stop()
    server.config = configuration(hub)
    with pytest.raises(AssertionError, match="ended with 1 at its start"):
        server.start()
    assert re.search("mirror.anonymous: the registry .* has the pull through cache rule ROOT", server.log_text())
    # Registries that are not open by the rule may have it.
    server.config = configuration(hub, 'registries = ["quay.io"]')
    server.start()
    nobody(server).get(f"/v2/app/manifests/v1?{NS}").expect(401)
    server.finish()
