"""Grants of KMS keys: whoever has one may grant on what it allows and no more, and who may retire it."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from harness.aws_api import AwsApi, Signing
from harness.identities import Identities, Principal, allow, deny, document
from harness.registry_client import Repository

ACCOUNT, OTHER = "123456789012", "210987654321"
ROOT_KEYS = {ACCOUNT: ("AKIAROOT000000000001", "root-secret-1"), OTHER: ("AKIAROOT000000000002", "root-secret-2")}
NOTHING = document(allow("sts:GetCallerIdentity"))
CONTEXT = {"team": "a"}
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture(scope="module")
def server(start_wharf):
    return start_wharf(ROOT_KEYS, ["us-east-1"])


@pytest.fixture(scope="module")
def identities(server):
    return Identities(server, root(server, "iam"))


@pytest.fixture
def kms(server):
    return root(server, "kms")


@pytest.fixture
def key(kms):
    return kms.create_key()["KeyMetadata"]["KeyId"]


def root(server, service, account=ACCOUNT):
    return Principal(server, f"arn:aws:iam::{account}:root", *ROOT_KEYS[account]).client(service)


def code_of(call, **parameters):
    with pytest.raises(ClientError) as failure:
        call(**parameters)
    return failure.value.response["Error"]["Code"]


def grant(client, key, to, *operations, **more):
    return client.create_grant(KeyId=key, GranteePrincipal=to, Operations=list(operations), **more)


def may_grant(client, key, to, *operations, **more):
    try:
        made = grant(client, key, to, *operations, **more)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException", error
        return False
    return bool(made["GrantId"])


class TestGrantingOn:
    def test_no_more_than_its_own_operations(self, identities, kms, key):
        holder, friend = identities.user(NOTHING), identities.user(NOTHING)
        grant(kms, key, holder.arn, "Encrypt", "CreateGrant")
        mine = holder.client("kms")
        sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        for grantee in (holder.arn, friend.arn, ROOT, f"arn:aws:iam::{OTHER}:root"):
            assert not may_grant(mine, key, grantee, "Decrypt"), grantee
            assert not may_grant(mine, key, grantee, "Encrypt", "Decrypt"), grantee
            assert not may_grant(mine, key, grantee, "RetireGrant"), grantee
        for principal in (holder, friend):
            assert code_of(principal.client("kms").decrypt, CiphertextBlob=sealed) == "AccessDeniedException"
        assert may_grant(mine, key, friend.arn, "Encrypt")
        friend.client("kms").encrypt(KeyId=key, Plaintext=b"x")

    def test_no_looser_constraints(self, identities, kms, key):
        holder, friend = identities.user(NOTHING), identities.user(NOTHING)
        constraints = {"EncryptionContextSubset": CONTEXT}
        grant(kms, key, holder.arn, "Decrypt", "CreateGrant", "DescribeKey", Constraints=constraints)
        mine = holder.client("kms")
        # What takes no context is not limited by it.
        mine.describe_key(KeyId=key)
        for constraints, is_allowed in (
            (None, False),
            ({}, False),
            ({"EncryptionContextSubset": {"team": "b"}}, False),
            ({"EncryptionContextSubset": {"Team": "a"}}, False),
            ({"EncryptionContextEquals": {"other": "a"}}, False),
            ({"EncryptionContextSubset": CONTEXT}, True),
            ({"EncryptionContextSubset": {**CONTEXT, "more": "x"}}, True),
            ({"EncryptionContextEquals": CONTEXT}, True),
        ):
            more = {} if constraints is None else {"Constraints": constraints}
            assert may_grant(mine, key, friend.arn, "Decrypt", **more) is is_allowed, constraints

    def test_chain(self, identities, kms, key):
        """Each may leave something out, and nobody gets it back."""
        users = [identities.user(NOTHING) for _ in range(4)]
        operations = ["Encrypt", "Decrypt", "DescribeKey", "CreateGrant"]
        maker = kms
        for user, given in zip(users, (operations, operations, operations[1:], operations[2:]), strict=True):
            grant(maker, key, user.arn, *given)
            maker = user.client("kms")
        last = users[-1]
        for operation in operations:
            wanted = operation in ("DescribeKey", "CreateGrant")
            assert may_grant(last.client("kms"), key, users[0].arn, operation) is wanted, operation
        assert not may_grant(users[2].client("kms"), key, users[2].arn, "Encrypt")

    def test_two_grants_are_not_added_up(self, identities, kms, key):
        holder = identities.user(NOTHING)
        grant(kms, key, holder.arn, "Encrypt", "CreateGrant")
        grant(kms, key, holder.arn, "Decrypt")
        mine = holder.client("kms")
        assert not may_grant(mine, key, holder.arn, "Decrypt")
        assert may_grant(mine, key, holder.arn, "Encrypt")

    def test_a_policy_sets_no_such_limit(self, identities, kms, key):
        holder = identities.user(document(allow("kms:CreateGrant")))
        grant(kms, key, holder.arn, "Encrypt", "CreateGrant")
        assert may_grant(holder.client("kms"), key, holder.arn, "Decrypt")
        denied = identities.user(document(deny("kms:CreateGrant")))
        grant(kms, key, denied.arn, "Encrypt", "CreateGrant")
        assert not may_grant(denied.client("kms"), key, denied.arn, "Encrypt")

    def test_role_and_account(self, server, identities, kms, key):
        """A grant to a role is its sessions', one to an account its users' as far as the account lets them."""
        role = identities.role({"AWS": ROOT}, NOTHING)
        session = identities.assume(role)
        grant(kms, key, role, "Encrypt", "CreateGrant")
        assert not may_grant(session.client("kms"), key, role, "Decrypt")
        assert may_grant(session.client("kms"), key, role, "Encrypt")
        other = root(server, "kms", OTHER)
        arn = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key}"
        grant(kms, key, f"arn:aws:iam::{OTHER}:root", "Encrypt", "CreateGrant")
        assert not may_grant(other, arn, f"arn:aws:iam::{OTHER}:root", "Decrypt")
        assert may_grant(other, arn, f"arn:aws:iam::{OTHER}:root", "Encrypt")

    def test_repository(self, identities, kms, key):
        """ECR's grants for a new repository come from what the caller has, too."""
        for operations, is_allowed in (
            (("Encrypt",), False),
            (("Decrypt",), False),
            (("GenerateDataKey", "Decrypt"), True),
        ):
            user = identities.user(document(allow("ecr:CreateRepository", "kms:DescribeKey")))
            grant(kms, key, user.arn, "CreateGrant", *operations)
            call = {
                "repositoryName": f"grants/{uuid.uuid4().hex}",
                "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": key},
            }
            if is_allowed:
                user.client().create_repository(**call)
            else:
                assert code_of(user.client().create_repository, **call) == "KmsException", operations

    def test_a_restored_repository(self, server, identities, kms, key):
        """A repository that a restore makes again has grants on its key as a new one has: from what the caller has."""
        root_user = Principal(server, ROOT, *ROOT_KEYS[ACCOUNT])
        ecr, name = root_user.client(), f"grants/{uuid.uuid4().hex}"
        ecr.create_repository(repositoryName=name, encryptionConfiguration={"encryptionType": "KMS", "kmsKey": key})
        made = Repository(root_user.registry(), name).push_image("v1")
        ecr.delete_repository(repositoryName=name, force=True)
        restore = {"repositoryName": name, "imageIds": [{"imageDigest": made.digest}], "createRepository": True}

        def restored(user, **more):
            signing = Signing(user.access_key_id, user.secret_access_key, "us-east-1")
            return AwsApi(server, signing).wharf("RestoreImage", {**restore, **more})

        blind = identities.user(document(allow("ecr:*", "wharf:*", "kms:DescribeKey")))
        for more in ({"dryRun": True}, {}):
            answer = restored(blind, **more).expect(400)
            assert b"kms:CreateGrant" in answer.body, answer.body
        assert code_of(ecr.describe_repositories, repositoryNames=[name]) == "RepositoryNotFoundException"
        assert not [one for one in kms.list_grants(KeyId=key)["Grants"] if "ecr" in one["GranteePrincipal"]]
        holder = identities.user(document(allow("ecr:*", "wharf:*", "kms:DescribeKey")))
        grant(kms, key, holder.arn, "CreateGrant", "GenerateDataKey", "Decrypt")
        assert restored(holder).expect(200).json()["isRepositoryCreated"] is True
        # Into a repository that is there whoever may restore does.
        ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": made.digest}])
        assert restored(blind).expect(200).json()["restoredImages"]

    def test_grantees_exist(self, kms, key):
        nobody = f"arn:aws:iam::{ACCOUNT}:user/{uuid.uuid4().hex}"
        for more in ({"GranteePrincipal": nobody}, {"GranteePrincipal": ROOT, "RetiringPrincipal": nobody}):
            assert code_of(kms.create_grant, KeyId=key, Operations=["Decrypt"], **more) == "InvalidArnException"


class TestContext:
    def test_names_differ_by_case(self, identities, kms, key):
        user = identities.user(NOTHING)
        grant(kms, key, user.arn, "Encrypt", Constraints={"EncryptionContextSubset": {"team": "a"}})
        client = user.client("kms")
        client.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"team": "a", "Team": "b"})
        for context in ({"Team": "a"}, {"team": "A"}, {}):
            call = {"KeyId": key, "Plaintext": b"x", "EncryptionContext": context}
            assert code_of(client.encrypt, **call) == "AccessDeniedException", context


class TestRetiring:
    def retired(self, client, kms, key, made):
        """Whether the client may retire the grant; it is revoked if not."""
        try:
            client.retire_grant(KeyId=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key}", GrantId=made["GrantId"])
        except ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDeniedException", error
            kms.revoke_grant(KeyId=key, GrantId=made["GrantId"])
            return False
        return True

    def test_who(self, server, identities, kms, key):
        user, other = identities.user(NOTHING), identities.user(NOTHING)
        for operations, retiring, client, is_allowed in (
            (["Decrypt"], user.arn, user, True),
            (["Decrypt"], user.arn, other, False),
            (["Decrypt", "RetireGrant"], None, user, True),
            (["Decrypt"], None, user, False),
            # The account is who retires: it lets its users, or it does not.
            (["Decrypt"], ROOT, other, False),
            (["Decrypt"], ROOT, identities.user(document(allow("kms:RetireGrant"))), True),
            (["Decrypt"], user.arn, identities.user(document(deny("kms:RetireGrant"))), False),
        ):
            more = {"RetiringPrincipal": retiring} if retiring else {}
            made = grant(kms, key, user.arn, *operations, **more)
            assert self.retired(client.client("kms"), kms, key, made) is is_allowed, (operations, retiring, client.arn)

    def test_another_grant_than_its_own(self, identities, kms, key):
        user, other = identities.user(NOTHING), identities.user(NOTHING)
        grant(kms, key, user.arn, "RetireGrant", "Decrypt")
        made = grant(kms, key, other.arn, "Decrypt")
        assert not self.retired(user.client("kms"), kms, key, made)

    def test_a_deny_wins(self, identities, kms, key):
        denied = identities.user(document(deny("kms:RetireGrant")))
        made = grant(kms, key, denied.arn, "Decrypt", "RetireGrant", RetiringPrincipal=denied.arn)
        assert not self.retired(denied.client("kms"), kms, key, made)

    def test_the_account_that_made_it(self, server, identities, kms, key):
        """Its root may, whatever the key's policy says; the one of another account may not."""
        only_policies = {
            "Effect": "Allow",
            "Principal": {"AWS": ROOT},
            "Action": ["kms:PutKeyPolicy", "kms:RevokeGrant"],
            "Resource": "*",
        }
        user = identities.user(NOTHING)
        made = grant(kms, key, user.arn, "Decrypt")
        policy = json.dumps({"Version": "2012-10-17", "Statement": [only_policies]})
        kms.put_key_policy(KeyId=key, Policy=policy)
        assert not self.retired(root(server, "kms", OTHER), kms, key, made)
        kms.put_key_policy(KeyId=key, Policy=document({**only_policies, "Action": "kms:*"}))
        made = grant(kms, key, user.arn, "Decrypt")
        kms.put_key_policy(KeyId=key, Policy=policy)
        assert self.retired(kms, kms, key, made)

    def test_across_accounts(self, server, kms, key):
        theirs = Identities(server, root(server, "iam", OTHER)).user(NOTHING)
        made = grant(kms, key, theirs.arn, "Decrypt", RetiringPrincipal=theirs.arn)
        assert self.retired(theirs.client("kms"), kms, key, made)
