"""Deleted images come back as they were, what is protected stays, and what nobody can restore any more frees its storage."""

import base64
import json
import random
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from harness import api_push, images
from harness.api_push import push_image, push_index
from harness.ecr_client import Ecr
from harness.identities import Identities, allow, document
from harness.registry_client import OCI_MANIFEST, RegistryClient, Repository, digest_of, image_manifest
from harness.seeds import fresh_seed
from harness.server import wait_for
from harness.skopeo import Skopeo
from harness.stored import objects
from test_ctl import DATE, Program, allowing

pytestmark = pytest.mark.every_store("GetRestoreWindow")

# The default.
WINDOW_HOURS = 7 * 24


def unique(kind):
    return f"{kind}-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def cli(wharf):
    return Program(wharf)


@pytest.fixture(scope="module")
def ecr(wharf):
    return wharf.client()


@pytest.fixture
def name(ecr):
    name = unique("restore")
    ecr.create_repository(repositoryName=name)
    return name


@pytest.fixture
def registry(wharf, name):
    """The repository as docker sees it."""
    return Repository(RegistryClient(wharf.host, wharf.authorization), name)


def details(ecr, name):
    pages = ecr.get_paginator("describe_images").paginate(repositoryName=name)
    return {image["imageDigest"]: image for page in pages for image in page["imageDetails"]}


def tags_of(ecr, name):
    return {digest: sorted(image.get("imageTags", [])) for digest, image in details(ecr, name).items()}


def delete(ecr, name, **image):
    answer = ecr.batch_delete_image(repositoryName=name, imageIds=[image])
    assert not answer["failures"], answer["failures"]
    return answer["imageIds"]


def pulled(registry, made):
    """Pulls an image whole, and checks every byte of it."""
    assert registry.pull(made.digest).expect(200).body == made.manifest
    for blob in made.blobs:
        assert registry.client.get(registry.blob(digest_of(blob))).expect(200).body == blob


def hidden(ecr, registry, made):
    assert made.digest not in details(ecr, registry.name)
    registry.pull(made.digest).expect_error(404, "MANIFEST_UNKNOWN")


def test_delete_and_restore(cli, ecr, name, registry):
    made = images.image(name, size=2000)
    push_image(ecr, name, made, "v1")
    api_push.put(ecr, name, made, "stable")
    pulled(registry, made)
    before = details(ecr, name)[made.digest]
    delete(ecr, name, imageDigest=made.digest)
    hidden(ecr, registry, made)
    with pytest.raises(ClientError, match="LayerInaccessibleException"):
        ecr.get_download_url_for_layer(repositoryName=name, layerDigest=digest_of(made.layers[0]))

    (line,) = cli.json("image", "list-deleted", name)
    assert line["imageDigest"] == made.digest and line["imageTags"] == ["stable", "v1"]
    assert line["deletedBy"].endswith(":root") and line["reason"] == "BatchDeleteImage"
    assert line["imageSizeInBytes"] == before["imageSizeInBytes"] and not line["isTagOnly"]
    text = cli("image", "list-deleted", name)
    assert (
        "RESTORABLE UNTIL" in text and re.search(r" \d+ bytes | \d+\.\d [KM]iB ", text) and len(text.splitlines()) == 2
    )
    assert len(re.findall(DATE, text)) == 2

    text = cli("image", "restore", f"{name}:v1", "--dry-run")
    assert "would be restored" in text and "dry run: nothing was changed" in text
    hidden(ecr, registry, made)
    text = cli("image", "restore", f"{name}:v1")
    assert made.digest in text and "stable, v1" in text
    after = details(ecr, name)[made.digest]
    before.pop("lastRecordedPullTime", None), after.pop("lastRecordedPullTime", None)
    assert after == before
    pulled(registry, made)
    assert registry.pull("stable").expect(200).body == made.manifest
    assert cli.json("image", "list-deleted", name) == []
    # Doing it again changes nothing.
    assert cli.json("image", "restore", f"{name}@{made.digest}")[0]["status"] == "PRESENT"


def test_delete_and_restore_with_skopeo(wharf, cli, ecr, name, registry, tmp_path):
    made = images.image(name, size=2000)
    push_image(ecr, name, made, "v1")
    skopeo = Skopeo(wharf)
    skopeo.delete(skopeo.image(name, "v1"))
    hidden(ecr, registry, made)
    (line,) = cli.json("image", "list-deleted", name)
    assert line["reason"] == "DELETE /v2/"
    cli("image", "restore", f"{name}:v1")
    skopeo.copy(skopeo.image(name, "v1"), f"dir:{tmp_path}/pulled")
    assert (tmp_path / "pulled/manifest.json").read_bytes() == made.manifest


def test_tags_that_are_taken_stay(cli, ecr, name):
    old, new = images.image("old", size=100), images.image("new", size=100)
    push_image(ecr, name, old, "latest")
    api_push.put(ecr, name, old, "v1")
    delete(ecr, name, imageDigest=old.digest)
    push_image(ecr, name, new, "latest")
    (line,) = cli.json("image", "restore", f"{name}:v1")
    assert line["status"] == "RESTORED" and line["imageTags"] == ["v1"]
    ((taken),) = line["tagsNotRestored"]
    assert taken["imageTag"] == "latest" and new.digest in taken["reason"]
    assert tags_of(ecr, name) == {old.digest: ["v1"], new.digest: ["latest"]}


def test_a_tag_alone(cli, ecr, name):
    made = images.image("tags", size=100)
    push_image(ecr, name, made, "a")
    api_push.put(ecr, name, made, "b")
    delete(ecr, name, imageTag="a")
    (line,) = cli.json("image", "list-deleted", name)
    assert line["isTagOnly"] and line["imageTags"] == ["a"] and line["imageSizeInBytes"] is None
    assert "tag only" in cli("image", "list-deleted", name)
    assert cli.json("image", "restore", f"{name}:a")[0]["imageTags"] == ["a"]
    assert tags_of(ecr, name) == {made.digest: ["a", "b"]}
    # Then the rest: the tag that went first comes back with the image that went after it.
    delete(ecr, name, imageTag="a")
    delete(ecr, name, imageTag="b")
    assert details(ecr, name) == {}
    cli("image", "restore", f"{name}:a")
    assert tags_of(ecr, name) == {made.digest: ["a", "b"]}


def test_an_index_brings_its_images(cli, ecr, name, registry):
    made = images.Index((images.image("amd", size=100), images.image("arm", size=100, architecture="arm64")))
    push_index(ecr, name, made, "multi")
    for digest in (made.digest, *(child.digest for child in made.images)):
        delete(ecr, name, imageDigest=digest)
    assert details(ecr, name) == {}
    lines = cli.json("image", "restore", f"{name}:multi")
    assert {line["imageDigest"] for line in lines} == {made.digest, *(child.digest for child in made.images)}
    assert registry.pull("multi").expect(200).body == made.manifest
    for child in made.images:
        pulled(registry, child)
    # One that can no longer come back is named, and nothing is restored by halves.
    for digest in (made.digest, *(child.digest for child in made.images)):
        delete(ecr, name, imageDigest=digest)
    gone = made.images[0].digest
    cli("image", "purge-deleted", f"{name}@{gone}")
    (line,) = cli.json("image", "restore", f"{name}:multi", expect=1)
    assert line["failureCode"] == "ReferencedImagesNotFound" and gone in line["failureReason"]
    assert details(ecr, name) == {}


def test_a_repository_that_is_gone(cli, ecr, name, registry):
    made = images.image(name, size=2000)
    push_image(ecr, name, made, "v1")
    push_image(ecr, name, images.image("other", size=100), "v2")
    ecr.delete_repository(repositoryName=name, force=True)
    assert "--create-repository" in cli.refused("image", "restore", name, "--all")
    dry = cli("image", "restore", name, "--all", "--create-repository", "--dry-run")
    assert "created again" in dry
    with pytest.raises(ClientError, match="RepositoryNotFoundException"):
        ecr.describe_repositories(repositoryNames=[name])
    cli("image", "restore", name, "--all", "--create-repository")
    assert {tags[0] for tags in tags_of(ecr, name).values()} == {"v1", "v2"}
    pulled(registry, made)
    assert cli.json("image", "list-deleted", name) == []


@pytest.mark.parametrize("by", ["request", "policy"])
def test_a_thousand_images(cli, ecr, name, registry, by):
    """Deleted in one go by mistake, or by a wrong policy, all come back byte for byte with their tags."""
    config, layer = b"{}", images.noise(name, 3000)
    for blob in (config, layer):
        registry.push_blob(blob)
    manifests = {}
    for number in range(1000):
        manifest = image_manifest(config, [layer], annotations={"number": str(number)})
        registry.push_manifest(manifest, f"v{number}").expect(201)
        if number % 10 == 0:
            registry.push_manifest(manifest, f"also-{number}").expect(201)
        manifests[digest_of(manifest)] = manifest
    before = details(ecr, name)
    assert before.keys() == manifests.keys()
    left = 0
    if by == "request":
        digests = list(before)
        for first in range(0, 1000, 100):
            ids = [{"imageDigest": digest} for digest in digests[first : first + 100]]
            assert not ecr.batch_delete_image(repositoryName=name, imageIds=ids)["failures"]
    else:
        # Meant were the images of branches; one is the least that a policy can keep.
        selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1}
        rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
        ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps({"rules": [rule]}))
        left = 1
        wait_for(lambda: len(details(ecr, name)) == left, "the end of the policy's run")
        ecr.delete_lifecycle_policy(repositoryName=name)
    assert len(details(ecr, name)) == left
    lines = cli.json("image", "restore", name, "--since", "1h")
    assert len(lines) == 1000 - left and {line["status"] for line in lines} == {"RESTORED"}
    assert details(ecr, name) == before
    for digest, manifest in manifests.items():
        assert registry.pull(digest).expect(200).body == manifest
    assert registry.client.get(registry.blob(digest_of(layer))).expect(200).body == layer


def test_refused(cli, ecr, name):
    assert "its time is over" in cli.run("image", "restore", f"{name}:none", expect=1).stdout
    assert cli("image", "restore", name, "--all") == f"There is nothing of {name} to restore.\n"
    assert "--all or --since" in cli.refused("image", "restore", name)
    assert "goes with a repository" in cli.refused("image", "restore", f"{name}:a", "--all")
    assert "write 2h" in cli.refused("image", "restore", name, "--since", "yesterday")
    assert "REPO:TAG" in cli.refused("image", "restore", ":x")
    assert "ValidationException" in cli.refused("image", "restore", f"{name}@sha256:abc")
    assert "repositoryName" in cli.refused("image", "restore", "UPPER:x")
    assert "--create-repository" in cli.refused("image", "restore", "never-there:x", "--create-repository")


def test_window_of_a_repository(cli, ecr, name):
    assert "7 days (the server's setting)" in cli("repository", "show", name)
    assert cli.json("repository", "set", name, "--restore-window", "0")["restoreWindowDays"] == 0
    assert "off" in cli("repository", "show", name)
    made = images.image(name, size=100)
    push_image(ecr, name, made, "v1")
    delete(ecr, name, imageTag="v1")
    assert cli.json("image", "list-deleted", name) == []
    cli.run("image", "restore", f"{name}:v1", expect=1)
    assert "30 days\n" in cli("repository", "set", name, "--restore-window", "30")
    assert cli.json("repository", "set", name, "--restore-window", "default")["isDefault"]
    assert "3650" in cli.refused("repository", "set", name, "--restore-window", "3651")
    assert "RepositoryNotFound" in cli.refused("repository", "show", "never-there")


def test_purge(cli, ecr, name):
    for number in range(3):
        push_image(ecr, name, images.image(f"{name} {number}", size=2_000_000, layers=1), f"v{number}")
    delete(ecr, name, imageTag="v0")
    delete(ecr, name, imageTag="v1")
    told = cli("image", "purge-deleted", name, "--all", "--dry-run")
    assert "dry run" in told and "would be purged" in told
    assert len(cli.json("image", "list-deleted", name)) == 2
    cli("image", "purge-deleted", f"{name}:v0")
    assert [line["imageTags"] for line in cli.json("image", "list-deleted", name)] == [["v1"]]
    cli("image", "purge-deleted", name, "--all")
    assert cli.json("image", "list-deleted", name) == []
    cli.run("image", "restore", f"{name}:v1", expect=1)
    assert "There is nothing" in cli("image", "purge-deleted", name, "--all")
    assert len(details(ecr, name)) == 1


def test_bytes_go_after_the_window(fresh_wharf):
    """Seven days later nobody can restore, and what only the deleted image needed is gone from disk."""
    server, name = fresh_wharf, "app"
    ecr, program = server.client(), Program(server)
    ecr.create_repository(repositoryName=name)
    gone, kept = images.image("gone", size=3_000_000, layers=1), images.image("kept", size=1_000_000, layers=1)
    push_image(ecr, name, gone, "gone")
    push_image(ecr, name, kept, "kept")
    delete(ecr, name, imageTag="gone")

    def stored_bytes():
        return sum(objects(server, "blobs").values())

    assert stored_bytes() >= 4_000_000
    for _ in range(2):
        server.restart(f"+{WINDOW_HOURS - 1}h")
    # Clients sign by the real time.
    server.restart()
    assert stored_bytes() >= 4_000_000 and len(program.json("image", "list-deleted")) == 1
    # The collector of one start drops the rows, that of a later one the bytes.
    deadline, hours = time.monotonic() + 60, WINDOW_HOURS
    while stored_bytes() > 2_000_000:
        assert time.monotonic() < deadline, "the bytes are still there"
        hours += 1
        server.restart(f"+{hours}h")
    server.restart()
    assert program.json("image", "list-deleted") == []
    pulled(Repository(RegistryClient(server.host, server.authorization), name), kept)
    program.run("image", "restore", f"{name}:gone", expect=1)


# --- Protection ------------------------------------------------------------------------------------------------------


def failure(ecr, name, **image):
    answer = ecr.batch_delete_image(repositoryName=name, imageIds=[image])
    assert answer["imageIds"] == []
    (failure,) = answer["failures"]
    return failure


def refuses_all_ways(ecr, registry, target, digest, tag=None):
    """No way of deleting takes the image, and each answer tells how to end the protection."""
    name, hint = registry.name, f"wharf unprotect '{target}'"
    for image in [{"imageDigest": digest}, *([{"imageTag": tag}] if tag else [])]:
        failed = failure(ecr, name, **image)
        assert failed["failureCode"] == "ImageInaccessible" and hint in failed["failureReason"]
    for reference in [digest, *([tag] if tag else [])]:
        answer = registry.client.delete(registry.manifest(reference)).expect_error(403, "DENIED")
        assert hint in answer.messages[0]
    for force in (False, True):
        with pytest.raises(ClientError) as refused:
            ecr.delete_repository(repositoryName=name, force=force)
        assert refused.value.response["Error"]["Code"] == "RepositoryNotEmptyException"
        if force:
            assert hint in refused.value.response["Error"]["Message"]
    registry.pull(digest).expect(200)


@pytest.mark.parametrize("kind", ["repository", "tag", "pattern", "digest"])
def test_protected_from_all_ways(cli, ecr, name, registry, kind):
    made = images.image(name, size=100)
    push_image(ecr, name, made, "release-1")
    target = {
        "repository": name,
        "tag": f"{name}:release-1",
        "pattern": f"{name}:rel*",
        "digest": f"{name}@{made.digest}",
    }[kind]
    assert cli("protect", target) == f"Protected {target} from deletion\n"
    assert cli("protect", target) == f"Protected {target} from deletion\n"
    (line,) = cli.json("protect", "--list", name)
    assert line["target"] == target and line["createdBy"].endswith(":root")
    assert target in cli("protect", "--list")
    refuses_all_ways(ecr, registry, target, made.digest, "release-1")
    assert "Would end the protection" in cli("unprotect", target, "--dry-run")
    refuses_all_ways(ecr, registry, target, made.digest, "release-1")
    assert cli("unprotect", target) == f"{target} can be deleted again\n"
    assert "ProtectionNotFoundException" in cli.refused("unprotect", target)
    assert "is not protected" in cli.refused("unprotect", target, "--dry-run")
    delete(ecr, name, imageDigest=made.digest)
    ecr.delete_repository(repositoryName=name)


def test_protected_before_it_is_pushed(cli, ecr, name, registry):
    cli("protect", f"{name}:release-*")
    made = images.image(name, size=100)
    push_image(ecr, name, made, "release-1")
    refuses_all_ways(ecr, registry, f"{name}:release-*", made.digest, "release-1")
    assert "ImageNotFound" in cli.refused("protect", f"{name}@{digest_of(b'not there')}")
    assert "RepositoryNotFound" in cli.refused("protect", "never-there")
    assert "wildcards" in cli.refused("protect", f"{name}:a*b*c*")
    assert "goes with a repository" in cli.refused("protect", "--list", f"{name}:a")


def test_protected_tags_of_several(cli, ecr, name):
    """A protected tag stays although its image would; its other tags may go, but not with the image."""
    made = images.image(name, size=100)
    push_image(ecr, name, made, "release-1")
    api_push.put(ecr, name, made, "other")
    cli("protect", f"{name}:release-*")
    assert "wharf unprotect" in failure(ecr, name, imageTag="release-1")["failureReason"]
    assert "wharf unprotect" in failure(ecr, name, imageDigest=made.digest)["failureReason"]
    delete(ecr, name, imageTag="other")
    assert "wharf unprotect" in failure(ecr, name, imageTag="release-1")["failureReason"]
    # A push takes the tag, and with it the protection.
    push_image(ecr, name, images.image("next", size=100), "release-1")
    delete(ecr, name, imageDigest=made.digest)


def test_what_belongs_to_it_is_protected(cli, ecr, name, registry):
    made = images.Index((images.image("amd", size=100), images.image("arm", size=100, architecture="arm64")))
    push_index(ecr, name, made, "multi")
    child = registry.pull(made.images[0].digest).expect(200)
    subject = {"mediaType": OCI_MANIFEST, "digest": made.images[0].digest, "size": len(child.body)}
    signature = image_manifest(b"{}", [b"signature"], subject=subject)
    for blob in (b"{}", b"signature"):
        registry.push_blob(blob)
    registry.push_manifest(signature).expect(201)
    cli("protect", f"{name}:multi")
    for digest in (made.images[0].digest, made.images[1].digest, digest_of(signature)):
        failed = failure(ecr, name, imageDigest=digest)
        assert f"wharf unprotect '{name}:multi'" in failed["failureReason"] and made.digest in failed["failureReason"]
    refuses_all_ways(ecr, registry, f"{name}:multi", digest_of(signature))
    cli("unprotect", f"{name}:multi")
    ecr.delete_repository(repositoryName=name, force=True)


def test_an_empty_protected_repository(cli, ecr, name):
    cli("protect", f"{name}:release-*")
    assert len(cli.json("protect", "--list", name)) == 1
    cli("protect", name)
    with pytest.raises(ClientError, match="wharf unprotect"):
        ecr.delete_repository(repositoryName=name)
    cli("unprotect", name)
    # A pattern that matches nothing keeps nothing.
    ecr.delete_repository(repositoryName=name)


# --- Who may, and at once --------------------------------------------------------------------------------------------


def test_permissions(wharf, cli, ecr, name):
    push_image(ecr, name, images.image(name, size=100), "v1")
    delete(ecr, name, imageTag="v1")
    arn = f"arn:aws:ecr:{wharf.region}:{wharf.account}:repository/{name}"
    restorer = Identities(wharf).user(document(allow("wharf:RestoreImage", "wharf:ListDeletedImages", on=arn)))
    mine = Program(wharf, AWS_ACCESS_KEY_ID=restorer.access_key_id, AWS_SECRET_ACCESS_KEY=restorer.secret_access_key)
    assert len(mine.json("image", "list-deleted", name)) == 1
    for command, action in [
        (["image", "list-deleted"], "wharf:ListDeletedImages"),
        (["image", "purge-deleted", f"{name}:v1"], "wharf:PurgeDeletedImages"),
        (["image", "restore", f"{name}:v1", "--create-repository"], "ecr:CreateRepository"),
        (["image", "restore", "another:v1"], "wharf:RestoreImage"),
        (["repository", "set", name, "--restore-window", "1"], "wharf:PutRestoreWindow"),
        (["protect", name], "wharf:PutDeletionProtection"),
        (["unprotect", name], "wharf:DeleteDeletionProtection"),
    ]:
        assert f"perform: {action}" in mine.refused(*command), command
    mine("image", "restore", f"{name}:v1")
    assert len(details(ecr, name)) == 1


def test_bad_input(wharf):
    """Whatever a client sends costs it an error, never the server one."""
    api = Ecr(wharf).api
    token = base64.urlsafe_b64encode(
        b'{"is_at_tags": false, "repository": "a\\u0000", "deleted_at_ms": 9223372036854775807, "id": -1}'
    ).rstrip(b"=")
    digest = digest_of(b"")
    for operation, body in [
        ("ListDeletedImages", {"nextToken": "a\0b"}),
        ("ListDeletedImages", {"nextToken": token.decode()}),
        ("ListDeletedImages", {"maxResults": 0}),
        ("ListDeletedImages", {"maxResults": 1001}),
        ("ListDeletedImages", {"deletedSince": -1}),
        ("ListDeletedImages", {"deletedSince": 1e300}),
        ("ListDeletedImages", {"repositoryName": "\0"}),
        ("ListDeletedImages", {"registryId": "1"}),
        ("ListDeletionProtections", {"nextToken": "W10"}),
        ("RestoreImage", {"repositoryName": "app", "imageIds": []}),
        ("RestoreImage", {"repositoryName": "app", "imageIds": [{}]}),
        ("RestoreImage", {"repositoryName": "app", "imageIds": [{"imageTag": "a\0"}]}),
        ("RestoreImage", {"repositoryName": "app", "imageIds": [{"imageTag": "a"}] * 101}),
        ("PurgeDeletedImages", {"repositoryName": "app", "imageIds": [{"imageDigest": "sha256:"}]}),
        ("PurgeDeletedImages", {"imageIds": [{"imageTag": "a"}]}),
        ("PutRestoreWindow", {"repositoryName": "app", "restoreWindowDays": -1}),
        ("PutRestoreWindow", {"repositoryName": "app", "restoreWindowDays": 2**63 - 1}),
        ("PutDeletionProtection", {"repositoryName": "app", "imageTagPattern": ""}),
        ("PutDeletionProtection", {"repositoryName": "app", "imageTagPattern": "a", "imageDigest": digest}),
        ("DeleteDeletionProtection", {"repositoryName": "app", "imageDigest": "x"}),
    ]:
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"Wharf_20261121.{operation}"}
        answer = api.post(json.dumps(body).encode(), headers, api.signing.but(service="wharf"))
        assert answer.status == 400 and b"ValidationException" in answer.body, (operation, body, repr(answer))


def test_at_once(wharf_on_each_database):
    """Deletions, restores and pushes of the same images from many threads: in the end each image is either there, and
    can be pulled whole, or among the deleted, and can be restored."""
    server, name = wharf_on_each_database, "app"
    ecr, program = server.client(), Program(server)
    ecr.create_repository(repositoryName=name)
    made = [images.image(f"race {number}", size=500) for number in range(4)]
    for number, image in enumerate(made):
        push_image(ecr, name, image, f"v{number}")
    calls = {"delete": 0, "restore": 0, "push": 0}

    def work(seed):
        chance, client = random.Random(seed), server.client()
        for _ in range(25):
            number = chance.randrange(len(made))
            what = chance.choice(list(calls))
            if what == "delete":
                client.batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": made[number].digest}])
            elif what == "restore":
                program.run("image", "restore", f"{name}@{made[number].digest}", expect=None)
            else:
                try:
                    push_image(client, name, made[number], f"v{number}")
                except ClientError as error:
                    # Others pushed the image or its layers at the same moment.
                    code = error.response["Error"]["Code"]
                    assert code in ("ImageAlreadyExistsException", "LayerAlreadyExistsException"), error
            calls[what] += 1

    with ThreadPoolExecutor(6) as pool:
        first = fresh_seed()
        list(pool.map(work, range(first, first + 6)))
    assert min(calls.values()) > 10
    registry = Repository(RegistryClient(server.host, server.authorization), name)
    for digest in details(ecr, name):
        pulled(registry, next(image for image in made if image.digest == digest))
    program("image", "restore", name, "--all")
    assert details(ecr, name).keys() == {image.digest for image in made}
    assert program.json("image", "list-deleted", name) == []
    for image in made:
        pulled(registry, image)


# --- --dry-run of the commands that delete ----------------------------------------------------------------------------


def test_dry_runs(cli, wharf):
    user, group, role, policy, token = (unique(kind) for kind in ("user", "group", "role", "policy", "token"))
    policy_text = json.dumps(allowing("ecr:DescribeRepositories"))
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Principal": {"AWS": wharf.account}, "Action": "sts:AssumeRole"},
        }
    )
    cli("user", "create", user)
    key = cli.json("key", "create", "--user", user)["accessKeyId"]
    cli("group", "create", group)
    cli("group", "add-user", group, user)
    cli("role", "create", role, "--trust", "-", stdin=trust)
    cli("policy", "create", policy, "--document", "-", stdin=policy_text)
    cli("policy", "attach", policy, "--role", role)
    cli("policy", "put", "--name", "inline", "--document", "-", "--user", user, stdin=policy_text)
    cli("token", "create", "--repository", "*", "--actions", "pull", "--expires", "1h", "--name", token)
    arn = f"arn:aws:iam::{wharf.account}:policy/{policy}"
    cases = [
        (["user", "delete", user, "--force"], [f"user {user}", f"access key {key}", "inline policy inline", group]),
        (["key", "delete", key, "--user", user], [f"access key {key}"]),
        (["group", "delete", group, "--force"], [f"group {group}", f"membership of user {user}"]),
        (["role", "delete", role, "--force"], [f"role {role}", f"policy {policy}"]),
        (["policy", "delete", policy, "--force"], [arn, f"role {role}"]),
        (["policy", "remove", "--name", "inline", "--user", user], ["inline policy inline"]),
        (["token", "revoke", token], [f"token {token}"]),
    ]
    for command, told in cases:
        text = cli(*command, "--dry-run")
        assert "Would delete" in text and "Nothing was changed" in text, text
        assert all(part in text for part in told), text
        assert cli.json(*command, "--dry-run")["dryRun"] is True
    for command, hint in [
        (["user", "delete", user], "--force"),
        (["group", "delete", group], "--force"),
        (["role", "delete", role], "--force"),
        (["policy", "delete", policy], "--force"),
        (["user", "delete", "nobody-here"], "NoSuchEntity"),
        (["group", "delete", "no-group"], "NoSuchEntity"),
        (["role", "delete", "no-role"], "NoSuchEntity"),
        (["policy", "delete", "AmazonEC2ContainerRegistryReadOnly"], "AWS's own"),
        (["key", "delete", "AKIANOTTHEREATALL000", "--user", user], "no access key"),
        (["policy", "remove", "--name", "none", "--user", user], "no inline policy"),
        (["token", "revoke", "no-token"], "no token"),
    ]:
        assert hint in cli.refused(*command, "--dry-run"), command
    # All is still there: each goes now.
    for command, _ in reversed(cases):
        cli(*command)
