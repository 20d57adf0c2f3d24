"""Who did what: CloudTrail's records of every call, through LookupEvents and in the file."""

import base64
import json
import re
import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from conftest import environment_of
from harness.api_push import push_image
from harness.commands import run
from harness.identities import Identities, allow, deny, document
from harness.images import image, write_layout
from harness.registry_client import Repository, new_repository, random_content
from harness.server import Wharf, binary, shifted, wait_for
from harness.skopeo import Skopeo

PUSH = ["InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage"]
# What CloudTrail's records of calls always have.
MEMBERS = {
    "eventVersion",
    "userIdentity",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "requestParameters",
    "responseElements",
    "requestID",
    "eventID",
    "readOnly",
    "eventType",
    "recipientAccountId",
}


def lookup(server, key=None, value=None, client=None, **parameters):
    """All pages of LookupEvents, each record as it was stored."""
    if key:
        parameters["LookupAttributes"] = [{"AttributeKey": key, "AttributeValue": value}]
    pages = (client or server.client("cloudtrail")).get_paginator("lookup_events").paginate(**parameters)
    return [event for page in pages for event in page["Events"]]


def records(server, key=None, value=None, **parameters):
    return [json.loads(event["CloudTrailEvent"]) for event in lookup(server, key, value, **parameters)]


@pytest.fixture
def start(tmp_path, default_database):
    started = []

    def start(config="", database=default_database):
        environment = environment_of(database)
        server = Wharf(tmp_path / f"wharf-{len(started)}", config=config, environment=environment)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.finish()


@pytest.fixture(params=["sqlite", "postgres"])
def reading(request, start):
    """A server that records what is only read, too, on each database."""
    return start("[audit]\nrecord_reads = true\n", request.param)


class TestRecords:
    def test_api(self, reading):
        """A push by the API, with who, what and where."""
        user = Identities(reading).user(document(allow("ecr:*")))
        name, ecr = f"audit/{uuid.uuid4().hex}", user.client()
        ecr.create_repository(repositoryName=name, tags=[{"Key": "team", "Value": "a"}])
        pushed = image("audit", size=1000)
        push_image(ecr, name, pushed, "v1")
        found = records(reading, "Username", user.arn.rpartition("/")[2])
        by_name = {record["eventName"]: record for record in found}
        assert {"CreateRepository", "BatchCheckLayerAvailability", *PUSH} == set(by_name)
        for record in found:
            assert MEMBERS <= set(record), record
            assert record["eventSource"] == "ecr.amazonaws.com" and record["eventType"] == "AwsApiCall"
            assert record["awsRegion"] == reading.region and record["recipientAccountId"] == reading.account
            assert record["sourceIPAddress"] == "127.0.0.1" and "Boto3" in record["userAgent"]
            identity = record["userIdentity"]
            assert identity["type"] == "IAMUser" and identity["arn"] == user.arn
            assert identity["principalId"].startswith("AIDA") and identity["accessKeyId"] == user.access_key_id
            assert record["resources"][0]["ARN"].endswith(f"repository/{name}")
            assert record["readOnly"] == (record["eventName"] == "BatchCheckLayerAvailability")
        made = by_name["CreateRepository"]
        assert made["requestParameters"]["tags"] == [{"key": "team", "value": "a"}]
        assert made["responseElements"]["repository"]["repositoryName"] == name
        part = by_name["UploadLayerPart"]["requestParameters"]
        assert "layerPartBlob" not in part and part["partFirstByte"] == 0
        put = by_name["PutImage"]
        assert "imageManifest" not in put["requestParameters"]
        assert put["responseElements"]["image"]["imageId"] == {"imageDigest": pushed.digest, "imageTag": "v1"}

    def test_skopeo(self, reading, tmp_path):
        """A push and a pull of the registry protocol are recorded as the calls that ECR records."""
        user = Identities(reading).user(document(allow("ecr:*")))
        name, made = f"audit/{uuid.uuid4().hex}", image("skopeo", size=1000)
        reading.client().create_repository(repositoryName=name)
        reading._authorization = user.authorization()
        skopeo = Skopeo(reading)
        target = skopeo.image(name, "v1")
        skopeo.copy(write_layout(tmp_path / "layout", made, "v1"), target)
        skopeo.copy(target, f"oci:{tmp_path}/pulled:v1")
        found = records(reading, "Username", user.arn.rpartition("/")[2])
        names = [record["eventName"] for record in found]
        assert set(PUSH) | {"BatchGetImage", "GetDownloadUrlForLayer"} <= set(names)
        for call in ("InitiateLayerUpload", "CompleteLayerUpload"):
            assert names.count(call) == len(made.blobs), names
        puts = [record for record in found if record["eventName"] == "PutImage"]
        assert "imageManifest" not in puts[-1]["requestParameters"]
        assert puts[-1]["responseElements"]["image"]["imageId"]["imageDigest"] == made.digest
        got = [record for record in found if record["eventName"] == "BatchGetImage" and "errorCode" not in record]
        assert got[0]["requestParameters"]["imageIds"] == [{"imageTag": "v1"}]
        assert got[0]["requestParameters"]["acceptedMediaTypes"]
        layers = {
            record["requestParameters"]["layerDigest"]
            for record in found
            if record["eventName"] == "GetDownloadUrlForLayer"
        }
        assert len(layers) == len(made.blobs)
        assert any("skopeo" in record["userAgent"].lower() or "containers" in record["userAgent"] for record in found)

    def test_every_registry_call(self, reading):
        """The other requests of /v2 by their names in the API."""
        repository = new_repository(reading, "audit")
        pushed = repository.push_image("v1")
        repository.client.get(repository.referrers(pushed.digest)).expect(200)
        repository.client.get(repository.tags).expect(200)
        repository.client.get("/v2/_catalog").expect(200)
        repository.client.head(repository.manifest("absent")).expect(404)
        repository.client.delete(repository.manifest("v1")).expect(202)
        names = {record["eventName"]: record for record in records(reading, "ResourceName", repository.name)}
        expected = {"CreateRepository", "ListImageReferrers", "ListImages", "BatchGetImage", "BatchDeleteImage"}
        assert expected <= set(names)
        assert names["ListImageReferrers"]["requestParameters"]["subjectId"] == {"imageDigest": pushed.digest}
        assert names["BatchGetImage"]["errorCode"] == "ImageNotFoundException"
        assert names["BatchDeleteImage"]["responseElements"]["imageIds"] == [{"imageTag": "v1"}]
        catalog = records(reading, "EventName", "DescribeRepositories")[0]
        assert "resources" not in catalog

    def test_denied(self, start):
        """Refusals are recorded with AccessDenied and the text, on both faces."""
        server = start()
        name = f"audit/{uuid.uuid4().hex}"
        server.client().create_repository(repositoryName=name)
        user = Identities(server).user(document(allow("ecr:GetAuthorizationToken"), deny("ecr:PutImage")))
        with pytest.raises(ClientError, match="AccessDenied"):
            user.client().put_image(repositoryName=name, imageManifest="{}")
        user.registry().post(f"/v2/{name}/blobs/uploads/", content_length="0").expect(403)
        found = {record["eventName"]: record for record in records(server, "Username", user.arn.rpartition("/")[2])}
        for call in ("PutImage", "InitiateLayerUpload"):
            assert found[call]["errorCode"] == "AccessDenied"
            assert "is not authorized to perform: ecr:" in found[call]["errorMessage"]
            assert found[call]["responseElements"] is None

    def test_sessions(self, reading):
        """A session is known by its role, and found by its name."""
        identities = Identities(reading)
        role = identities.role({"AWS": f"arn:aws:iam::{reading.account}:root"}, document(allow("ecr:*")))
        session = identities.assume(role, name="nightly")
        session.client().describe_repositories()
        (record,) = records(reading, "Username", "nightly")
        identity = record["userIdentity"]
        assert identity["type"] == "AssumedRole" and identity["arn"] == session.arn
        issuer = identity["sessionContext"]["sessionIssuer"]
        assert issuer["arn"] == role and issuer["type"] == "Role" and issuer["principalId"].startswith("AROA")
        assert identity["principalId"] == f"{issuer['principalId']}:nightly"
        assert identity["sessionContext"]["attributes"]["mfaAuthenticated"] == "false"
        made = records(reading, "EventName", "CreateRole")[0]
        assert made["userIdentity"]["type"] == "Root" and made["eventSource"] == "iam.amazonaws.com"

    def test_another_account(self, tmp_path):
        """The owner of a repository learns of what others did to it; nobody else does."""
        accounts = ("111111111111", "222222222222", "333333333333")
        text = "".join(
            f"[[accounts]]\nid = '{account}'\naccess_key_id = 'AKIAACCOUNT{account}'\n"
            f"secret_access_key = 'secret-of-{account}'\n"
            for account in accounts
        )
        server = Wharf(tmp_path / "accounts", config=text).start()
        clients = {}
        for account in accounts:
            server._credentials = {
                "AWS_ACCESS_KEY_ID": f"AKIAACCOUNT{account}",
                "AWS_SECRET_ACCESS_KEY": f"secret-of-{account}",
            }
            clients[account] = server.client(), server.client("cloudtrail")
        owner, other, third = accounts
        clients[owner][0].create_repository(repositoryName="shared")
        with pytest.raises(ClientError, match="AccessDenied"):
            clients[other][0].delete_repository(registryId=owner, repositoryName="shared")
        found = {
            account: lookup(server, "EventName", "DeleteRepository", client=client)
            for account, (_, client) in clients.items()
        }
        assert [len(found[account]) for account in accounts] == [1, 1, 0]
        of_owner, of_other = (json.loads(found[account][0]["CloudTrailEvent"]) for account in (owner, other))
        assert of_owner["recipientAccountId"] == owner and of_other["recipientAccountId"] == other
        assert of_owner["sharedEventID"] == of_other["sharedEventID"] and of_owner["eventID"] != of_other["eventID"]
        # Of the other account's users and keys the owner learns nothing: not by the text of the refusal, either.
        principal = of_other["userIdentity"]["principalId"]
        assert of_owner["userIdentity"] == {"type": "AWSAccount", "principalId": principal, "accountId": other}
        assert of_owner["errorCode"] == of_other["errorCode"] and "errorMessage" not in of_owner
        assert not {"Username", "AccessKeyId"} & set(found[owner][0]) and found[other][0]["AccessKeyId"]
        assert f"AKIAACCOUNT{other}" not in found[owner][0]["CloudTrailEvent"]
        assert third not in (of_owner["recipientAccountId"], of_other["recipientAccountId"])
        server.finish()


class TestLookup:
    @pytest.mark.every_store("LookupEvents")
    def test_attributes_and_pages(self, start):
        """Every attribute finds what it should, newest first, on pages of any size."""
        server = start()
        ecr = server.client()
        before = datetime.now(UTC).replace(microsecond=0)
        for number in range(7):
            ecr.create_repository(repositoryName=f"lookup/{number}")
        ecr.delete_repository(repositoryName="lookup/3")
        ecr.describe_repositories()
        everything = lookup(server)
        assert [event["EventName"] for event in everything] == ["DeleteRepository"] + ["CreateRepository"] * 7
        names = [json.loads(event["CloudTrailEvent"])["requestParameters"]["repositoryName"] for event in everything]
        assert names == ["lookup/3"] + [f"lookup/{number}" for number in reversed(range(7))]
        for size in (1, 3, 50):
            paged = lookup(server, PaginationConfig={"PageSize": size})
            assert [event["EventId"] for event in paged] == [event["EventId"] for event in everything]
        (event,) = lookup(server, "EventId", everything[0]["EventId"])
        assert event["ReadOnly"] == "false" and event["EventSource"] == "ecr.amazonaws.com"
        assert event["Username"] == "root" and event["AccessKeyId"] == server.credentials["AWS_ACCESS_KEY_ID"]
        arn = f"arn:aws:ecr:{server.region}:{server.account}:repository/lookup/3"
        resources = [{"ResourceType": "AWS::ECR::Repository", "ResourceName": name} for name in (arn, "lookup/3")]
        assert sorted(event["Resources"], key=str) == sorted(resources, key=str)
        for key, value, count in [
            ("EventName", "CreateRepository", 7),
            ("EventName", "DescribeRepositories", 0),
            ("Username", "root", 8),
            ("Username", "nobody", 0),
            ("ResourceName", "lookup/3", 2),
            ("ResourceName", arn, 2),
            ("ResourceType", "AWS::ECR::Repository", 8),
            ("EventSource", "ecr.amazonaws.com", 8),
            ("ReadOnly", "true", 0),
            ("ReadOnly", "false", 8),
            ("AccessKeyId", event["AccessKeyId"], 8),
        ]:
            assert len(lookup(server, key, value)) == count, (key, value)
        hour = timedelta(hours=1)
        assert len(lookup(server, StartTime=before - hour, EndTime=before + hour)) == 8
        assert lookup(server, StartTime=before + hour) == [] and lookup(server, EndTime=before - hour) == []

    def test_refused(self, start):
        server = start()
        client = server.client("cloudtrail")
        server.client().create_repository(repositoryName="one")
        server.client().create_repository(repositoryName="two")
        token = client.lookup_events(MaxResults=1)["NextToken"]
        now = datetime.now(UTC)
        two = [{"AttributeKey": "EventName", "AttributeValue": "x"}] * 2
        for error, parameters in [
            ("InvalidMaxResultsException", {"MaxResults": 51}),
            ("InvalidTimeRangeException", {"StartTime": now, "EndTime": now - timedelta(1)}),
            ("InvalidNextTokenException", {"NextToken": "x"}),
            ("InvalidNextTokenException", {"NextToken": token, "LookupAttributes": two[:1]}),
            ("InvalidLookupAttributesException", {"LookupAttributes": two}),
            (
                "InvalidLookupAttributesException",
                {"LookupAttributes": [{"AttributeKey": "ReadOnly", "AttributeValue": "maybe"}]},
            ),
            (
                "InvalidLookupAttributesException",
                {"LookupAttributes": [{"AttributeKey": "Color", "AttributeValue": "blue"}]},
            ),
            ("InvalidEventCategoryException", {"EventCategory": "insight"}),
        ]:
            with pytest.raises(ClientError) as caught:
                client.lookup_events(**parameters)
            assert caught.value.response["Error"]["Code"] == error, parameters
        nobody = Identities(server).user()
        with pytest.raises(ClientError, match="cloudtrail:LookupEvents"):
            nobody.client("cloudtrail").lookup_events()
        full = Identities(server).user(managed=["AmazonEC2ContainerRegistryFullAccess"])
        assert full.client("cloudtrail").lookup_events(MaxResults=1)["Events"]

    def test_kept_and_bounded(self, start):
        """Events survive a restart; old ones go, and so do those that are too many."""
        server = start("[audit]\nretention_days = 2\nmax_events = 5\n")
        for number in range(9):
            server.client().create_repository(repositoryName=f"kept/{number}")
        assert len(lookup(server)) == 9
        server.restart()
        wait_for(lambda: len(lookup(server)) == 5, "the oldest events to go")
        assert lookup(server)[0]["Resources"][-1]["ResourceName"] == "kept/8"
        server.restart(clock="+72h")
        # Signatures of today are too old for it.
        look = [binary(), "audit", "list", "--data-dir", server.data_dir]
        later = shifted("+72h")
        wait_for(lambda: run(*look, environment=later).stdout == "There are no events.\n", "old events to go")


def every_text(server, *files):
    texts = [json.dumps(records(server))]
    return "\n".join(texts + [file.read_text() for file in files])


class TestSecrets:
    def test_none_is_recorded(self, start, tmp_path):
        """No record in the table or the file holds a key, a token, a password or a layer."""
        file = tmp_path / "audit.jsonl"
        server = start(f'[audit]\nfile = "{file}"\nrecord_reads = true\n')
        identities = Identities(server)
        user = identities.user(document(allow("ecr:*", "sts:*")))
        role = identities.role({"AWS": f"arn:aws:iam::{server.account}:root"}, document(allow("ecr:*")))
        session = identities.assume(role)
        made = server.client("sts").get_session_token()["Credentials"]
        token = user.client().get_authorization_token()["authorizationData"][0]["authorizationToken"]
        layer = b"the secret of a layer " * 20
        repository = new_repository(server, "secrets")
        ecr = user.client()
        upload = ecr.initiate_layer_upload(repositoryName=repository.name)["uploadId"]
        ecr.upload_layer_part(
            repositoryName=repository.name,
            uploadId=upload,
            partFirstByte=0,
            partLastByte=len(layer) - 1,
            layerPartBlob=layer,
        )
        own = Repository(user.registry(), repository.name)
        pushed = own.push_image("v1")
        digest = json.loads(pushed.body)["layers"][0]["digest"]
        url = ecr.get_download_url_for_layer(repositoryName=repository.name, layerDigest=digest)["downloadUrl"]
        command = [binary(), "token", "create", "--repository", "*", "--actions", "pull", "--expires", "1d"]
        robot = json.loads(run(*command, "--data-dir", server.data_dir, "--output", "json").stdout)["password"]
        secrets = {
            "root key": server.credentials["AWS_SECRET_ACCESS_KEY"],
            "user key": user.secret_access_key,
            "session key": session.secret_access_key,
            "session token": session.session_token,
            "another session's key": made["SecretAccessKey"],
            "another session's token": made["SessionToken"],
            "registry token": token,
            "password": base64.b64decode(token).decode().partition(":")[2],
            "layer": base64.b64encode(layer).decode(),
            "download url": url.rpartition("/")[2],
            "robot token": robot,
        }
        wait_for(lambda: '"CreateToken"' in file.read_text(), "the file to be written")
        text = every_text(server, file)
        assert {"CreateAccessKey", "AssumeRole", "GetAuthorizationToken", "UploadLayerPart", "CreateToken"} <= set(
            re.findall(r'"eventName": ?"(\w+)"', text)
        )
        for what, secret in secrets.items():
            assert secret not in text and secret[:40] not in text, what


def lines(path):
    """The records of a file, every line of which must be whole."""
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


class TestFile:
    def test_rotation_under_load(self, start, tmp_path):
        """Many clients at once: every record is there once, on a line of its own, and files end at their length."""
        file = tmp_path / "audit.jsonl"
        server = start(f'[audit]\nfile = "{file}"\nrotate_mib = 1\nkeep_files = 20\n')
        repository = new_repository(server, "file")
        repository.push_image("v1")
        failures = []

        def pull(number):
            try:
                own = Repository(type(repository.client)(server.host, server.authorization), repository.name)
                for count in range(300):
                    own.pull("v1", user_agent=f"reader-{number}-{count}").expect(200)
            except AssertionError as problem:
                failures.append(problem)

        threads = [threading.Thread(target=pull, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert server.stop() == 0
        files = sorted(tmp_path.glob("audit.jsonl*"))
        assert len(files) > 1 and all(path.stat().st_size <= 1024 * 1024 for path in files)
        assert all(path.stat().st_mode & 0o077 == 0 for path in files)
        found = [record for path in files for record in lines(path)]
        pulls = [record["userAgent"] for record in found if record["eventName"] == "BatchGetImage"]
        expected = {f"reader-{number}-{count}" for number in range(6) for count in range(300)}
        assert len(pulls) == len(expected) and set(pulls) == expected
        assert len({record["eventID"] for record in found}) == len(found)

    def test_killed(self, start, tmp_path):
        """After kill -9 at most the last line is cut, and the next start leaves whole lines only."""
        file = tmp_path / "audit.jsonl"
        server = start(f'[audit]\nfile = "{file}"\n')
        repository = new_repository(server, "file")
        for number in range(3):
            size = file.stat().st_size
            pusher = threading.Thread(target=push_until_it_ends, args=(repository,))
            pusher.start()
            wait_for(lambda size=size: file.stat().st_size > size + 20_000, "records to be written")
            server.kill()
            pusher.join()
            text = file.read_text()
            for line in text.splitlines()[: None if text.endswith("\n") else -1]:
                json.loads(line)
            with file.open("a") as torn:
                torn.write('{"eventVersion":"1.11","userIden')
            server.start()
            assert "userIden" in text and len(lines(file)) >= text.count("\n")
            repository.client.close()
            repository.push_image(f"after-{number}")

    def test_folder_that_is_not_there(self, tmp_path):
        """The server says what is wrong and does not start."""
        server = Wharf(tmp_path / "wharf", config='[audit]\nfile = "/nowhere/audit.jsonl"\n')
        with pytest.raises(AssertionError, match="wharf ended with 1"):
            server.start()
        assert "audit.file /nowhere/audit.jsonl" in server.log_text()


def push_until_it_ends(repository):
    try:
        while True:
            repository.push_blob(random_content())
    except (OSError, AssertionError, Exception):  # noqa: BLE001 - the server dies in the middle, in one way or another
        repository.client.close()


def test_command(start):
    """`wharf audit list` for people and scripts."""
    server = start()
    server.client().create_repository(repositoryName="app")
    user = Identities(server).user(document(allow("ecr:*")), name="ci")
    user.client().delete_repository(repositoryName="app")

    def audit(*arguments):
        return run(binary(), "audit", "list", *arguments, "--data-dir", server.data_dir).stdout

    first = audit("--resource", "app").splitlines()
    assert re.split(r" {2,}", first[0]) == ["TIME", "USER", "EVENT", "RESOURCE", "RESULT", "FROM"]
    assert [re.split(r" {2,}", line)[1:] for line in first[1:]] == [
        ["ci", "DeleteRepository", "app", "ok", "127.0.0.1"],
        ["root", "CreateRepository", "app", "ok", "127.0.0.1"],
    ]
    told = json.loads(audit("--user", "ci", "--event", "DeleteRepository", "--since", "1h", "--output", "json"))
    assert [record["userIdentity"]["userName"] for record in told] == ["ci"]
    assert audit("--event", "PutImage") == "There are no events.\n"


class TestServiceEvents:
    """What the service does by itself: reference/lifecycle.md 5, reference/repositories-images.md 4."""

    @staticmethod
    def events(server, name, repository):
        def found():
            told = [
                record
                for record in records(server, "EventName", name)
                if record["eventType"] == "AwsServiceEvent"
                and record["serviceEventDetails"]["repositoryName"] == repository
            ]
            return told

        wait_for(found, f"a {name} of {repository}")
        return found()

    def test_lifecycle(self, start):
        """A preview and a run: the policy, ten images to an event at most, and what could not be done."""
        server = start()
        ecr, repository = server.client(), new_repository(server, "audit")
        pushed = [repository.push_image(f"v{number}") for number in range(13)]
        children = [pushed[0].digest, pushed[1].digest]
        repository.push_index(pushed[:2], "list")
        selection = {"tagStatus": "tagged", "tagPrefixList": ["v"], "countType": "imageCountMoreThan", "countNumber": 1}
        rule = {"rulePriority": 3, "description": "all but the last", "selection": selection}
        text = json.dumps({"rules": [{**rule, "action": {"type": "expire"}}]})
        ecr.start_lifecycle_policy_preview(repositoryName=repository.name, lifecyclePolicyText=text)
        wait_for(
            lambda: ecr.get_lifecycle_policy_preview(repositoryName=repository.name)["status"] == "COMPLETE",
            "a preview",
        )
        previewed = self.events(server, "DryRunEvent", repository.name)
        ecr.put_lifecycle_policy(repositoryName=repository.name, lifecyclePolicyText=text)
        wait_for(
            lambda: ecr.get_lifecycle_policy(repositoryName=repository.name)["lastEvaluatedAt"].timestamp(), "a run"
        )
        run_events = self.events(server, "PolicyExecutionEvent", repository.name)
        for told in (previewed, run_events):
            details = [record["serviceEventDetails"] for record in told]
            for record, detail in zip(told, details, strict=True):
                assert record["userIdentity"]["invokedBy"] == "AWS Internal"
                assert record["eventSource"] == "ecr.amazonaws.com" and not record["readOnly"]
                assert record["resources"][0]["ARN"].endswith(f"repository/{repository.name}")
                policy = detail["lifecycleEventPolicy"]
                assert (policy["lastEvaluatedAt"], policy["policyVersion"]) == (0, 1)
                assert policy["policyId"] == details[0]["lifecycleEventPolicy"]["policyId"]
                (told_rule,) = policy["lifecycleEventRules"]
                assert (told_rule["rulePriority"], told_rule["action"]) == (3, "expire")
                assert told_rule["description"] == "all but the last"
                assert told_rule["lifecycleEventSelection"] == {
                    "tagStatus": "Tagged",
                    "tagPrefixList": ["v"],
                    "countType": "Image count more than",
                    "countNumber": 1,
                }
            actions = [action for detail in details for action in detail["lifecycleEventImageActions"]]
            assert {len(detail["lifecycleEventImageActions"]) for detail in details} <= {0, 10}
            assert {action["lifecycleEventImage"]["digest"] for action in actions} == {
                image.digest for image in pushed[2:12]
            }
            assert {tuple(action["lifecycleEventImage"]["tagList"]) for action in actions} == {
                (f"v{number}",) for number in range(2, 12)
            }
            for action in actions:
                image = action["lifecycleEventImage"]
                assert action["rulePriority"] == 3 and image["tagStatus"] == "Tagged"
                assert image["pushedAt"] > 1_500_000_000_000
            failures = [failure for detail in details for failure in detail["lifecycleEventFailureDetails"]]
            assert [failure["lifecycleEventImage"]["digest"] for failure in failures] == children
            for failure in failures:
                assert failure["failureCode"] == "ImageReferencedByManifestList"
                assert failure["failureReason"].startswith("Requested image referenced by manifest list: [sha256:")

    def test_a_run_that_does_nothing(self, start):
        """It is told of all the same: it shows that the policy was applied."""
        server = start()
        ecr, repository = server.client(), new_repository(server, "audit")
        selection = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 2}
        text = json.dumps({"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]})
        ecr.put_lifecycle_policy(repositoryName=repository.name, lifecyclePolicyText=text)
        (told,) = self.events(server, "PolicyExecutionEvent", repository.name)
        details = told["serviceEventDetails"]
        assert details["lifecycleEventImageActions"] == details["lifecycleEventFailureDetails"] == []

    def test_restore(self, start):
        """The call that begins a restore, and the event of its end."""
        server = start()
        ecr, repository = server.client(), new_repository(server, "audit")
        pushed = repository.push_image("v1")
        for target in ("ARCHIVE", "STANDARD"):
            ecr.update_image_storage_class(
                repositoryName=repository.name, imageId={"imageTag": "v1"}, targetStorageClass=target
            )
        (ended,) = self.events(server, "UpdateImageStorageClass", repository.name)
        assert ended["serviceEventDetails"] == {
            "repositoryName": repository.name,
            "imageDigest": pushed.digest,
            "targetStorageClass": "STANDARD",
            "imageStatus": "ACTIVE",
        }
        calls = [
            record["requestParameters"]["targetStorageClass"]
            for record in records(server, "EventName", "UpdateImageStorageClass")
            if record["eventType"] == "AwsApiCall"
        ]
        assert sorted(calls) == ["ARCHIVE", "STANDARD"]
