"""Replication between regions of one Wharf, and between two Wharfs of which either may die at any moment."""

import copy
import json
import re
import socket
import subprocess

import pytest

from harness import api_push, images
from harness.commands import run
from harness.registry_client import (
    OCI_INDEX,
    RegistryClient,
    Repository,
    descriptor,
    digest_of,
    image_manifest,
    index_manifest,
)
from harness.server import Wharf, binary, wait_for
from harness.skopeo import Skopeo
from harness.terraform import Terraform

HOME, AWAY = "us-east-1", "eu-west-1"
ACCOUNT, THEIRS = "123456789012", "210987654321"
SECONDS = 240
LAYER_ARRIVED = re.compile(r"PUT /replicated-layers/ 201")


def rules(*destinations, filters=None):
    rule = {"destinations": [{"region": region, "registryId": account} for region, account in destinations]}
    if filters:
        rule["repositoryFilters"] = [{"filter": text, "filterType": "PREFIX_MATCH"} for text in filters]
    return {"rules": [rule]}


def replicate(client, *destinations, filters=None):
    client.put_replication_configuration(replicationConfiguration=rules(*destinations, filters=filters))


def in_region(server, region):
    """The same server, as somebody sees it who works in another region."""
    seen = copy.copy(server)
    seen.region, seen._authorization = region, None
    return seen


def statuses(client, repository, digest):
    answer = client.describe_image_replication_status(repositoryName=repository, imageId={"imageDigest": digest})
    return {(entry["region"], entry["registryId"]): entry for entry in answer["replicationStatuses"]}


def wait_for_status(client, repository, digest, status="COMPLETE", seconds=SECONDS):
    def is_so():
        found = statuses(client, repository, digest).values()
        return found and all(entry["status"] == status for entry in found)

    wait_for(is_so, f"{digest} of {repository} to be {status}", seconds)


def wharf_command(server, *arguments):
    command = [binary(), "replication", *arguments, "--endpoint", server.url, "--region", server.region]
    return run(*command, environment=server.aws_environment()).stdout


def remote_of(server, region=AWAY, accounts=()):
    """The configuration that leads a region to another server."""
    keys = server.credentials
    return (
        f'[[replication.remotes]]\nregion = "{region}"\nendpoint = "{server.url}"\n'
        f"registry_ids = {json.dumps(list(accounts))}\n"
        f'access_key_id = "{keys["AWS_ACCESS_KEY_ID"]}"\nsecret_access_key = "{keys["AWS_SECRET_ACCESS_KEY"]}"\n'
    )


@pytest.fixture
def two_regions(tmp_path, default_database):
    from conftest import environment_of

    server = Wharf(
        tmp_path / "wharf", environment={**environment_of(default_database), "WHARF_REGIONS": f"{HOME},{AWAY}"}
    )
    yield server.start()
    server.finish()


@pytest.fixture
def start(tmp_path, default_database):
    """Starts servers; `start(name, config)`."""
    from conftest import environment_of

    started = []

    def begin(name, config="", account=ACCOUNT, region=HOME):
        server = Wharf(
            tmp_path / name,
            environment={**environment_of(default_database), "WHARF_LOG": "info"},
            config=f'account_id = "{account}"\nregions = ["{region}"]\n{config}',
        )
        server.account, server.region = account, region
        started.append(server)
        return server.start()

    yield begin
    for server in started:
        server.finish()


def expect_same(source, destination, repository, reference):
    """A client pulls the same from both, whole."""
    for server in (source, destination):
        raw = Skopeo(server).inspect(Skopeo(server).image(repository, reference), "--raw")
        if server is source:
            expected = raw
        assert raw == expected


def test_two_regions_in_one_wharf(two_regions, tmp_path):
    """The usual set-up: everything goes to another region, and production once more by its own rule."""
    home, away = two_regions, in_region(two_regions, AWAY)
    ecr = home.client()
    for filters in (["*"], ["prod-"]):
        # botocore holds filters against ECR's minimum of two characters before it sends them.
        unchecked = home.client(parameter_validation=False)
        replicate(unchecked, (AWAY, ACCOUNT), filters=filters)
        assert ecr.describe_registry()["replicationConfiguration"] == rules((AWAY, ACCOUNT), filters=filters)
        for name in ("prod-app", "dev/app"):
            repository = f"{name}-{'all' if filters == ['*'] else 'some'}"
            ecr.create_repository(repositoryName=repository)
            made = images.index(repository)
            skopeo = Skopeo(home)
            layout = images.write_layout(tmp_path / repository.replace("/", "-"), made, "v1")
            skopeo.copy(layout, skopeo.image(repository, "v1"), "--all")
            if filters == ["*"] or name == "prod-app":
                wait_for_status(ecr, repository, made.digest)
                target = tmp_path / f"pulled-{repository.replace('/', '-')}"
                Skopeo(away).copy(Skopeo(away).image(repository, "v1"), f"dir:{target}", "--all")
                assert (target / "manifest.json").read_bytes() == made.manifest
            else:
                assert statuses(ecr, repository, made.digest) == {}
    names = {entry["repositoryName"] for entry in away.client().describe_repositories()["repositories"]}
    assert names == {"prod-app-all", "dev/app-all", "prod-app-some"}


def test_events(tmp_path, default_database):
    """Who waits for an image in another region is told of it there: that it came, with each new tag, or did not."""
    from conftest import environment_of

    nowhere, events = "ap-south-1", tmp_path / "events.jsonl"
    server = Wharf(
        tmp_path / "wharf",
        environment={
            **environment_of(default_database),
            "WHARF_REGIONS": f"{HOME},{AWAY}",
            "WHARF_EVENTS_FILE_PATH": str(events),
            "WHARF_EVENTS_FILE_FILTER": json.dumps({"detail-type": ["ECR Replication Action"]}),
        },
    )
    try:
        ecr = server.start().client()
        ecr.create_repository(repositoryName="app")
        replicate(ecr, (AWAY, ACCOUNT), (nowhere, ACCOUNT))
        made = images.image("app")

        def told_of(count):
            wait_for(lambda: events.exists() and events.read_text().count("\n") == count, f"{count} events", SECONDS)

        api_push.push_image(ecr, "app", made, "v1")
        told_of(2)
        # The next push brings its own tag and no other, but what has failed so far has still to arrive.
        api_push.push_image(ecr, "app", made, "v2")
        told_of(5)
    finally:
        server.finish()
    told = [json.loads(line) for line in events.read_text().splitlines()]
    for region, result, tags in ((AWAY, "SUCCESS", ["v1", "v2"]), (nowhere, "FAILED", ["v1", "v1", "v2"])):
        of_region = sorted(
            (event for event in told if event["region"] == region), key=lambda event: event["detail"]["image-tag"]
        )
        assert [event["detail"]["image-tag"] for event in of_region] == tags
        for event, tag in zip(of_region, tags, strict=True):
            assert event["account"] == ACCOUNT
            assert event["resources"] == [f"arn:aws:ecr:{region}:{ACCOUNT}:repository/app"]
            assert event["detail"] == {
                "result": result,
                "repository-name": "app",
                "image-digest": made.digest,
                "image-tag": tag,
                "source-account": ACCOUNT,
                "source-region": HOME,
                "action-type": "REPLICATE",
            }


def test_aws_cli(two_regions):
    """The commands of the documentation."""
    configuration = json.dumps(rules((AWAY, ACCOUNT), filters=["prod-"]))
    said = two_regions.aws("ecr", "put-replication-configuration", "--replication-configuration", configuration)
    assert json.loads(said)["replicationConfiguration"] == json.loads(configuration)
    assert json.loads(two_regions.aws("ecr", "describe-registry"))["replicationConfiguration"] == json.loads(
        configuration
    )


def test_another_wharf_dies_in_the_middle_of_200_pushes(start):
    """All images arrive, the statuses are true, and no layer comes twice."""
    away = start("away", region=AWAY)
    home = start("home", remote_of(away))
    ecr = home.client()
    replicate(ecr, (AWAY, ACCOUNT))
    ecr.create_repository(repositoryName="app")
    base = images.noise("base", 200_000)
    pushed = []
    for number in range(200):
        if number == 60:
            away.kill()
        if number == 140:
            away.start()
        config = json.dumps({"architecture": "amd64", "os": "linux", "number": number}).encode()
        made = images.Image(config, (base, images.noise(f"{number}", 3000)))
        api_push.push_image(ecr, "app", made, f"v{number}")
        # The same image again, with tags that move: one transfer of it all the same.
        api_push.put(ecr, "app", made, "latest")
        pushed.append(made)
    for made in pushed:
        wait_for_status(ecr, "app", made.digest)
    there = away.client()
    details = {}
    for page in there.get_paginator("describe_images").paginate(repositoryName="app"):
        details |= {entry["imageDigest"]: entry for entry in page["imageDetails"]}
    for number, made in enumerate(pushed):
        expected = [f"v{number}"] + (["latest"] if number == 199 else [])
        assert sorted(details[made.digest]["imageTags"]) == sorted(expected)
    assert len(details) == 200
    for made in pushed[::20]:
        (found,) = there.batch_get_image(repositoryName="app", imageIds=[{"imageDigest": made.digest}])["images"]
        assert found["imageManifest"].encode() == made.manifest
    layers = {digest_of(blob) for made in pushed for blob in made.blobs}
    arrived = len(LAYER_ARRIVED.findall(away.log_text()))
    # The death may fall between a layer's arrival and the line of the log about it, for each that was on its way.
    assert len(layers) - 4 <= arrived <= len(layers)


@pytest.mark.every_store("ReceiveReplicatedImage")
def test_indexes_and_referrers_arrive_at_another_wharf(start, tmp_path):
    away = start("away", region=AWAY)
    home = start("home", remote_of(away))
    ecr = home.client()
    replicate(ecr, (AWAY, ACCOUNT))
    ecr.create_repository(repositoryName="app")
    made = images.index("index", ("amd64", "arm64", "s390x"))
    skopeo = Skopeo(home)
    skopeo.copy(images.write_layout(tmp_path / "layout", made, "v1"), skopeo.image("app", "v1"), "--all")
    config, signature = b"{}", b"signature"
    for blob in (config, signature):
        api_push.push_layer(ecr, "app", blob)
    manifest = image_manifest(config, [signature], subject=descriptor(OCI_INDEX, made.manifest))
    ecr.put_image(repositoryName="app", imageManifest=manifest.decode())
    outer = index_manifest([made.descriptor])
    ecr.put_image(repositoryName="app", imageManifest=outer.decode(), imageTag="outer")
    for digest in (made.digest, digest_of(manifest), digest_of(outer), *(child.digest for child in made.images)):
        wait_for_status(ecr, "app", digest)
    target = tmp_path / "pulled"
    Skopeo(away).copy(Skopeo(away).image("app", "v1"), f"dir:{target}", "--all")
    assert (target / "manifest.json").read_bytes() == made.manifest
    found = away.client().list_image_referrers(repositoryName="app", subjectId={"imageDigest": made.digest})
    assert [entry["digest"] for entry in found["referrers"]] == [digest_of(manifest)]
    assert [entry["repositoryName"] for entry in away.client().describe_repositories()["repositories"]] == ["app"]


@pytest.mark.every_store("ListReplications", "RetryReplications")
def test_a_registry_policy_that_does_not_allow_it(start):
    """FAILED with a reason, at another Wharf; put right there and retried here, it arrives."""
    away = start("away", account=THEIRS, region=AWAY)
    home = start("home", remote_of(away, accounts=[THEIRS]))
    ecr = home.client()
    replicate(ecr, (AWAY, THEIRS))
    ecr.create_repository(repositoryName="app")
    made = images.image("image")
    api_push.push_image(ecr, "app", made, "v1")
    wait_for_status(ecr, "app", made.digest, "FAILED")
    assert statuses(ecr, "app", made.digest)[AWAY, THEIRS]["failureCode"] == "AccessDenied"
    assert wharf_command(home, "list", "--failed").count("AccessDenied: User: arn:aws:iam::123456789012:root") == 1
    (entry,) = json.loads(wharf_command(home, "status", "app:v1", "--output", "json"))
    assert "ecr:ReplicateImage" in entry["failureReason"] and entry["imageTags"] == ["v1"]
    assert away.client().describe_repositories()["repositories"] == []
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": ["ecr:ReplicateImage", "ecr:CreateRepository"],
        "Resource": f"arn:aws:ecr:{AWAY}:{THEIRS}:repository/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    away.client().put_registry_policy(policyText=json.dumps(policy))
    assert "IN_PROGRESS" in wharf_command(home, "list", "--failed", "--retry")
    wait_for_status(ecr, "app", made.digest)
    assert wharf_command(home, "list", "--failed") == "No replication has failed.\n"
    assert "COMPLETE" in wharf_command(home, "status", "app")
    expect_same(home, away, "app", made.digest)


def test_a_key_that_may_not(start):
    """The destination's identity policies decide, too."""
    away = start("away", region=AWAY)
    iam = away.client("iam")
    iam.create_user(UserName="replicator")
    key = iam.create_access_key(UserName="replicator")["AccessKey"]
    config = remote_of(away)
    for old, new in zip(
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), (key["AccessKeyId"], key["SecretAccessKey"]), strict=True
    ):
        config = config.replace(away.credentials[old], new)
    home = start("home", config)
    ecr = home.client()
    replicate(ecr, (AWAY, ACCOUNT))
    ecr.create_repository(repositoryName="app")
    made = images.image("image")
    api_push.push_image(ecr, "app", made, "v1")
    wait_for_status(ecr, "app", made.digest, "FAILED")
    assert "wharf:ReceiveReplication" in wharf_command(home, "list", "--failed")
    allowed = {"Effect": "Allow", "Action": "wharf:ReceiveReplication", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    iam.put_user_policy(UserName="replicator", PolicyName="replication", PolicyDocument=document)
    api_push.put(ecr, "app", made, "v2")
    wait_for_status(ecr, "app", made.digest)


@pytest.fixture
def nobody():
    """An address at which nobody answers: connections to it wait."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_certificate_that_nobody_vouches_for(start):
    """The reason names the key of the configuration that is missing."""
    away = start("away", "[tls]\nself_signed = true\n", region=AWAY)
    home = start("home", remote_of(away))
    ecr = home.client()
    replicate(ecr, (AWAY, ACCOUNT))
    ecr.create_repository(repositoryName="app")
    made = images.image("a")
    api_push.push_image(ecr, "app", made, "v1")
    wait_for(lambda: "UnknownIssuer" in wharf_command(home, "list"), "the first attempt")
    assert "ca_file of the remote names who issued its certificate" in wharf_command(home, "list")


def test_a_destination_that_does_not_answer_holds_up_no_other(tmp_path, default_database, nobody):
    """It stays in progress, and so do back-fills to it, of which one region can have one and a registry ten."""
    from conftest import environment_of

    regions = ["ap-south-1", *(f"eu-west-{number}" for number in range(11, 23))]
    remotes = "".join(
        f'[[replication.remotes]]\nregion = "{region}"\nendpoint = "{nobody}"\n'
        'access_key_id = "AKIAEXAMPLE000000001"\nsecret_access_key = "never-asked-for"\n'
        for region in regions
    )
    server = Wharf(
        tmp_path / "wharf",
        environment=environment_of(default_database),
        config=f'regions = ["{HOME}", "{AWAY}"]\n{remotes}',
    ).start()
    ecr = server.client()
    replicate(ecr, *((region, ACCOUNT) for region in [*regions, AWAY]))
    ecr.create_repository(repositoryName="app")
    made = images.image("image")
    api_push.push_image(ecr, "app", made, "v1")

    def found():
        return {region: entry["status"] for (region, _), entry in statuses(ecr, "app", made.digest).items()}

    wait_for(lambda: found()[AWAY] == "COMPLETE", "the one that answers", 60)
    assert {found()[region] for region in regions} == {"IN_PROGRESS"}
    for region in regions[:10]:
        destination = {"region": region, "registryId": ACCOUNT}
        assert ecr.start_replication_backfill(destination=destination)["status"] == "PREPARING"
        with pytest.raises(ecr.exceptions.ReplicationBackfillInProgressException):
            ecr.start_replication_backfill(destination=destination)
    with pytest.raises(ecr.exceptions.LimitExceededException):
        ecr.start_replication_backfill(destination={"region": regions[10], "registryId": ACCOUNT})
    (first, *_) = ecr.list_replication_backfills()["backfills"]
    wait_for(
        lambda: (
            ecr.describe_replication_backfill_results(replicationBackfillId=first["replicationBackfillId"])["status"]
            == "IN_PROGRESS"
        ),
        "the back-fill to list",
    )
    server.finish()


def test_a_large_layer_is_streamed(start):
    """Neither side holds a layer in memory."""
    away = start("away", region=AWAY)
    home = start("home", remote_of(away))
    ecr = home.client()
    replicate(ecr, (AWAY, ACCOUNT))
    ecr.create_repository(repositoryName="app")
    made = images.Image(b'{"architecture": "amd64", "os": "linux"}', (images.noise("large", 300_000_000),))
    upload_and_tag(home, "app", made)
    before = away.peak_memory
    wait_for_status(ecr, "app", made.digest)
    assert away.peak_memory - before < 100_000_000
    assert home.peak_memory < 250_000_000


def upload_and_tag(server, repository, made):
    """By the registry protocol, which needs no base64."""
    registry = Repository(RegistryClient(server.host, server.authorization), repository)
    for blob in made.blobs:
        registry.push_blob(blob)
    registry.push_manifest(made.manifest, "v1", made.media_type)


TERRAFORM = """
data "aws_caller_identity" "current" {}

resource "aws_ecr_replication_configuration" "all" {
  replication_configuration {
    rule {
      destination {
        region      = "@region@"
        registry_id = data.aws_caller_identity.current.account_id
      }
      repository_filter {
        filter      = "prod-"
        filter_type = "PREFIX_MATCH"
      }
    }
  }
}

resource "aws_ecr_registry_policy" "all" {
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "replication"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::210987654321:root" }
      Action    = ["ecr:ReplicateImage", "ecr:CreateRepository"]
      Resource  = "arn:aws:ecr:us-east-1:${data.aws_caller_identity.current.account_id}:repository/*"
    }]
  })
}
"""


@pytest.mark.timeout(1800)
def test_terraform(two_regions, tmp_path):
    """Apply, an empty plan, a change, an empty plan, destroy."""
    terraform = Terraform(two_regions, tmp_path / "terraform", ("ecr", "iam", "sts"))
    ecr = two_regions.client()
    for region in (AWAY, "us-west-2"):
        terraform.apply(TERRAFORM.replace("@region@", region))
        expected = rules((region, ACCOUNT), filters=["prod-"])
        assert ecr.describe_registry()["replicationConfiguration"] == expected
    terraform.destroy()
    assert ecr.describe_registry()["replicationConfiguration"] == {"rules": []}
    with pytest.raises(ecr.exceptions.RegistryPolicyNotFoundException):
        ecr.get_registry_policy()


def test_a_configuration_that_cannot_be_right(tmp_path):
    """`wharf config check` names what is wrong, and shows no secret."""
    file = tmp_path / "wharf.toml"
    file.write_text(
        '[replication]\ntag_filters = ["a b"]\n[[replication.remotes]]\nregion = "eu-west-1"\nendpoint = "nowhere"\n'
        'access_key_id = "AKIAEXAMPLE000000001"\nsecret_access_key = "sesame"\n'
    )
    command = [binary(), "config", "check", "--config", file, "--data-dir", tmp_path / "data"]
    finished = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=False)
    said = finished.stdout + finished.stderr
    assert finished.returncode != 0 and "'nowhere'" in said and "'a b'" in said and "sesame" not in said
