"""Paths at which another Wharf puts layers: secret, as good as the key that asked for them, and recorded."""

import json
import uuid

import pytest

from harness.aws_api import AwsApi
from harness.identities import Identities, allow, deny, document
from harness.registry_client import RegistryClient, digest_of, new_repository, random_content
from harness.server import wait_for


class Replicator:
    """A user whose key brings layers."""

    def __init__(self, server):
        self.server, self.name = server, f"replicator-{uuid.uuid4().hex[:8]}"
        self.user = Identities(server).user(document(allow("wharf:ReceiveReplication")), name=self.name)
        api = AwsApi(server)
        signing = api.signing.but(access_key=self.user.access_key_id, secret_key=self.user.secret_access_key)
        self.api, self.iam = AwsApi(server, signing), server.client("iam")
        self.repository = new_repository(server, f"layers-{uuid.uuid4().hex[:8]}")

    def path(self, content):
        """Where it may put a layer."""
        members = {"sourceAccountId": self.server.account, "registryId": self.server.account}
        members |= {"repositoryName": self.repository.name, "layerDigests": [digest_of(content)]}
        answer = self.api.wharf("PrepareReplication", members).expect(200).json()
        return answer["missingLayers"][0]["uploadPath"]

    def put(self, path, content, status):
        answer = RegistryClient(self.server.host, None).put(path, content)
        return answer.expect(status)

    def lose_key(self):
        self.iam.update_access_key(UserName=self.name, AccessKeyId=self.user.access_key_id, Status="Inactive")

    def lose_rights(self):
        self.iam.delete_user_policy(UserName=self.name, PolicyName="inline-0")

    def be_denied(self):
        text = document(deny("wharf:ReceiveReplication"))
        self.iam.put_user_policy(UserName=self.name, PolicyName="denied", PolicyDocument=text)

    def go(self):
        self.iam.delete_access_key(UserName=self.name, AccessKeyId=self.user.access_key_id)
        self.iam.delete_user_policy(UserName=self.name, PolicyName="inline-0")
        self.iam.delete_user(UserName=self.name)


@pytest.fixture
def replicator(wharf):
    return Replicator(wharf)


@pytest.mark.parametrize("loses", [Replicator.lose_key, Replicator.lose_rights, Replicator.be_denied, Replicator.go])
def test_a_path_is_as_good_as_its_key(replicator, loses):
    content, before = random_content(3_000), random_content(3_000)
    replicator.put(replicator.path(before), before, 201)
    path = replicator.path(content)
    loses(replicator)
    replicator.put(path, content, 403)
    repository = replicator.repository
    repository.client.get(repository.blob(digest_of(content))).expect(404)
    repository.client.get(repository.blob(digest_of(before))).expect(200)


@pytest.mark.every_store("PrepareReplication", "PutReplicatedLayer")
def test_records(fresh_wharf):
    """Whoever may read the records learns of every layer, and no path."""
    replicator, content, other = Replicator(fresh_wharf), random_content(3_000), random_content(3_000)
    path = replicator.path(content)
    replicator.put(path, other, 400)
    replicator.put(path, content, 201)
    replicator.put("/replicated-layers/none", content, 403)
    refused = replicator.path(other)
    replicator.lose_rights()
    replicator.put(refused, other, 403)

    def records():
        pages = fresh_wharf.client("cloudtrail").get_paginator("lookup_events").paginate()
        return [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]

    def puts():
        return [record for record in records() if record["eventName"] == "PutReplicatedLayer"]

    wait_for(lambda: len(puts()) == 4, "the records of all layers")
    assert "/replicated-layers/" not in json.dumps(records())
    by_error = {record.get("errorCode"): record for record in puts()}
    for record in (by_error[None], by_error["InvalidLayerException"]):
        assert record["userIdentity"]["arn"] == replicator.user.arn and not record["readOnly"]
        assert record["requestParameters"]["layerDigest"] == digest_of(content)
        assert record["requestParameters"]["repositoryName"] == replicator.repository.name
    refusals = [record for record in puts() if record.get("errorCode") == "AccessDenied"]
    assert {record["userIdentity"].get("arn") for record in refusals} == {replicator.user.arn, None}
