"""Events: every change is told to every sink that wants it, at least once, whatever happens in between."""

import calendar
import itertools
import json
import ssl
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from harness import api_push, images
from harness.commands import run
from harness.events import cli, jobs, make_repository, push_variant
from harness.identities import Identities, allow, document
from harness.registry_client import OCI_MANIFEST, RegistryClient
from harness.server import SESSION, binary, wait_for
from harness.tls import make_certificate
from harness.webhook import Receiver

pytestmark = pytest.mark.every_store("FollowEvents", "ListJobs", "RetryJob", "TestEvents")

SECRET = "a secret of the tests"
PULL = "Wharf Image Pull"
ENVELOPE = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}
# ECR's documentation, "Amazon ECR events and EventBridge": the details of its samples. Media types go with every image
# action, also where the older samples lack them.
IMAGE_ACTION = {
    "result",
    "repository-name",
    "image-digest",
    "action-type",
    "manifest-media-type",
    "artifact-media-type",
}


def check_envelope(server, event, detail_type, source="aws.ecr", resources=()):
    assert set(event) == ENVELOPE
    assert (event["version"], event["detail-type"], event["source"]) == ("0", detail_type, source)
    assert (event["account"], event["region"]) == (server.account, server.region)
    assert event["resources"] == list(resources)
    assert str(uuid.UUID(event["id"])) == event["id"]
    then = calendar.timegm(time.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ"))
    assert abs(then - time.time()) < 300


def test_changes_are_told_as_ecr_tells_them(serve, receiver):
    server = serve(webhooks=[{"url": receiver.url, "secret": SECRET, "headers": {"X-Team": "blue"}}])
    ecr = server.client()
    name = make_repository(server, "team/app")
    arn = f"arn:aws:ecr:us-east-1:{server.account}:repository/{name}"
    made = images.image("events", size=1000)
    digest = api_push.push_image(ecr, name, made, "v1")["imageId"]["imageDigest"]
    api_push.put(ecr, name, made, "v2")
    untagged = push_variant(ecr, name, made, 1)
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "v2"}])
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": digest}, {"imageDigest": untagged}])
    ecr.delete_repository(repositoryName=name)
    events = receiver.wait_for(8, name)
    for delivery in receiver.deliveries:
        assert delivery.has_signature_of(SECRET), delivery
        assert delivery.headers["wharf-event-id"] == delivery.event["id"]
        assert delivery.headers["content-type"] == "application/json"
        assert delivery.headers["x-team"] == "blue"
    assert len({event["id"] for event in events}) == 8

    def of(detail_type, action):
        return [e for e in events if e["detail-type"] == detail_type and e["detail"]["action-type"] == action]

    pushes, deletes = of("ECR Image Action", "PUSH"), of("ECR Image Action", "DELETE")
    told = [(e["detail"]["image-digest"], e["detail"].get("image-tag")) for e in pushes]
    assert sorted(told, key=str) == sorted([(digest, "v1"), (digest, "v2"), (untagged, None)], key=str)
    told = [(e["detail"]["image-digest"], e["detail"].get("image-tag")) for e in deletes]
    assert sorted(told, key=str) == sorted([(digest, "v2"), (digest, "v1"), (untagged, None)], key=str)
    for event in pushes + deletes:
        check_envelope(server, event, "ECR Image Action")
        assert set(event["detail"]) - {"image-tag"} == IMAGE_ACTION
        assert event["detail"]["result"] == "SUCCESS"
        assert event["detail"]["manifest-media-type"] == OCI_MANIFEST
        assert event["detail"]["artifact-media-type"] == "application/vnd.oci.image.config.v1+json"
    for action in ("CREATE", "DELETE"):
        (event,) = of("Wharf Repository Action", action)
        check_envelope(server, event, "Wharf Repository Action", "wharf", [arn])
        assert event["detail"]["actor"] == f"arn:aws:iam::{server.account}:root"
    wait_for(lambda: jobs(server) == [], "an empty queue")


def test_what_fails_is_not_told(serve, receiver):
    server = serve(webhooks=[{"url": receiver.url}])
    ecr = server.client()
    name = make_repository(server)
    made = images.image("events", size=1000)
    with pytest.raises(ClientError, match="LayersNotFound"):
        push_variant(ecr, name, made, 1, "broken")
    with pytest.raises(ClientError, match="RepositoryAlreadyExists"):
        ecr.create_repository(repositoryName=name)
    api_push.push_image(ecr, name, made, "v1")
    with pytest.raises(ClientError, match="ImageAlreadyExists"):
        api_push.put(ecr, name, made, "v1")
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "absent"}])
    ecr.delete_repository(repositoryName=name, force=True)

    # The repository takes its images along, each with an event of its own.
    def told_of(event):
        return event["detail-type"], event["detail"]["action-type"]

    told = [told_of(event) for event in receiver.wait_for(4, name)]
    repository, its_image = "Wharf Repository Action", "ECR Image Action"
    assert sorted(told) == sorted(
        [(repository, "CREATE"), (its_image, "PUSH"), (its_image, "DELETE"), (repository, "DELETE")]
    )
    assert "wharf-signature" not in receiver.deliveries[0].headers
    wait_for(lambda: jobs(server) == [], "no more events")
    assert len(receiver.of(name)) == 4
    (deleted,) = [event for event in receiver.of(name) if told_of(event) == (its_image, "DELETE")]
    assert (deleted["detail"]["image-digest"], deleted["detail"]["image-tag"]) == (made.digest, "v1")


def test_tail(wharf_on_each_database):
    """Who follows sees what happens from then on, without any sink, in the order in which it is done."""
    server = wharf_on_each_database
    ecr, name, made = server.client(), make_repository(server), images.image("tail", size=1000)
    api_push.push_image(ecr, name, made, "before")
    command = [binary(), "events", "tail", "--data-dir", server.data_dir, "--output", "json"]
    told, numbers = [], itertools.count()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=server.environment, text=True) as tail:
        reader = threading.Thread(target=lambda: told.extend(map(json.loads, tail.stdout)))
        reader.start()

        def is_following():
            push_variant(ecr, name, made, next(numbers))
            return told

        wait_for(is_following, "the first event", 60)
        tags = [f"v{number}" for number in range(6)]
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda tag: push_variant(server.client(), name, made, tag, tag), tags))
        ecr.delete_repository(repositoryName=name, force=True)
        wait_for(lambda: told[-1]["detail-type"] == "Wharf Repository Action", "the last event", 60)
        tail.terminate()
        reader.join()
    assert len({event["id"] for event in told}) == len(told)
    pushed = [event["detail"].get("image-tag") for event in told if event["detail"]["action-type"] == "PUSH"]
    assert sorted(filter(None, pushed)) == tags, "and not what was pushed before"
    deleted = {event["detail"].get("image-tag") for event in told[:-1] if event["detail"]["action-type"] == "DELETE"}
    assert deleted == {None, "before", *tags}
    check_envelope(server, told[0], "ECR Image Action")


def test_who_may_follow(wharf):
    """It is a permission on all repositories of the registry."""
    identities = Identities(wharf)
    arn = f"arn:aws:ecr:us-east-1:{wharf.account}:repository"
    name = make_repository(wharf)

    def follow(on):
        user = identities.user(document(allow("wharf:FollowEvents", on=on)))
        keys = {"AWS_ACCESS_KEY_ID": user.access_key_id, "AWS_SECRET_ACCESS_KEY": user.secret_access_key}
        command = [binary(), "events", "tail", "--limit", "1", "--endpoint", wharf.url, "--region", "us-east-1"]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**wharf.environment, **keys}, text=True
        )

    with follow(f"{arn}/{name}") as refused:
        _, said = refused.communicate(timeout=60)
        assert refused.returncode == 2 and "not authorized to perform: wharf:FollowEvents" in said
    with follow(f"{arn}/*") as allowed:

        def has_ended():
            make_repository(wharf)
            return allowed.poll() is not None

        wait_for(has_ended, "an event", 60)
        assert allowed.returncode == 0
        assert "Wharf Repository Action CREATE app-" in allowed.stdout.read()


def test_filters_choose_and_pulls_must_be_named(serve):
    receivers = {name: Receiver() for name in ("all", "pushes", "pulls", "prod")}
    filters = {
        "pushes": {"source": ["aws.ecr"], "detail": {"action-type": ["PUSH"]}},
        "pulls": {"detail-type": [PULL]},
        "prod": json.dumps({"detail": {"repository-name": [{"prefix": "prod/"}], "image-tag": [{"exists": True}]}}),
    }
    webhooks = [
        {"url": each.url, "name": name, **({"filter": filters[name]} if name in filters else {})}
        for name, each in receivers.items()
    ]
    server = serve(webhooks=webhooks)
    ecr = server.client()
    made = images.image("events", size=1000)
    for name in ("prod/app", "dev/app"):
        make_repository(server, name)
        api_push.push_image(ecr, name, made, "v1")
        push_variant(ecr, name, made, 1)
    client = RegistryClient(server.host, server.authorization)
    for reference in ("v1", made.digest):
        client.request("GET", f"/v2/prod/app/manifests/{reference}").expect(200)
    client.request("HEAD", "/v2/prod/app/manifests/v1").expect(200)
    ecr.batch_get_image(repositoryName="dev/app", imageIds=[{"imageTag": "v1"}])
    pulls = receivers["pulls"].wait_for(3)
    told = [(e["detail"]["repository-name"], e["detail"].get("image-tag")) for e in pulls]
    assert sorted(told, key=str) == sorted([("prod/app", "v1"), ("prod/app", None), ("dev/app", "v1")], key=str)
    for event in pulls:
        arn = f"arn:aws:ecr:us-east-1:{server.account}:repository/{event['detail']['repository-name']}"
        check_envelope(server, event, PULL, "wharf", [arn])
        assert event["detail"]["image-digest"] == made.digest
        assert event["detail"]["actor"] == f"arn:aws:iam::{server.account}:root"
    receivers["all"].wait_for(6)
    wait_for(lambda: jobs(server) == [], "no more events")
    assert [len(receivers[name].events) for name in ("all", "pushes", "pulls", "prod")] == [6, 4, 3, 1]
    for each in receivers.values():
        each.stop()


def test_a_failing_receiver_gets_the_same_event_again(serve, receiver):
    answers = iter([500, 302, 429])
    receiver.answer = lambda event: next(answers, 200)
    server = serve(webhooks=[{"url": receiver.url, "secret": SECRET}])
    name = make_repository(server)
    receiver.wait_for(1, name)
    assert [delivery.status for delivery in receiver.deliveries] == [500, 302, 429, 200]
    assert len({delivery.body for delivery in receiver.deliveries}) == 1
    assert all(delivery.has_signature_of(SECRET) for delivery in receiver.deliveries)


def test_what_is_pushed_while_the_receiver_is_down_arrives(serve, receiver):
    receiver.stop()
    server = serve(webhooks=[{"url": receiver.url, "name": "down"}])
    ecr = server.client()
    name = make_repository(server)
    made = images.image("events", size=1000)
    api_push.push_image(ecr, name, made, "v0")
    digests = {made.digest, *(push_variant(ecr, name, made, number, f"v{number}") for number in range(1, 50))}
    wait_for(lambda: any(job.get("lastError") for job in jobs(server)), "a failure")
    listed = jobs(server)
    assert len(listed) == 51 and {job["kind"] for job in listed} == {"event to down"}
    text = cli(server, "jobs", "list").stdout
    assert "refused" in text and f"{name} PUSH" in text and "waiting" in text
    server.restart()
    receiver.start()
    events = receiver.wait_for(51, name, seconds=120)
    pushed = [event for event in events if event["detail"]["action-type"] == "PUSH"]
    assert {event["detail"]["image-digest"] for event in pushed} == digests
    assert len({event["id"] for event in events}) == len(events) == 51
    wait_for(lambda: jobs(server) == [], "an empty queue")


def test_dead_letters_stay_and_can_be_sent_again(serve, receiver):
    receiver.answer = lambda event: 410
    server = serve(webhooks=[{"url": receiver.url, "name": "gone"}])
    names = sorted(make_repository(server) for _ in range(3))
    wait_for(lambda: len(jobs(server, "--dead")) == 3, "dead letters")
    dead = jobs(server, "--dead")
    assert {job["status"] for job in dead} == {"DEAD"} and {job["attempts"] for job in dead} == {1}
    assert all(job["lastError"] == "the answer was 410 receiver says no" for job in dead)
    assert sorted(job["key"].split()[0] for job in dead) == names
    assert dead[0]["nextAttemptAt"] is None
    server.restart()
    assert [job["jobId"] for job in jobs(server, "--dead")] == [job["jobId"] for job in dead]
    receiver.answer = lambda event: 200
    first = dead[0]["jobId"]
    assert cli(server, "jobs", "retry", first).stdout == f"Job {first} is tried now\n"
    receiver.wait_for(1)
    wait_for(lambda: len(jobs(server)) == 2, "one letter less")
    assert cli(server, "jobs", "retry", "--all").stdout == "2 jobs are tried now\n"
    assert {event["detail"]["repository-name"] for event in receiver.wait_for(3)} == set(names)
    wait_for(lambda: jobs(server) == [], "an empty queue")
    assert cli(server, "jobs", "list", "--dead").stdout == "No job was given up.\n"
    assert cli(server, "jobs", "retry", "--all").stdout == "No job was given up\n"
    refused = cli(server, "jobs", "retry", first, expect=2)
    assert f"No job {first} waits or was given up" in refused.stderr and "JobNotFoundException" in refused.stderr


def test_a_hanging_receiver_holds_up_nobody_else(serve, receiver):
    release = threading.Event()
    hanging = Receiver(lambda event: release.wait(120) and 200)
    server = serve(webhooks=[{"url": hanging.url, "name": "hanging"}, {"url": receiver.url, "name": "good"}])
    for _ in range(20):
        make_repository(server)
    receiver.wait_for(20)
    wait_for(lambda: {job["kind"] for job in jobs(server)} == {"event to hanging"}, "the good one's last note")
    assert hanging.events == []
    release.set()
    hanging.wait_for(20)
    hanging.stop()


def test_jobs_and_events_need_permission_of_the_first_account(serve):
    keys = {"123456789012": "AKIAEXAMPLE000000001", "210987654321": "AKIAEXAMPLE000000002"}
    accounts = "".join(
        f'[[accounts]]\nid = "{account}"\naccess_key_id = "{key}"\nsecret_access_key = "change-me-too"\n'
        for account, key in keys.items()
    )
    server = serve(accounts)
    other = {
        **server.environment,
        "AWS_ACCESS_KEY_ID": keys["210987654321"],
        "AWS_SECRET_ACCESS_KEY": "change-me-too",
        "AWS_ENDPOINT_URL": server.url,
        "AWS_REGION": server.region,
    }
    for arguments in (["jobs", "list"], ["jobs", "retry", "--all"], ["events", "test"]):
        finished = run(binary(), *arguments, expect=2, environment=other)
        assert "Only principals of account 123456789012" in finished.stderr
    iam = SESSION.client(
        "iam",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=keys["123456789012"],
        aws_secret_access_key="change-me-too",
    )
    iam.create_user(UserName="watcher")
    key = iam.create_access_key(UserName="watcher")["AccessKey"]
    watcher = {
        **other,
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }
    denied = run(binary(), "jobs", "list", expect=2, environment=watcher)
    assert "not authorized to perform: wharf:ListJobs" in denied.stderr
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "wharf:ListJobs", "Resource": "*"}}
    iam.put_user_policy(UserName="watcher", PolicyName="jobs", PolicyDocument=json.dumps(policy))
    # The scrub at the start is one, until it is done.
    listed = ("jobs", "list")
    wait_for(
        lambda: run(binary(), *listed, environment=watcher).stdout == "There are no jobs.\n",
        "the jobs of the start to end",
    )
    denied = run(binary(), "jobs", "retry", "--all", expect=2, environment=watcher)
    assert "not authorized to perform: wharf:RetryJob" in denied.stderr


def test_a_test_event_goes_to_every_sink(serve, receiver, tmp_path):
    path = tmp_path / "events.jsonl"
    only_pushes = {"detail": {"action-type": ["PUSH"]}}
    down = Receiver()
    down.stop()
    server = serve(
        webhooks=[{"url": receiver.url, "name": "good", "filter": only_pushes}, {"url": down.url, "name": "down"}],
        file={"path": str(path)},
    )
    finished = cli(server, "events", "test", expect=1)
    rows = [line.split(None, 4) for line in finished.stdout.splitlines()]
    assert rows[0] == ["SINK", "OUTCOME", "TIME", "REASON"]
    assert [row[:2] for row in rows[1:]] == [["good", "delivered"], ["down", "failed"], ["file", "delivered"]]
    assert "refused" in rows[2][4]
    (event,) = receiver.events
    check_envelope(server, event, "Wharf Test", "wharf")
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [event["id"]]
    down.start()
    told = json.loads(cli(server, "events", "test", "--output", "json").stdout)
    assert [(each["sink"], each["isDelivered"]) for each in told] == [("good", True), ("down", True), ("file", True)]
    down.stop()


def test_webhooks_speak_tls_with_an_authority_of_their_own(serve, tmp_path, receiver):
    authority, certificate, key = make_certificate(tmp_path / "tls", ["localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    url = f"https://localhost:{receiver.port}/hook"
    other, _, _ = make_certificate(tmp_path / "other", ["localhost"])
    server = serve(
        webhooks=[
            {"url": url, "name": "trusted", "ca_file": str(authority)},
            {"url": url, "name": "untrusted", "ca_file": str(other)},
        ]
    )
    told = json.loads(cli(server, "events", "test", "--output", "json", expect=1).stdout)
    assert [each["isDelivered"] for each in told] == [True, False]
    assert "certificate" in told[1]["reason"].lower()
