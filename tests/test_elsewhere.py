"""Clients of services that Wharf is not, whose requests come here since AWS_ENDPOINT_URL sends all of them here: each is told
so in its own protocol, and what to do instead."""

import json
import struct

import pytest
from botocore.exceptions import ClientError

from harness.aws_api import AwsApi

WHAT_TO_DO = "AWS_ENDPOINT_URL_ECR"
TASK = {"family": "app", "containerDefinitions": [{"name": "app", "image": "app"}]}
FUNCTION = {
    "FunctionName": "f",
    "Role": "arn:aws:iam::123456789012:role/service",
    "Code": {"ImageUri": "app:v1"},
    "PackageType": "Image",
}
# A service, and one call of it. Between them they speak every protocol that AWS has.
CALLS = {
    "JSON 1.1": ("ecs", lambda client: client.register_task_definition(**TASK)),
    "JSON 1.0": ("dynamodb", lambda client: client.list_tables()),
    "JSON 1.0 of App Runner": ("apprunner", lambda client: client.list_services()),
    "Query": ("sns", lambda client: client.list_topics()),
    "Query of CloudFormation": ("cloudformation", lambda client: client.list_stacks()),
    "EC2": ("ec2", lambda client: client.describe_instances()),
    "REST-JSON": ("lambda", lambda client: client.create_function(**FUNCTION)),
    "REST-JSON with GET": ("eks", lambda client: client.list_clusters()),
    "REST-JSON under /v2": ("apigatewayv2", lambda client: client.get_apis()),
    "REST-XML of S3": ("s3", lambda client: client.list_buckets()),
    "REST-XML of S3 with POST": (
        "s3",
        lambda client: client.delete_objects(Bucket="b", Delete={"Objects": [{"Key": "k"}]}),
    ),
    "REST-XML": ("route53", lambda client: client.list_hosted_zones()),
}


@pytest.mark.parametrize(("service", "request_it"), CALLS.values(), ids=CALLS.keys())
def test_other_services(wharf, service, request_it):
    """The SDK's own reader of errors finds the text."""
    with pytest.raises(ClientError) as caught:
        request_it(wharf.client(service))
    error = caught.value.response["Error"]
    assert error["Code"] in ("UnknownOperationException", "InvalidAction", "NotImplemented"), error
    assert WHAT_TO_DO in error["Message"] and "Wharf does not have the service" in error["Message"], error
    # Nothing that an SDK would try again.
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404, 501)


def test_cbor(wharf):
    """The newest protocol, with errors in CBOR."""
    api = AwsApi(wharf)
    headers = {"Smithy-Protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    answer = api.post(b"\xa0", headers, api.signing.but(service="monitoring"), path)
    assert answer.status == 404 and answer.header("Smithy-Protocol") == "rpc-v2-cbor", repr(answer)
    texts, rest = [], answer.body[1:]
    while rest:
        kind, length = struct.unpack(">BH", rest[:3])
        assert kind == 0x79
        texts.append(rest[3 : 3 + length].decode())
        rest = rest[3 + length :]
    assert texts[:3] == ["__type", "UnknownOperationException", "message"] and WHAT_TO_DO in texts[3]


def test_a_target_that_begins_wrongly(wharf):
    """The right beginning is told."""
    api = AwsApi(wharf)
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Wharf.ListImagePackages"}
    answer = api.post(b"{}", headers, api.signing.but(service="wharf")).json()
    assert (
        answer["__type"] == "UnknownOperationException"
        and "such as 'Wharf_20261121.ListImagePackages'" in answer["message"]
    )


def test_operations_that_wharf_does_not_have(wharf):
    """Of its own services it names the operation."""
    with pytest.raises(ClientError) as caught:
        wharf.client("ecr").get_signing_configuration()
    assert "'GetSigningConfiguration' of ecr" in caught.value.response["Error"]["Message"]
    with pytest.raises(ClientError) as caught:
        wharf.client("iam").list_server_certificates()
    assert caught.value.response["Error"]["Code"] == "InvalidAction"
    assert "'ListServerCertificates' of iam" in caught.value.response["Error"]["Message"]


def test_who_does_not_sign_is_told_of_the_registry(wharf):
    """A browser at a wrong path, and a registry client under /v2/, see what they always saw."""
    api = AwsApi(wharf)
    answer = api.send("GET", f"http://{api.host}/2015-03-31/functions/")
    assert answer.status == 404 and b"The registry is under /v2/" in answer.body
    assert api.send("GET", f"http://{api.host}/v2/").status == 401
    signed = api.signing.but(service="ecr").sign("GET", f"http://{api.host}/v2/", {}, b"")
    assert api.send("GET", f"http://{api.host}/v2/", signed).status in (400, 401)
    assert json.loads(api.ecr("DescribeRegistry").body)["registryId"] == wharf.account
