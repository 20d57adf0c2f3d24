"""An upgrade from the version before: what it has stored opens, and its nodes work beside those of today."""

import json
import os

import pytest
from botocore.exceptions import ClientError

from harness import bucket, postgres
from harness.cluster import Cluster
from harness.identities import allow, document
from harness.previous import previous_program
from harness.registry_client import RegistryClient, Repository, digest_of, path_of, random_content, with_query
from harness.server import Wharf
from harness.steady_pushes import steady_pushes
from harness.storage import fsck
from harness.stored import expect_no_contradiction
from harness.verify import expect_whole_repository

LIFECYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 50},
            "action": {"type": "expire"},
        }
    ]
}
EVERYBODY_PULLS = document(
    {"Effect": "Allow", "Principal": "*", "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]}
)


def fill(server):
    """One of everything that is kept. Returns a key of a user, and where an upload goes on, with what it has so far."""
    ecr, iam, kms, secrets = (server.client(name) for name in ("ecr", "iam", "kms", "secretsmanager"))
    key = kms.create_key(Description="of images")["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/images", TargetKeyId=key)
    secrets.create_secret(Name="ecr-pullthroughcache/hub", SecretString='{"username":"u","accessToken":"t"}')
    ecr.create_repository(repositoryName="plain", tags=[{"Key": "team", "Value": "a"}])
    ecr.create_repository(repositoryName="strict", imageTagMutability="IMMUTABLE")
    ecr.create_repository(
        repositoryName="sealed", encryptionConfiguration={"encryptionType": "KMS", "kmsKey": "alias/images"}
    )
    ecr.set_repository_policy(repositoryName="plain", policyText=EVERYBODY_PULLS)
    ecr.put_lifecycle_policy(repositoryName="plain", lifecyclePolicyText=json.dumps(LIFECYCLE))
    ecr.create_repository_creation_template(prefix="made", appliedFor=["CREATE_ON_PUSH"])
    iam.create_user(UserName="ci", Path="/build/")
    iam.put_user_policy(UserName="ci", PolicyName="all", PolicyDocument=document(allow("ecr:*")))
    iam.create_role(
        RoleName="deploy",
        AssumeRolePolicyDocument=document(
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{server.account}:root"}, "Action": "sts:AssumeRole"}
        ),
    )
    user = iam.create_access_key(UserName="ci")["AccessKey"]
    registry = RegistryClient(server.host, server.authorization)
    for name in ("plain", "strict", "sealed"):
        repository = Repository(registry, name)
        images = [repository.push_image(f"v{number}", layer_count=2) for number in range(3)]
        repository.push_index(images, "all")
        repository.push_artifact(images[0].descriptor, artifact_type="application/vnd.example.sbom")
    Repository(registry, "made/by-push").push_image("v1")
    Repository(registry, "plain").push_image("old")
    ecr.batch_delete_image(repositoryName="plain", imageIds=[{"imageTag": "old"}])
    begun = os.urandom(70_000)
    upload = Repository(registry, "plain").start_upload()
    upload = registry.patch(upload, begun, content_type="application/octet-stream").expect(202).header("Location")
    return user, path_of(upload), begun


def without_answers_own(answer):
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def picture(server):
    """What its services tell of all that `fill` has made."""
    ecr, iam, kms = (server.client(name) for name in ("ecr", "iam", "kms"))
    repositories = ecr.describe_repositories()["repositories"]
    seen = {"repositories": sorted(repositories, key=lambda repository: repository["repositoryName"])}
    for repository in seen["repositories"]:
        name = repository["repositoryName"]
        details = ecr.describe_images(repositoryName=name)["imageDetails"]
        # When it was pulled last is written down some time after the pull.
        details = [{**detail, "lastRecordedPullTime": None} for detail in details]
        seen[f"images of {name}"] = sorted(details, key=lambda detail: detail["imageDigest"])
    asked = {
        "policy": lambda: ecr.get_repository_policy(repositoryName="plain"),
        "lifecycle": lambda: ecr.get_lifecycle_policy(repositoryName="plain"),
        "tags": lambda: ecr.list_tags_for_resource(resourceArn=seen["repositories"][1]["repositoryArn"]),
        "templates": ecr.describe_repository_creation_templates,
        "user": lambda: iam.get_user(UserName="ci"),
        "policy of the user": lambda: iam.get_user_policy(UserName="ci", PolicyName="all"),
        "role": lambda: iam.get_role(RoleName="deploy"),
        "aliases": kms.list_aliases,
        "key": lambda: kms.describe_key(KeyId="alias/images"),
        "secret": lambda: server.client("secretsmanager").get_secret_value(SecretId="ecr-pullthroughcache/hub"),
    }
    return seen | {what: without_answers_own(ask()) for what, ask in asked.items()}


def names(server):
    return [entry["repositoryName"] for entry in server.client().describe_repositories()["repositories"]]


def expect_all_whole(server):
    registry = RegistryClient(server.host, server.authorization)
    return {name: expect_whole_repository(server.client(), Repository(registry, name)) for name in names(server)}


def test_what_the_version_before_has_stored_opens(tmp_path):
    """Everything is there, whole and as it was told of; keys, tokens and uploads that were begun go on."""
    server = Wharf(tmp_path)
    server.program = previous_program()
    try:
        server.start()
        user, upload, begun = fill(server)
        token, before, images = server.authorization, picture(server), expect_all_whole(server)
        assert server.stop() == 0
        server.program = None
        server.start()
        assert picture(server) == before
        assert expect_all_whole(server) == images
        assert fsck(server)["findings"] == []
        expect_no_contradiction(server)
        old = Repository(RegistryClient(server.host, token), "plain")
        rest = os.urandom(50_000)
        old.client.put(with_query(upload, digest=digest_of(begun + rest)), rest).expect(201)
        assert old.client.get(old.blob(digest_of(begun + rest))).expect(200).body == begun + rest
        client = server.client()
        credentials = client._request_signer._credentials  # noqa: SLF001
        credentials.access_key, credentials.secret_key = user["AccessKeyId"], user["SecretAccessKey"]
        assert len(client.describe_repositories()["repositories"]) == len(images)
        # What it had deleted can be deleted and pushed again, and what it forbade is forbidden.
        pushed = old.push_image("old")
        client.batch_delete_image(repositoryName="plain", imageIds=[{"imageDigest": pushed.digest}])
        with pytest.raises(ClientError, match="ImageTagAlreadyExists"):
            client.put_image(
                repositoryName="strict",
                imageTag="v1",
                imageManifest=Repository(old.client, "strict").pull("v2").expect(200).body.decode(),
            )
        server.restart()
        expect_all_whole(server)
        assert fsck(server)["findings"] == []
    finally:
        server.finish()


@pytest.fixture
def cluster(tmp_path):
    environment = {"WHARF_DATABASE_URL": postgres.new_database(), **bucket.environment_of_new()}
    cluster = Cluster(tmp_path / "cluster", environment=environment)
    for node in cluster.nodes:
        node.program = previous_program()
    yield cluster.start()
    cluster.finish()


def expect_both_see_each_others(cluster, one, other, tag):
    """What a node does is what the other knows at once: pushes, moved tags, deletions, rights, in both directions."""
    for here, there in ((one, other), (other, one)):
        writer = Repository(RegistryClient(here.host, cluster.authorization), "between")
        reader = Repository(RegistryClient(there.host, cluster.authorization), "between")
        first, second = writer.push_image(), writer.push_image()
        for image in (first, second):
            # Through the other, which has to know the layers.
            reader.push_manifest(image.body, tag)
            assert writer.pull(tag).expect(200).header("Docker-Content-Digest") == image.digest
        here.client().batch_delete_image(repositoryName="between", imageIds=[{"imageTag": tag}])
        reader.pull(tag).expect_error(404, "MANIFEST_UNKNOWN")
        reader.pull(first.digest).expect(200)
        here.client().batch_delete_image(repositoryName="between", imageIds=[{"imageDigest": first.digest}])
        reader.pull(first.digest).expect_error(404, "MANIFEST_UNKNOWN")
        content = random_content(300_000)
        upload = writer.client.patch(path_of(writer.start_upload()), content[:100_000]).expect(202).header("Location")
        reader.client.put(with_query(path_of(upload), digest=digest_of(content)), content[100_000:]).expect(201)
        assert writer.client.get(writer.blob(digest_of(content))).expect(200).body == content
        here.client().create_repository(repositoryName="for-a-moment")
        Repository(RegistryClient(there.host, cluster.authorization), "for-a-moment").push_image("v1")
        here.client().delete_repository(repositoryName="for-a-moment", force=True)
        assert "for-a-moment" not in names(there)


def test_nodes_of_two_versions(cluster):
    """Each node is replaced by one of today while clients push through the balancer. None of them sees a failure, what one
    version does the other knows, and nothing that was acknowledged is missing."""
    fill(cluster)
    cluster.client().create_repository(repositoryName="between")
    cluster.client().create_repository(repositoryName="rolling")
    with steady_pushes(cluster, "rolling", 2) as more:
        more(4)
        for number, node in enumerate(cluster.nodes):
            assert node.stop() == 0, node.tail()
            node.program = None
            cluster.start_node(node)
            more(4)
            others = [other for other in cluster.nodes if other is not node]
            expect_both_see_each_others(cluster, node, others[-1], f"moving-{number}")
    expect_all_whole(cluster)
    expect_no_contradiction(cluster)
    assert fsck(cluster)["findings"] == []
