"""The contract of KMS's API: botocore's model, walked operation by operation, with successes and errors."""

import base64
import json
import uuid

import pytest

from harness import model_check
from harness.kms_client import COMMON, SERVICE, Kms

DAY_SECONDS = 24 * 60 * 60
ABSENT = "11111111-2222-3333-4444-555555555555"
ROLE = "arn:aws:iam::210987654321:root"
CONTEXT = {"purpose": "test", "wharf": "true"}


@pytest.fixture(scope="module")
def kms(wharf):
    return Kms(wharf)


def policy(kms, **more):
    root = f"arn:aws:iam::{kms.account}:root"
    statement = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=1)


def arn(kms, key_id):
    return f"arn:aws:kms:{kms.region}:{kms.account}:key/{key_id}"


def grant(kms, key_id, **parameters):
    given = {"GranteePrincipal": ROLE, "Operations": ["Decrypt"], **parameters}
    return kms.call("CreateGrant", KeyId=key_id, **given)


def disabled(kms):
    key_id = kms.key()["KeyId"]
    kms.call("DisableKey", KeyId=key_id)
    return key_id


def pending(kms):
    key_id = kms.key()["KeyId"]
    kms.call("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    return key_id


def encoded(content=b"x"):
    return base64.b64encode(content).decode()


# --- Successes ------------------------------------------------------------------------------------------------------

SUCCESSES = {}


def succeeds(function):
    """Registers a function named after its operation, in snake case."""
    SUCCESSES["".join(part.title() for part in function.__name__.split("_"))] = function
    return function


@succeeds
def create_key(kms):
    made = kms.key(Description="d", Tags=[{"TagKey": "team", "TagValue": "a"}], Policy=policy(kms))
    uuid.UUID(made["KeyId"])
    assert made["Arn"] == arn(kms, made["KeyId"])
    expected = {
        "AWSAccountId": kms.account,
        "Enabled": True,
        "Description": "d",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": False,
    }
    assert {name: made[name] for name in expected} == expected
    # As Terraform asks for it.
    plain = kms.key(CustomerMasterKeySpec="SYMMETRIC_DEFAULT", KeyUsage="ENCRYPT_DECRYPT", Description="")
    found = json.loads(kms.call("GetKeyPolicy", KeyId=plain["KeyId"])["Policy"])
    assert found["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{kms.account}:root"}


@succeeds
def describe_key(kms):
    made = kms.key()
    alias = kms.alias(made["KeyId"])
    alias_arn = made["Arn"].replace(f"key/{made['KeyId']}", alias)
    for name in (made["KeyId"], made["Arn"], alias, alias_arn):
        assert kms.call("DescribeKey", KeyId=name)["KeyMetadata"] == made


@succeeds
def list_keys(kms):
    made = {kms.key()["KeyId"] for _ in range(3)}
    found, marker = [], None
    while True:
        page = kms.call("ListKeys", Limit=2, **({"Marker": marker} if marker else {}))
        assert len(page["Keys"]) <= 2
        found += page["Keys"]
        marker = page.get("NextMarker")
        assert page["Truncated"] == (marker is not None)
        if not marker:
            break
    assert made <= {entry["KeyId"] for entry in found}
    assert all(entry["KeyArn"] == arn(kms, entry["KeyId"]) for entry in found)
    assert len({entry["KeyId"] for entry in found}) == len(found)


@succeeds
def create_alias(kms):
    key_id = kms.key()["KeyId"]
    name = kms.alias(key_id)
    (entry,) = kms.call("ListAliases", KeyId=key_id)["Aliases"]
    assert (entry["AliasName"], entry["TargetKeyId"]) == (name, key_id)
    assert entry["AliasArn"] == f"arn:aws:kms:{kms.region}:{kms.account}:{name}"


@succeeds
def update_alias(kms):
    first, second = kms.key()["KeyId"], kms.key()["KeyId"]
    name = kms.alias(first)
    kms.call("UpdateAlias", AliasName=name, TargetKeyId=arn(kms, second))
    assert kms.call("DescribeKey", KeyId=name)["KeyMetadata"]["KeyId"] == second
    assert kms.call("ListAliases", KeyId=first)["Aliases"] == []


@succeeds
def delete_alias(kms):
    name = kms.alias(kms.key()["KeyId"])
    kms.call("DeleteAlias", AliasName=name)
    kms.refuse("DescribeKey", "NotFoundException", KeyId=name)


@succeeds
def list_aliases(kms):
    key_id = kms.key()["KeyId"]
    made = {kms.alias(key_id) for _ in range(3)}
    page = kms.call("ListAliases", KeyId=key_id, Limit=2)
    rest = kms.call("ListAliases", KeyId=key_id, Limit=2, Marker=page["NextMarker"])
    assert {entry["AliasName"] for entry in page["Aliases"] + rest["Aliases"]} == made
    assert (page["Truncated"], rest["Truncated"]) == (True, False)
    everything = kms.call("ListAliases", Limit=1000)["Aliases"]
    assert made <= {entry["AliasName"] for entry in everything}


@succeeds
def get_key_policy(kms):
    text = policy(kms, Sid="mine")
    key_id = kms.key(Policy=text)["KeyId"]
    found = kms.call("GetKeyPolicy", KeyId=key_id, PolicyName="default")
    assert (found["Policy"], found["PolicyName"]) == (text, "default")


@succeeds
def put_key_policy(kms):
    key_id, text = kms.key()["KeyId"], policy(kms, Sid="other")
    kms.call("PutKeyPolicy", KeyId=key_id, PolicyName="default", Policy=text)
    assert kms.call("GetKeyPolicy", KeyId=key_id)["Policy"] == text
    locked = policy(kms, Action="kms:Describe*")
    kms.call("PutKeyPolicy", KeyId=key_id, Policy=locked, BypassPolicyLockoutSafetyCheck=True)
    # The account's root user is kept from using the key, and not from its policy.
    kms.refuse("DisableKey", "AccessDeniedException", KeyId=key_id)
    kms.call("PutKeyPolicy", KeyId=key_id, Policy=text)
    kms.call("DisableKey", KeyId=key_id)


@succeeds
def list_key_policies(kms):
    assert kms.call("ListKeyPolicies", KeyId=kms.key()["KeyId"])["PolicyNames"] == ["default"]


@succeeds
def enable_key_rotation(kms):
    made = kms.key()
    kms.call("EnableKeyRotation", KeyId=made["KeyId"])
    found = kms.call("GetKeyRotationStatus", KeyId=made["KeyId"])
    assert (found["KeyRotationEnabled"], found["RotationPeriodInDays"]) == (True, 365)
    assert abs(found["NextRotationDate"] - made["CreationDate"] - 365 * DAY_SECONDS) < 600
    kms.call("EnableKeyRotation", KeyId=made["KeyId"], RotationPeriodInDays=90)
    assert kms.call("GetKeyRotationStatus", KeyId=made["KeyId"])["RotationPeriodInDays"] == 90


@succeeds
def disable_key_rotation(kms):
    key_id = kms.key()["KeyId"]
    kms.call("EnableKeyRotation", KeyId=key_id)
    kms.call("DisableKeyRotation", KeyId=key_id)
    assert kms.call("GetKeyRotationStatus", KeyId=key_id)["KeyRotationEnabled"] is False


@succeeds
def get_key_rotation_status(kms):
    made = kms.key()
    found = kms.call("GetKeyRotationStatus", KeyId=made["Arn"])
    assert found == {"KeyRotationEnabled": False, "KeyId": made["Arn"]}


@succeeds
def rotate_key_on_demand(kms):
    key_id = kms.key()["KeyId"]
    before = kms.encrypt(key_id, b"before")
    assert kms.call("RotateKeyOnDemand", KeyId=key_id)["KeyId"] == arn(kms, key_id)
    after = kms.encrypt(key_id, b"after")
    assert (kms.decrypt(before), kms.decrypt(after)) == (b"before", b"after")


@succeeds
def list_key_rotations(kms):
    key_id = kms.key()["KeyId"]
    assert kms.call("ListKeyRotations", KeyId=key_id)["Rotations"] == []
    for _ in range(3):
        kms.call("RotateKeyOnDemand", KeyId=key_id)
    page = kms.call("ListKeyRotations", KeyId=key_id, Limit=2)
    rest = kms.call("ListKeyRotations", KeyId=key_id, Limit=2, Marker=page["NextMarker"])
    rotations = page["Rotations"] + rest["Rotations"]
    assert [entry["RotationType"] for entry in rotations] == ["ON_DEMAND"] * 3
    states = [entry["KeyMaterialState"] for entry in rotations]
    assert states == ["NON_CURRENT", "NON_CURRENT", "CURRENT"]
    everything = kms.call("ListKeyRotations", KeyId=key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert len(everything) == 4 and "RotationDate" not in everything[0]


@succeeds
def disable_key(kms):
    key_id = disabled(kms)
    found = kms.call("DescribeKey", KeyId=key_id)["KeyMetadata"]
    assert (found["Enabled"], found["KeyState"]) == (False, "Disabled")


@succeeds
def enable_key(kms):
    key_id = kms.key()["KeyId"]
    ciphertext = kms.encrypt(key_id)
    kms.call("DisableKey", KeyId=key_id)
    kms.refuse("Decrypt", "DisabledException", f"{arn(kms, key_id)} is disabled.", CiphertextBlob=ciphertext)
    kms.call("EnableKey", KeyId=key_id)
    assert kms.decrypt(ciphertext) == b"geheim"


@succeeds
def update_key_description(kms):
    key_id = kms.key(Description="before")["KeyId"]
    kms.call("UpdateKeyDescription", KeyId=key_id, Description="after")
    assert kms.call("DescribeKey", KeyId=key_id)["KeyMetadata"]["Description"] == "after"


@succeeds
def schedule_key_deletion(kms):
    for days, parameters in ((30, {}), (7, {"PendingWindowInDays": 7})):
        made = kms.key()
        gone = kms.call("ScheduleKeyDeletion", KeyId=made["KeyId"], **parameters)
        assert (gone["KeyState"], gone["PendingWindowInDays"], gone["KeyId"]) == ("PendingDeletion", days, made["Arn"])
        assert abs(gone["DeletionDate"] - made["CreationDate"] - days * DAY_SECONDS) < 600
        found = kms.call("DescribeKey", KeyId=made["KeyId"])["KeyMetadata"]
        assert (found["KeyState"], found["DeletionDate"]) == ("PendingDeletion", gone["DeletionDate"])


@succeeds
def cancel_key_deletion(kms):
    key_id = pending(kms)
    assert kms.call("CancelKeyDeletion", KeyId=key_id)["KeyId"] == arn(kms, key_id)
    assert kms.call("DescribeKey", KeyId=key_id)["KeyMetadata"]["KeyState"] == "Disabled"
    kms.call("EnableKey", KeyId=key_id)
    kms.encrypt(key_id)


@succeeds
def encrypt(kms):
    made = kms.key()
    alias = kms.alias(made["KeyId"])
    for name in (made["KeyId"], made["Arn"], alias):
        answer = kms.call("Encrypt", KeyId=name, Plaintext=encoded(bytes(4096)), EncryptionContext=CONTEXT)
        assert (answer["KeyId"], answer["EncryptionAlgorithm"]) == (made["Arn"], "SYMMETRIC_DEFAULT")
    assert kms.encrypt(made["KeyId"]) != kms.encrypt(made["KeyId"])


@succeeds
def decrypt(kms):
    made = kms.key()
    ciphertext = kms.encrypt(made["KeyId"], b"geheim", EncryptionContext=CONTEXT)
    for named in ({}, {"KeyId": made["KeyId"]}, {"KeyId": kms.alias(made["KeyId"])}):
        assert kms.decrypt(ciphertext, EncryptionContext=CONTEXT, **named) == b"geheim"
    longest = bytes(range(256)) * 16
    assert kms.decrypt(kms.encrypt(made["KeyId"], longest)) == longest


@succeeds
def re_encrypt(kms):
    first, second = kms.key(), kms.key()
    ciphertext = kms.encrypt(first["KeyId"], b"geheim", EncryptionContext=CONTEXT)
    for named in ({}, {"SourceKeyId": first["Arn"]}):
        answer = kms.call(
            "ReEncrypt",
            CiphertextBlob=ciphertext,
            SourceEncryptionContext=CONTEXT,
            DestinationKeyId=second["KeyId"],
            **named,
        )
        assert (answer["SourceKeyId"], answer["KeyId"]) == (first["Arn"], second["Arn"])
        assert kms.decrypt(answer["CiphertextBlob"], KeyId=second["KeyId"]) == b"geheim"


@succeeds
def generate_data_key(kms):
    made = kms.key()
    for parameters, size in (
        ({"KeySpec": "AES_256"}, 32),
        ({"KeySpec": "AES_128"}, 16),
        ({"NumberOfBytes": 1024}, 1024),
    ):
        answer = kms.call("GenerateDataKey", KeyId=made["KeyId"], EncryptionContext=CONTEXT, **parameters)
        plaintext = base64.b64decode(answer["Plaintext"])
        assert (len(plaintext), answer["KeyId"]) == (size, made["Arn"])
        assert kms.decrypt(answer["CiphertextBlob"], EncryptionContext=CONTEXT) == plaintext


@succeeds
def generate_data_key_without_plaintext(kms):
    answer = kms.call("GenerateDataKeyWithoutPlaintext", KeyId=kms.key()["KeyId"], KeySpec="AES_256")
    assert "Plaintext" not in answer
    assert len(kms.decrypt(answer["CiphertextBlob"])) == 32


@succeeds
def generate_random(kms):
    found = {kms.call("GenerateRandom", NumberOfBytes=32)["Plaintext"] for _ in range(3)}
    assert len(found) == 3 and all(len(base64.b64decode(text)) == 32 for text in found)


@succeeds
def create_grant(kms):
    key_id = kms.key()["KeyId"]
    constraints = {"EncryptionContextSubset": CONTEXT}
    made = grant(kms, key_id, Name="ci", RetiringPrincipal=ROLE, Constraints=constraints)
    (entry,) = kms.call("ListGrants", KeyId=key_id)["Grants"]
    expected = {
        "KeyId": arn(kms, key_id),
        "GrantId": made["GrantId"],
        "Name": "ci",
        "GranteePrincipal": ROLE,
        "RetiringPrincipal": ROLE,
        "IssuingAccount": f"arn:aws:iam::{kms.account}:root",
        "Operations": ["Decrypt"],
        "Constraints": constraints,
    }
    assert {name: entry[name] for name in expected} == expected


@succeeds
def list_grants(kms):
    key_id = kms.key()["KeyId"]
    made = {grant(kms, key_id)["GrantId"] for _ in range(3)}
    page = kms.call("ListGrants", KeyId=key_id, Limit=2)
    rest = kms.call("ListGrants", KeyId=key_id, Limit=2, Marker=page["NextMarker"])
    assert {entry["GrantId"] for entry in page["Grants"] + rest["Grants"]} == made
    wanted = min(made)
    assert [entry["GrantId"] for entry in kms.call("ListGrants", KeyId=key_id, GrantId=wanted)["Grants"]] == [wanted]
    other = f"arn:aws:iam::{kms.account}:root"
    assert kms.call("ListGrants", KeyId=key_id, GranteePrincipal=other)["Grants"] == []


@succeeds
def list_retirable_grants(kms):
    retiring = f"arn:aws:iam::{kms.account}:root"
    made = grant(kms, kms.key()["KeyId"], RetiringPrincipal=retiring)["GrantId"]
    found = kms.call("ListRetirableGrants", RetiringPrincipal=retiring, Limit=1000)["Grants"]
    assert made in {entry["GrantId"] for entry in found}


@succeeds
def revoke_grant(kms):
    key_id = kms.key()["KeyId"]
    kms.call("RevokeGrant", KeyId=key_id, GrantId=grant(kms, key_id)["GrantId"])
    assert kms.call("ListGrants", KeyId=key_id)["Grants"] == []


@succeeds
def retire_grant(kms):
    key_id, retiring = kms.key()["KeyId"], f"arn:aws:iam::{kms.account}:root"
    first, second = (grant(kms, key_id, RetiringPrincipal=retiring) for _ in range(2))
    kms.call("RetireGrant", GrantToken=first["GrantToken"])
    kms.call("RetireGrant", KeyId=arn(kms, key_id), GrantId=second["GrantId"])
    assert kms.call("ListGrants", KeyId=key_id)["Grants"] == []


@succeeds
def tag_resource(kms):
    key_id = kms.key(Tags=[{"TagKey": "a", "TagValue": "1"}])["KeyId"]
    kms.call("TagResource", KeyId=key_id, Tags=[{"TagKey": "a", "TagValue": "2"}, {"TagKey": "b", "TagValue": ""}])
    found = kms.call("ListResourceTags", KeyId=key_id)["Tags"]
    assert found == [{"TagKey": "a", "TagValue": "2"}, {"TagKey": "b", "TagValue": ""}]


@succeeds
def untag_resource(kms):
    key_id = kms.key(Tags=[{"TagKey": "a", "TagValue": "1"}])["KeyId"]
    kms.call("UntagResource", KeyId=key_id, TagKeys=["a", "absent"])
    assert kms.call("ListResourceTags", KeyId=key_id)["Tags"] == []


@succeeds
def list_resource_tags(kms):
    tags = [{"TagKey": f"k{number}", "TagValue": "v"} for number in range(3)]
    key_id = kms.key(Tags=tags)["KeyId"]
    page = kms.call("ListResourceTags", KeyId=key_id, Limit=2)
    rest = kms.call("ListResourceTags", KeyId=key_id, Marker=page["NextMarker"])
    assert page["Tags"] + rest["Tags"] == tags


@pytest.mark.every_store
@pytest.mark.parametrize("operation", SUCCESSES)
def test_success(kms, operation):
    SUCCESSES[operation](kms)
    assert operation in kms.succeeded


# --- Errors ---------------------------------------------------------------------------------------------------------

PROVOKED = []


def provokes(operation, error, message=None):
    def register(scene):
        PROVOKED.append(pytest.param(operation, error, message, scene, id=f"{operation}-{error}-{scene.__name__}"))
        return scene

    return register


GRANT_ID = "0" * 64
# What each operation on one key takes beside it.
ON_KEY = {
    "DescribeKey": {},
    "GetKeyPolicy": {},
    "PutKeyPolicy": {"Policy": "@policy"},
    "ListKeyPolicies": {},
    "EnableKeyRotation": {},
    "DisableKeyRotation": {},
    "GetKeyRotationStatus": {},
    "RotateKeyOnDemand": {},
    "ListKeyRotations": {},
    "EnableKey": {},
    "DisableKey": {},
    "UpdateKeyDescription": {"Description": "d"},
    "ScheduleKeyDeletion": {},
    "CancelKeyDeletion": {},
    "GenerateDataKey": {"KeySpec": "AES_256"},
    "GenerateDataKeyWithoutPlaintext": {"KeySpec": "AES_256"},
    "Encrypt": {"Plaintext": "eA=="},
    "CreateGrant": {"GranteePrincipal": ROLE, "Operations": ["Decrypt"]},
    "ListGrants": {},
    "RevokeGrant": {"GrantId": GRANT_ID},
    "RetireGrant": {"GrantId": GRANT_ID},
    "TagResource": {"Tags": [{"TagKey": "k", "TagValue": "v"}]},
    "UntagResource": {"TagKeys": ["k"]},
    "ListResourceTags": {},
}
TAKES_ALIAS = {"DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"}


def filled(kms, parameters):
    return {name: policy(kms) if value == "@policy" else value for name, value in parameters.items()}


for name, parameters in ON_KEY.items():
    if name != "RetireGrant":

        @provokes(name, "NotFoundException")
        def absent_key(kms, parameters=parameters):
            return {"KeyId": ABSENT, **filled(kms, parameters)}

    if "InvalidArnException" in model_check.listed_errors(name, SERVICE):

        @provokes(name, "InvalidArnException")
        def strange_arn(kms, parameters=parameters):
            return {"KeyId": "arn:aws:kms:eu-north-1:123456789012:cluster/x", **filled(kms, parameters)}

    @provokes(name, "ValidationException")
    def no_key(kms, parameters=parameters):
        return filled(kms, parameters)


@provokes("RetireGrant", "NotFoundException")
def no_such_grant(kms):
    return {"KeyId": kms.key()["Arn"], "GrantId": GRANT_ID}


@provokes("RevokeGrant", "NotFoundException")
def grant_of_another_key(kms):
    return {"KeyId": kms.key()["KeyId"], "GrantId": grant(kms, kms.key()["KeyId"])["GrantId"]}


for name in ("Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "CreateGrant"):

    @provokes(name, "DisabledException")
    def disabled_key(kms, name=name):
        return {"KeyId": disabled(kms), **ON_KEY[name]}


for name in ("EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand"):

    @provokes(name, "DisabledException")
    def rotated_disabled(kms):
        return {"KeyId": disabled(kms)}


for name in (
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "CreateGrant",
    "EnableKey",
    "DisableKey",
    "EnableKeyRotation",
    "DisableKeyRotation",
    "RotateKeyOnDemand",
    "UpdateKeyDescription",
    "ScheduleKeyDeletion",
    "TagResource",
    "UntagResource",
):

    @provokes(name, "KMSInvalidStateException")
    def key_to_be_deleted(kms, name=name):
        return {"KeyId": pending(kms), **ON_KEY[name]}


@provokes("CancelKeyDeletion", "KMSInvalidStateException")
def not_to_be_deleted(kms):
    return {"KeyId": kms.key()["KeyId"]}


for members in (
    {"KeySpec": "RSA_2048"},
    {"KeyUsage": "SIGN_VERIFY"},
    {"Origin": "EXTERNAL"},
    {"MultiRegion": True},
):

    @provokes("CreateKey", "UnsupportedOperationException")
    def other_kind(kms, members=members):
        return members


for text in ("{", '{"Version": "2012-10-17"}', "@ecr", "@nobody"):

    @provokes("CreateKey", "MalformedPolicyDocumentException")
    def bad_policy(kms, text=text):
        texts = {
            "@ecr": policy(kms, Action="ecr:*"),
            "@nobody": policy(kms, Principal={"AWS": f"arn:aws:iam::{kms.account}:user/nobody-at-all"}),
        }
        return {"Policy": texts.get(text, text)}

    @provokes("PutKeyPolicy", "MalformedPolicyDocumentException")
    def bad_new_policy(kms, bad=bad_policy):
        return {"KeyId": kms.key()["KeyId"], **bad(kms)}


LOCKOUT = "The new key policy will not allow you to update the key policy in the future."


@provokes("CreateKey", "MalformedPolicyDocumentException", LOCKOUT)
def locked_out(kms):
    return {"Policy": policy(kms, Action="kms:Describe*")}


@provokes("PutKeyPolicy", "MalformedPolicyDocumentException", LOCKOUT)
def locking_out(kms):
    return {"KeyId": kms.key()["KeyId"], "Policy": policy(kms, Action="kms:Describe*")}


@provokes("GetKeyPolicy", "NotFoundException")
def another_policy(kms):
    return {"KeyId": kms.key()["KeyId"], "PolicyName": "other"}


many_tags = [{"TagKey": f"k{number}", "TagValue": ""} for number in range(51)]


@provokes("CreateKey", "LimitExceededException")
def too_many_tags(kms):
    return {"Tags": many_tags}


@provokes("TagResource", "LimitExceededException")
def too_many_more_tags(kms):
    return {"KeyId": kms.key(Tags=many_tags[:50])["KeyId"], "Tags": many_tags[50:]}


for tags in ([{"TagKey": "aws:x", "TagValue": ""}], [{"TagKey": "k", "TagValue": ""}] * 2):

    @provokes("CreateKey", "TagException")
    def bad_tags(kms, tags=tags):
        return {"Tags": tags}

    @provokes("TagResource", "TagException")
    def bad_new_tags(kms, tags=tags):
        return {"KeyId": kms.key()["KeyId"], "Tags": tags}


@provokes("UntagResource", "TagException")
def reserved_tag(kms):
    return {"KeyId": kms.key()["KeyId"], "TagKeys": ["aws:x"]}


@provokes("RotateKeyOnDemand", "LimitExceededException")
def too_many_rotations(kms):
    key_id = kms.key()["KeyId"]
    for _ in range(25):
        kms.call("RotateKeyOnDemand", KeyId=key_id)
    return {"KeyId": key_id}


for days in (6, 31, 0):

    @provokes("ScheduleKeyDeletion", "ValidationException")
    def bad_window(kms, days=days):
        return {"KeyId": kms.key()["KeyId"], "PendingWindowInDays": days}


for days in (89, 2561):

    @provokes("EnableKeyRotation", "ValidationException")
    def bad_period(kms, days=days):
        return {"KeyId": kms.key()["KeyId"], "RotationPeriodInDays": days}


# Aliases.


@provokes("CreateAlias", "AlreadyExistsException")
def alias_twice(kms):
    key_id = kms.key()["KeyId"]
    return {"AliasName": kms.alias(key_id), "TargetKeyId": key_id}


for name in ("CreateAlias", "UpdateAlias"):

    @provokes(name, "NotFoundException")
    def alias_of_nothing(kms):
        return {"AliasName": f"alias/{uuid.uuid4().hex}", "TargetKeyId": ABSENT}

    @provokes(name, "KMSInvalidStateException")
    def alias_of_a_key_to_be_deleted(kms):
        return {"AliasName": kms.alias(kms.key()["KeyId"]), "TargetKeyId": pending(kms)}

    for alias in ("mine", "alias/", "alias/a b", "alias/a:b", "alias/" + "a" * 251):

        @provokes(name, "ValidationException")
        def bad_alias(kms, alias=alias):
            return {"AliasName": alias, "TargetKeyId": kms.key()["KeyId"]}


@provokes("CreateAlias", "InvalidAliasNameException")
def reserved_alias(kms):
    return {"AliasName": "alias/aws/mine", "TargetKeyId": kms.key()["KeyId"]}


@provokes("UpdateAlias", "NotFoundException")
def absent_alias(kms):
    return {"AliasName": "alias/absent", "TargetKeyId": kms.key()["KeyId"]}


@provokes("DeleteAlias", "NotFoundException")
def alias_that_is_not_there(kms):
    return {"AliasName": "alias/absent"}


@provokes("ListAliases", "NotFoundException")
def aliases_of_nothing(kms):
    return {"KeyId": ABSENT}


@provokes("ListAliases", "InvalidArnException")
def aliases_of_an_alias(kms):
    return {"KeyId": kms.alias(kms.key()["KeyId"])}


# Ciphertexts.


def damaged(ciphertext):
    content = bytearray(base64.b64decode(ciphertext))
    content[-1] ^= 1
    return base64.b64encode(content).decode()


for name, more in (("Decrypt", {}), ("ReEncrypt", {"DestinationKeyId": "@key"})):

    def with_key(kms, parameters, more=more):
        return {**parameters, **{member: kms.key()["KeyId"] for member in more}}

    @provokes(name, "InvalidCiphertextException")
    def damaged_ciphertext(kms, fill=with_key):
        return fill(kms, {"CiphertextBlob": damaged(kms.encrypt(kms.key()["KeyId"]))})

    @provokes(name, "InvalidCiphertextException")
    def no_ciphertext(kms, fill=with_key):
        return fill(kms, {"CiphertextBlob": encoded(b"nothing of ours")})

    for context in ({}, {"purpose": "test"}, {**CONTEXT, "more": "x"}, {"Purpose": "test", "wharf": "true"}):

        @provokes(name, "InvalidCiphertextException")
        def another_context(kms, fill=with_key, context=context, name=name):
            ciphertext = kms.encrypt(kms.key()["KeyId"], EncryptionContext=CONTEXT)
            member = "EncryptionContext" if name == "Decrypt" else "SourceEncryptionContext"
            return fill(kms, {"CiphertextBlob": ciphertext, member: context})

    @provokes(name, "IncorrectKeyException")
    def another_key(kms, fill=with_key, name=name):
        member = "KeyId" if name == "Decrypt" else "SourceKeyId"
        return fill(kms, {"CiphertextBlob": kms.encrypt(kms.key()["KeyId"]), member: kms.key()["KeyId"]})

    @provokes(name, "NotFoundException")
    def key_that_is_not_there(kms, fill=with_key, name=name):
        member = "KeyId" if name == "Decrypt" else "SourceKeyId"
        return fill(kms, {"CiphertextBlob": kms.encrypt(kms.key()["KeyId"]), member: ABSENT})

    for state, error in (("DisableKey", "DisabledException"), ("ScheduleKeyDeletion", "KMSInvalidStateException")):

        @provokes(name, error)
        def key_in_another_state(kms, fill=with_key, state=state):
            key_id = kms.key()["KeyId"]
            ciphertext = kms.encrypt(key_id)
            kms.call(state, KeyId=key_id)
            return fill(kms, {"CiphertextBlob": ciphertext})

    @provokes(name, "DryRunOperationException")
    def dry_run(kms, fill=with_key):
        return fill(kms, {"CiphertextBlob": kms.encrypt(kms.key()["KeyId"]), "DryRun": True})


for name in ("Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "CreateGrant"):

    @provokes(name, "DryRunOperationException")
    def only_tried(kms, name=name):
        return {"KeyId": kms.key()["KeyId"], "DryRun": True, **ON_KEY[name]}


for name in ("RevokeGrant", "RetireGrant"):

    @provokes(name, "DryRunOperationException")
    def grant_only_tried(kms):
        key = kms.key()
        return {"KeyId": key["Arn"], "GrantId": grant(kms, key["KeyId"])["GrantId"], "DryRun": True}


for members in (
    {"Plaintext": encoded(bytes(4097))},
    {"Plaintext": ""},
    {"Plaintext": "no base64!"},
    {"Plaintext": "eA==", "EncryptionContext": {"k": "v" * 8_192}},
    {"Plaintext": "eA==", "EncryptionAlgorithm": "RSAES_OAEP_SHA_1"},
):

    @provokes("Encrypt", "ValidationException")
    def bad_plaintext(kms, members=members):
        return {"KeyId": kms.key()["KeyId"], **members}


for members in ({}, {"KeySpec": "AES_256", "NumberOfBytes": 32}, {"NumberOfBytes": 0}, {"NumberOfBytes": 1025}):

    @provokes("GenerateDataKey", "ValidationException")
    def bad_data_key(kms, members=members):
        return {"KeyId": kms.key()["KeyId"], **members}


@provokes("GenerateRandom", "UnsupportedOperationException")
def key_store(kms):
    return {"NumberOfBytes": 1, "CustomKeyStoreId": "x"}


# Grants and lists.

for name in ("ListGrants", "RevokeGrant", "RetireGrant"):

    @provokes(name, "InvalidGrantIdException")
    def bad_grant_id(kms):
        return {"KeyId": kms.key()["Arn"], "GrantId": "x"}


@provokes("RetireGrant", "InvalidGrantTokenException")
def bad_token(kms):
    return {"GrantToken": "x"}


@provokes("CreateGrant", "InvalidArnException")
def bad_grantee(kms):
    return {"KeyId": kms.key()["KeyId"], "GranteePrincipal": "nobody", "Operations": ["Decrypt"]}


@provokes("CreateGrant", "ValidationException")
def bad_operation(kms):
    return {"KeyId": kms.key()["KeyId"], "GranteePrincipal": ROLE, "Operations": ["Sign"]}


@provokes("ListRetirableGrants", "InvalidArnException")
def bad_retiring(kms):
    return {"RetiringPrincipal": "nobody"}


for name in ("ListKeys", "ListAliases", "ListGrants", "ListRetirableGrants", "ListKeyRotations", "ListResourceTags"):

    @provokes(name, "InvalidMarkerException")
    def bad_marker(kms, name=name):
        more = {"KeyId": kms.key()["KeyId"]} if name in ON_KEY else {}
        return {"Marker": "garbage", **({"RetiringPrincipal": ROLE} if name == "ListRetirableGrants" else more)}


@pytest.mark.parametrize(("operation", "error", "message", "scene"), PROVOKED)
def test_error(kms, operation, error, message, scene):
    """The error is the expected one, the model lists it for the operation, and its text is the known one."""
    kms.refuse(operation, error, message, **scene(kms))


def test_texts(kms):
    """The sentences that clients look for (reference/around.md 3)."""
    missing = arn(kms, ABSENT)
    kms.refuse("DescribeKey", "NotFoundException", f"Key '{missing}' does not exist", KeyId=ABSENT)
    alias = f"arn:aws:kms:{kms.region}:{kms.account}:alias/absent"
    kms.refuse("DescribeKey", "NotFoundException", f"Alias {alias} is not found.", KeyId="alias/absent")
    key_id = kms.key()["KeyId"]
    taken = kms.alias(key_id)
    text = f"An alias with the name arn:aws:kms:{kms.region}:{kms.account}:{taken} already exists"
    kms.refuse("CreateAlias", "AlreadyExistsException", text, AliasName=taken, TargetKeyId=key_id)


# Modelled errors that nobody can provoke from outside here, with the reason.
NOT_PROVOKED = {
    "KMSInternalException": "a fault of the server, not of a request",
    "DependencyTimeoutException": "a fault of the server, not of a request",
    "KeyUnavailableException": "a fault of the server, not of a request",
    "InvalidKeyUsageException": "every key encrypts and decrypts",
    "CustomKeyStoreNotFoundException": "there are no custom key stores",
    "CustomKeyStoreInvalidStateException": "there are no custom key stores",
    "CloudHsmClusterInvalidConfigurationException": "there are no custom key stores",
    "XksKeyInvalidConfigurationException": "there are no custom key stores",
    "XksKeyAlreadyInUseException": "there are no custom key stores",
    "XksKeyNotFoundException": "there are no custom key stores",
    "ConflictException": "a rotation is done when it is answered",
    "InvalidGrantTokenException": "grants count at once: tokens are not looked at",
    "UnsupportedOperationException": "every key can be rotated and have a policy",
    "LimitExceededException": "there are no quotas on what these make",
    ("CreateKey", "InvalidArnException"): "it names no key",
    ("UpdateAlias", "LimitExceededException"): "there are no quotas on aliases",
    ("DeleteAlias", "KMSInvalidStateException"): "an alias can go in every state of its key",
    ("ListRetirableGrants", "NotFoundException"): "a principal that is not there has no grants",
    ("RetireGrant", "InvalidArnException"): "test_strange_arn of it is a matter of the alias",
}
# Reading and repairing work in every state of a key.
IN_EVERY_STATE = {
    "GetKeyPolicy",
    "PutKeyPolicy",
    "ListKeyPolicies",
    "GetKeyRotationStatus",
    "ListKeyRotations",
    "ListGrants",
    "RevokeGrant",
    "RetireGrant",
}


def test_every_modelled_error_is_provoked():
    provoked = {tuple(case.values[:2]) for case in PROVOKED}
    listed = {(operation, error) for operation in SUCCESSES for error in model_check.listed_errors(operation, SERVICE)}
    excused = {pair for pair in listed if pair in NOT_PROVOKED or pair[1] in NOT_PROVOKED}
    excused |= {(operation, "KMSInvalidStateException") for operation in IN_EVERY_STATE}
    assert listed - provoked <= excused, listed - provoked - excused
    assert {pair for pair in provoked if pair[1] not in COMMON} <= listed
