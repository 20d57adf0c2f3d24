"""Condition keys that AWS has in every request, or in those of a service, hold here what they hold there."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from harness.identities import Identities, allow, deny, document
from harness.registry_client import new_repository

ACCOUNT = "123456789012"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
REPOSITORIES = f"arn:aws:ecr:*:{ACCOUNT}:repository/*"


@pytest.fixture(scope="module")
def identities(wharf):
    return Identities(wharf)


def works(call, **parameters):
    try:
        call(**parameters)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code in ("AccessDeniedException", "AccessDenied", "KmsException"), error
        return False
    return True


class TestPrincipalIsAwsService:
    @pytest.mark.parametrize(
        ("operator", "value", "holds"),
        [("Bool", "false", True), ("Bool", "true", False), ("Null", "false", True), ("Null", "true", False)],
    )
    def test_users(self, wharf, identities, operator, value, holds):
        repository = new_repository(wharf)
        condition = {operator: {"aws:PrincipalIsAWSService": value}}
        denied = identities.user(document(allow("ecr:*"), deny("ecr:*", Condition=condition)))
        allowed = identities.user(
            document(allow("ecr:GetAuthorizationToken"), allow("ecr:ListImages", Condition=condition))
        )
        assert works(denied.client().list_images, repositoryName=repository.name) is not holds
        assert works(allowed.client().list_images, repositoryName=repository.name) is holds
        tags = f"/v2/{repository.name}/tags/list"
        assert allowed.registry().request("GET", tags).status == (200 if holds else 403)

    def test_roles_and_root(self, wharf, identities):
        condition = {"Bool": {"aws:PrincipalIsAWSService": "false"}}
        role = identities.role({"AWS": ROOT}, document(allow("ecr:*", Condition=condition)))
        repository = new_repository(wharf)
        assert works(identities.assume(role).client().list_images, repositoryName=repository.name)
        policy = {"Effect": "Deny", "Principal": "*", "Action": "ecr:ListImages", "Condition": condition}
        wharf.client().set_repository_policy(repositoryName=repository.name, policyText=document(policy))
        for client in (wharf.client(), identities.assume(role).client()):
            assert not works(client.list_images, repositoryName=repository.name)

    def test_who_assumes_a_role(self, wharf, identities):
        statement = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"}
        for value, holds in (("false", True), ("true", False)):
            trust = document({**statement, "Condition": {"Bool": {"aws:PrincipalIsAWSService": value}}})
            role = identities.role(trust, document(allow("ecr:*")))
            user = identities.user(document(allow("sts:AssumeRole")))
            sts = user.client("sts")
            assert works(sts.assume_role, RoleArn=role, RoleSessionName="session") is holds


class TestGrantsOfRepositories:
    """What CreateRepository asks of a key's policy, before ECR's grants are made."""

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            ({"StringLike": {"kms:EncryptionContext:aws:ecr:arn": REPOSITORIES}}, True),
            ({"StringLike": {"kms:EncryptionContext:aws:ecr:arn": f"{REPOSITORIES}/other"}}, False),
            ({"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": ["aws:ecr:arn"]}}, True),
            ({"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": ["other"]}}, False),
            ({"StringLike": {"kms:GranteePrincipal": "ecr.*"}}, True),
            ({"StringLike": {"kms:RetiringPrincipal": "ecr.*"}}, True),
            ({"StringEquals": {"kms:GrantConstraintType": "EncryptionContextSubset"}}, True),
            ({"ForAllValues:StringEquals": {"kms:GrantOperations": ["GenerateDataKey", "Decrypt"]}}, True),
            ({"Bool": {"kms:GrantIsForAWSResource": "true"}}, True),
        ],
    )
    def test_conditions(self, wharf, identities, condition, holds):
        user = identities.user(document(allow("ecr:*")))
        statements = [
            {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"},
            {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "kms:DescribeKey", "Resource": "*"},
            {
                "Effect": "Allow",
                "Principal": {"AWS": user.arn},
                "Action": "kms:CreateGrant",
                "Resource": "*",
                "Condition": condition,
            },
        ]
        key = wharf.client("kms").create_key(Policy=document(*statements))["KeyMetadata"]["Arn"]
        call = {
            "repositoryName": f"conditions/{uuid.uuid4().hex}",
            "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": key},
        }
        assert works(user.client().create_repository, **call) is holds

    def test_grants_of_users(self, wharf, identities):
        """CreateGrant itself has the keys of its constraints."""
        key = wharf.client("kms").create_key()["KeyMetadata"]["KeyId"]
        condition = {"StringEquals": {"kms:EncryptionContext:team": "a"}}
        client = identities.user(document(allow("kms:CreateGrant", Condition=condition))).client("kms")
        for constraints, holds in (
            ({"EncryptionContextSubset": {"team": "a"}}, True),
            ({"EncryptionContextEquals": {"team": "a", "more": "b"}}, True),
            ({"EncryptionContextSubset": {"team": "b"}}, False),
            ({}, False),
        ):
            call = {"KeyId": key, "GranteePrincipal": ROOT, "Operations": ["Decrypt"], "Constraints": constraints}
            assert works(client.create_grant, **call) is holds, constraints


class TestKeys:
    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            ({"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT"}}, True),
            ({"StringEquals": {"kms:CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"}}, True),
            ({"StringEquals": {"kms:KeySpec": "RSA_2048"}}, False),
            ({"StringEquals": {"kms:KeyUsage": "ENCRYPT_DECRYPT"}}, True),
            ({"StringEquals": {"kms:KeyOrigin": "AWS_KMS"}}, True),
            ({"Bool": {"kms:MultiRegion": "false"}}, True),
            ({"Bool": {"kms:MultiRegion": "true"}}, False),
            ({"ForAnyValue:StringEquals": {"kms:ResourceAliases": "@alias@"}}, True),
            ({"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/other-*"}}, False),
            ({"StringEquals": {"kms:CallerAccount": ACCOUNT}}, True),
        ],
    )
    def test_of_a_key(self, wharf, identities, condition, holds):
        kms = wharf.client("kms")
        key, alias = kms.create_key()["KeyMetadata"]["KeyId"], f"alias/c-{uuid.uuid4().hex}"
        kms.create_alias(AliasName=alias, TargetKeyId=key)
        condition = json.loads(json.dumps(condition).replace("@alias@", alias))
        client = identities.user(document(allow("kms:Encrypt", Condition=condition))).client("kms")
        assert works(client.encrypt, KeyId=key, Plaintext=b"x") is holds

    def test_making_a_key(self, identities):
        for condition, parameters, holds in (
            ({"Bool": {"kms:MultiRegion": "false"}}, {}, True),
            ({"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "false"}}, {}, True),
            (
                {"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "false"}},
                {"BypassPolicyLockoutSafetyCheck": True},
                False,
            ),
        ):
            allowed = document(allow("kms:CreateKey", Condition=condition), allow("kms:PutKeyPolicy"))
            client = identities.user(allowed).client("kms")
            assert works(client.create_key, **parameters) is holds, (condition, parameters)

    @pytest.mark.parametrize("by_alias", [False, True])
    @pytest.mark.parametrize("names_source", [False, True])
    def test_re_encrypt_on_same_key(self, wharf, identities, by_alias, names_source):
        kms = wharf.client("kms")
        one, other = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
        condition = {"Bool": {"kms:ReEncryptOnSameKey": "true"}}
        client = identities.user(document(allow("kms:ReEncrypt*", Condition=condition))).client("kms")
        sealed = kms.encrypt(KeyId=one, Plaintext=b"x")["CiphertextBlob"]
        for key, holds in ((one, True), (other, False)):
            destination = key
            if by_alias:
                destination = f"alias/c-{uuid.uuid4().hex}"
                kms.create_alias(AliasName=destination, TargetKeyId=key)
            call = {"CiphertextBlob": sealed, "DestinationKeyId": destination}
            if names_source:
                call["SourceKeyId"] = one
            assert works(client.re_encrypt, **call) is holds


class TestSecrets:
    @pytest.mark.parametrize(
        ("condition", "parameters", "holds"),
        [
            ({"StringEquals": {"secretsmanager:Description": "a"}}, {"Description": "a"}, True),
            ({"StringEquals": {"secretsmanager:Description": "a"}}, {"Description": "b"}, False),
            (
                {"StringEquals": {"secretsmanager:KmsKeyId": "alias/aws/secretsmanager"}},
                {"KmsKeyId": "alias/aws/secretsmanager"},
                True,
            ),
            ({"StringEquals": {"secretsmanager:KmsKeyId": "alias/aws/secretsmanager"}}, {}, False),
            ({"Null": {"secretsmanager:SecretPrimaryRegion": "false"}}, {}, True),
            (
                {"Bool": {"secretsmanager:ForceOverwriteReplicaSecret": "false"}},
                {"ForceOverwriteReplicaSecret": False},
                True,
            ),
            (
                {"Bool": {"secretsmanager:ForceOverwriteReplicaSecret": "false"}},
                {"ForceOverwriteReplicaSecret": True},
                False,
            ),
        ],
    )
    def test_making_one(self, identities, condition, parameters, holds):
        client = identities.user(document(allow("secretsmanager:CreateSecret", Condition=condition)))
        client = client.client("secretsmanager")
        call = {"Name": f"conditions/{uuid.uuid4().hex}", "SecretString": "s", **parameters}
        assert works(client.create_secret, **call) is holds

    def test_secret_id(self, wharf, identities):
        made = wharf.client("secretsmanager").create_secret(Name=f"id/{uuid.uuid4().hex}", SecretString="s")
        for given, wanted, holds in (
            (made["ARN"], made["ARN"], True),
            (made["Name"], made["Name"], True),
            (made["Name"], made["ARN"], False),
        ):
            condition = {"StringEquals": {"secretsmanager:SecretId": wanted}}
            user = identities.user(document(allow("secretsmanager:GetSecretValue", Condition=condition)))
            assert works(user.client("secretsmanager").get_secret_value, SecretId=given) is holds

    def test_public_policies(self, wharf, identities):
        secret = wharf.client("secretsmanager").create_secret(Name=uuid.uuid4().hex, SecretString="s")["Name"]
        condition = {"Bool": {"secretsmanager:BlockPublicPolicy": "true"}}
        user = identities.user(document(allow("secretsmanager:PutResourcePolicy", Condition=condition)))
        statement = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "secretsmanager:*", "Resource": "*"}
        for blocks in (True, False):
            call = {"SecretId": secret, "ResourcePolicy": document(statement), "BlockPublicPolicy": blocks}
            assert works(user.client("secretsmanager").put_resource_policy, **call) is blocks
