"""Records of what was refused before anybody was let in: false credentials in every protocol, and what nobody knows."""

import base64
import json
import urllib.parse
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from harness.aws_api import FORM_TYPE, JSON_TYPE, AwsApi
from harness.identities import Identities, allow, deny, document
from harness.registry_client import RegistryClient, Repository, new_repository
from test_audit import records

UNKNOWN_KEY = "AKIAUNKNOWN234567890"


def everything(server):
    """All that LookupEvents knows, and the log, as a text."""
    return json.dumps(records(server)) + server.log_text()


def refused(server, code, **fields):
    """The records with that error, of which the fields are these."""
    found = [record for record in records(server) if record.get("errorCode") == code]
    return [record for record in found if all(record.get(name) == value for name, value in fields.items())]


def user_of(server):
    return Identities(server).user(document(allow("ecr:*")))


def test_false_signatures(fresh_wharf):
    """A known key with another secret: of the key's account and user, as far as the request says; never the signature."""
    server, user = fresh_wharf, user_of(fresh_wharf)
    api = AwsApi(server)
    false = api.signing.but(access_key=user.access_key_id, secret_key="geheimnis-of-somebody-else")
    api.ecr("DescribeRepositories", signing=false).expect(403, 400)
    api.sts(signing=false.but(service="sts")).expect(403)
    api.secrets("ListSecrets", signing=false.but(service="secretsmanager")).expect(403, 400)
    url = f"http://{server.host}/?Action=GetCallerIdentity&Version=2011-06-15"
    api.send("GET", false.but(service="sts").presign("GET", url)).expect(403)
    (ecr,) = refused(server, "InvalidSignatureException", eventSource="ecr.amazonaws.com")
    assert ecr["eventName"] == "DescribeRepositories" and ecr["readOnly"] is True
    assert ecr["userIdentity"]["arn"] == user.arn and ecr["userIdentity"]["accessKeyId"] == user.access_key_id
    assert ecr["sourceIPAddress"] == "127.0.0.1" and ecr["recipientAccountId"] == server.account
    assert ecr["errorMessage"].startswith("The request signature we calculated does not match")
    assert "\n" not in ecr["errorMessage"]
    (first, *_) = refused(server, "SignatureDoesNotMatch", eventSource="sts.amazonaws.com")
    assert first["eventName"] == "GetCallerIdentity"
    assert refused(server, "InvalidSignatureException", eventName="ListSecrets")
    found = everything(server)
    assert "geheimnis" not in found and "Signature=" not in found


def test_unknown_keys_and_tokens(fresh_wharf):
    server = fresh_wharf
    api = AwsApi(server)
    unknown = api.signing.but(access_key=UNKNOWN_KEY)
    api.ecr("PutImage", signing=unknown)
    (record,) = refused(server, "UnrecognizedClientException", eventName="PutImage")
    assert record["userIdentity"] == {
        "type": "AWSAccount",
        "principalId": "",
        "accountId": "ANONYMOUS_PRINCIPAL",
        "accessKeyId": UNKNOWN_KEY,
    }
    # A secret where the key's id should be is not kept.
    api.ecr("DeleteRepository", signing=api.signing.but(access_key="wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"))
    (record,) = refused(server, "UnrecognizedClientException", eventName="DeleteRepository")
    assert "accessKeyId" not in record["userIdentity"]
    api.ecr("CreateRepository", signing=api.signing.but(token="bm90IGEgdG9rZW4="))
    assert refused(server, "UnrecognizedClientException", eventName="CreateRepository")
    headers = {"Content-Type": JSON_TYPE, "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.ListImages"}
    api.send("POST", "/", {**headers, "Authorization": "AWS4-HMAC-SHA256 Credential=geheim"}, b"{}")
    (record,) = refused(server, "IncompleteSignatureException", eventName="ListImages")
    assert record["errorMessage"] == "The credentials of the request cannot be read"
    # Without credentials nothing is tried.
    api.send("POST", "/", headers, b"{}")
    assert "MissingAuthentication" not in everything(server)
    assert "wJalrXUtnFEMI" not in everything(server) and "geheim" not in everything(server)


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_logins(fresh_wharf):
    server = fresh_wharf
    for header in [basic("AWS", "geheim"), basic("admin", "geheim"), basic("AWS", "wharf_Z2VoZWlt")]:
        RegistryClient(server.host, header).get("/v2/").expect(400)
    RegistryClient(server.host, "Bearer geheim").get("/v2/").expect(401)
    RegistryClient(server.host).get("/v2/").expect(401)
    found = refused(server, "UnrecognizedClientException", eventName="RegistryLogin")
    assert len(found) == 3 and found[0]["errorMessage"] == "Your Authorization Token is invalid."
    assert len(refused(server, "IncompleteSignatureException", eventName="RegistryLogin")) == 1
    RegistryClient(server.host, basic("AWS", "geheim")).get("/v2/app/manifests/v1").expect(400)
    (record,) = refused(server, "UnrecognizedClientException", eventName="BatchGetImage")
    assert record["requestParameters"] == {"path": "/v2/app/manifests/v1"}
    assert "geheim" not in everything(server) and "Z2VoZWlt" not in everything(server)


def test_expired_logins_name_their_user(fresh_wharf):
    server, user = fresh_wharf, user_of(fresh_wharf)
    authorization = user.authorization()
    server.restart("+13h")
    RegistryClient(server.host, authorization).get("/v2/").expect(403)
    server.restart()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    (record,) = records(server, "EventName", "RegistryLogin", EndTime=tomorrow)
    assert record["errorCode"] == "ExpiredTokenException" and "expired" in record["errorMessage"]
    assert record["userIdentity"]["arn"] == user.arn


def test_web_identities(fresh_wharf):
    server = fresh_wharf
    role = Identities(server).role({"AWS": f"arn:aws:iam::{server.account}:root"})
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role,
        "RoleSessionName": "ci",
        "WebIdentityToken": "geheim.geheim.geheim",
    }
    body = urllib.parse.urlencode(form).encode()
    AwsApi(server).send("POST", "/", {"Content-Type": FORM_TYPE}, body).expect(400)
    (record,) = refused(server, "InvalidIdentityToken", eventName="AssumeRoleWithWebIdentity")
    assert record["userIdentity"]["type"] == "WebIdentityUser"
    assert record["requestParameters"]["roleArn"] == role and record["resources"][0]["ARN"] == role
    assert "geheim" not in everything(server)


def test_mounts_from_what_may_not_be_read(fresh_wharf):
    server = fresh_wharf
    hidden = new_repository(server, "hidden")
    digest = hidden.push_blob(b"content")
    own = new_repository(server, "own")
    on = f"arn:aws:ecr:us-east-1:{server.account}:repository/{own.name}"
    user = Identities(server).user(document(allow("ecr:*", on=on), allow("ecr:GetAuthorizationToken")))
    mine = Repository(user.registry(), own.name)
    mine.client.post(f"{mine.uploads}?mount={digest}&from={hidden.name}").expect(202)
    (record,) = refused(server, "AccessDenied", eventName="GetDownloadUrlForLayer")
    assert record["userIdentity"]["arn"] == user.arn
    assert record["requestParameters"]["layerDigest"] == digest
    assert record["resources"][0]["ARN"].endswith(f"repository/{hidden.name}")
    assert "is not authorized to perform: ecr:GetDownloadUrlForLayer" in record["errorMessage"]


def test_operations_and_names_that_are_not(fresh_wharf):
    server, user = fresh_wharf, user_of(fresh_wharf)
    api = AwsApi(server)
    mine = api.signing.but(access_key=user.access_key_id, secret_key=user.secret_access_key)
    api.ecr("MakeCoffee", signing=mine).expect(400, 404)
    api.sts("Action=MakeTea&Version=2011-06-15", signing=mine.but(service="sts")).expect(400)
    for name, source in [("MakeCoffee", "ecr.amazonaws.com"), ("MakeTea", "sts.amazonaws.com")]:
        (record,) = [record for record in records(server) if record["eventName"] == name]
        assert record["eventSource"] == source and record["userIdentity"]["arn"] == user.arn
        assert record["errorCode"] in ("UnknownOperationException", "InvalidAction")
    user.registry().put("/v2/UPPER/manifests/v1", b"{}").expect_error(400, "NAME_INVALID")
    (record,) = [record for record in records(server) if record["eventName"] == "InvalidRegistryRequest"]
    assert record["requestParameters"]["path"] == "/v2/UPPER/manifests/v1"
    assert record["errorCode"] == "InvalidParameterException" and record["userIdentity"]["arn"] == user.arn


def test_downloads_by_url(tmp_path, make_server):
    server = make_server(tmp_path / "wharf", config="[audit]\nrecord_reads = true\n").start()
    repository = new_repository(server, "layers")
    digest = json.loads(repository.push_image("v1").body)["layers"][0]["digest"]
    url = server.client().get_download_url_for_layer(repositoryName=repository.name, layerDigest=digest)["downloadUrl"]
    client = RegistryClient(server.host)
    client.get(url).expect(200)
    path = urllib.parse.urlsplit(url).path
    client.get(path[:-6] + "AAAAAA").expect(403)
    (good,) = [record for record in records(server, "EventName", "GetLayer") if "errorCode" not in record]
    assert good["requestParameters"]["layerDigest"] == digest and good["readOnly"] is True
    assert good["userIdentity"]["accountId"] == "ANONYMOUS_PRINCIPAL"
    assert good["resources"][0]["ARN"].endswith(f"repository/{repository.name}")
    (bad,) = refused(server, "AccessDenied", eventName="GetLayer")
    assert "not valid" in bad["errorMessage"]
    assert path.rpartition("/")[2][:40] not in json.dumps(records(server)), "who has the URL has the layer"
    server.finish()


def test_floods_leave_a_few_records_and_counts(fresh_wharf):
    """One source fails 200 times: five records, and how many more there were when the minute, or the server, ends."""
    server = fresh_wharf
    api = AwsApi(server)
    for _ in range(100):
        api.ecr("PutImage", signing=api.signing.but(access_key="AKIA" + uuid.uuid4().hex[:16].upper()))
        RegistryClient(server.host, basic("AWS", uuid.uuid4().hex)).get("/v2/").expect(400)
    assert len(refused(server, "UnrecognizedClientException")) == 5
    server.restart()
    (count,) = [record for record in records(server) if record["eventName"] == "RepeatedRefusals"]
    assert count["additionalEventData"]["count"] == 195 and count["errorCode"] == "UnrecognizedClientException"
    assert count["sourceIPAddress"] == "127.0.0.1" and count["eventSource"] == "wharf"
    # What is known is recorded still.
    with pytest.raises(ClientError):
        server.client().delete_repository(repositoryName="absent")
    assert refused(server, "RepositoryNotFoundException", eventName="DeleteRepository")


def test_failures_of_who_is_known_leave_a_few_records_and_a_count(tmp_path, make_server):
    """Twenty a minute for each principal, operation and error, with little of what they sent; what succeeds is all there."""
    file = tmp_path / "audit.jsonl"
    server = make_server(tmp_path / "wharf", config=f'[audit]\nfile = "{file}"\n').start()
    flooding, other = user_of(server), user_of(server)
    denied = Identities(server).user(document(allow("ecr:*"), deny("ecr:BatchDeleteImage")))
    ids = [{"imageTag": f"{number}-" + "x" * 120} for number in range(100)]
    ecr = denied.client()
    for _ in range(100):
        with pytest.raises(ClientError):
            ecr.batch_delete_image(repositoryName="app", imageIds=ids)
    for user in (flooding, other):
        for _ in range(3):
            with pytest.raises(ClientError):
                user.client().delete_repository(repositoryName="absent")
    ecr = flooding.client()
    for number in range(50):
        ecr.create_repository(repositoryName=f"made/{number}")
    found = refused(server, "AccessDenied", eventName="BatchDeleteImage")
    assert len(found) == 20
    for record in found:
        assert len(json.dumps(record)) < 12_000 and record["userIdentity"]["arn"] == denied.arn
        assert record["additionalEventData"] == {"requestParametersTruncated": True}
        assert record["requestParameters"]["repositoryName"] == "app" and record["requestParameters"]["imageIds"]
    absent = refused(server, "RepositoryNotFoundException", eventName="DeleteRepository")
    assert len(absent) == 6, "another user, operation or error has counts of its own"
    assert "additionalEventData" not in absent[0]
    assert len([record for record in records(server) if record["eventName"] == "CreateRepository"]) == 50
    server.restart()
    (count,) = [record for record in records(server) if record["eventName"] == "RepeatedRefusals"]
    assert count["additionalEventData"]["count"] == 80 and count["errorCode"] == "AccessDenied"
    assert count["additionalEventData"]["eventName"] == "BatchDeleteImage"
    assert count["additionalEventData"]["eventSource"] == "ecr.amazonaws.com"
    assert count["userIdentity"]["arn"] == denied.arn
    written = [json.loads(line) for line in file.read_text().splitlines()]
    names = [record["eventName"] for record in written]
    assert names.count("BatchDeleteImage") == 20 and names.count("CreateRepository") == 50
    assert [record for record in written if record["eventName"] == "RepeatedRefusals"] == [count]
    server.finish()


def test_a_count_accuses_no_session_and_no_key(fresh_wharf):
    """It tells of the role, or the user: whose call came first did not make the others."""
    server, identities = fresh_wharf, Identities(fresh_wharf)
    caller = identities.user(document(allow("sts:*")))
    role = identities.role({"AWS": server.account})
    innocent, flooding = (identities.assume(role, by=caller, name=name) for name in ("innocent", "flooding"))
    user = user_of(server)
    key = server.client("iam").create_access_key(UserName=user.arn.rpartition("/")[2])["AccessKey"]
    second = replace(user, access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])
    for one, other in ((innocent, flooding), (user, second)):
        for principal, times in ((one, 1), (other, 24)):
            ecr = principal.client()
            for _ in range(times):
                with pytest.raises(ClientError):
                    ecr.batch_delete_image(repositoryName="absent", imageIds=[{"imageTag": "v1"}])
    server.restart()
    counts = [record for record in records(server) if record["eventName"] == "RepeatedRefusals"]
    assert [count["additionalEventData"]["count"] for count in counts] == [5, 5]
    named = {(count["userIdentity"]["type"], count["userIdentity"]["arn"]) for count in counts}
    assert named == {("IAMUser", user.arn), ("Role", role)}
    told = json.dumps(counts)
    for text in ("innocent", "flooding", *(who.access_key_id for who in (innocent, flooding, user, second))):
        assert text not in told


def test_false_signatures_do_not_hide_what_their_user_does(fresh_wharf):
    """Whoever knows a key's id can fail in its name as often as a stranger, and use up nothing of the user's own."""
    server, user = fresh_wharf, user_of(fresh_wharf)
    api = AwsApi(server)
    false = api.signing.but(access_key=user.access_key_id, secret_key="false")
    for _ in range(30):
        api.ecr("DeleteRepository", {"repositoryName": "absent"}, signing=false)
    assert len(refused(server, "InvalidSignatureException")) == 5
    for _ in range(20):
        with pytest.raises(ClientError):
            user.client().delete_repository(repositoryName="absent")
    assert len(refused(server, "RepositoryNotFoundException")) == 20


def test_names_of_sessions_do_not_multiply_counts(fresh_wharf):
    """Sessions of one role are one, whatever the caller names them."""
    server = fresh_wharf
    identities = Identities(server)
    role = identities.role({"AWS": f"arn:aws:iam::{server.account}:root"}, document(allow("ecr:ListImages")))
    sts = identities.user(document(allow("sts:AssumeRole"))).client("sts")
    for number in range(30):
        keys = sts.assume_role(RoleArn=role, RoleSessionName=f"session-{number}")["Credentials"]
        signing = AwsApi(server).signing.but(
            access_key=keys["AccessKeyId"], secret_key=keys["SecretAccessKey"], token=keys["SessionToken"]
        )
        AwsApi(server, signing).ecr("DeleteRepository", {"repositoryName": "app"}).expect(400)
    assert len(refused(server, "AccessDenied", eventName="DeleteRepository")) == 20
