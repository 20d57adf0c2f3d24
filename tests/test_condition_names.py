"""Names that clients choose and that differ by case alone, which condition keys do not: of an encryption context, of tags.

IAM's guide says of them that a condition matches one or the other, but not both. So an Allow holds if it does for all of
them, and a Deny if it does for any: whoever chooses the names does not choose what is allowed.
"""

import uuid

import pytest
from botocore.exceptions import ClientError

from harness.identities import Identities, allow, deny, document


@pytest.fixture(scope="module")
def identities(wharf):
    return Identities(wharf)


def may(call, **parameters):
    try:
        call(**parameters)
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("AccessDeniedException", "AccessDenied"), error
        return False
    return True


ALLOWED = [
    ({"Dept": "HR"}, True),
    ({"dept": "HR"}, True),
    ({"Dept": "IT"}, False),
    ({"Dept": "HR", "dept": "HR"}, True),
    ({"Dept": "HR", "dept": "IT"}, False),
    ({"Dept": "IT", "dept": "HR"}, False),
    ({"DEPT": "HR", "Dept": "IT", "dept": "HR"}, False),
    ({"Dept": "HR", "other": "IT"}, True),
]


@pytest.mark.parametrize(("context", "is_allowed"), ALLOWED)
@pytest.mark.parametrize("name", ["Dept", "dept"])
def test_what_an_allow_asks_for(wharf, identities, name, context, is_allowed):
    key = wharf.client("kms").create_key()["KeyMetadata"]["KeyId"]
    condition = {"StringEquals": {f"kms:EncryptionContext:{name}": "HR"}}
    kms = identities.user(document(allow("kms:*", Condition=condition))).client("kms")
    assert may(kms.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext=context) is is_allowed
    made = wharf.client("kms").encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context)["CiphertextBlob"]
    assert may(kms.decrypt, CiphertextBlob=made, EncryptionContext=context) is is_allowed
    assert may(kms.generate_data_key, KeyId=key, KeySpec="AES_256", EncryptionContext=context) is is_allowed
    constraints = {"EncryptionContextSubset": context}
    grant = {"KeyId": key, "GranteePrincipal": "arn:aws:iam::123456789012:root", "Operations": ["Decrypt"]}
    assert may(kms.create_grant, **grant, Constraints=constraints) is is_allowed


@pytest.mark.parametrize(
    ("context", "is_allowed"),
    [
        ({"Dept": "IT"}, True),
        ({"Dept": "HR"}, False),
        ({"Dept": "IT", "dept": "HR"}, False),
        ({"Dept": "HR", "dept": "IT"}, False),
        ({}, True),
    ],
)
def test_what_a_deny_forbids(wharf, identities, context, is_allowed):
    key = wharf.client("kms").create_key()["KeyMetadata"]["KeyId"]
    forbids = deny("kms:*", Condition={"StringEquals": {"kms:EncryptionContext:Dept": "HR"}})
    kms = identities.user(document(allow("kms:*"), forbids)).client("kms")
    assert may(kms.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext=context) is is_allowed


def test_what_a_deny_demands(wharf, identities):
    """The usual guard: nothing but with this context."""
    key = wharf.client("kms").create_key()["KeyMetadata"]["KeyId"]
    demands = deny("kms:*", Condition={"StringNotEquals": {"kms:EncryptionContext:Dept": "HR"}})
    kms = identities.user(document(allow("kms:*"), demands)).client("kms")
    for context, is_allowed in ALLOWED:
        assert may(kms.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext=context) is is_allowed, context


def test_names_of_other_scripts(wharf, identities):
    key = wharf.client("kms").create_key()["KeyMetadata"]["KeyId"]
    forbids = deny("kms:*", Condition={"StringEquals": {"kms:EncryptionContext:Prüfer": "HR"}})
    kms = identities.user(document(allow("kms:*"), forbids)).client("kms")
    for name in ("Prüfer", "PRÜFER"):
        assert not may(kms.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext={name: "HR"}), name
    assert may(kms.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext={"Prufer": "HR"})


def test_tags(wharf, identities):
    """Of what a request makes, and of what is there."""
    condition = {"StringEquals": {"aws:RequestTag/Team": "a"}}
    ecr = identities.user(document(allow("ecr:*", Condition=condition))).client()

    def make(*tags):
        name = f"tagged/{uuid.uuid4().hex}"
        listed = [{"Key": key, "Value": value} for key, value in tags]
        return may(ecr.create_repository, repositoryName=name, tags=listed)

    assert make(("Team", "a")) and make(("team", "a")) and make(("Team", "a"), ("team", "a"))
    assert not make(("Team", "a"), ("team", "b")) and not make(("Team", "b"), ("team", "a"))
    condition = {"StringEquals": {"aws:ResourceTag/Team": "a"}}
    ecr_of_tagged = identities.user(document(allow("ecr:*", Condition=condition))).client()
    for tags, is_allowed in [
        ({"team": "a"}, True),
        ({"Team": "b", "team": "a"}, False),
        ({"Team": "a", "team": "b"}, False),
    ]:
        name = f"tagged/{uuid.uuid4().hex}"
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        wharf.client().create_repository(repositoryName=name, tags=listed)
        assert may(ecr_of_tagged.describe_images, repositoryName=name) is is_allowed, tags


TEAM = {"aws:PrincipalTag/team": "${aws:RequestTag/team}"}


def tagged(identities, *statements):
    """A user of the team red, who may do what the statements say."""
    return identities.user(document(allow("*"), *statements), Tags=[{"Key": "team", "Value": "red"}])


@pytest.mark.parametrize(
    ("tags", "is_allowed"),
    [
        ([("team", "red")], True),
        ([("team", "blue")], False),
        ([("team", "blue"), ("Team", "green")], False),
        ([("team", "red"), ("Team", "green")], False),
        ([("team", "red"), ("TEAM", "red")], True),
    ],
)
def test_a_variable_in_a_deny(identities, tags, is_allowed):
    """A second name does not leave the variable without a value, and the Deny without force."""
    user = tagged(
        identities, deny("ecr:CreateRepository", "secretsmanager:CreateSecret", Condition={"StringNotEquals": TEAM})
    )
    listed, name = [{"Key": key, "Value": value} for key, value in tags], f"variable/{uuid.uuid4().hex}"
    assert may(user.client().create_repository, repositoryName=name, tags=listed) is is_allowed
    secrets = user.client("secretsmanager")
    assert may(secrets.create_secret, Name=name, SecretString="x", Tags=listed) is is_allowed


@pytest.mark.parametrize(
    ("context", "is_allowed"),
    [
        ({"team": "red"}, True),
        ({"team": "blue"}, False),
        ({"team": "blue", "Team": "x"}, False),
        ({"Team": "red", "team": "x"}, False),
    ],
)
def test_a_variable_of_an_encryption_context(wharf, identities, context, is_allowed):
    key = wharf.client("kms").create_key()["KeyMetadata"]["KeyId"]
    condition = {"StringNotEquals": {"aws:PrincipalTag/team": "${kms:EncryptionContext:team}"}}
    kms = tagged(identities, deny("kms:*", Condition=condition)).client("kms")
    assert may(kms.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext=context) is is_allowed


def test_a_variable_of_what_is_there(wharf, identities):
    """Whoever may add a tag does not reach what is another's by its first one."""
    name = f"variable/{uuid.uuid4().hex}"
    ecr = wharf.client()
    arn = ecr.create_repository(repositoryName=name, tags=[{"Key": "owner", "Value": "blue"}])["repository"][
        "repositoryArn"
    ]
    condition = {"StringNotEquals": {"aws:PrincipalTag/team": "${aws:ResourceTag/owner}"}}
    user = tagged(identities, deny("ecr:DescribeImages", Condition=condition)).client()
    assert not may(user.describe_images, repositoryName=name)
    user.tag_resource(resourceArn=arn, tags=[{"Key": "Owner", "Value": "red"}])
    assert not may(user.describe_images, repositoryName=name)


def test_a_simulation(wharf):
    """Simulations say the same as requests do."""
    condition = {"StringNotEquals": {"aws:RequestTag/mine": "${aws:RequestTag/team}"}}
    policy = document(allow("ecr:*"), deny("ecr:*", Condition=condition))

    def decision(*tags):
        entries = [
            {"ContextKeyName": f"aws:RequestTag/{name}", "ContextKeyType": "string", "ContextKeyValues": [value]}
            for name, value in [("mine", "red"), *tags]
        ]
        (result,) = wharf.client("iam").simulate_custom_policy(
            PolicyInputList=[policy], ActionNames=["ecr:CreateRepository"], ContextEntries=entries
        )["EvaluationResults"]
        return result["EvalDecision"]

    assert decision(("team", "red")) == "allowed" and decision(("team", "red"), ("Team", "red")) == "allowed"
    assert (
        decision(("team", "blue")) == "explicitDeny" and decision(("team", "blue"), ("Team", "red")) == "explicitDeny"
    )
    assert decision(("team", "red"), ("Team", "blue")) == "explicitDeny"
