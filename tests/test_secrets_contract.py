"""The contract of Secrets Manager's API: botocore's model, walked operation by operation, with successes and errors."""

import base64
import json
import re
import uuid

import pytest

from harness import model_check
from harness.secrets_client import SERVICE, Secrets

pytestmark = pytest.mark.every_store

POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
                "Action": "secretsmanager:GetSecretValue",
                "Resource": "*",
            }
        ],
    },
    indent=2,
)
PUBLIC_POLICY = POLICY.replace("arn:aws:iam::210987654321:root", "*")
NOT_FOUND = "Secrets Manager can't find the specified secret."
MARKED = "You can't perform this operation on the secret because it was marked for deletion."
DAY_SECONDS = 24 * 60 * 60


@pytest.fixture(scope="module")
def secrets(wharf):
    return Secrets(wharf)


def token():
    return str(uuid.uuid4())


# --- Successes ------------------------------------------------------------------------------------------------------

SUCCESSES = {}


def succeeds(function):
    """Registers a function named after its operation, in snake case."""
    SUCCESSES["".join(part.title() for part in function.__name__.split("_"))] = function
    return function


@succeeds
def create_secret(secrets):
    name, first = f"contract/{uuid.uuid4().hex}/_+=.@-!", token()
    parameters = {"Name": name, "ClientRequestToken": first, "SecretString": "geheim", "Description": "d"}
    tags = [{"Key": "team", "Value": "a"}, {"Key": "empty", "Value": ""}]
    made = secrets.call("CreateSecret", **parameters, Tags=tags)
    arn = f"arn:aws:secretsmanager:{secrets.region}:{secrets.account}:secret:{name}"
    assert re.fullmatch(re.escape(arn) + "-[A-Za-z0-9]{6}", made["ARN"])
    assert (made["Name"], made["VersionId"]) == (name, first)
    assert secrets.call("CreateSecret", **parameters, Tags=tags) == made, "the same request again"
    assert secrets.value(name) == "geheim"
    binary = secrets.secret(None, SecretBinary=base64.b64encode(bytes(range(256))).decode())
    assert secrets.value(binary["ARN"]) == bytes(range(256))
    assert "VersionId" not in secrets.secret(None)
    longest = "ä" * 32_768
    assert secrets.value(secrets.secret(longest)["ARN"]) == longest


@succeeds
def get_secret_value(secrets):
    made = secrets.secret("first")
    name, arn = made["Name"], made["ARN"]
    put = secrets.call("PutSecretValue", SecretId=name, SecretString="second")
    for secret_id in (name, arn, arn[:-7]):
        assert secrets.value(secret_id) == "second"
        assert secrets.value(secret_id, VersionStage="AWSPREVIOUS") == "first"
        assert secrets.value(secret_id, VersionId=made["VersionId"]) == "first"
    found = secrets.call("GetSecretValue", SecretId=name, VersionId=put["VersionId"], VersionStage="AWSCURRENT")
    assert (found["ARN"], found["VersionStages"]) == (arn, ["AWSCURRENT"])
    # A name that ends as if it were an ARN's end, and its ARN without and with the six characters.
    odd = secrets.secret("odd", Name=f"{name}-AbCdEf")
    for secret_id in (odd["Name"], odd["ARN"], odd["ARN"][:-7]):
        assert secrets.value(secret_id) == "odd"
    today = secrets.call("DescribeSecret", SecretId=name)["LastAccessedDate"]
    assert today % DAY_SECONDS == 0


@succeeds
def put_secret_value(secrets):
    made = secrets.secret("1")
    name, ids = made["Name"], [made["VersionId"]]
    for number in ("2", "3"):
        put = secrets.call("PutSecretValue", SecretId=name, SecretString=number, ClientRequestToken=token())
        assert put["VersionStages"] == ["AWSCURRENT"]
        ids.append(put["VersionId"])
    assert secrets.stages(name) == {ids[1]: ["AWSPREVIOUS"], ids[2]: ["AWSCURRENT"]}
    # The same again changes nothing, not even which one is current.
    again = secrets.call("PutSecretValue", SecretId=name, SecretString="2", ClientRequestToken=ids[1])
    assert (again["VersionId"], again["VersionStages"]) == (ids[1], ["AWSPREVIOUS"])
    pending = secrets.call("PutSecretValue", SecretId=name, SecretString="4", VersionStages=["AWSPENDING", "mine"])
    assert secrets.stages(name)[pending["VersionId"]] == ["AWSPENDING", "mine"]
    assert secrets.value(name) == "3"
    # The first version of a secret is current whatever it is asked to be.
    empty = secrets.secret(None)["Name"]
    first = secrets.call("PutSecretValue", SecretId=empty, SecretString="x", VersionStages=["AWSPENDING"])
    assert sorted(first["VersionStages"]) == ["AWSCURRENT", "AWSPENDING"]


@succeeds
def update_secret(secrets):
    made = secrets.secret("first", Description="before")
    name = made["Name"]
    assert "VersionId" not in secrets.call("UpdateSecret", SecretId=name, Description="after")
    updated = secrets.call("UpdateSecret", SecretId=name, SecretString="second", ClientRequestToken=token())
    assert secrets.stages(name) == {made["VersionId"]: ["AWSPREVIOUS"], updated["VersionId"]: ["AWSCURRENT"]}
    assert secrets.call("DescribeSecret", SecretId=name)["Description"] == "after"
    secrets.call("UpdateSecret", SecretId=name, Description="")
    assert "Description" not in secrets.call("DescribeSecret", SecretId=name)


@succeeds
def describe_secret(secrets):
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    made = secrets.secret(Description="what for", Tags=tags)
    found = secrets.call("DescribeSecret", SecretId=made["ARN"])
    assert (found["Description"], found["Tags"]) == ("what for", tags)
    assert found["VersionIdsToStages"] == {made["VersionId"]: ["AWSCURRENT"]}
    assert not {"DeletedDate", "LastAccessedDate", "KmsKeyId"} & set(found)
    assert "VersionIdsToStages" not in secrets.call("DescribeSecret", SecretId=secrets.secret(None)["Name"])


@succeeds
def delete_secret(secrets):
    for days, parameters in ((30, {}), (7, {"RecoveryWindowInDays": 7})):
        made = secrets.secret()
        deleted = secrets.call("DeleteSecret", SecretId=made["Name"], **parameters)
        found = secrets.call("DescribeSecret", SecretId=made["Name"])
        assert found["DeletedDate"] == deleted["DeletionDate"]
        assert abs(deleted["DeletionDate"] - found["LastChangedDate"] - days * DAY_SECONDS) < 1
    gone = secrets.secret()
    secrets.call("DeleteSecret", SecretId=gone["ARN"], ForceDeleteWithoutRecovery=True)
    secrets.refuse("DescribeSecret", "ResourceNotFoundException", NOT_FOUND, SecretId=gone["Name"])
    secrets.call("DeleteSecret", SecretId=gone["ARN"], ForceDeleteWithoutRecovery=True)
    # What comes after it has another ARN, and the old one leads nowhere.
    successor = secrets.secret(Name=gone["Name"])
    assert successor["ARN"] != gone["ARN"]
    secrets.refuse("GetSecretValue", "ResourceNotFoundException", NOT_FOUND, SecretId=gone["ARN"])
    marked = secrets.secret()["Name"]
    secrets.call("DeleteSecret", SecretId=marked)
    secrets.call("DeleteSecret", SecretId=marked, ForceDeleteWithoutRecovery=True)
    secrets.refuse("DescribeSecret", "ResourceNotFoundException", NOT_FOUND, SecretId=marked)


@succeeds
def restore_secret(secrets):
    name = secrets.secret("kept")["Name"]
    secrets.call("DeleteSecret", SecretId=name)
    secrets.call("RestoreSecret", SecretId=name)
    assert secrets.value(name) == "kept"
    assert "DeletedDate" not in secrets.call("DescribeSecret", SecretId=name)


def listed(secrets, **parameters):
    """Every name, over all pages."""
    names, more = [], {}
    while True:
        page = secrets.call("ListSecrets", **parameters, **more)
        names += [entry["Name"] for entry in page["SecretList"]]
        if "NextToken" not in page:
            return names
        more = {"NextToken": page["NextToken"]}


@succeeds
def list_secrets(secrets):
    prefix = f"list-{uuid.uuid4().hex}"
    names = [f"{prefix}/{letter}" for letter in "bac"]
    for name in names:
        tags = [{"Key": f"key-{prefix}", "Value": name[-1]}]
        secrets.secret(Name=name, Description=f"Of letter {name[-1]}", Tags=tags)

    def by(key, *values):
        return {"Key": key, "Values": list(values)}

    here = by("name", prefix)
    assert listed(secrets, Filters=[here]) == names, "in the order of their creation"
    assert listed(secrets, Filters=[here], SortOrder="desc", MaxResults=1) == names[::-1]
    for order in ("name", "created-date", "last-changed-date", "last-accessed-date"):
        for size in (1, 2, 100):
            found = listed(secrets, Filters=[here], SortBy=order, MaxResults=size)
            assert sorted(found) == sorted(names), (order, size)
    assert listed(secrets, Filters=[here], SortBy="name", MaxResults=2) == sorted(names)
    assert listed(secrets, Filters=[here, by("tag-value", "a", "c")], SortBy="name") == sorted(names)[::2]
    assert listed(secrets, Filters=[here, by("description", "letter")]) == names
    assert listed(secrets, Filters=[by("tag-key", f"key-{prefix}")]) == names
    assert listed(secrets, Filters=[here, by("name", f"!{prefix}/b")]) == names[1:]
    assert listed(secrets, Filters=[by("all", prefix.upper())]) == names
    secrets.call("DeleteSecret", SecretId=names[0])
    assert listed(secrets, Filters=[here]) == names[1:]
    assert listed(secrets, Filters=[here], IncludePlannedDeletion=True) == names


@succeeds
def list_secret_version_ids(secrets):
    made = secrets.secret("0")
    name, ids = made["Name"], [made["VersionId"]]
    for number in range(4):
        ids.append(secrets.call("PutSecretValue", SecretId=name, SecretString=f"{number}")["VersionId"])

    def versions(**parameters):
        found, more = [], {}
        while True:
            page = secrets.call("ListSecretVersionIds", SecretId=name, **parameters, **more)
            found += [entry["VersionId"] for entry in page["Versions"]]
            if "NextToken" not in page:
                return found
            more = {"NextToken": page["NextToken"]}

    assert set(versions()) == set(ids[-2:])
    assert sorted(versions(IncludeDeprecated=True, MaxResults=2)) == sorted(ids)


@succeeds
def update_secret_version_stage(secrets):
    made = secrets.secret("old")
    name, old = made["Name"], made["VersionId"]
    new = secrets.call("PutSecretValue", SecretId=name, SecretString="new")["VersionId"]

    def move(stage, **parameters):
        secrets.call("UpdateSecretVersionStage", SecretId=name, VersionStage=stage, **parameters)

    move("AWSCURRENT", MoveToVersionId=old, RemoveFromVersionId=new)
    assert secrets.stages(name) == {old: ["AWSCURRENT"], new: ["AWSPREVIOUS"]}
    assert secrets.value(name) == "old"
    move("mine", MoveToVersionId=new)
    move("mine", MoveToVersionId=new)
    assert secrets.stages(name)[new] == ["AWSPREVIOUS", "mine"]
    move("mine", RemoveFromVersionId=new)
    move("AWSPREVIOUS", RemoveFromVersionId=new)
    assert secrets.stages(name) == {old: ["AWSCURRENT"]}


@succeeds
def get_resource_policy(secrets):
    made = secrets.secret()
    found = secrets.call("GetResourcePolicy", SecretId=made["Name"])
    assert found == {"ARN": made["ARN"], "Name": made["Name"]}


@succeeds
def put_resource_policy(secrets):
    name = secrets.secret()["Name"]
    for policy, public in ((POLICY, True), (PUBLIC_POLICY, False)):
        secrets.call("PutResourcePolicy", SecretId=name, ResourcePolicy=policy, BlockPublicPolicy=public)
        assert secrets.call("GetResourcePolicy", SecretId=name)["ResourcePolicy"] == policy


@succeeds
def delete_resource_policy(secrets):
    name = secrets.secret()["Name"]
    secrets.call("DeleteResourcePolicy", SecretId=name)
    secrets.call("PutResourcePolicy", SecretId=name, ResourcePolicy=POLICY)
    secrets.call("DeleteResourcePolicy", SecretId=name)
    assert "ResourcePolicy" not in secrets.call("GetResourcePolicy", SecretId=name)


@succeeds
def tag_resource(secrets):
    name = secrets.secret(Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])["Name"]
    secrets.call("TagResource", SecretId=name, Tags=[{"Key": "b", "Value": "3"}, {"Key": "c", "Value": ""}])
    tags = secrets.call("DescribeSecret", SecretId=name)["Tags"]
    assert [(tag["Key"], tag["Value"]) for tag in tags] == [("a", "1"), ("b", "3"), ("c", "")]


@succeeds
def untag_resource(secrets):
    name = secrets.secret(Tags=[{"Key": "a", "Value": "1"}])["Name"]
    secrets.call("UntagResource", SecretId=name, TagKeys=["a", "absent"])
    assert "Tags" not in secrets.call("DescribeSecret", SecretId=name)


@succeeds
def get_random_password(secrets):
    def password(**parameters):
        return secrets.call("GetRandomPassword", **parameters)["RandomPassword"]

    one = password()
    assert len(one) == 32 and one != password()
    for kind in ("[a-z]", "[A-Z]", "[0-9]", r"[^a-zA-Z0-9\s]"):
        assert re.search(kind, one), kind
    assert len(password(PasswordLength=4096)) == 4096
    digits = password(ExcludePunctuation=True, ExcludeUppercase=True, ExcludeLowercase=True, ExcludeCharacters="01234")
    assert set(digits) <= set("56789")
    assert " " in password(IncludeSpace=True, PasswordLength=100)
    assert len(password(PasswordLength=1, RequireEachIncludedType=False)) == 1


@succeeds
def batch_get_secret_value(secrets):
    prefix = f"batch-{uuid.uuid4().hex}"
    names = [f"{prefix}/{number}" for number in range(3)]
    for name in names:
        secrets.secret(name[-1], Name=name)
    found = secrets.call("BatchGetSecretValue", SecretIdList=[*names, "absent"])
    assert [value["SecretString"] for value in found["SecretValues"]] == ["0", "1", "2"]
    assert [(error["SecretId"], error["ErrorCode"]) for error in found["Errors"]] == [
        ("absent", "ResourceNotFoundException")
    ]
    filters = [{"Key": "name", "Values": [prefix]}]
    page = secrets.call("BatchGetSecretValue", Filters=filters, MaxResults=2)
    rest = secrets.call("BatchGetSecretValue", Filters=filters, MaxResults=2, NextToken=page["NextToken"])
    values = [value["SecretString"] for value in page["SecretValues"] + rest["SecretValues"]]
    # In the order of their making, but nodes that make them in the same millisecond may differ about it.
    assert sorted(values) == ["0", "1", "2"] and "NextToken" not in rest


@succeeds
def cancel_rotate_secret(secrets):
    secret = secrets.secret()
    answer = secrets.call("CancelRotateSecret", SecretId=secret["Name"])
    assert answer == {"ARN": secret["ARN"], "Name": secret["Name"]}


IMPLEMENTED = sorted(SUCCESSES)
# What is there to say why it cannot be done.
REFUSED = ["RotateSecret"]
NOT_IMPLEMENTED = sorted(set(model_check.model(SERVICE).operation_names) - set(IMPLEMENTED) - set(REFUSED))


@pytest.mark.parametrize("operation", IMPLEMENTED)
def test_success(wharf, operation):
    """Every answer on the way has the output shape: members, types, limits, nothing unknown, no null."""
    secrets = Secrets(wharf)
    SUCCESSES[operation](secrets)
    assert operation in secrets.succeeded


@pytest.mark.refused_before_store
@pytest.mark.parametrize("operation", NOT_IMPLEMENTED)
def test_operation_that_is_not_there(secrets, operation):
    answer = secrets.api.secrets(operation, {"SecretId": "x"})
    assert model_check.error_name(answer) == "UnknownOperationException", repr(answer)


# --- Errors -----------------------------------------------------------------------------------------------------------

PROVOKED = []


def provokes(operation, error, message=None):
    """Registers a function that sets a scene and returns the parameters that fail in it."""

    def register(function):
        PROVOKED.append(pytest.param(operation, error, message, function, id=f"{operation}-{function.__name__}"))
        return function

    return register


INVALID = "InvalidParameterException"
WRONG_STATE = "InvalidRequestException"
# Parameters that are complete but for the secret.
BY_SECRET = {
    "GetSecretValue": {},
    "PutSecretValue": {"SecretString": "x"},
    "UpdateSecret": {"Description": "x"},
    "DescribeSecret": {},
    "DeleteSecret": {},
    "RestoreSecret": {},
    "ListSecretVersionIds": {},
    "UpdateSecretVersionStage": {"VersionStage": "mine", "MoveToVersionId": "0" * 32},
    "GetResourcePolicy": {},
    "PutResourcePolicy": {"ResourcePolicy": POLICY},
    "DeleteResourcePolicy": {},
    "RotateSecret": {},
    "CancelRotateSecret": {},
    "TagResource": {"Tags": [{"Key": "k", "Value": "v"}]},
    "UntagResource": {"TagKeys": ["k"]},
}
# What works on a secret that is marked for deletion.
OF_MARKED = {"DescribeSecret", "RestoreSecret", "ListSecretVersionIds", "DeleteSecret"}

for name, parameters in BY_SECRET.items():

    @provokes(name, "ResourceNotFoundException", NOT_FOUND)
    def absent(secrets, parameters=parameters):
        return {**parameters, "SecretId": f"absent/{uuid.uuid4().hex}"}

    @provokes(name, "ResourceNotFoundException", NOT_FOUND)
    def absent_arn(secrets, parameters=parameters):
        arn = f"arn:aws:secretsmanager:{secrets.region}:{secrets.account}:secret:absent-AbCdEf"
        return {**parameters, "SecretId": arn}

    @provokes(name, INVALID)
    def no_secret(secrets, parameters=parameters):
        return parameters

    @provokes(name, INVALID)
    def bad_arn(secrets, parameters=parameters):
        return {**parameters, "SecretId": "arn:aws:s3:::bucket"}

    @provokes(name, INVALID)
    def long_id(secrets, parameters=parameters):
        return {**parameters, "SecretId": "x" * 2049}

    if name not in OF_MARKED:

        @provokes(name, WRONG_STATE, MARKED)
        def marked(secrets, parameters=parameters):
            secret = secrets.secret()["Name"]
            secrets.call("DeleteSecret", SecretId=secret)
            return {**parameters, "SecretId": secret}


@provokes("DeleteSecret", WRONG_STATE)
def deleted_twice(secrets):
    secret = secrets.secret()["Name"]
    secrets.call("DeleteSecret", SecretId=secret)
    return {"SecretId": secret}


for days in (0, 6, 31, -1):

    @provokes("DeleteSecret", INVALID)
    def bad_window(secrets, days=days):
        return {"SecretId": secrets.secret()["Name"], "RecoveryWindowInDays": days}


@provokes("DeleteSecret", INVALID)
def window_and_force(secrets):
    return {"SecretId": "x", "RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": True}


@provokes("CreateSecret", "ResourceExistsException")
def name_taken(secrets):
    return {"Name": secrets.secret()["Name"], "SecretString": "x"}


@provokes("CreateSecret", "ResourceExistsException")
def other_value_with_the_same_token(secrets):
    made = secrets.secret("one")
    return {"Name": made["Name"], "SecretString": "two", "ClientRequestToken": made["VersionId"]}


@provokes("CreateSecret", WRONG_STATE)
def name_of_a_marked_one(secrets):
    name = secrets.secret()["Name"]
    secrets.call("DeleteSecret", SecretId=name)
    return {"Name": name, "SecretString": "x"}


KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BAD_VALUES = [
    {"SecretString": "x", "SecretBinary": "AA=="},
    {"SecretString": ""},
    {"SecretString": "x" * 65_537},
    {"SecretBinary": "no base64!"},
    {"SecretString": "x", "ClientRequestToken": "short"},
    {"SecretString": "x", "ClientRequestToken": "x" * 65},
]
for members in BAD_VALUES:

    @provokes("CreateSecret", INVALID)
    def bad_first_value(secrets, members=members):
        return {"Name": f"bad/{uuid.uuid4().hex}", **members}

    @provokes("PutSecretValue", INVALID)
    def bad_put_value(secrets, members=members):
        return {"SecretId": secrets.secret()["Name"], **members}

    @provokes("UpdateSecret", INVALID)
    def bad_updated_value(secrets, members=members):
        return {"SecretId": secrets.secret()["Name"], **members}


for members in (
    {},
    {"Name": ""},
    {"Name": "with space"},
    {"Name": "x" * 513},
    {"Name": "n", "Description": "x" * 2049},
    {"Name": "n", "Tags": [{"Key": "aws:k", "Value": "v"}]},
    {"Name": "n", "Tags": [{"Key": "k", "Value": "v"}] * 2},
    {"Name": "n", "Tags": [{"Key": f"k{number}", "Value": "v"} for number in range(51)]},
    {"Name": "n", "AddReplicaRegions": [{"Region": "eu-west-1"}]},
    {"Name": "n", "Description": "a\0b"},
):

    @provokes("CreateSecret", INVALID)
    def bad_new_secret(secrets, members=members):
        return members


for name in ("CreateSecret", "UpdateSecret"):

    @provokes(name, "EncryptionFailure")
    def absent_key(secrets):
        return {"Name": "n", "SecretId": "n", "SecretString": "x", "KmsKeyId": KEY}


@provokes("PutSecretValue", "ResourceExistsException")
def version_with_another_value(secrets):
    made = secrets.secret("one")
    return {"SecretId": made["Name"], "SecretString": "two", "ClientRequestToken": made["VersionId"]}


@provokes("UpdateSecret", "ResourceExistsException")
def updated_version_with_another_value(secrets):
    made = secrets.secret("one")
    return {"SecretId": made["Name"], "SecretString": "two", "ClientRequestToken": made["VersionId"]}


@provokes("PutSecretValue", INVALID)
def no_value(secrets):
    return {"SecretId": secrets.secret()["Name"]}


@provokes("PutSecretValue", "LimitExceededException")
def too_many_stages(secrets):
    made = secrets.secret()
    stages = [f"s{number}" for number in range(20)]
    put = secrets.call("PutSecretValue", SecretId=made["Name"], SecretString="x", VersionStages=stages)
    more = {"SecretId": made["Name"], "VersionStage": "one-more", "MoveToVersionId": put["VersionId"]}
    secrets.refuse("UpdateSecretVersionStage", "LimitExceededException", **more)
    # An empty secret's first version is current beside what it is asked to be.
    return {"SecretId": secrets.secret(None)["Name"], "SecretString": "x", "VersionStages": stages}


@provokes("UpdateSecretVersionStage", "LimitExceededException")
def one_stage_more(secrets):
    made = secrets.secret()
    for number in range(19):
        secrets.call(
            "UpdateSecretVersionStage",
            SecretId=made["Name"],
            VersionStage=f"s{number}",
            MoveToVersionId=made["VersionId"],
        )
    return {"SecretId": made["Name"], "VersionStage": "one-more", "MoveToVersionId": made["VersionId"]}


@provokes("GetSecretValue", "ResourceNotFoundException")
def absent_version(secrets):
    return {"SecretId": secrets.secret()["Name"], "VersionId": token()}


@provokes(
    "GetSecretValue",
    "ResourceNotFoundException",
    "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
)
def no_version_yet(secrets):
    return {"SecretId": secrets.secret(None)["Name"]}


@provokes("GetSecretValue", WRONG_STATE)
def stage_of_another_version(secrets):
    made = secrets.secret()
    return {"SecretId": made["Name"], "VersionId": made["VersionId"], "VersionStage": "AWSPENDING"}


@provokes("UpdateSecretVersionStage", INVALID)
def moved_without_saying_from_where(secrets):
    made = secrets.secret()
    put = secrets.call("PutSecretValue", SecretId=made["Name"], SecretString="x", VersionStages=["mine"])
    return {"SecretId": made["Name"], "VersionStage": "AWSCURRENT", "MoveToVersionId": put["VersionId"]}


@provokes("UpdateSecretVersionStage", INVALID)
def removed_from_another(secrets):
    made = secrets.secret()
    return {"SecretId": made["Name"], "VersionStage": "mine", "RemoveFromVersionId": made["VersionId"]}


@provokes("UpdateSecretVersionStage", INVALID)
def nothing_current(secrets):
    made = secrets.secret()
    return {"SecretId": made["Name"], "VersionStage": "AWSCURRENT", "RemoveFromVersionId": made["VersionId"]}


for text in ("{", '{"Version": "2012-10-17"}', POLICY.replace("secretsmanager:", "ecr:"), POLICY.replace("iam", "x")):

    @provokes("PutResourcePolicy", "MalformedPolicyDocumentException")
    def bad_policy(secrets, text=text):
        return {"SecretId": secrets.secret()["Name"], "ResourcePolicy": text}


@provokes("PutResourcePolicy", "PublicPolicyException")
def public_policy(secrets):
    return {"SecretId": secrets.secret()["Name"], "ResourcePolicy": PUBLIC_POLICY, "BlockPublicPolicy": True}


@provokes("PutResourcePolicy", INVALID)
def long_policy(secrets):
    return {"SecretId": secrets.secret()["Name"], "ResourcePolicy": POLICY + " " * 20_480}


for name, parameters in {
    "ListSecrets": {},
    "ListSecretVersionIds": {"SecretId": "x"},
    "BatchGetSecretValue": {"Filters": []},
}.items():

    @provokes(name, "InvalidNextTokenException")
    def garbage_token(secrets, parameters=parameters):
        return {**parameters, "NextToken": "garbage"}

    @provokes(name, INVALID)
    def bad_size(secrets, parameters=parameters):
        return {**parameters, "MaxResults": 0}


@provokes("ListSecrets", "InvalidNextTokenException")
def token_of_another_list(secrets):
    secrets.secret(), secrets.secret()
    token = secrets.call("ListSecrets", MaxResults=1)["NextToken"]
    return {"MaxResults": 1, "SortBy": "name", "NextToken": token}


for members in (
    {"Filters": [{"Key": "colour", "Values": ["x"]}]},
    {"Filters": [{"Key": "name", "Values": []}]},
    {"Filters": [{"Key": "name", "Values": ["x%"]}]},
    {"Filters": [{"Key": "name", "Values": ["x"]}] * 11},
    {"SortBy": "size"},
    {"SortOrder": "up"},
):

    @provokes("ListSecrets", INVALID)
    def bad_list(secrets, members=members):
        return members


@provokes("GetRandomPassword", INVALID)
def too_long(secrets):
    return {"PasswordLength": 4097}


@provokes("GetRandomPassword", WRONG_STATE)
def too_short_for_all_kinds(secrets):
    return {"PasswordLength": 3}


@provokes("GetRandomPassword", WRONG_STATE)
def nothing_left(secrets):
    return {f"Exclude{kind}": True for kind in ("Lowercase", "Uppercase", "Numbers", "Punctuation")}


@pytest.mark.parametrize(("operation", "error", "message", "scene"), PROVOKED)
def test_error(secrets, operation, error, message, scene):
    """The error is the expected one, the model lists it for the operation, and its text is the known one."""
    secrets.refuse(operation, error, message, **scene(secrets))


# Modelled errors that nobody can provoke from outside here, with the reason.
NOT_PROVOKED = {
    "InternalServiceError": "a fault of the server, not of a request",
    "DecryptionFailure": "secrets are encrypted by the server's own keys alone",
    "PreconditionNotMetException": "nothing here has a rotation that could be in the way",
    ("PutSecretValue", "EncryptionFailure"): "it names no key",
    ("CreateSecret", "ResourceNotFoundException"): "it names nothing that must be there",
    ("CreateSecret", "LimitExceededException"): "the quota is 500,000 secrets",
    ("CreateSecret", "MalformedPolicyDocumentException"): "it has no policy",
    ("UpdateSecret", "MalformedPolicyDocumentException"): "it has no policy",
    ("UpdateSecret", "LimitExceededException"): "its version has one stage",
    ("RestoreSecret", "InvalidRequestException"): "every secret can be restored, also one that is not deleted",
    ("ListSecrets", "InvalidRequestException"): "every wrong list is an invalid parameter",
    ("BatchGetSecretValue", "InvalidRequestException"): "it is said of the secret, in Errors",
    ("BatchGetSecretValue", "ResourceNotFoundException"): "it is said of the secret, in Errors",
}


def test_every_modelled_error_is_provoked():
    provoked = {tuple(case.values[:2]) for case in PROVOKED}
    listed = {
        (operation, error)
        for operation in [*IMPLEMENTED, *REFUSED]
        for error in model_check.listed_errors(operation, SERVICE)
    }
    excused = {pair for pair in listed if pair in NOT_PROVOKED or pair[1] in NOT_PROVOKED}
    assert listed - provoked == excused - provoked
    assert provoked <= listed, "a test expects what the model does not list"
