"""Clients that take a request back once it is sent: whatever it has changed all the same has its record."""

import json
from urllib.parse import urlencode

import pytest

from harness.aws_api import ECR_TARGET, FORM_TYPE, JSON_TYPE, signing_of
from harness.identities import allow, document
from harness.images import image
from harness.raw_http import RawConnection, head
from harness.raw_http2 import CANCEL, DATA, END_STREAM, RESET, Http2Connection
from harness.registry_client import RegistryClient, Repository, path_of

ALL = document(allow("*"))
# How many answers on another connection a request is given before it is cut, one after the other.
MOMENTS = [0, 0, 1, 1, 2, 3, 4, 6]
ROUNDS = 5


class Cutter:
    def __init__(self, server):
        self.server = server
        # Its answers take the server a moment each.
        self.other = RegistryClient(server.own_host)

    def let_pass(self, answers):
        for _ in range(answers):
            self.other.get("/healthz")


class Http1Cutter(Cutter):
    """The connection is reset."""

    def send(self, method, target, headers, body, answers):
        connection = RawConnection(self.server.own_host)
        fields = {"Host": self.server.own_host, **headers, "Content-Length": len(body)}
        connection.send(head(method, target, fields.items()) + body)
        self.let_pass(answers)
        connection.abort()


class Http2Cutter(Cutter):
    """The stream is reset."""

    def send(self, method, target, headers, body, answers):
        connection = Http2Connection(self.server.own_host)
        fields = [*((name.lower(), value) for name, value in headers.items()), ("content-length", str(len(body)))]
        stream = connection.request(target, method, body, fields)
        connection.frame(DATA, END_STREAM, stream)
        self.let_pass(answers)
        connection.frame(RESET, 0, stream, CANCEL.to_bytes(4))
        self.let_pass(1)
        connection.close()


def iam_call(server, **form):
    body = urlencode({"Version": "2010-05-08", **form}).encode()
    signing = signing_of(server, service="iam", region="us-east-1")
    return "POST", "/", signing.sign("POST", f"{server.url}/", {"Content-Type": FORM_TYPE}, body), body


def ecr_call(server, operation, **parameters):
    body = json.dumps(parameters).encode()
    headers = {"Content-Type": JSON_TYPE, "X-Amz-Target": f"{ECR_TARGET}.{operation}"}
    return "POST", "/", signing_of(server).sign("POST", f"{server.url}/", headers, body), body


def all_of(client, operation, member, **parameters):
    return [item for page in client.get_paginator(operation).paginate(**parameters) for item in page[member]]


@pytest.mark.parametrize("cutter", [Http1Cutter, Http2Cutter])
def test_what_a_cut_request_has_changed_is_recorded(fresh_wharf, cutter):
    server = fresh_wharf
    ecr, iam, cut = server.client(), server.client("iam"), cutter(server)
    for name in ("app", "doomed"):
        ecr.create_repository(repositoryName=name)
    iam.create_user(UserName="eve")
    made = image("cut", size=1000)
    for name in ("app", "doomed"):
        repository = Repository(RegistryClient(server.host, server.authorization), name)
        for blob in made.blobs:
            repository.push_blob(blob)
    number = len(MOMENTS) * ROUNDS
    for tag in range(number):
        repository.push_manifest(made.manifest, f"t{tag}", made.media_type)
    push = {"Authorization": server.authorization, "Content-Type": made.media_type}
    for i in range(number):
        policy = iam_call(server, Action="PutUserPolicy", UserName="eve", PolicyName=f"p{i}", PolicyDocument=ALL)
        for method, target, headers, body in (
            iam_call(server, Action="CreateUser", UserName=f"ghost{i}"),
            policy,
            ecr_call(server, "CreateRepository", repositoryName=f"r/{i}"),
            ("PUT", f"/v2/app/manifests/t{i}", push, made.manifest),
            ("DELETE", f"/v2/doomed/manifests/t{i}", push, b""),
        ):
            cut.send(method, target, headers, body, MOMENTS[i % len(MOMENTS)])
    # Ends when all that must come to its end has, and stores its records.
    server.restart()
    ecr, iam = server.client(), server.client("iam")
    done = {
        "CreateUser": {user["UserName"] for user in all_of(iam, "list_users", "Users")},
        "PutUserPolicy": set(all_of(iam, "list_user_policies", "PolicyNames", UserName="eve")),
        "CreateRepository": {
            repository["repositoryName"] for repository in all_of(ecr, "describe_repositories", "repositories")
        },
        "PutImage": {("app", tag) for tag in tags_of(ecr, "app")} | {("doomed", f"t{tag}") for tag in range(number)},
        "BatchDeleteImage": {f"t{tag}" for tag in range(number)} - tags_of(ecr, "doomed"),
    }
    recorded = {name: set() for name in done}
    for event in all_of(server.client("cloudtrail"), "lookup_events", "Events"):
        record = json.loads(event["CloudTrailEvent"])
        parameters = record["requestParameters"]
        what = {
            "CreateUser": lambda parameters: parameters["userName"],
            "PutUserPolicy": lambda parameters: parameters["policyName"],
            "CreateRepository": lambda parameters: parameters["repositoryName"],
            "PutImage": lambda parameters: (parameters["repositoryName"], parameters["imageTag"]),
            "BatchDeleteImage": lambda parameters: parameters["imageIds"][0]["imageTag"],
        }.get(record["eventName"])
        if what and "errorCode" not in record:
            recorded[record["eventName"]].add(what(parameters))
    assert recorded == done
    assert any(name.startswith("ghost") for name in done["CreateUser"])


def tags_of(ecr, name):
    return {image["imageTag"] for image in all_of(ecr, "list_images", "imageIds", repositoryName=name)}


def test_a_push_that_is_cut_in_its_body_stores_nothing(fresh_wharf):
    """What is left of a connection that has ended looks like the end of a body without a length, and is none."""
    server = fresh_wharf
    server.client().create_repository(repositoryName="app")
    repository = Repository(RegistryClient(server.host, server.authorization), "app")
    location = path_of(repository.start_upload())
    headers = {
        "Host": server.own_host,
        "Authorization": server.authorization,
        "Content-Type": "application/octet-stream",
        "Transfer-Encoding": "chunked",
        "Expect": "100-continue",
    }
    connection = RawConnection(server.own_host)
    connection.send(head("PATCH", location, headers.items()))
    connection.expect_continue()
    connection.send(b"a\r\n0123456789\r\n")
    connection.abort()
    server.restart()
    assert RegistryClient(server.host, server.authorization).get(location).expect(204).header("Range") == "0-0"
