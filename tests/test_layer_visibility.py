"""A digest alone gives nobody a layer, and no answer tells what others have stored."""

import base64
import json

import pytest

from harness.aws_api import Signing
from harness.ecr_client import Ecr
from harness.registry_client import RegistryClient, Repository, digest_of, image_manifest, random_content

OWNER, OTHER = "123456789012", "210987654321"
REGION = "us-east-1"
KEYS = {
    OWNER: ("AKIAOWNEROFLAYERS001", "owner-secret-of-the-tests-0000000000000001"),
    OTHER: ("AKIAOTHERACCOUNT0002", "other-secret-of-the-tests-0000000000000002"),
}
SMALL, LARGE = 300, 200_000


class Account:
    """The root user of an account, with its API and its registry."""

    def __init__(self, server, account):
        self.host, self.account, self.region = server.host, account, REGION
        self.ecr = Ecr(self, Signing(*KEYS[account], REGION))
        token = self.ecr.call("GetAuthorizationToken")["authorizationData"][0]["authorizationToken"]
        self.client = RegistryClient(self.host, "Basic " + token)

    def new_repository(self):
        return Repository(self.client, self.ecr.repository("layers"))

    def prepare(self, repository, digests, source=None):
        """PrepareReplication: the path for each layer that is missing."""
        answer = self.ecr.api.wharf(
            "PrepareReplication",
            {
                "sourceAccountId": source or self.account,
                "registryId": self.account,
                "repositoryName": repository.name,
                "layerDigests": digests,
            },
        ).expect(200)
        return {layer["layerDigest"]: layer["uploadPath"] for layer in answer.json()["missingLayers"]}

    def receive(self, repository, manifest, status):
        answer = self.ecr.api.wharf(
            "ReceiveReplicatedImage",
            {
                "sourceAccountId": self.account,
                "registryId": self.account,
                "repositoryName": repository.name,
                "imageDigest": digest_of(manifest),
                "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
                "imageManifest": base64.b64encode(manifest).decode(),
            },
        )
        answer.expect(status)


@pytest.fixture(scope="module")
def server(start_wharf):
    return start_wharf(accounts=KEYS, regions=[REGION])


@pytest.fixture
def owner(server):
    return Account(server, OWNER)


@pytest.fixture
def other(server):
    return Account(server, OTHER)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("source", [OWNER, OTHER])
def test_replication_takes_nothing_from_another_account(owner, other, size, source):
    """What another account has is as missing as what nobody has, whoever the image is said to be of."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{OWNER}:root"},
                "Action": "ecr:ReplicateImage",
                "Resource": f"arn:aws:ecr:{REGION}:{OTHER}:repository/*",
            }
        ],
    }
    other.ecr.call("PutRegistryPolicy", policyText=json.dumps(policy))
    content, nobodys = random_content(size), random_content(size)
    owner.new_repository().push_blob(content)
    own = other.new_repository()
    missing = other.prepare(own, [digest_of(content), digest_of(nobodys)], source)
    assert set(missing) == {digest_of(content), digest_of(nobodys)}
    other.client.get(own.blob(digest_of(content))).expect(404)
    other.client.put(missing[digest_of(nobodys)], content).expect(400)
    other.client.get(own.blob(digest_of(content))).expect(404)
    other.receive(own, image_manifest(content, [nobodys]), 400)
    # Whoever has the bytes may show them.
    other.client.put(missing[digest_of(content)], content).expect(201)
    assert other.client.get(own.blob(digest_of(content))).expect(200).body == content
    assert other.prepare(own, [digest_of(content)], source) == {}


def test_replication_spares_what_its_key_may_read(server, owner):
    """Another repository of the registry is a source only for a key that may pull from it."""
    client = server.client("iam")
    content = random_content(LARGE)
    readable, closed, own = (owner.new_repository() for _ in range(3))
    readable.push_blob(content)
    secret = random_content(LARGE)
    closed.push_blob(secret)
    arn = f"arn:aws:ecr:{REGION}:{OWNER}:repository/"
    statements = [
        {"Effect": "Allow", "Action": "wharf:ReceiveReplication", "Resource": arn + own.name},
        {"Effect": "Allow", "Action": "ecr:GetDownloadUrlForLayer", "Resource": arn + readable.name},
    ]
    client.create_user(UserName="replicator")
    client.put_user_policy(
        UserName="replicator",
        PolicyName="replication",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )
    key = client.create_access_key(UserName="replicator")["AccessKey"]
    replicator = Account(server, OWNER)
    replicator.ecr = Ecr(replicator, Signing(key["AccessKeyId"], key["SecretAccessKey"], REGION))
    assert set(replicator.prepare(own, [digest_of(content), digest_of(secret)])) == {digest_of(secret)}
    assert owner.client.get(own.blob(digest_of(content))).expect(200).body == content
    owner.client.get(own.blob(digest_of(secret))).expect(404)


def test_a_path_is_for_one_layer_of_one_repository(owner):
    """And it asks the registry's policy once more."""
    content, another = random_content(LARGE), random_content(LARGE)
    own = owner.new_repository()
    path = owner.prepare(own, [digest_of(content)])[digest_of(content)]
    owner.client.put(path, another).expect(400)
    owner.client.put(path[:-4] + "AAAA", content).expect(403)
    deny = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": {"AWS": f"arn:aws:iam::{OWNER}:root"},
                "Action": "ecr:ReplicateImage",
                "Resource": "*",
            }
        ],
    }
    owner.ecr.call("PutRegistryPolicy", policyText=json.dumps(deny))
    owner.client.put(path, content).expect(403)
    owner.ecr.call("DeleteRegistryPolicy")
    owner.client.put(path, content).expect(201)
    assert owner.client.get(own.blob(digest_of(content))).expect(200).body == content


def test_a_purge_tells_of_the_own_account_alone(owner, other):
    """The bytes that it counts are those that nothing of the account needs, whoever else has the same."""
    config, layer = random_content(SMALL), random_content(LARGE)
    manifest = image_manifest(config, [layer])
    elsewhere = owner.new_repository()
    for content in (config, layer):
        elsewhere.push_blob(content)
    own = other.new_repository()
    for content in (config, layer):
        own.push_blob(content)
    own.push_manifest(manifest)
    image = {"imageDigest": digest_of(manifest)}
    other.ecr.call("BatchDeleteImage", repositoryName=own.name, imageIds=[image])
    # What was uploaded stays a while, named or not; with its repository it goes at once.
    other.ecr.call("DeleteRepository", repositoryName=own.name, force=True)
    purge = {"repositoryName": own.name, "imageIds": [image], "dryRun": True}
    answer = other.ecr.api.wharf("PurgeDeletedImages", purge).expect(200).json()
    assert answer["releasedBytes"] == SMALL + LARGE, answer
