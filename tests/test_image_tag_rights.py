"""Policies about `ecr:ImageTag` and everything beside pushing and deleting that gives a tag or takes one: restores, purges,
what another Wharf brings and takes away, repositories that are deleted whole, and the cache."""

import base64
import json
import uuid

import pytest
from botocore.exceptions import ClientError

from harness.aws_api import AwsApi
from harness.identities import Identities, allow, deny, document
from harness.images import image
from harness.registry_client import OCI_MANIFEST, RegistryClient, Repository, new_repository
from harness.upstream import FakeUpstream

PROD = {"StringLike": {"ecr:ImageTag": "prod-*"}}
# The action itself is denied; or what does the same in ECR, as docs/access.md has it.
RULES = {
    "all": deny("wharf:*", "ecr:*", Condition=PROD),
    "ecr": deny("ecr:PutImage", "ecr:BatchDeleteImage", Condition=PROD),
}


class Caller:
    """A user that may do everything but what the rule denies, and Wharf's own operations."""

    def __init__(self, server, *statements):
        self.server = server
        self.user = Identities(server).user(document(allow("ecr:*", "wharf:*"), *statements))
        api = AwsApi(server)
        signing = api.signing.but(access_key=self.user.access_key_id, secret_key=self.user.secret_access_key)
        self.api = AwsApi(server, signing)

    def does(self, operation, **parameters):
        return self.api.wharf(operation, parameters).expect(200).json()

    def may_not(self, operation, action, **parameters):
        answer = self.api.wharf(operation, parameters).expect(400, 403).json()
        assert answer["__type"].endswith("AccessDeniedException"), answer
        text = answer.get("message") or answer.get("Message")
        assert f"is not authorized to perform: {action} on resource" in text and "explicit deny" in text, text


@pytest.fixture(scope="module", params=RULES)
def caller(wharf, request):
    caller = Caller(wharf, RULES[request.param])
    caller.is_own = request.param == "all"
    return caller


@pytest.fixture
def repository(wharf):
    return new_repository(wharf, f"tags-{uuid.uuid4().hex[:8]}")


def push(repository, *tags):
    made = repository.push_image(tags[0])
    for tag in tags[1:]:
        repository.push_manifest(made.body, tag)
    return made


def tags_of(repository):
    return set(repository.client.get(f"/v2/{repository.name}/tags/list").expect(200).json()["tags"] or [])


def delete(wharf, repository, **ids):
    answer = wharf.client().batch_delete_image(repositoryName=repository.name, imageIds=[ids])
    assert not answer["failures"]


def members_of(server, repository):
    return {"sourceAccountId": server.account, "registryId": server.account, "repositoryName": repository.name}


def arriving(server, repository, made, *tags):
    """The members of ReceiveReplicatedImage."""
    return {
        **members_of(server, repository),
        "imageDigest": made.digest,
        "imageManifestMediaType": OCI_MANIFEST,
        "imageManifest": base64.b64encode(made.body).decode(),
        "imageTags": list(tags),
    }


def bring(server, repository, *tags):
    """An image that another Wharf has brought, and nobody has pushed."""
    made = repository.push_image("pushed")
    delete(server, repository, imageDigest=made.digest)
    AwsApi(server).wharf("ReceiveReplicatedImage", arriving(server, repository, made, *tags)).expect(200)
    return made


def test_restores(wharf, caller, repository):
    both, dev = push(repository, "dev-1", "prod-1"), push(repository, "dev-2")
    action = "wharf:RestoreImage" if caller.is_own else "ecr:PutImage"
    delete(wharf, repository, imageDigest=both.digest)
    delete(wharf, repository, imageDigest=dev.digest)
    # However the image is named, it comes back with every tag that it had.
    for ids in [{"imageDigest": both.digest}, {"imageTag": "dev-1"}, {"imageTag": "prod-1"}]:
        for dry_run in (True, False):
            caller.may_not("RestoreImage", action, repositoryName=repository.name, imageIds=[ids], dryRun=dry_run)
    restored = caller.does("RestoreImage", repositoryName=repository.name, imageIds=[{"imageDigest": dev.digest}])
    assert restored["restoredImages"][0]["restoredTags"] == ["dev-2"]
    ids = [{"imageTag": "dev-2"}, {"imageDigest": both.digest}]
    caller.may_not("RestoreImage", action, repositoryName=repository.name, imageIds=ids)
    assert tags_of(repository) == {"dev-2"}
    # A tag that was taken alone.
    Caller(wharf).does("RestoreImage", repositoryName=repository.name, imageIds=[{"imageDigest": both.digest}])
    delete(wharf, repository, imageTag="prod-1")
    caller.may_not("RestoreImage", action, repositoryName=repository.name, imageIds=[{"imageTag": "prod-1"}])
    assert tags_of(repository) == {"dev-1", "dev-2"}


def test_purges(wharf, caller, repository):
    both, dev = push(repository, "dev-1", "prod-1"), push(repository, "dev-2")
    action = "wharf:PurgeDeletedImages" if caller.is_own else "ecr:BatchDeleteImage"
    delete(wharf, repository, imageDigest=both.digest)
    delete(wharf, repository, imageDigest=dev.digest)
    for ids in [{"imageDigest": both.digest}, {"imageTag": "dev-1"}, {"imageTag": "prod-1"}]:
        caller.may_not("PurgeDeletedImages", action, repositoryName=repository.name, imageIds=[ids])
    purged = caller.does("PurgeDeletedImages", repositoryName=repository.name, imageIds=[{"imageTag": "dev-2"}])
    assert purged["purgedImages"][0]["imageTags"] == ["dev-2"]
    Caller(wharf).does("RestoreImage", repositoryName=repository.name, imageIds=[{"imageDigest": both.digest}])


@pytest.mark.every_store
def test_what_another_wharf_brings_and_takes(wharf, caller, repository):
    both = bring(wharf, repository, "dev-1", "prod-1")
    push(repository, "dev-2")
    members = members_of(wharf, repository)
    own = "wharf:ReceiveReplication"
    action = own if caller.is_own else "ecr:PutImage"
    caller.may_not("ReceiveReplicatedImage", action, **arriving(wharf, repository, both, "dev-3", "prod-2"))
    assert tags_of(repository) == {"dev-1", "dev-2", "prod-1"}
    caller.does("ReceiveReplicatedImage", **arriving(wharf, repository, both, "dev-2", "dev-3"))
    action = own if caller.is_own else "ecr:BatchDeleteImage"
    for removal in [
        {"imageTags": ["dev-1", "prod-1"]},
        {"isDeleted": True},
        {"isDeleted": True, "imageTags": ["dev-1"]},
    ]:
        caller.may_not("ReceiveReplicatedRemoval", action, **members, imageDigest=both.digest, **removal)
    assert tags_of(repository) == {"dev-1", "dev-2", "dev-3", "prod-1"}
    caller.does("ReceiveReplicatedRemoval", **members, imageDigest=both.digest, imageTags=["dev-1"])
    assert tags_of(repository) == {"dev-2", "dev-3", "prod-1"}
    delete(wharf, repository, imageTag="prod-1")
    caller.does("ReceiveReplicatedRemoval", **members, imageDigest=both.digest, isDeleted=True)
    assert tags_of(repository) == set()


@pytest.mark.parametrize("tags", [["v1"], []], ids=["tagged", "untagged"])
def test_a_denial_of_every_tag_is_no_weaker(wharf, repository, tags):
    """A Deny without the key, of pushing and deleting alone, holds for every other way as well, also without a tag."""
    name, made = repository.name, bring(wharf, repository, *tags)
    gone, new = image("gone"), image("new")
    for pushed in (gone, new):
        for blob in pushed.blobs:
            repository.push_blob(blob)
    for tag in tags or [gone.digest]:
        repository.push_manifest(gone.manifest, f"gone-{tag}" if tags else tag, gone.media_type)
    delete(wharf, repository, imageDigest=gone.digest)
    denied, free = Caller(wharf, deny("ecr:PutImage", "ecr:BatchDeleteImage")), Caller(wharf)
    ids = {"repositoryName": name, "imageIds": [{"imageDigest": gone.digest}]}
    denied.may_not("RestoreImage", "ecr:PutImage", **ids)
    denied.may_not("PurgeDeletedImages", "ecr:BatchDeleteImage", **ids)
    members = {**members_of(wharf, repository), "imageTags": tags}
    arrival = {
        "imageDigest": new.digest,
        "imageManifestMediaType": new.media_type,
        "imageManifest": base64.b64encode(new.manifest).decode(),
    }
    denied.may_not("ReceiveReplicatedImage", "ecr:PutImage", **members, **arrival)
    removal = {**members, "imageDigest": made.digest, "isDeleted": True}
    denied.may_not("ReceiveReplicatedRemoval", "ecr:BatchDeleteImage", **removal)
    ecr = denied.user.client()
    with pytest.raises(ClientError, match="perform: ecr:BatchDeleteImage on"):
        ecr.delete_repository(repositoryName=name, force=True)
    assert digests_of(wharf, name) == {made.digest}
    # Whoever may push and delete does all of it.
    free.does("RestoreImage", **ids)
    free.does("ReceiveReplicatedRemoval", **removal)
    assert digests_of(wharf, name) == {gone.digest}
    # Nothing is taken with a repository that is empty.
    delete(wharf, repository, imageDigest=gone.digest)
    ecr.delete_repository(repositoryName=name, force=True)


def digests_of(server, name):
    return {found["imageDigest"] for found in server.client().describe_images(repositoryName=name)["imageDetails"]}


def test_archived_images_go_with_a_repository_too(wharf, caller, repository):
    made = push(repository, "prod-1")
    wharf.client().update_image_storage_class(
        repositoryName=repository.name, imageId={"imageDigest": made.digest}, targetStorageClass="ARCHIVE"
    )
    with pytest.raises(ClientError, match="explicit deny"):
        caller.user.client().delete_repository(repositoryName=repository.name, force=True)


def test_a_repository_with_all_of_its_tags(wharf, caller, repository):
    push(repository, "dev-1", "prod-1")
    ecr = caller.user.client()
    with pytest.raises(ClientError) as refused:
        ecr.delete_repository(repositoryName=repository.name, force=True)
    error = refused.value.response["Error"]
    action = "ecr:DeleteRepository" if caller.is_own else "ecr:BatchDeleteImage"
    assert error["Code"] == "AccessDeniedException" and f"perform: {action} on" in error["Message"]
    assert tags_of(repository) == {"dev-1", "prod-1"}
    delete(wharf, repository, imageTag="prod-1")
    with pytest.raises(ClientError) as refused:
        ecr.delete_repository(repositoryName=repository.name)
    assert refused.value.response["Error"]["Code"] == "RepositoryNotEmptyException"
    ecr.delete_repository(repositoryName=repository.name, force=True)


def test_only_tags_of_one_kind(wharf, repository):
    """Whoever may act on tags of one kind alone may on nothing without a tag."""
    only = {"StringLike": {"ecr:ImageTag": "dev-*"}}
    user = Identities(wharf).user(document(allow("wharf:RestoreImage", Condition=only)))
    api = AwsApi(wharf)
    api = AwsApi(wharf, api.signing.but(access_key=user.access_key_id, secret_key=user.secret_access_key))
    dev, other = push(repository, "dev-1"), push(repository, "other")
    for made in (dev, other):
        delete(wharf, repository, imageDigest=made.digest)
    for ids, status in [({"imageTag": "other"}, 400), ({"imageDigest": dev.digest}, 400), ({"imageTag": "dev-1"}, 200)]:
        api.wharf("RestoreImage", {"repositoryName": repository.name, "imageIds": [ids]}).expect(status)
    assert tags_of(repository) == {"dev-1"}


@pytest.fixture(scope="module")
def cache(make_server, tmp_path_factory):
    config = "[pull_through_cache]\nallow_any_upstream = true\nallow_http = true\nallow_private_networks = true\n"
    server = make_server(tmp_path_factory.mktemp("wharf"), config=config).start()
    yield server
    server.finish()


def test_tags_that_the_cache_brings(cache):
    upstream = FakeUpstream()
    for tag in ("prod-1", "dev-1"):
        upstream.push("app", image(tag), tag)
    cache.client().create_pull_through_cache_rule(ecrRepositoryPrefix="up", upstreamRegistryUrl=upstream.url)
    rule = deny("ecr:BatchImportUpstreamImage", Condition=PROD)
    user = Identities(cache).user(document(allow("ecr:*"), rule))
    mine = Repository(user.registry(), "up/app")
    mine.pull("prod-1").expect(404)
    mine.pull("dev-1").expect(200)
    mine.pull("prod-1").expect(404)
    Repository(RegistryClient(cache.host, cache.authorization), "up/app").pull("prod-1").expect(200)
    mine.pull("prod-1").expect(200)
    upstream.close()


def test_the_cache_moves_no_tag_that_its_caller_must_not_push(tmp_path, make_server):
    """Whoever may make rules would otherwise have any tag moved to what an upstream of theirs has."""
    config = "[pull_through_cache]\nallow_any_upstream = true\nallow_http = true\nallow_private_networks = true\n"
    server = make_server(tmp_path / "wharf", config=config + "check_hours = 1\n").start()
    repository = new_repository(server, "mine/app")
    pushed = {tag: repository.push_image(tag).digest for tag in ("prod-1", "dev-1")}
    upstream = FakeUpstream()
    theirs = {tag: image(f"theirs-{tag}") for tag in pushed}
    for tag, made in theirs.items():
        upstream.push(repository.name.removeprefix("mine/"), made, tag)
    user = Identities(server).user(document(allow("ecr:*"), RULES["ecr"]))
    user.client().create_pull_through_cache_rule(ecrRepositoryPrefix="mine", upstreamRegistryUrl=upstream.url)
    authorization = user.authorization()
    server.restart(clock="+2h")
    mine = Repository(RegistryClient(server.host, authorization, is_gateway=True), repository.name)
    assert mine.pull("prod-1").expect(200).header("Docker-Content-Digest") == pushed["prod-1"]
    assert mine.pull("dev-1").expect(200).header("Docker-Content-Digest") == theirs["dev-1"].digest
    upstream.close()
    server.finish()


def test_a_registrys_policy_on_the_tags_that_replication_brings(fresh_wharf):
    """The destination decides on every tag, as on the image."""
    server = fresh_wharf
    policy = {
        "Sid": "No production from elsewhere",
        "Effect": "Deny",
        "Principal": {"AWS": f"arn:aws:iam::{server.account}:root"},
        "Action": "ecr:ReplicateImage",
        "Resource": f"arn:aws:ecr:{server.region}:{server.account}:repository/*",
        "Condition": PROD,
    }
    server.client().put_registry_policy(policyText=json.dumps({"Version": "2012-10-17", "Statement": [policy]}))
    repository = new_repository(server, "tags")
    made = bring(server, repository, "dev-1")
    repository.push_manifest(made.body, "prod-1")
    api = AwsApi(server)
    members = {**members_of(server, repository), "imageDigest": made.digest}
    api.wharf("ReceiveReplicatedImage", arriving(server, repository, made, "prod-2")).expect(400)
    api.wharf("ReceiveReplicatedImage", arriving(server, repository, made, "dev-2")).expect(200)
    api.wharf("ReceiveReplicatedRemoval", {**members, "imageTags": ["prod-1"]}).expect(400)
    api.wharf("ReceiveReplicatedRemoval", {**members, "isDeleted": True}).expect(400)
    api.wharf("ReceiveReplicatedRemoval", {**members, "imageTags": ["dev-1"]}).expect(200)
    assert tags_of(repository) == {"dev-2", "prod-1"}
