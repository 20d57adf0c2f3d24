"""Lifecycle policies from outside: with the AWS CLI, Terraform and `wharf lifecycle`, under changes and under kill -9."""

import json
import shutil
import threading
import time
import uuid

import pytest

from harness.ecr_client import Ecr
from harness.killed import Killer
from harness.registry_client import OCI_MANIFEST, Pushed, image_manifest
from harness.server import Wharf, wait_for
from harness.soak import rounds
from harness.terraform import Terraform
from test_ctl import Program

# The policy of a usual set-up.
USUAL = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "description": "Keep last 10 production images",
                "selection": {
                    "tagStatus": "tagged",
                    "tagPrefixList": ["v"],
                    "countType": "imageCountMoreThan",
                    "countNumber": 10,
                },
                "action": {"type": "expire"},
            },
            {
                "rulePriority": 2,
                "description": "Expire dev images older than 7 days",
                "selection": {
                    "tagStatus": "tagged",
                    "tagPrefixList": ["dev-"],
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": 7,
                },
                "action": {"type": "expire"},
            },
            {
                "rulePriority": 3,
                "description": "Expire untagged images after 1 day",
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": 1,
                },
                "action": {"type": "expire"},
            },
        ]
    }
)
EIGHT_DAYS = "+193h"


class Images:
    """Pushes images that share their blobs, so that each costs one request."""

    def __init__(self, ecr, repository):
        self.ecr = ecr
        self.repository = repository
        self.config = b'{"architecture": "amd64", "os": "linux"}'
        for content in (self.config, b"layer"):
            ecr.layer(repository, content)

    def make(self, **extra):
        annotations = {"unique": uuid.uuid4().hex}
        return Pushed(image_manifest(self.config, [b"layer"], annotations=annotations, **extra), OCI_MANIFEST)

    def push(self, tag=None, **extra):
        image = self.make(**extra)
        self.ecr.put(self.repository, image, tag)
        return image


def tags(ecr, repository):
    return {tag for _, tag in ecr.image_ids(repository) if tag}


def untagged(count):
    selection = {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": count}
    return json.dumps({"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]})


def is_idle(cli, repository):
    (status,) = cli.json("lifecycle", "status", repository)
    return status["state"] == "IDLE" and status["lastEvaluatedAt"]


def test_usual_policy_with_the_aws_cli(fresh_wharf, tmp_path):
    """put, preview and run: what is too many goes at once, what is too old when its time has come."""
    ecr = Ecr(fresh_wharf)
    ecr.call("CreateRepository", repositoryName="my-app")
    images = Images(ecr, "my-app")
    for number in range(1, 13):
        images.push(f"v{number}")
    images.push("dev-1")
    images.push()
    file = tmp_path / "lifecycle-policy.json"
    file.write_text(USUAL)
    here = ("--repository-name", "my-app")
    policy = ("--lifecycle-policy-text", f"file://{file}")
    started = json.loads(fresh_wharf.aws("ecr", "start-lifecycle-policy-preview", *here, *policy))
    assert (started["status"], json.loads(started["lifecyclePolicyText"])) == ("IN_PROGRESS", json.loads(USUAL))
    fresh_wharf.aws("ecr", "wait", "lifecycle-policy-preview-complete", *here)
    preview = json.loads(fresh_wharf.aws("ecr", "get-lifecycle-policy-preview", *here))
    assert preview["summary"] == {"expiringImageTotalCount": 2}
    found = [(result["imageTags"], result["appliedRulePriority"]) for result in preview["previewResults"]]
    assert found == [(["v1"], 1), (["v2"], 1)]
    assert len(tags(ecr, "my-app")) == 13

    put = json.loads(fresh_wharf.aws("ecr", "put-lifecycle-policy", *here, *policy))
    assert put["lifecyclePolicyText"] == USUAL
    kept = {f"v{number}" for number in range(3, 13)}
    wait_for(lambda: tags(ecr, "my-app") == kept | {"dev-1"}, "the first run")
    cli = Program(fresh_wharf)
    wait_for(lambda: is_idle(cli, "my-app"), "the end of the first run")
    assert len(ecr.image_ids("my-app")) == 12
    got = json.loads(fresh_wharf.aws("ecr", "get-lifecycle-policy", *here))
    assert got["lastEvaluatedAt"]

    # Eight days later nobody has asked for anything.
    fresh_wharf.restart(clock=EIGHT_DAYS)
    ended = "lifecycle policy of my-app: 2 of 12 images expired"
    wait_for(lambda: ended in fresh_wharf.log_text(), "the run after eight days", 60)
    fresh_wharf.restart()
    ecr = Ecr(fresh_wharf)
    assert {tag for _, tag in ecr.image_ids("my-app")} == kept
    fresh_wharf.aws("ecr", "delete-lifecycle-policy", *here)
    ecr.refuse("GetLifecyclePolicy", "LifecyclePolicyNotFoundException", repositoryName="my-app")


@pytest.mark.every_store(
    "DescribeLifecyclePolicies", "DryRunLifecyclePolicy", "PutLifecycleSettings", "RunLifecyclePolicy"
)
def test_run_by_hand(wharf):
    """--dry-run tells what the run then does; protection and lists show up as failures, and as exit code 1."""
    ecr, cli = Ecr(wharf), Program(wharf)
    name = ecr.repository("lifecycle")
    images = Images(ecr, name)
    listed, _, newest = [images.push() for _ in range(3)]
    ecr.index(name, [listed], "list")
    ecr.call("PutLifecyclePolicy", repositoryName=name, lifecyclePolicyText=untagged(50))
    wait_for(lambda: is_idle(cli, name), "the first run")
    assert cli("lifecycle", "run", name, "--dry-run").startswith("Nothing would happen.")
    ecr.call("PutLifecyclePolicy", repositoryName=name, lifecyclePolicyText=untagged(1))
    wait_for(lambda: is_idle(cli, name), "the second run")
    assert {digest for digest, _ in ecr.image_ids(name)} >= {listed.digest, newest.digest}
    images.push()
    # The one that the list names stays, and is reported; the formerly newest goes.
    planned = cli.json("lifecycle", "run", name, "--dry-run", expect=1)
    assert {(image["imageDigest"], image.get("failureCode")) for image in planned} == {
        (newest.digest, None),
        (listed.digest, "ImageReferencedByManifestList"),
    }
    table = cli.run("lifecycle", "run", name, "--dry-run", expect=1).stdout
    assert f"{name}@{newest.digest}" in table and "Nothing was changed." in table
    (done,) = cli.json("lifecycle", "run", name, expect=1)
    assert (done["state"], done["lastRun"]["expiredCount"], done["lastRun"]["failureCount"]) == ("IDLE", 1, 1)
    assert newest.digest not in {digest for digest, _ in ecr.image_ids(name)}
    cli("lifecycle", "set", "--count-root-images", "true", name)
    assert cli.json("lifecycle", "status", name)[0]["countRootImages"] is True
    (done,) = cli.json("lifecycle", "run", name)
    assert done["lastRun"]["failureCount"] == 0
    assert "LifecyclePolicyNotFoundException" in cli.refused("lifecycle", "run", ecr.repository("lifecycle"))


def test_pushes_and_tags_during_runs(wharf):
    """However often the policy runs: a tag that was acknowledged is there, with its image."""
    ecr, cli = Ecr(wharf), Program(wharf)
    name = ecr.repository("lifecycle")
    images = Images(ecr, name)
    ecr.call("PutLifecyclePolicy", repositoryName=name, lifecyclePolicyText=untagged(1))
    acknowledged, failures = {}, []
    stop = threading.Event()

    def push(worker):
        mine = Ecr(wharf)
        pushing = Images.__new__(Images)
        pushing.ecr, pushing.repository, pushing.config = mine, name, images.config
        try:
            number = 0
            while not stop.is_set():
                number += 1
                image = pushing.push()
                # Others and the policy come between: the image may be gone, and is pushed again then.
                tag = f"kept-{worker}-{number}"
                mine.put(name, image, tag)
                acknowledged[tag] = image.digest
                moving = f"moving-{worker}"
                mine.put(name, image, moving)
                acknowledged[moving] = image.digest
        except BaseException as failure:
            failures.append(failure)

    workers = [threading.Thread(target=push, args=(number,), daemon=True) for number in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(15):
        cli.run("lifecycle", "run", name, expect=None)
    stop.set()
    for worker in workers:
        worker.join()
    assert not failures, failures
    assert len(acknowledged) > 20
    found = {tag: digest for digest, tag in ecr.image_ids(name) if tag}
    assert found == acknowledged
    cli.run("lifecycle", "run", name)
    assert {tag: digest for digest, tag in ecr.image_ids(name) if tag} == acknowledged


KILLS = rounds(100, 25)
KILLS_OF_A_RUN = 25
RULES = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {
                    "tagStatus": "tagged",
                    "tagPrefixList": ["list"],
                    "countType": "imageCountMoreThan",
                    "countNumber": 3,
                },
                "action": {"type": "expire"},
            },
            {
                "rulePriority": 2,
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 40},
                "action": {"type": "expire"},
            },
        ]
    }
)


@pytest.mark.timeout(1800)
def test_kill_during_runs(tmp_path):
    """`kill -9` at random points of runs: the end is that of a run which nobody disturbed.

    Of one run, and in the long form (`harness.soak`) of four.
    """
    origin = Wharf(tmp_path / "origin", environment={"WHARF_LOG": "warn"}).start()
    ecr = Ecr(origin)
    ecr.call("CreateRepository", repositoryName="app")
    images = Images(ecr, "app")
    for number in range(30):
        children = [images.push() for _ in range(20)]
        ecr.index("app", children, f"list-{number}")
        subject = {"mediaType": children[0].media_type, "digest": children[0].digest, "size": len(children[0].body)}
        images.push(subject=subject)
    assert origin.stop() == 0

    def copy(number):
        server = Wharf(tmp_path / f"copy-{number}", environment={"WHARF_LOG": "warn"})
        shutil.copytree(origin.data_dir, server.data_dir)
        server.start()
        Ecr(server).call("PutLifecyclePolicy", repositoryName="app", lifecyclePolicyText=RULES)
        return server

    def end(server):
        wait_for(lambda: is_idle(Program(server), "app"), "the end of the run", 120)
        found = Ecr(server).image_ids("app")
        server.finish()
        shutil.rmtree(server.folder)
        return found

    started = time.monotonic()
    undisturbed = end(copy(0))
    assert 0 < len(undisturbed) < 200
    # Short lives, so that one run is begun again and again.
    longest = max(0.1, time.monotonic() - started) / 12
    killer, number = Killer(), 0
    while killer.kills < KILLS:
        number += 1
        server = copy(number)
        for _ in range(KILLS_OF_A_RUN):
            killer.kill(server, longest)
            server.start()
        assert end(server) == undisturbed, f"copy {number}"


TERRAFORM = """
resource "aws_ecr_repository" "app" {
  name         = "tf/lifecycle"
  force_delete = true
}

resource "aws_ecr_lifecycle_policy" "app" {
  repository = aws_ecr_repository.app.name
  policy     = jsonencode(@policy@)
}
"""


@pytest.mark.timeout(1800)
def test_lifecycle_policy_with_terraform(fresh_wharf, tmp_path):
    """Apply, an empty plan, a change, an empty plan, destroy."""
    terraform = Terraform(fresh_wharf, tmp_path / "terraform", ("ecr", "iam", "sts"))
    ecr = fresh_wharf.client()
    for text in (USUAL, untagged(3)):
        terraform.apply(TERRAFORM.replace("@policy@", text))
        stored = ecr.get_lifecycle_policy(repositoryName="tf/lifecycle")["lifecyclePolicyText"]
        assert json.loads(stored) == json.loads(text)
    terraform.destroy()
    assert ecr.describe_repositories()["repositories"] == []
