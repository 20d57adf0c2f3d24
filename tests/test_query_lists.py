"""Lists of the Query protocol without members, which clients write as an empty text (Smithy's awsQuery: `ListArg=`), in
every operation of STS and IAM; and fields that are there twice."""

import json
import uuid
import xml.etree.ElementTree as ElementTree

import botocore.session
import pytest

from harness.aws_api import FORM_TYPE, AwsApi

VERSIONS = {"sts": "2011-06-15", "iam": "2010-05-08"}
# What the server says of an input that it cannot read.
UNREADABLE = ("MalformedInput", "SerializationException", "MalformedQueryString")


def lists_of(shape, prefix="", depth=0):
    """The names of all lists in an input, as fields of a form."""
    if shape.type_name == "structure" and depth < 4:
        for name, member in shape.members.items():
            yield from lists_of(member, f"{prefix}.{name}" if prefix else name, depth + 1)
    elif shape.type_name == "list":
        yield prefix
        yield from lists_of(shape.member, f"{prefix}.member.1", depth + 1)


def all_lists():
    session = botocore.session.get_session()
    for service in VERSIONS:
        model = session.get_service_model(service)
        for operation in model.operation_names:
            shape = model.operation_model(operation).input_shape
            yield from ((service, operation, name) for name in (lists_of(shape) if shape else ()))


def error_of(answer):
    """The code of an error, and its text."""
    found = {element.tag.split("}")[-1]: element.text for element in ElementTree.fromstring(answer.body).iter()}
    return found.get("Code"), found.get("Message")


@pytest.fixture(scope="module")
def api(wharf):
    return AwsApi(wharf)


def call(api, service, form):
    return api.post(form.encode(), {"Content-Type": FORM_TYPE}, api.signing.but(service=service))


@pytest.mark.parametrize(("service", "operation", "name"), list(all_lists()))
def test_every_list(api, service, operation, name):
    """An empty list is read as one, whatever else is wrong with the request."""
    answer = call(api, service, f"Action={operation}&Version={VERSIONS[service]}&{name}=")
    code, text = error_of(answer)
    assert code not in UNREADABLE, (code, text)


@pytest.mark.parametrize("member", ["Tags", "PolicyArns", "TransitiveTagKeys"])
def test_assume_role(wharf, member):
    """As GitHub's configure-aws-credentials does, which sends `TransitiveTagKeys=`."""
    iam, sts = wharf.client("iam"), wharf.client("sts")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{wharf.account}:root"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }
        ],
    }
    role = iam.create_role(RoleName=f"lists-{uuid.uuid4().hex[:8]}", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    assumed = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="session", **{member: []})
    assert assumed["Credentials"]["AccessKeyId"].startswith("ASIA")


def test_empty_lists_of_iam(wharf):
    """As if the member were not there."""
    iam = wharf.client("iam")
    name = f"lists-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name, Tags=[])
    assert iam.list_user_tags(UserName=name)["Tags"] == []
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    result = iam.simulate_custom_policy(
        PolicyInputList=[policy], ActionNames=["ecr:ListImages"], ResourceArns=[], ContextEntries=[]
    )
    assert [one["EvalDecision"] for one in result["EvaluationResults"]] == ["allowed"]


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("Action=GetCallerIdentity&Version=2011-06-15&Action=GetCallerIdentity", "Action"),
        ("Action=GetCallerIdentity&Version=2011-06-15&Version=2010-05-08", "Version"),
        ("Action=GetCallerIdentity&Version=2011-06-15&%41ction=GetSessionToken", "Action"),
        ("Action=GetSessionToken&Version=2011-06-15&DurationSeconds=900&DurationSeconds=900", "DurationSeconds"),
    ],
)
def test_a_field_that_is_there_twice(api, form, name):
    """Two readers could each believe another one."""
    answer = call(api, "sts", form)
    assert answer.status == 400, repr(answer)
    code, text = error_of(answer)
    assert code == "MalformedQueryString" and f"'{name}' is given more than once" in text


def test_a_presigned_field_that_is_there_twice(api):
    url = api.signing.but(service="sts").presign(
        "GET", f"http://{api.host}/?Action=GetCallerIdentity&Version=2011-06-15"
    )
    assert api.send("GET", url).status == 200
    answer = api.send("GET", f"{url}&X-Amz-Expires=604800")
    assert answer.status in (400, 403) and b"given more than once" in answer.body, repr(answer)
