"""KMS keys of several nodes: what a call changes is in force on every node when it is answered."""

import json
import signal
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from harness.registry_client import RegistryClient, Repository

# Of a ciphertext: the form, the key's id, and the version of its material.
HEAD_BYTES = 21


class Encrypted:
    """A key, and a repository of an image that it encrypts, as each node shows them."""

    def __init__(self, cluster, name):
        self.kms, self.ecr, self.name = cluster.client("kms"), cluster.client(), name
        self.key = self.kms.create_key()["KeyMetadata"]["Arn"]
        configuration = {"encryptionType": "KMS", "kmsKey": self.key}
        self.ecr.create_repository(repositoryName=name, encryptionConfiguration=configuration)
        self.repositories = [
            Repository(RegistryClient(node.host, cluster.authorization), name) for node in cluster.nodes
        ]
        self.nodes = [node.client("kms") for node in cluster.nodes]
        self.pushed = self.repositories[0].push_image("v1")

    def expect_pulls(self, status):
        assert [repository.pull("v1").status for repository in self.repositories] == [status] * 3

    def expect_pushes(self, status):
        found = [repository.client.post(repository.uploads, content_length="0") for repository in self.repositories]
        assert [answer.status for answer in found] == [status] * 3

    def heads(self):
        """The distinct heads of what the nodes encrypt."""
        made = [node.encrypt(KeyId=self.key, Plaintext=b"x")["CiphertextBlob"] for node in self.nodes]
        return {ciphertext[:HEAD_BYTES] for ciphertext in made}


@pytest.fixture
def encrypted(cluster, request):
    return Encrypted(cluster, request.node.name.replace("_", "-"))


def test_states(encrypted):
    key = {"KeyId": encrypted.key}
    encrypted.expect_pulls(200)
    for _ in range(3):
        encrypted.kms.disable_key(**key)
        encrypted.expect_pulls(403)
        encrypted.kms.enable_key(**key)
        encrypted.expect_pulls(200)
    encrypted.kms.schedule_key_deletion(**key, PendingWindowInDays=7)
    encrypted.expect_pulls(403)
    encrypted.kms.cancel_key_deletion(**key)
    encrypted.expect_pushes(403)
    encrypted.kms.enable_key(**key)
    encrypted.expect_pushes(202)
    encrypted.expect_pulls(200)


def test_rotation(encrypted):
    known = encrypted.heads()
    for turns in range(2, 5):
        encrypted.kms.rotate_key_on_demand(KeyId=encrypted.key)
        known |= encrypted.heads()
        assert len(known) == turns
    encrypted.expect_pulls(200)


def test_grants(encrypted):
    """A grant that is revoked is of use nowhere; one that is made in its place is of use everywhere."""
    encrypted.expect_pulls(200)
    encrypted.expect_pushes(202)
    for _ in range(2):
        grants = encrypted.kms.list_grants(KeyId=encrypted.key)["Grants"]
        (grant,) = [grant for grant in grants if grant["Operations"] == ["Decrypt"]]
        encrypted.kms.revoke_grant(KeyId=encrypted.key, GrantId=grant["GrantId"])
        encrypted.expect_pulls(403)
        encrypted.expect_pushes(202)
        encrypted.kms.create_grant(
            KeyId=encrypted.key,
            Name=grant["Name"],
            GranteePrincipal=f"arn:aws:iam::{encrypted.key.split(':')[4]}:root",
            Operations=["Decrypt"],
        )
        encrypted.expect_pulls(200)


def test_policies_and_aliases(encrypted):
    kms, key = encrypted.kms, encrypted.key
    statement = {"Effect": "Allow", "Principal": {"AWS": key.split(":")[4]}, "Resource": "*"}
    for actions, expected in ((["kms:Put*", "kms:Get*"], "AccessDeniedException"), (["kms:*"], "OK")):
        allowed = {**statement, "Action": actions}
        kms.put_key_policy(KeyId=key, Policy=json.dumps({"Version": "2012-10-17", "Statement": allowed}))
        assert [code_of(node.encrypt, KeyId=key, Plaintext=b"x") for node in encrypted.nodes] == [expected] * 3
    alias, other = "alias/nodes", kms.create_key()["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    for target in (other, key):
        kms.update_alias(AliasName=alias, TargetKeyId=target)
        assert {node.describe_key(KeyId=alias)["KeyMetadata"]["Arn"] for node in encrypted.nodes} == {target}
    kms.delete_alias(AliasName=alias)
    assert {code_of(node.describe_key, KeyId=alias) for node in encrypted.nodes} == {"NotFoundException"}


def test_a_node_that_was_stopped_uses_no_key_that_is_switched_off(cluster, encrypted):
    """The change does not wait for a node that does not run, and that node looks before it opens anything: for a request
    with a token, and for a layer's URL, which asks nobody who comes."""
    paused, there = cluster.nodes[2], encrypted.repositories[2]
    encrypted.expect_pulls(200)
    layer = json.loads(encrypted.pushed.body)["layers"][0]["digest"]
    url = paused.client().get_download_url_for_layer(repositoryName=encrypted.name, layerDigest=layer)["downloadUrl"]
    assert status_of(url) == 200
    for ask in (lambda: there.pull("v1").status, lambda: status_of(url)):
        paused.process.send_signal(signal.SIGSTOP)
        try:
            # By way of another node, as the balancer needs a moment to find out.
            cluster.nodes[0].client("kms").disable_key(KeyId=encrypted.key)
        finally:
            paused.process.send_signal(signal.SIGCONT)
        assert ask() == 403
        encrypted.kms.enable_key(KeyId=encrypted.key)
        assert ask() == 200


def code_of(call, **parameters):
    try:
        call(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "OK"


def status_of(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
