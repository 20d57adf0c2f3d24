"""The IAM API: every operation through boto3, each answer held against the model; who may, and what a change brings about."""

import itertools
import json
import urllib.parse

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from harness.query_check import check_every_answer
from harness.server import SESSION

pytestmark = pytest.mark.every_store

ACCOUNT = "123456789012"
NUMBERS = itertools.count()
ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
KINDS = ("user", "group", "role")
THUMBPRINT = "0123456789abcdef" * 2 + "01234567"


def allow(action, resource="*", **more):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource, **more}]}


def trust(principal):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


@pytest.fixture(scope="module")
def iam(wharf):
    # The server is to check parameters, and not botocore.
    return check_every_answer(wharf.client("iam", parameter_validation=False))


def unique(prefix="n"):
    return f"{prefix}-{next(NUMBERS)}"


def fails(code, call, message=None, **parameters):
    """The call ends with this error; returns its message."""
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    error = raised.value.response["Error"]
    assert error["Code"] == code, error
    assert message is None or error["Message"] == message, error
    return error["Message"]


def client_of(wharf, key, service="iam"):
    return SESSION.client(
        service,
        endpoint_url=wharf.url,
        region_name=wharf.region,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def make(iam, kind, name=None, **extra):
    """Makes a user, group or role; returns its name."""
    name = name or unique(kind)
    if kind == "role":
        extra.setdefault("AssumeRolePolicyDocument", json.dumps(trust(ROOT)))
    getattr(iam, f"create_{kind}")(**{f"{kind.title()}Name": name}, **extra)
    return name


def make_user(wharf, iam, policy=None):
    """A user with this policy; returns its name and its key."""
    name = make(iam, "user")
    if policy:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    return name, iam.create_access_key(UserName=name)["AccessKey"]


def make_policy(iam, document=None, **extra):
    name = unique("policy")
    return iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document or ALLOW_ALL), **extra)["Policy"]


def pages(call, result, **parameters):
    """Every entry of a list, and how many pages it took."""
    found, count, marker = [], 0, {}
    while True:
        answer = call(**parameters, **marker)
        found += answer[result]
        count += 1
        if not answer["IsTruncated"]:
            assert "Marker" not in answer
            return found, count
        marker = {"Marker": answer["Marker"]}


# --- Users, groups, roles -------------------------------------------------------------------------------------------


def test_users(iam):
    name = unique("Alice+=,.@_-")
    tags = [{"Key": "team", "Value": "core"}]
    user = iam.create_user(UserName=name, Path="/a/b/", Tags=tags, PermissionsBoundary=READ_ONLY)["User"]
    assert user["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/a/b/{name}"
    assert user["UserId"].startswith("AIDA") and len(user["UserId"]) == 20
    boundary = {"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": READ_ONLY}
    assert (user["Tags"], user["PermissionsBoundary"]) == (tags, boundary)
    assert iam.get_user(UserName=name)["User"] == user
    assert iam.get_user(UserName=name.upper())["User"] == user
    (listed,) = iam.list_users(PathPrefix="/a/b")["Users"]
    assert listed == {key: user[key] for key in ("Path", "UserName", "UserId", "Arn", "CreateDate")}
    fails(
        "EntityAlreadyExists", iam.create_user, f"User with name {name.lower()} already exists.", UserName=name.lower()
    )
    iam.update_user(UserName=name, NewUserName=f"{name}2", NewPath="/c/")
    renamed = iam.get_user(UserName=f"{name}2")["User"]
    assert renamed == {**user, "UserName": f"{name}2", "Path": "/c/", "Arn": f"arn:aws:iam::{ACCOUNT}:user/c/{name}2"}
    fails("NoSuchEntity", iam.get_user, f"The user with name {name} cannot be found.", UserName=name)
    other = make(iam, "user")
    fails("EntityAlreadyExists", iam.update_user, UserName=other, NewUserName=f"{name}2")
    iam.delete_user(UserName=f"{name}2")
    fails("NoSuchEntity", iam.delete_user, UserName=f"{name}2")
    iam.delete_user(UserName=other)


def test_get_user_without_a_name_is_the_caller(wharf, iam):
    # The id of the root user is shorter than the model says, in AWS too.
    root = wharf.client("iam").get_user()["User"]
    assert (root["UserId"], root["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
    name, key = make_user(wharf, iam, allow("iam:GetUser", f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"))
    client = client_of(wharf, key)
    assert client.get_user()["User"]["UserName"] == name
    fails("AccessDenied", client.get_user, UserName=make(iam, "user"))


def test_roles(iam):
    name = unique("role")
    document = json.dumps(trust(ROOT), indent=2)
    role = iam.create_role(
        RoleName=name,
        Path="/ci/",
        AssumeRolePolicyDocument=document,
        Description="builds",
        MaxSessionDuration=7200,
        Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": ""}],
        PermissionsBoundary=ADMINISTRATOR,
    )["Role"]
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/ci/{name}" and role["RoleId"].startswith("AROA")
    assert role["AssumeRolePolicyDocument"] == trust(ROOT)
    assert [tag["Key"] for tag in role["Tags"]] == ["a", "b"]
    assert role["RoleLastUsed"] == {}
    assert iam.get_role(RoleName=name)["Role"] == role
    (listed,) = iam.list_roles(PathPrefix="/ci/")["Roles"]
    assert listed == {key: role[key] for key in role if key not in ("Tags", "PermissionsBoundary", "RoleLastUsed")}
    iam.update_role(RoleName=name, MaxSessionDuration=3600)
    assert iam.get_role(RoleName=name)["Role"]["Description"] == "builds"
    iam.update_role(RoleName=name, Description="")
    changed = iam.get_role(RoleName=name)["Role"]
    assert changed["MaxSessionDuration"] == 3600 and "Description" not in changed
    assert iam.update_role_description(RoleName=name, Description="x")["Role"]["Description"] == "x"
    service = trust({"Service": "ecs-tasks.amazonaws.com"})
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(service))
    assert iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"] == service
    assert iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"] == []
    fails("EntityAlreadyExists", iam.create_role, RoleName=name, AssumeRolePolicyDocument=document)
    iam.delete_role(RoleName=name)
    fails("NoSuchEntity", iam.get_role, f"The role with name {name} cannot be found.", RoleName=name)
    for seconds in (3599, 43201):
        fails(
            "ValidationError",
            iam.create_role,
            RoleName=name,
            AssumeRolePolicyDocument=document,
            MaxSessionDuration=seconds,
        )


def test_documents_are_percent_encoded(wharf, iam):
    seen = []
    raw = wharf.client("iam")
    raw.meta.events.register("after-call", lambda http_response, **_: seen.append(http_response.text))
    name = make(iam, "role")
    raw.get_role(RoleName=name)
    encoded = urllib.parse.quote(json.dumps(trust(ROOT)), safe="-._~")
    assert f"<AssumeRolePolicyDocument>{encoded}</AssumeRolePolicyDocument>" in seen[0]


def test_groups(iam):
    name = unique("group")
    group = iam.create_group(GroupName=name, Path="/g/")["Group"]
    assert group["Arn"] == f"arn:aws:iam::{ACCOUNT}:group/g/{name}" and group["GroupId"].startswith("AGPA")
    users = sorted(make(iam, "user") for _ in range(3))
    for user in users:
        iam.add_user_to_group(GroupName=name, UserName=user)
        iam.add_user_to_group(GroupName=name, UserName=user)
    members, count = pages(iam.get_group, "Users", GroupName=name, MaxItems=2)
    assert ([member["UserName"] for member in members], count) == (users, 2)
    assert iam.list_groups_for_user(UserName=users[0])["Groups"] == [group]
    assert iam.list_groups(PathPrefix="/g/")["Groups"] == [group]
    fails("DeleteConflict", iam.delete_group, GroupName=name)
    fails("DeleteConflict", iam.delete_user, UserName=users[0])
    for user in users:
        iam.remove_user_from_group(GroupName=name, UserName=user)
        fails("NoSuchEntity", iam.remove_user_from_group, GroupName=name, UserName=user)
    iam.update_group(GroupName=name, NewGroupName=f"{name}2", NewPath="/")
    assert iam.get_group(GroupName=f"{name}2")["Group"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:group/{name}2"
    fails("NoSuchEntity", iam.get_group, f"The group with name {name} cannot be found.", GroupName=name)
    fails("EntityAlreadyExists", iam.create_group, GroupName=f"{name}2")
    iam.delete_group(GroupName=f"{name}2")


def test_a_user_belongs_to_at_most_ten_groups(iam):
    user = make(iam, "user")
    for _ in range(10):
        iam.add_user_to_group(GroupName=make(iam, "group"), UserName=user)
    message = "Cannot exceed quota for GroupsPerUser: 10"
    fails("LimitExceeded", iam.add_user_to_group, message, GroupName=make(iam, "group"), UserName=user)
    assert len(iam.list_groups_for_user(UserName=user)["Groups"]) == 10


@pytest.mark.parametrize("kind", ["user", "role"])
def test_tags(iam, kind):
    word, name = kind.title(), {f"{kind.title()}Name": make(iam, kind)}
    tag, untag, tags = (
        getattr(iam, f"{verb}_{kind}{end}") for verb, end in (("tag", ""), ("untag", ""), ("list", "_tags"))
    )
    tag(**name, Tags=[{"Key": "Team", "Value": "a"}, {"Key": "ü", "Value": ""}])
    tag(**name, Tags=[{"Key": "team", "Value": "b"}])
    found, count = pages(tags, "Tags", **name, MaxItems=1)
    assert (found, count) == ([{"Key": "team", "Value": "b"}, {"Key": "ü", "Value": ""}], 2)
    assert getattr(iam, f"get_{kind}")(**name)[word]["Tags"] == found
    untag(**name, TagKeys=["TEAM", "absent"])
    assert tags(**name)["Tags"] == [{"Key": "ü", "Value": ""}]
    fails("InvalidInput", tag, **name, Tags=[{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}])
    fails("InvalidInput", tag, **name, Tags=[{"Key": "aws:a", "Value": ""}])
    fails("ValidationError", tag, **name, Tags=[{"Key": "a*", "Value": ""}])
    tag(**name, Tags=[{"Key": str(number), "Value": ""} for number in range(49)])
    fails("LimitExceeded", tag, **name, Tags=[{"Key": "one-more", "Value": ""}])


@pytest.mark.parametrize("kind", ["user", "role"])
def test_boundaries(iam, kind):
    name = {f"{kind.title()}Name": make(iam, kind)}
    put, delete = (getattr(iam, f"{verb}_{kind}_permissions_boundary") for verb in ("put", "delete"))
    arn = make_policy(iam)["Arn"]
    put(**name, PermissionsBoundary=arn)
    found = getattr(iam, f"get_{kind}")(**name)[kind.title()]["PermissionsBoundary"]["PermissionsBoundaryArn"]
    assert found == arn
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (policy["AttachmentCount"], policy["PermissionsBoundaryUsageCount"]) == (0, 1)
    bounded = iam.list_entities_for_policy(PolicyArn=arn, PolicyUsageFilter="PermissionsBoundary")
    assert len(bounded[f"Policy{kind.title()}s"]) == 1
    fails("DeleteConflict", iam.delete_policy, "Cannot delete a policy attached to entities.", PolicyArn=arn)
    fails("NoSuchEntity", put, **name, PermissionsBoundary=f"{arn}x")
    delete(**name)
    assert "PermissionsBoundary" not in getattr(iam, f"get_{kind}")(**name)[kind.title()]
    iam.delete_policy(PolicyArn=arn)


# --- Policies of entities -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_inline_policies(iam, kind):
    owner = make(iam, kind)
    name = {f"{kind.title()}Name": owner}
    put, get, delete = (getattr(iam, f"{verb}_{kind}_policy") for verb in ("put", "get", "delete"))
    names = getattr(iam, f"list_{kind}_policies")
    for policy in ("b", "a", "c"):
        put(**name, PolicyName=policy, PolicyDocument=json.dumps(allow(f"ecr:{policy}")))
    put(**name, PolicyName="a", PolicyDocument=json.dumps(ALLOW_ALL))
    found = get(**name, PolicyName="a")
    del found["ResponseMetadata"]
    assert found == {**name, "PolicyName": "a", "PolicyDocument": ALLOW_ALL}
    assert pages(names, "PolicyNames", **name, MaxItems=2) == (["a", "b", "c"], 2)
    message = "Cannot delete entity, must delete policies first."
    fails("DeleteConflict", getattr(iam, f"delete_{kind}"), message, **name)
    for policy in ("a", "b", "c"):
        delete(**name, PolicyName=policy)
    message = f"The {kind} policy with name a cannot be found."
    fails("NoSuchEntity", get, message, **name, PolicyName="a")
    fails("NoSuchEntity", delete, message, **name, PolicyName="a")
    fails(
        "NoSuchEntity", put, **{f"{kind.title()}Name": "absent"}, PolicyName="a", PolicyDocument=json.dumps(ALLOW_ALL)
    )
    fails("MalformedPolicyDocument", put, "Syntax errors in policy.", **name, PolicyName="a", PolicyDocument="{")
    limit = {"user": 2048, "group": 5120, "role": 10240}[kind]
    long = allow("ecr:*", "arn:aws:ecr:*:*:repository/" + "x" * limit)
    message = f"Maximum policy size of {limit} bytes exceeded for {kind} {owner}"
    fails("LimitExceeded", put, message, **name, PolicyName="a", PolicyDocument=json.dumps(long))
    spaced = json.dumps(ALLOW_ALL) + " " * limit
    put(**name, PolicyName="a", PolicyDocument=spaced)


@pytest.mark.parametrize("kind", KINDS)
def test_attached_policies(iam, kind):
    name = {f"{kind.title()}Name": make(iam, kind)}
    attach, detach = (getattr(iam, f"{verb}_{kind}_policy") for verb in ("attach", "detach"))
    attached = getattr(iam, f"list_attached_{kind}_policies")
    own = make_policy(iam, Path="/team/")
    for arn in (own["Arn"], READ_ONLY, own["Arn"]):
        attach(**name, PolicyArn=arn)
    found = attached(**name)["AttachedPolicies"]
    assert {"PolicyName": own["PolicyName"], "PolicyArn": own["Arn"]} in found and len(found) == 2
    assert [policy["PolicyArn"] for policy in attached(**name, PathPrefix="/team/")["AttachedPolicies"]] == [own["Arn"]]
    assert pages(attached, "AttachedPolicies", **name, MaxItems=1)[1] == 2
    entities = iam.list_entities_for_policy(PolicyArn=own["Arn"])
    assert [entity[f"{kind.title()}Name"] for entity in entities[f"Policy{kind.title()}s"]] == list(name.values())
    assert iam.get_policy(PolicyArn=own["Arn"])["Policy"]["AttachmentCount"] == 1
    assert iam.get_policy(PolicyArn=READ_ONLY)["Policy"]["AttachmentCount"] >= 1
    fails("DeleteConflict", iam.delete_policy, PolicyArn=own["Arn"])
    message = "Cannot delete entity, must detach all policies first."
    fails("DeleteConflict", getattr(iam, f"delete_{kind}"), message, **name)
    absent = f"arn:aws:iam::{ACCOUNT}:policy/absent"
    fails("NoSuchEntity", attach, f"Policy {absent} does not exist or is not attachable.", **name, PolicyArn=absent)
    fails("NoSuchEntity", detach, f"Policy {absent} was not found.", **name, PolicyArn=absent)
    fails("InvalidInput", attach, **name, PolicyArn="not-an-arn-at-all-but-long")
    service_role = "arn:aws:iam::aws:policy/aws-service-role/ECRTemplateServiceRolePolicy"
    fails("PolicyNotAttachable", attach, **name, PolicyArn=service_role)
    for arn in (own["Arn"], READ_ONLY):
        detach(**name, PolicyArn=arn)
    arns = [make_policy(iam)["Arn"] for _ in range(11)]
    for arn in arns[:10]:
        attach(**name, PolicyArn=arn)
    message = f"Cannot exceed quota for PoliciesPer{kind.title()}: 10"
    fails("LimitExceeded", attach, message, **name, PolicyArn=arns[10])


# --- Managed policies -----------------------------------------------------------------------------------------------


def test_managed_policies(iam):
    tags = [{"Key": "a", "Value": "b"}]
    policy = make_policy(iam, Path="/p/", Description="d", Tags=tags)
    arn = policy["Arn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/p/{policy['PolicyName']}" and policy["PolicyId"].startswith("ANPA")
    assert iam.get_policy(PolicyArn=arn)["Policy"] == policy
    assert (policy["DefaultVersionId"], policy["IsAttachable"], policy["Tags"]) == ("v1", True, tags)
    message = f"A policy called {policy['PolicyName']} already exists. Duplicate names are not allowed."
    again = {"PolicyName": policy["PolicyName"], "PolicyDocument": json.dumps(ALLOW_ALL)}
    fails("EntityAlreadyExists", iam.create_policy, message, **again)
    for number in range(2, 6):
        document = json.dumps(allow(f"ecr:Get{number}*"))
        version = iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=number == 2)
        assert version["PolicyVersion"]["VersionId"] == f"v{number}"
    message = (
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing "
        "version."
    )
    fails("LimitExceeded", iam.create_policy_version, message, PolicyArn=arn, PolicyDocument=json.dumps(ALLOW_ALL))
    found, count = pages(iam.list_policy_versions, "Versions", PolicyArn=arn, MaxItems=2)
    assert ([version["VersionId"] for version in found], count) == (["v5", "v4", "v3", "v2", "v1"], 3)
    assert [version["VersionId"] for version in found if version["IsDefaultVersion"]] == ["v2"]
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"] == allow("ecr:Get2*")
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v3")
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v3"
    message = "Cannot delete the default version of a policy."
    fails("DeleteConflict", iam.delete_policy_version, message, PolicyArn=arn, VersionId="v3")
    fails("DeleteConflict", iam.delete_policy, PolicyArn=arn)
    for version in ("v1", "v2", "v4", "v5"):
        iam.delete_policy_version(PolicyArn=arn, VersionId=version)
        fails("NoSuchEntity", iam.delete_policy_version, PolicyArn=arn, VersionId=version)
    fails("NoSuchEntity", iam.set_default_policy_version, PolicyArn=arn, VersionId="v9")
    fails("ValidationError", iam.get_policy_version, PolicyArn=arn, VersionId="v01")
    number = iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(ALLOW_ALL))["PolicyVersion"][
        "VersionId"
    ]
    assert number == "v6", "numbers are never given twice"
    iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "c", "Value": "d"}])
    iam.untag_policy(PolicyArn=arn, TagKeys=["a"])
    assert iam.list_policy_tags(PolicyArn=arn)["Tags"] == [{"Key": "c", "Value": "d"}]
    iam.delete_policy_version(PolicyArn=arn, VersionId="v6")
    iam.delete_policy(PolicyArn=arn)
    fails("NoSuchEntity", iam.get_policy, f"Policy {arn} was not found.", PolicyArn=arn)


def test_policies_of_aws(iam):
    policy = iam.get_policy(PolicyArn=READ_ONLY)["Policy"]
    assert (policy["DefaultVersionId"], policy["Path"]) == ("v3", "/")
    document = iam.get_policy_version(PolicyArn=READ_ONLY, VersionId="v3")["PolicyVersion"]["Document"]
    assert "ecr:BatchGetImage" in document["Statement"][0]["Action"]
    assert len(iam.list_policy_versions(PolicyArn=READ_ONLY)["Versions"]) == 1
    fails("NoSuchEntity", iam.get_policy_version, PolicyArn=READ_ONLY, VersionId="v1")
    assert iam.list_policy_tags(PolicyArn=READ_ONLY)["Tags"] == []
    for call, more in (
        (iam.delete_policy, {}),
        (iam.create_policy_version, {"PolicyDocument": json.dumps(ALLOW_ALL)}),
        (iam.set_default_policy_version, {"VersionId": "v3"}),
        (iam.delete_policy_version, {"VersionId": "v3"}),
        (iam.tag_policy, {"Tags": [{"Key": "a", "Value": ""}]}),
        (iam.untag_policy, {"TagKeys": ["a"]}),
    ):
        fails("InvalidInput", call, PolicyArn=READ_ONLY, **more)


def test_list_policies(iam):
    path = f"/{unique('list')}/"
    own = sorted(make_policy(iam, Path=path)["Arn"] for _ in range(3))
    user = make(iam, "user")
    iam.attach_user_policy(UserName=user, PolicyArn=own[1])

    def arns(**parameters):
        found, _ = pages(iam.list_policies, "Policies", **parameters)
        return sorted(policy["Arn"] for policy in found)

    assert arns(Scope="Local", PathPrefix=path, MaxItems=1) == own
    assert arns(PathPrefix=path, OnlyAttached=True) == [own[1]]
    assert arns(PathPrefix=path, PolicyUsageFilter="PermissionsBoundary") == []
    assert READ_ONLY in arns(Scope="AWS") and own[0] not in arns(Scope="AWS")
    assert {READ_ONLY, *own} <= set(arns(MaxItems=7))


# --- Keys -----------------------------------------------------------------------------------------------------------


def test_keys_work_until_they_are_deactivated(wharf, iam):
    name = make(iam, "user")
    key = iam.create_access_key(UserName=name)["AccessKey"]
    assert key["AccessKeyId"].startswith("AKIA") and len(key["AccessKeyId"]) == 20 and len(key["SecretAccessKey"]) == 40
    sts = client_of(wharf, key, "sts")
    identity = sts.get_caller_identity()
    user = iam.get_user(UserName=name)["User"]
    assert (identity["Arn"], identity["UserId"], identity["Account"]) == (user["Arn"], user["UserId"], ACCOUNT)
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    fails("InvalidClientTokenId", sts.get_caller_identity)
    (listed,) = iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
    assert (listed["Status"], listed["UserName"]) == ("Inactive", name)
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Active")
    sts.get_caller_identity()
    iam.create_access_key(UserName=name)
    fails("LimitExceeded", iam.create_access_key, "Cannot exceed quota for AccessKeysPerUser: 2", UserName=name)
    keys, count = pages(iam.list_access_keys, "AccessKeyMetadata", UserName=name, MaxItems=1)
    assert count == 2 and {entry["AccessKeyId"] for entry in keys} > {key["AccessKeyId"]}
    fails("DeleteConflict", iam.delete_user, "Cannot delete entity, must delete access keys first.", UserName=name)
    other = make(iam, "user")
    fails("NoSuchEntity", iam.delete_access_key, UserName=other, AccessKeyId=key["AccessKeyId"])
    for entry in keys:
        iam.delete_access_key(UserName=name, AccessKeyId=entry["AccessKeyId"])
    fails("InvalidClientTokenId", sts.get_caller_identity)
    iam.delete_user(UserName=name)


def test_keys_survive_a_restart(fresh_wharf):
    iam = fresh_wharf.client("iam")
    name, key = make_user(fresh_wharf, iam)
    fresh_wharf.restart()
    assert client_of(fresh_wharf, key, "sts").get_caller_identity()["Arn"].endswith(f"user/{name}")
    assert fresh_wharf.log_text().count(key["SecretAccessKey"]) == 0


def test_users_manage_their_own_keys(wharf, iam):
    own = f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"
    name, key = make_user(wharf, iam, allow("iam:*AccessKey*", own))
    client = client_of(wharf, key)
    second = client.create_access_key()["AccessKey"]
    assert second["UserName"] == name
    assert len(client.list_access_keys()["AccessKeyMetadata"]) == 2
    client.update_access_key(AccessKeyId=second["AccessKeyId"], Status="Inactive")
    client.delete_access_key(AccessKeyId=second["AccessKeyId"])
    fails("AccessDenied", client.create_access_key, UserName=make(iam, "user"))
    (root,) = iam.list_access_keys()["AccessKeyMetadata"]
    assert root["AccessKeyId"] == wharf.credentials["AWS_ACCESS_KEY_ID"]
    fails("ValidationError", iam.create_access_key)


def test_last_use_of_keys(wharf, iam):
    name, key = make_user(wharf, iam)
    answer = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
    assert answer["UserName"] == name
    assert answer["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    fails("NoSuchEntity", iam.get_access_key_last_used, AccessKeyId="AKIAABSENTABSENTABSE")


# --- OpenID Connect providers ---------------------------------------------------------------------------------------


def test_oidc_providers(iam):
    host = f"{unique('idp')}.example.com"
    answer = iam.create_open_id_connect_provider(
        Url=f"https://{host}/a",
        ClientIDList=["sts.amazonaws.com"],
        ThumbprintList=[THUMBPRINT],
        Tags=[{"Key": "a", "Value": "b"}],
    )
    arn = answer["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}/a"
    named = {"OpenIDConnectProviderArn": arn}
    found = iam.get_open_id_connect_provider(**named)
    assert (found["Url"], found["ClientIDList"], found["ThumbprintList"]) == (
        f"{host}/a",
        ["sts.amazonaws.com"],
        [THUMBPRINT],
    )
    assert found["Tags"] == [{"Key": "a", "Value": "b"}]
    assert {"Arn": arn} in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    fails("EntityAlreadyExists", iam.create_open_id_connect_provider, Url=f"https://{host}/a")
    iam.add_client_id_to_open_id_connect_provider(**named, ClientID="other")
    iam.remove_client_id_from_open_id_connect_provider(**named, ClientID="sts.amazonaws.com")
    iam.update_open_id_connect_provider_thumbprint(**named, ThumbprintList=["a" * 40])
    iam.tag_open_id_connect_provider(**named, Tags=[{"Key": "c", "Value": ""}])
    iam.untag_open_id_connect_provider(**named, TagKeys=["a"])
    found = iam.get_open_id_connect_provider(**named)
    assert (found["ClientIDList"], found["ThumbprintList"]) == (["other"], ["a" * 40])
    assert iam.list_open_id_connect_provider_tags(**named)["Tags"] == [{"Key": "c", "Value": ""}]
    iam.delete_open_id_connect_provider(**named)
    message = f"OpenIDConnect Provider not found for arn {arn}"
    fails("NoSuchEntity", iam.get_open_id_connect_provider, message, **named)


def test_urls_of_oidc_providers(iam):
    for url in (
        "http://idp.example.com",
        "idp.example.com",
        "https://a@idp.example.com",
        "https://idp.example.com?a=b",
    ):
        fails("ValidationError", iam.create_open_id_connect_provider, Url=url)
    arn = iam.create_open_id_connect_provider(Url="http://127.0.0.1:9/x", ClientIDList=[])["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/127.0.0.1:9/x"
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["Url"] == "http://127.0.0.1:9/x"
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


# --- What there never is --------------------------------------------------------------------------------------------


def test_empty_lists(iam):
    name = make(iam, "user")
    for call, result in (
        (iam.list_ssh_public_keys, "SSHPublicKeys"),
        (iam.list_mfa_devices, "MFADevices"),
        (iam.list_signing_certificates, "Certificates"),
        (iam.list_service_specific_credentials, "ServiceSpecificCredentials"),
    ):
        answer = call(UserName=name)
        assert (answer[result], answer["IsTruncated"]) == ([], False)
        assert call()[result] == []
        fails("NoSuchEntity", call, UserName="absent")
    assert iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"] == []
    assert iam.list_account_aliases()["AccountAliases"] == []
    message = f"Login Profile for User {name} cannot be found."
    fails("NoSuchEntity", iam.get_login_profile, message, UserName=name)
    fails("NoSuchEntity", iam.delete_login_profile, message, UserName=name)


def test_account_summary(iam):
    before = iam.get_account_summary()["SummaryMap"]
    make(iam, "user")
    make_policy(iam)
    after = iam.get_account_summary()["SummaryMap"]
    assert (after["Users"], after["Policies"]) == (before["Users"] + 1, before["Policies"] + 1)
    assert after["AccessKeysPerUserQuota"] == 2


# --- Constraints ----------------------------------------------------------------------------------------------------


def test_names_and_paths(iam):
    pattern = r"Member must satisfy regular expression pattern: [\w+=,.@-]+"
    message = f"1 validation error detected: Value 'a b' at 'userName' failed to satisfy constraint: {pattern}"
    fails("ValidationError", iam.create_user, message, UserName="a b")
    fails("ValidationError", iam.create_user, UserName="a" * 65)
    fails("ValidationError", iam.create_group, GroupName="a" * 129)
    for path in ("a", "/a", "a/", "/a b/", "/" + "a" * 511 + "/"):
        fails("ValidationError", iam.create_user, UserName=unique(), Path=path)
    fails("ValidationError", iam.create_policy, PolicyName=unique(), Path="/a!/", PolicyDocument=json.dumps(ALLOW_ALL))
    fails("ValidationError", iam.list_users, Marker="nonsense!")
    for count in (0, 1001):
        fails("ValidationError", iam.list_users, MaxItems=count)
    message = "1 validation error detected: Value at 'userName' failed to satisfy constraint: Member must not be null"
    fails("ValidationError", iam.create_user, message)
    make(iam, "user", "x" * 64)


def test_documents(iam):
    name = unique()

    def refused(document, code="MalformedPolicyDocument", message=None):
        fails(code, iam.create_policy, message, PolicyName=name, PolicyDocument=document)

    refused("[]", message="Syntax errors in policy.")
    refused(json.dumps({**ALLOW_ALL, "Version": "2008-10-17"}))
    refused(json.dumps(allow("nonsense")))
    refused(json.dumps(allow("ecr:*", Principal="*")), message="Policy document should not specify a principal.")
    long = allow("ecr:*", "arn:aws:ecr:*:*:repository/" + "x" * 6144)
    refused(json.dumps(long), "LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
    refused("\u0101", "ValidationError")


def test_trust_policies_name_only_principals_that_exist(iam):
    user, role = make(iam, "user"), make(iam, "role")
    for principal in (
        ROOT,
        {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{user}"},
        {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/{role}", "AROAABCDEFGHIJKLMNOP"]},
        {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session"},
        {"AWS": "arn:aws:iam::210987654321:user/elsewhere"},
        {"Service": "ecs-tasks.amazonaws.com"},
    ):
        make(iam, "role", AssumeRolePolicyDocument=json.dumps(trust(principal)))
    for arn in (
        f"arn:aws:iam::{ACCOUNT}:user/absent",
        f"arn:aws:iam::{ACCOUNT}:role/{user}",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/absent/session",
    ):
        document = json.dumps(trust({"AWS": arn}))
        message = f'Invalid principal in policy: "AWS":"{arn}"'
        fails("MalformedPolicyDocument", iam.create_role, message, RoleName=unique(), AssumeRolePolicyDocument=document)
        fails("MalformedPolicyDocument", iam.update_assume_role_policy, message, RoleName=role, PolicyDocument=document)


# --- What changes bring about ---------------------------------------------------------------------------------------


def test_a_renamed_or_deleted_principal_in_trust_policies(iam):
    user = make(iam, "user")
    arn, unique_id = (iam.get_user(UserName=user)["User"][member] for member in ("Arn", "UserId"))
    role = make(iam, "role", AssumeRolePolicyDocument=json.dumps(trust({"AWS": arn})))

    def trusted():
        return iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["AWS"]

    iam.update_user(UserName=user, NewUserName=f"{user}-renamed", NewPath="/new/")
    assert trusted() == f"arn:aws:iam::{ACCOUNT}:user/new/{user}-renamed"
    iam.delete_user(UserName=f"{user}-renamed")
    assert trusted() == unique_id
    make(iam, "user", f"{user}-renamed", Path="/new/")
    assert trusted() == unique_id, "a new user of the same name is another one"


def test_policies_are_in_force_at_once(wharf, iam):
    name, key = make_user(wharf, iam)
    group = make(iam, "group")
    client = client_of(wharf, key)
    denied = f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: iam:ListUsers on resource: *"
    assert fails("AccessDenied", client.list_users).startswith(denied)
    iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=json.dumps(allow("iam:ListUsers")))
    iam.add_user_to_group(GroupName=group, UserName=name)
    client.list_users(MaxItems=1)
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=READ_ONLY)
    fails("AccessDenied", client.list_users)
    iam.delete_user_permissions_boundary(UserName=name)
    client.list_users(MaxItems=1)
    iam.remove_user_from_group(GroupName=group, UserName=name)
    fails("AccessDenied", client.list_users)
    arn = make_policy(iam, allow("iam:ListRoles"))["Arn"]
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    fails("AccessDenied", client.list_users)
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(allow("iam:ListUsers")), SetAsDefault=True)
    client.list_users(MaxItems=1)
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    fails("AccessDenied", client.list_users)


def test_permissions_are_about_paths_tags_and_policies(wharf, iam):
    path = f"/{unique('team')}/"
    own = f"arn:aws:iam::{ACCOUNT}:*{path}*"
    name, key = make_user(wharf, iam)
    statements = [
        {
            "Effect": "Allow",
            "Action": ["iam:CreateUser", "iam:GetUser", "iam:UpdateUser"],
            "Resource": own.replace(":*/", ":user/"),
        },
        {
            "Effect": "Allow",
            "Action": "iam:AttachUserPolicy",
            "Resource": "*",
            "Condition": {"ArnEquals": {"iam:PolicyARN": READ_ONLY}},
        },
        {
            "Effect": "Allow",
            "Action": "iam:CreateAccessKey",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}},
        },
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    client = client_of(wharf, key)
    member, other = unique("member"), make(iam, "user")
    client.create_user(UserName=member, Path=path)
    client.get_user(UserName=member)
    fails("AccessDenied", client.create_user, UserName=unique())
    fails("AccessDenied", client.get_user, UserName=other)
    fails("AccessDenied", client.update_user, UserName=member, NewPath="/")
    fails("AccessDenied", client.create_user, UserName=unique(), Path=path, Tags=[{"Key": "a", "Value": ""}])
    client.attach_user_policy(UserName=member, PolicyArn=READ_ONLY)
    fails("AccessDenied", client.attach_user_policy, UserName=member, PolicyArn=ADMINISTRATOR)
    fails("AccessDenied", client.create_access_key, UserName=member)
    iam.tag_user(UserName=member, Tags=[{"Key": "team", "Value": "a"}])
    client.create_access_key(UserName=member)


# What each member of an input can be; the entities need not exist for a refusal.
PARAMETERS = {
    "PolicyArn": READ_ONLY,
    "PermissionsBoundary": READ_ONLY,
    "PolicyDocument": json.dumps(ALLOW_ALL),
    "AssumeRolePolicyDocument": json.dumps(trust(ROOT)),
    "PolicyInputList": [json.dumps(ALLOW_ALL)],
    "PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:user/absent",
    "ActionNames": ["ecr:PutImage"],
    "VersionId": "v1",
    "AccessKeyId": "AKIAABSENTABSENTABSE",
    "Status": "Active",
    "Tags": [{"Key": "a", "Value": "b"}],
    "TagKeys": ["a"],
    "OpenIDConnectProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/absent.example.com",
    "ClientID": "a",
    "ThumbprintList": [THUMBPRINT],
    "Url": "https://idp.example.com",
    "Description": "d",
    "AWSServiceName": "replication.ecr.amazonaws.com",
}

OPERATIONS = """
AddClientIDToOpenIDConnectProvider AddUserToGroup AttachGroupPolicy AttachRolePolicy AttachUserPolicy CreateAccessKey
CreateGroup CreateOpenIDConnectProvider CreatePolicy CreatePolicyVersion CreateRole CreateServiceLinkedRole CreateUser
DeleteAccessKey
DeleteGroup DeleteGroupPolicy DeleteLoginProfile DeleteOpenIDConnectProvider DeletePolicy DeletePolicyVersion DeleteRole
DeleteRolePermissionsBoundary DeleteRolePolicy DeleteServiceLinkedRole DeleteUser DeleteUserPermissionsBoundary DeleteUserPolicy
DetachGroupPolicy DetachRolePolicy DetachUserPolicy GetAccessKeyLastUsed GetAccountAuthorizationDetails GetAccountSummary
GetContextKeysForCustomPolicy GetContextKeysForPrincipalPolicy GetGroup GetGroupPolicy GetLoginProfile
GetOpenIDConnectProvider GetPolicy GetPolicyVersion GetRole GetRolePolicy GetUser GetUserPolicy ListAccessKeys
ListAccountAliases ListAttachedGroupPolicies ListAttachedRolePolicies ListAttachedUserPolicies ListEntitiesForPolicy
ListGroupPolicies ListGroups ListGroupsForUser ListInstanceProfilesForRole ListMFADevices ListOpenIDConnectProviderTags
ListOpenIDConnectProviders ListPolicies ListPolicyTags ListPolicyVersions ListRolePolicies ListRoleTags ListRoles
ListSSHPublicKeys ListServiceSpecificCredentials ListSigningCertificates ListUserPolicies ListUserTags ListUsers
ListVirtualMFADevices PutGroupPolicy PutRolePermissionsBoundary PutRolePolicy PutUserPermissionsBoundary PutUserPolicy
RemoveClientIDFromOpenIDConnectProvider RemoveUserFromGroup SetDefaultPolicyVersion SimulateCustomPolicy
SimulatePrincipalPolicy TagOpenIDConnectProvider TagPolicy TagRole TagUser UntagOpenIDConnectProvider UntagPolicy
UntagRole UntagUser UpdateAccessKey UpdateAssumeRolePolicy UpdateGroup UpdateOpenIDConnectProviderThumbprint UpdateRole
UpdateRoleDescription UpdateUser
""".split()


@pytest.fixture(scope="module")
def nobody(wharf, iam):
    """A user who may do nothing."""
    _, key = make_user(wharf, iam)
    return check_every_answer(client_of(wharf, key))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nobody_may_do_anything_by_default(nobody, operation):
    shape = nobody.meta.service_model.operation_model(operation).input_shape
    required = list(shape.required_members) if shape else []
    if shape and "UserName" in shape.members:
        required.append("UserName")
    parameters = {name: PARAMETERS.get(name, "absent") for name in required}
    if operation == "UpdateAssumeRolePolicy":
        parameters["PolicyDocument"] = json.dumps(trust(ROOT))
    methods = {name: method for method, name in nobody.meta.method_to_api_mapping.items()}
    message = fails("AccessDenied", getattr(nobody, methods[operation]), **parameters)
    assert f"is not authorized to perform: iam:{operation} on resource: " in message


def test_accounts_are_apart(start_wharf):
    accounts = {
        ACCOUNT: ("AKIAFIRSTFIRSTFIRST1", "first-secret"),
        "210987654321": ("AKIAOTHEROTHEROTHER1", "other-secret"),
    }
    server = start_wharf(accounts, ["us-east-1"])
    first, other = (
        client_of(server, {"AccessKeyId": key_id, "SecretAccessKey": secret}) for key_id, secret in accounts.values()
    )
    user, policy = make(first, "user"), make_policy(first)["Arn"]
    key = first.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    provider = first.create_open_id_connect_provider(Url="https://idp.example.com")["OpenIDConnectProviderArn"]
    first.attach_user_policy(UserName=user, PolicyArn=READ_ONLY)
    fails("NoSuchEntity", other.get_user, UserName=user)
    make(other, "user", user)
    assert other.list_attached_user_policies(UserName=user)["AttachedPolicies"] == []
    assert other.get_policy(PolicyArn=READ_ONLY)["Policy"]["AttachmentCount"] == 0
    assert other.list_entities_for_policy(PolicyArn=READ_ONLY)["PolicyUsers"] == []
    for call, parameters in (
        (other.get_policy, {"PolicyArn": policy}),
        (other.delete_policy, {"PolicyArn": policy}),
        (other.attach_user_policy, {"PolicyArn": policy, "UserName": user}),
        (other.put_user_permissions_boundary, {"PermissionsBoundary": policy, "UserName": user}),
        (other.tag_policy, {"PolicyArn": policy, "Tags": [{"Key": "a", "Value": "b"}]}),
        (other.delete_open_id_connect_provider, {"OpenIDConnectProviderArn": provider}),
        (other.delete_access_key, {"UserName": user, "AccessKeyId": key}),
        (other.get_access_key_last_used, {"AccessKeyId": key}),
    ):
        fails("NoSuchEntity", call, **parameters)
    arn = first.get_user(UserName=user)["User"]["Arn"]
    fails("InvalidInput", other.simulate_principal_policy, PolicySourceArn=arn, ActionNames=["ecr:PutImage"])
    assert other.list_policies(Scope="Local")["Policies"] == []
    assert other.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


# --- The simulator --------------------------------------------------------------------------------------------------


def decisions(answer):
    return [
        (entry["EvalActionName"], entry["EvalResourceName"], entry["EvalDecision"])
        for entry in answer["EvaluationResults"]
    ]


def repository(name):
    return f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{name}"


def test_simulate_principal_policy(iam):
    name = make(iam, "user", Tags=[{"Key": "team", "Value": "a"}])
    arn = iam.get_user(UserName=name)["User"]["Arn"]
    group = make(iam, "group")
    iam.add_user_to_group(GroupName=group, UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=READ_ONLY)
    deny = {"Effect": "Deny", "Action": "ecr:*", "Resource": repository("secret")}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]}, indent=1)
    iam.put_group_policy(GroupName=group, PolicyName="no-secrets", PolicyDocument=document)
    actions, resources = ["ecr:BatchGetImage", "ecr:PutImage"], [repository("app"), repository("secret")]
    answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=actions, ResourceArns=resources)
    assert decisions(answer) == [
        ("ecr:BatchGetImage", repository("app"), "allowed"),
        ("ecr:BatchGetImage", repository("secret"), "explicitDeny"),
        ("ecr:PutImage", repository("app"), "implicitDeny"),
        ("ecr:PutImage", repository("secret"), "explicitDeny"),
    ]
    (allowed,), (denied,), none, _ = (entry["MatchedStatements"] for entry in answer["EvaluationResults"])
    assert (allowed["SourcePolicyId"], allowed["SourcePolicyType"]) == (READ_ONLY.split("/")[1], "aws-managed")
    assert (denied["SourcePolicyId"], denied["SourcePolicyType"]) == (f"group_{group}_no-secrets", "group")
    assert denied["StartPosition"] == {"Line": 4, "Column": 3}
    assert none == []
    assert all("PermissionsBoundaryDecisionDetail" not in entry for entry in answer["EvaluationResults"])
    first = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=actions, ResourceArns=resources, MaxItems=3)
    assert first["IsTruncated"] and len(first["EvaluationResults"]) == 3
    tagged = allow("ecr:PutImage", Condition={"StringEquals": {"aws:PrincipalTag/team": "a"}})
    more = {"PolicyInputList": [json.dumps(tagged)], "ActionNames": ["ecr:PutImage"]}
    (result,) = iam.simulate_principal_policy(PolicySourceArn=arn, **more)["EvaluationResults"]
    assert (result["EvalDecision"], result["EvalResourceName"], result["MissingContextValues"]) == ("allowed", "*", [])
    assert result["MatchedStatements"][0]["SourcePolicyId"] == "PolicyInputList.1"
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=READ_ONLY)
    (result,) = iam.simulate_principal_policy(PolicySourceArn=arn, **more)["EvaluationResults"]
    assert result["EvalDecision"] == "implicitDeny"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    absent = f"arn:aws:iam::{ACCOUNT}:user/absent"
    fails("NoSuchEntity", iam.simulate_principal_policy, PolicySourceArn=absent, ActionNames=actions)
    fails("InvalidInput", iam.simulate_principal_policy, PolicySourceArn=READ_ONLY, ActionNames=actions)


def test_simulate_groups_and_roles(iam):
    for kind in ("group", "role"):
        name = {f"{kind.title()}Name": make(iam, kind)}
        getattr(iam, f"attach_{kind}_policy")(**name, PolicyArn=ADMINISTRATOR)
        arn = getattr(iam, f"get_{kind}")(**name)[kind.title()]["Arn"]
        answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["ecr:PutImage"])
        assert decisions(answer) == [("ecr:PutImage", "*", "allowed")]


def test_simulate_custom_policy(iam):
    condition = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    policies = [json.dumps(allow("ecr:*", Condition=condition))]
    action = {"PolicyInputList": policies, "ActionNames": ["ecr:PutImage"]}
    (result,) = iam.simulate_custom_policy(**action)["EvaluationResults"]
    assert (result["EvalDecision"], result["MissingContextValues"]) == ("implicitDeny", ["aws:SourceIp"])
    entry = {"ContextKeyName": "aws:sourceip", "ContextKeyValues": ["203.0.113.9"], "ContextKeyType": "ip"}
    (result,) = iam.simulate_custom_policy(**action, ContextEntries=[entry])["EvaluationResults"]
    assert (result["EvalDecision"], result["MissingContextValues"]) == ("allowed", [])
    bounded = {"PermissionsBoundaryPolicyInputList": [json.dumps(allow("ecr:Get*"))], "ContextEntries": [entry]}
    (result,) = iam.simulate_custom_policy(**action, **bounded)["EvaluationResults"]
    assert result["EvalDecision"] == "implicitDeny"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    assert iam.get_context_keys_for_custom_policy(PolicyInputList=policies)["ContextKeyNames"] == ["aws:SourceIp"]
    caller = iam.get_user(UserName=make(iam, "user"))["User"]["Arn"]
    grant = {"Effect": "Allow", "Principal": {"AWS": caller}, "Action": "ecr:PutImage"}
    more = {"ResourcePolicy": json.dumps({"Version": "2012-10-17", "Statement": [grant]}), "CallerArn": caller}
    answer = iam.simulate_custom_policy(**action, **more, ResourceArns=[repository("a")])
    (result,) = answer["EvaluationResults"]
    assert (result["EvalDecision"], result["MatchedStatements"][0]["SourcePolicyType"]) == ("allowed", "resource")
    elsewhere = {"ResourceOwner": "arn:aws:iam::210987654321:root", "ResourceArns": [repository("a")]}
    (result,) = iam.simulate_custom_policy(**action, **more, **elsewhere)["EvaluationResults"]
    assert result["EvalDecision"] == "implicitDeny", "across accounts both sides must allow"
    fails("InvalidInput", iam.simulate_custom_policy, PolicyInputList=["{"], ActionNames=["ecr:PutImage"])
    fails("InvalidInput", iam.simulate_custom_policy, PolicyInputList=policies, ActionNames=["nonsense"])


def test_context_keys_of_a_principal(iam):
    name = make(iam, "role")
    document = allow(
        "ecr:*", f"{repository('')}${{aws:PrincipalTag/team}}/*", Condition={"Bool": {"aws:SecureTransport": "true"}}
    )
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(document))
    arn = iam.get_role(RoleName=name)["Role"]["Arn"]
    inputs = [json.dumps(allow("ecr:*", Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}))]
    answer = iam.get_context_keys_for_principal_policy(PolicySourceArn=arn, PolicyInputList=inputs)
    assert answer["ContextKeyNames"] == ["aws:PrincipalTag/team", "aws:RequestedRegion", "aws:SecureTransport"]
