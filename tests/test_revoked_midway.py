"""What is decided when a request's last byte has come holds: whoever lost a key, a user, a role or a permission while the body was
on its way changes nothing."""

import base64
import json
import uuid
from urllib.parse import urlencode

import pytest

from harness.aws_api import ECR_TARGET, FORM_TYPE, JSON_TYPE, WHARF_TARGET, AwsApi, Signing
from harness.identities import Identities, allow, deny, document, name_of
from harness.images import image
from harness.raw_http import RawConnection, head
from harness.raw_http2 import DATA, END_STREAM, HEADERS, PING, Http2Connection
from harness.registry_client import Repository, digest_of, new_repository, path_of, random_content, with_query

ALL = document(allow("*"))


class Pending:
    """A request whose body has come but for its last byte. The server has decided by its head already: it asks for the body
    then."""

    def __init__(self, host, method, target, headers, body):
        self.connection, self.last = RawConnection(host), body[-1:]
        sent = {"Host": host, **headers, "Content-Length": len(body), "Expect": "100-continue"}
        self.connection.send(head(method, target, sent.items()))
        self.connection.expect_continue()
        self.connection.send(body[:-1])

    def finish(self):
        answer = self.connection.exchange(self.last)
        self.connection.close()
        return answer


class Scene:
    """A repository with the blobs of an image, and a principal who may do all, or one that takes over its rights."""

    def __init__(self, server):
        self.server = server
        self.iam = server.client("iam")
        self.repository = new_repository(server)
        self.image = image(f"midway-{uuid.uuid4().hex}", size=1000)
        for blob in self.image.blobs:
            self.repository.push_blob(blob)
        self.mark = f"m{uuid.uuid4().hex[:12]}"
        self.bystander = f"{self.mark}-bystander"
        self.iam.create_user(UserName=self.bystander)
        self.blob = random_content(3000)

    def calls(self, who):
        """Every request, by its name."""
        signing = Signing(who.access_key_id, who.secret_access_key, self.server.region, token=who.session_token)
        v2 = {"Authorization": who.authorization(), "Content-Type": "application/octet-stream"}
        pushed = Repository(who.registry(), self.repository.name)
        self.patched, put = pushed.start_upload(), pushed.start_upload()
        self.part = who.client().initiate_layer_upload(repositoryName=self.repository.name)["uploadId"]
        manifest = {**v2, "Content-Type": self.image.media_type}
        part = {
            "repositoryName": self.repository.name,
            "uploadId": self.part,
            "partFirstByte": 0,
            "partLastByte": len(self.blob) - 1,
            "layerPartBlob": base64.b64encode(self.blob).decode(),
        }
        presigned = {"Action": "CreateUser", "UserName": f"{self.mark}-presigned"}
        form = {"Action": "PutUserPolicy", "UserName": self.bystander, "PolicyName": "p", "PolicyDocument": ALL}
        whole = path_of(with_query(self.repository.uploads, digest=digest_of(self.blob)))
        return {
            "CreateUser": self.query(signing, {"Action": "CreateUser", "UserName": f"{self.mark}-new"}),
            "PutUserPolicy": self.query(signing, form),
            "CreateAccessKey": self.query(signing, {"Action": "CreateAccessKey", "UserName": self.bystander}),
            "presigned CreateUser": self.presigned(signing, presigned),
            "CreateRepository": self.json(signing, "CreateRepository", {"repositoryName": f"{self.mark}/new"}),
            "UploadLayerPart": self.json(signing, "UploadLayerPart", part),
            "PUT manifest": ("PUT", path_of(self.repository.manifest("new")), manifest, self.image.manifest),
            "PATCH blob": ("PATCH", path_of(self.patched), v2, self.blob),
            "PUT blob": ("PUT", path_of(with_query(put, digest=digest_of(self.blob))), v2, self.blob),
            "POST blob": ("POST", whole, v2, self.blob),
        }

    def query(self, signing, form):
        body = urlencode({"Version": "2010-05-08", **form}).encode()
        signing, headers = signing.but(service="iam", region="us-east-1"), {"Content-Type": FORM_TYPE}
        return "POST", "/", signing.sign("POST", f"{self.server.url}/", headers, body), body

    def presigned(self, signing, form):
        body = urlencode({"Version": "2010-05-08", **form}).encode()
        signing = signing.but(service="iam", region="us-east-1")
        url = signing.presign("POST", f"{self.server.url}/", expires=604_800, body=body)
        return "POST", path_of(url), {"Content-Type": FORM_TYPE}, body

    def json(self, signing, operation, parameters):
        body = json.dumps(parameters).encode()
        headers = {"Content-Type": JSON_TYPE, "X-Amz-Target": f"{ECR_TARGET}.{operation}"}
        return "POST", "/", signing.sign("POST", f"{self.server.url}/", headers, body), body

    def changes(self):
        """What of all that was asked for has happened."""
        ecr, name = self.server.client(), self.repository.name
        users = [user["UserName"] for page in self.iam.get_paginator("list_users").paginate() for user in page["Users"]]
        repositories = [
            repository["repositoryName"]
            for page in ecr.get_paginator("describe_repositories").paginate()
            for repository in page["repositories"]
        ]
        uploaded = int(self.repository.client.get(self.patched).expect(204).header("Range").partition("-")[2])
        parts = ecr.upload_layer_part(
            repositoryName=name, uploadId=self.part, partFirstByte=0, partLastByte=0, layerPartBlob=b"x"
        )
        return {
            "users": [user for user in users if user.startswith(self.mark) and user != self.bystander],
            "policies": self.iam.list_user_policies(UserName=self.bystander)["PolicyNames"],
            "keys": self.iam.list_access_keys(UserName=self.bystander)["AccessKeyMetadata"],
            "repositories": [repository for repository in repositories if repository.startswith(self.mark)],
            "images": ecr.list_images(repositoryName=name)["imageIds"],
            "blob": self.repository.client.head(self.repository.blob(digest_of(self.blob))).status == 200,
            "patched": uploaded > 0,
            "part": parts["lastByteReceived"] != 0,
        }


@pytest.fixture
def scene(wharf):
    return Scene(wharf)


def delete_user(iam, who):
    name = name_of(who.arn)
    iam.delete_access_key(UserName=name, AccessKeyId=who.access_key_id)
    iam.delete_user_policy(UserName=name, PolicyName="inline-0")
    iam.delete_user(UserName=name)


def delete_key(iam, who):
    iam.delete_access_key(UserName=name_of(who.arn), AccessKeyId=who.access_key_id)


def deactivate_key(iam, who):
    iam.update_access_key(UserName=name_of(who.arn), AccessKeyId=who.access_key_id, Status="Inactive")


def delete_policy(iam, who):
    iam.delete_user_policy(UserName=name_of(who.arn), PolicyName="inline-0")


def put_deny(iam, who):
    iam.put_user_policy(UserName=name_of(who.arn), PolicyName="denied", PolicyDocument=document(deny("*")))


def put_boundary(iam, who):
    iam.put_user_permissions_boundary(
        UserName=name_of(who.arn), PermissionsBoundary="arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
    )


USERS = [delete_user, delete_key, deactivate_key, delete_policy, put_deny, put_boundary]


def require_refused(scene, begun):
    for name, pending in begun.items():
        answer = pending.finish()
        assert answer.status in (400, 401, 403), f"{name}: {answer}"
    assert not any(changes := scene.changes().values()), changes


@pytest.mark.parametrize("revoke", USERS, ids=lambda revoke: revoke.__name__)
def test_a_user_who_lost_a_right_midway_changes_nothing(scene, wharf, revoke):
    who = Identities(wharf).user(ALL)
    begun = {name: Pending(wharf.own_host, *call) for name, call in scene.calls(who).items()}
    revoke(scene.iam, who)
    require_refused(scene, begun)


@pytest.mark.parametrize("ending", ["role deleted", "policy deleted"])
def test_a_session_whose_role_changed_midway_changes_nothing(scene, wharf, ending):
    identities = Identities(wharf)
    arn = identities.role({"AWS": "*"}, ALL)
    who, name = identities.assume(arn, by=identities.user(ALL)), name_of(arn)
    begun = {name: Pending(wharf.own_host, *call) for name, call in scene.calls(who).items()}
    scene.iam.delete_role_policy(RoleName=name, PolicyName="inline-0")
    if ending == "role deleted":
        scene.iam.delete_role(RoleName=name)
    require_refused(scene, begun)


def test_a_repository_policy_of_midway_counts(scene, wharf):
    who = Identities(wharf).user(ALL)
    calls = {
        name: call
        for name, call in scene.calls(who).items()
        if name.split()[0] in ("PUT", "PATCH", "POST", "UploadLayerPart")
    }
    begun = {name: Pending(wharf.own_host, *call) for name, call in calls.items()}
    statement = {"Effect": "Deny", "Principal": {"AWS": who.arn}, "Action": "ecr:*"}
    wharf.client().set_repository_policy(repositoryName=scene.repository.name, policyText=document(statement))
    require_refused(scene, begun)


def test_a_robot_token_that_was_revoked_midway_pushes_nothing(scene, wharf):
    robot = f"robot-{scene.mark}"
    made = wharf_call(wharf, "CreateToken", name=robot, actions=["push"], repositories=[scene.repository.name])
    authorization = "Basic " + base64.b64encode(f"AWS:{made['password']}".encode()).decode()
    headers = {"Authorization": authorization, "Content-Type": scene.image.media_type}
    manifest = path_of(scene.repository.manifest("robot"))
    begun = Pending(wharf.own_host, "PUT", manifest, headers, scene.image.manifest)
    wharf_call(wharf, "RevokeToken", name=robot)
    assert begun.finish().status == 400
    assert not wharf.client().list_images(repositoryName=scene.repository.name)["imageIds"]


def test_a_layer_from_another_wharf_needs_its_leave_to_the_end(fresh_wharf):
    scene, account = Scene(fresh_wharf), fresh_wharf.account
    name, digest = scene.repository.name, digest_of(scene.blob)
    place = {"sourceAccountId": account, "registryId": account, "repositoryName": name}
    (missing,) = wharf_call(fresh_wharf, "PrepareReplication", **place, layerDigests=[digest])["missingLayers"]
    begun = Pending(fresh_wharf.own_host, "PUT", missing["uploadPath"], {}, scene.blob)
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "ecr:ReplicateImage",
        "Resource": f"arn:aws:ecr:{fresh_wharf.region}:{account}:repository/{name}",
    }
    fresh_wharf.client().put_registry_policy(policyText=document(statement))
    assert begun.finish().status == 403
    assert scene.repository.client.head(scene.repository.blob(digest)).status == 404


def test_who_waits_for_events_and_is_deleted_meanwhile_learns_none(wharf):
    identities = Identities(wharf)
    who = identities.user(ALL)
    signing = Signing(who.access_key_id, who.secret_access_key, wharf.region, service="wharf")
    position = AwsApi(wharf, signing).wharf("FollowEvents").expect(200).json()["nextToken"]
    body = json.dumps({"nextToken": position, "waitSeconds": 20}).encode()
    headers = {"Content-Type": JSON_TYPE, "X-Amz-Target": f"{WHARF_TARGET}.FollowEvents"}
    waiting = Pending(wharf.own_host, "POST", "/", signing.sign("POST", f"{wharf.url}/", headers, body), body)
    waiting.connection.send(waiting.last)
    delete_user(identities.iam, who)
    new_repository(wharf)
    answer = waiting.connection.answer("POST")
    assert answer.status == 400 and "events" not in answer.json(), answer


def test_http_2_is_no_other(scene, wharf):
    who = Identities(wharf).user(ALL)
    begun = []
    for name, (method, target, headers, body) in scene.calls(who).items():
        connection = Http2Connection(wharf.own_host)
        fields = [(key.lower(), value) for key, value in headers.items()]
        stream = connection.request(target, method, body[:-1], [*fields, ("content-length", str(len(body)))])
        connection.frame(PING, payload=b"midway--")
        while connection.read_until(PING).payload != b"midway--":
            pass
        begun.append((name, connection, stream, body[-1:]))
    delete_user(scene.iam, who)
    for name, connection, stream, last in begun:
        connection.frame(DATA, END_STREAM, stream, last)
        assert connection.read_until(HEADERS, stream).status in (None, 400), name
        connection.close()
    assert not any(changes := scene.changes().values()), changes


def test_who_loses_nothing_is_not_disturbed(scene, wharf):
    """Changes of others in the middle of a request are none of its."""
    identities = Identities(wharf)
    who = identities.user(ALL)
    begun = {name: Pending(wharf.own_host, *call) for name, call in scene.calls(who).items()}
    identities.user(ALL)
    for name, pending in begun.items():
        answer = pending.finish()
        assert answer.status in (200, 201, 202), f"{name}: {answer}"


def wharf_call(server, operation, **parameters):
    return AwsApi(server).wharf(operation, parameters).expect(200).json()
