"""What guarded a repository guards its images after it was deleted: whoever it denied gets them by no restore."""

import json
import uuid

import pytest

from harness.aws_api import AwsApi
from harness.identities import Identities, allow, deny, document
from harness.registry_client import RegistryClient, Repository, digest_of, new_repository, random_content

TAG = {"Key": "class", "Value": "secret"}


class Somebody:
    """A user that may do everything with repositories."""

    def __init__(self, server, *statements):
        self.user = Identities(server).user(document(allow("ecr:*", "wharf:*"), *statements))
        api = AwsApi(server)
        signing = api.signing.but(access_key=self.user.access_key_id, secret_key=self.user.secret_access_key)
        self.api, self.ecr = AwsApi(server, signing), self.user.client()

    def restore(self, name, status, tag="v1", operation="RestoreImage", **members):
        answer = self.api.wharf(operation, {"repositoryName": name, "imageIds": [{"imageTag": tag}], **members})
        if status != 200:
            assert answer.expect(status).json()["__type"].endswith("AccessDeniedException")
        return answer.expect(status).json()


@pytest.fixture
def server(wharf):
    return wharf


def policy(*principals, actions=("ecr:*",)):
    """Denies them what there is."""
    statement = {"Sid": "no", "Effect": "Deny", "Principal": {"AWS": list(principals)}, "Action": list(actions)}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def guarded(server, *principals, **more):
    """A repository with an image that these may not have."""
    repository = new_repository(server, f"guarded-{uuid.uuid4().hex[:8]}")
    repository.push_image("v1")
    server.client().set_repository_policy(repositoryName=repository.name, policyText=policy(*principals, **more))
    return repository


def delete(server, repository):
    server.client().delete_repository(repositoryName=repository.name, force=True)


def test_a_restored_repository_has_its_policy_and_settings(server):
    denied, ecr = Somebody(server), server.client()
    repository = guarded(server, denied.user.arn)
    name = repository.name
    arn = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]["repositoryArn"]
    ecr.tag_resource(resourceArn=arn, tags=[TAG])
    filters = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    ecr.put_image_tag_mutability(
        repositoryName=name,
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=filters,
    )
    delete(server, repository)
    denied.restore(name, 400, createRepository=True)
    denied.restore(name, 400, operation="PurgeDeletedImages")
    restored = AwsApi(server).wharf(
        "RestoreImage", {"repositoryName": name, "createRepository": True, "imageIds": [{"imageTag": "v1"}]}
    )
    assert restored.expect(200).json()["isRepositoryCreated"]
    assert denied.user.arn in ecr.get_repository_policy(repositoryName=name)["policyText"]
    (described,) = ecr.describe_repositories(repositoryNames=[name])["repositories"]
    assert described["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert described["imageTagMutabilityExclusionFilters"] == filters
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [TAG]
    denied.user.registry().get(f"/v2/{name}/manifests/v1").expect(403)


@pytest.mark.parametrize("action", ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:PutImage"])
def test_no_other_repository_of_the_name_is_a_way_around(server, action):
    """Whoever may create the repository anew, without the policy, gets nothing of what the old one had."""
    denied, free = Somebody(server), Somebody(server)
    repository = guarded(server, denied.user.arn, actions=[action])
    name = repository.name
    delete(server, repository)
    denied.ecr.create_repository(repositoryName=name)
    denied.restore(name, 400)
    denied.restore(name, 400, dryRun=True)
    # What it has pushed there itself, and deleted, is not the old one's.
    mine = Repository(denied.user.registry(), name)
    mine.push_image("mine")
    denied.ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "mine"}])
    denied.restore(name, 200, tag="mine")
    free.restore(name, 200)


def test_an_image_that_was_deleted_before_its_repository(server):
    denied = Somebody(server)
    repository = guarded(server, denied.user.arn)
    name = repository.name
    server.client().batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])
    delete(server, repository)
    denied.ecr.create_repository(repositoryName=name)
    denied.restore(name, 400)


def test_resource_tags_guard_as_well(server):
    secret = {"StringEquals": {"aws:ResourceTag/class": "secret"}}
    denied, ecr = Somebody(server, deny("ecr:BatchGetImage", Condition=secret)), server.client()
    name = f"guarded-{uuid.uuid4().hex[:8]}"
    ecr.create_repository(repositoryName=name, tags=[TAG])
    repository = Repository(RegistryClient(server.host, server.authorization), name)
    repository.push_image("v1")
    delete(server, repository)
    denied.ecr.create_repository(repositoryName=name)
    denied.restore(name, 400)


def test_a_policy_that_comes_back_means_whom_it_meant(server):
    """A user of the same name, who came later, is another one."""
    identities, name = Identities(server), f"user-{uuid.uuid4().hex[:8]}"
    user = identities.user(document(allow("ecr:*")), name=name)
    repository = guarded(server, user.arn)
    delete(server, repository)
    iam = server.client("iam")
    iam.delete_access_key(UserName=name, AccessKeyId=user.access_key_id)
    iam.delete_user_policy(UserName=name, PolicyName="inline-0")
    iam.delete_user(UserName=name)
    Somebody(server).restore(repository.name, 200, createRepository=True)
    text = server.client().get_repository_policy(repositoryName=repository.name)["policyText"]
    assert user.arn not in text and "AIDA" in text


def test_layers_stay_unread(server):
    denied = Somebody(server)
    content = random_content(3_000)
    repository = guarded(server, denied.user.arn)
    repository.push_blob(content)
    delete(server, repository)
    denied.restore(repository.name, 400, createRepository=True)
    denied.user.registry().get(f"/v2/{repository.name}/blobs/{digest_of(content)}").expect(404)


def listed(answer):
    listing = answer.expect(200).json()
    return {(image["repositoryName"], *image["imageTags"]) for image in listing["deletedImages"]} | {
        (tag["repositoryName"], tag["imageTag"]) for tag in listing["deletedTags"]
    }


@pytest.mark.parametrize("action", ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:*"])
def test_who_was_denied_is_told_of_no_deleted_image(fresh_wharf, action):
    server = fresh_wharf
    denied, free = Somebody(server), Somebody(server)
    repository, open_to_all = guarded(server, denied.user.arn, actions=[action]), new_repository(server, "open")
    open_to_all.push_image("free")
    ecr = server.client()
    (image,) = ecr.batch_get_image(repositoryName=repository.name, imageIds=[{"imageTag": "v1"}])["images"]
    ecr.put_image(repositoryName=repository.name, imageManifest=image["imageManifest"], imageTag="other")
    ecr.batch_delete_image(repositoryName=repository.name, imageIds=[{"imageTag": "other"}])
    for each in (repository, open_to_all):
        delete(server, each)
    asked = {"repositoryName": repository.name}
    refused = denied.api.wharf("ListDeletedImages", asked).expect(400).json()
    assert refused["__type"].endswith("AccessDeniedException")
    assert listed(denied.api.wharf("ListDeletedImages", {})) == {(open_to_all.name, "free")}
    mine = {(repository.name, "v1"), (repository.name, "other")}
    assert listed(free.api.wharf("ListDeletedImages", asked)) == mine
    assert listed(free.api.wharf("ListDeletedImages", {})) == mine | {(open_to_all.name, "free")}
    # What is deleted in a repository that it has made itself, it may see.
    denied.ecr.create_repository(repositoryName="own")
    Repository(denied.user.registry(), "own").push_image("mine")
    denied.ecr.delete_repository(repositoryName="own", force=True)
    assert listed(denied.api.wharf("ListDeletedImages", {"repositoryName": "own"})) == {("own", "mine")}
