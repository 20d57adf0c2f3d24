"""`wharf import`: repositories from a docker-registry, from ECR, from its storage folder, and from registries that fail."""

import base64
import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import threading
import uuid
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.commands import WITHOUT_AWS, run
from harness.images import Image, docker_image, image, index, noise
from harness.registry_client import RegistryClient, Repository, descriptor, digest_of, index_manifest
from harness.server import Wharf, binary, wait_for
from harness.tls import make_certificate
from harness.upstream import PASSWORD, USER, DockerRegistry, FakeUpstream

OCTETS = "application/octet-stream"
LIFECYCLE = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 100},
                "action": {"type": "expire"},
            }
        ]
    }
)


class Importer:
    """`wharf import` into a server, with a home of its own."""

    def __init__(self, server, home):
        self.server = server
        self.home = Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.environment = {
            **server.environment,
            **WITHOUT_AWS,
            "HOME": str(self.home),
            "XDG_STATE_HOME": None,
            "DOCKER_CONFIG": None,
            "AWS_PROFILE": None,
            "AWS_SHARED_CREDENTIALS_FILE": None,
            "AWS_CONFIG_FILE": None,
        }

    def command(self, *arguments):
        return [str(part) for part in (binary(), "import", *arguments, "--data-dir", self.server.data_dir)]

    def run(self, *arguments, expect=0, stdin=None, **variables):
        environment = {**self.environment, **variables}
        return run(*self.command(*arguments), expect=expect, stdin=stdin, environment=environment)

    def __call__(self, *arguments, expect=0, stdin=None, **variables):
        """The report."""
        finished = self.run(*arguments, "--output", "json", expect=expect, stdin=stdin, **variables)
        return json.loads(finished.stdout)

    def start(self, *arguments):
        """Begins an import and does not wait for it."""
        variables = {**os.environ, **self.environment}
        return subprocess.Popen(
            self.command(*arguments, "--output", "json"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in variables.items() if value is not None},
            text=True,
        )


@pytest.fixture
def importer(wharf, tmp_path):
    return Importer(wharf, tmp_path / "home")


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    server = DockerRegistry(tmp_path_factory.mktemp("registry"))
    yield server.start()
    server.stop()


@pytest.fixture
def fake():
    server = FakeUpstream()
    yield server
    server.close()


def new_name(kind="imported"):
    return f"{kind}/{uuid.uuid4().hex}"


def new_prefix():
    return f"p{uuid.uuid4().hex[:12]}"


def target(server, name):
    return Repository(RegistryClient(server.host, server.authorization), name)


def tags_of(server, name):
    """What each tag of a repository of the server names."""
    pages = server.client().get_paginator("list_images").paginate(repositoryName=name)
    return {each["imageTag"]: each["imageDigest"] for page in pages for each in page["imageIds"] if "imageTag" in each}


def digests_of(server, name):
    pages = server.client().get_paginator("list_images").paginate(repositoryName=name)
    return {each["imageDigest"] for page in pages for each in page["imageIds"]}


def pull_whole(repo, reference):
    """An image as a client pulls it: every manifest and every blob, each checked."""
    answer = repo.pull(reference).expect(200)
    document = answer.json()
    for child in document.get("manifests", []):
        pull_whole(repo, child["digest"])
    for each in [document["config"], *document["layers"]] if "config" in document else []:
        blob = repo.client.get(repo.blob(each["digest"])).expect(200)
        assert digest_of(blob.body) == each["digest"] and len(blob.body) == each["size"]
    return digest_of(answer.body)


def list_tags(fake, name, *tags):
    """Has the fake registry list a repository's tags."""
    fake.content[f"/v2/{name}/tags/list"] = ("application/json", json.dumps({"name": name, "tags": tags}).encode())


def push(fake, name, **images):
    for tag, made in images.items():
        fake.push(name, made, tag)
    list_tags(fake, name, *images)


def reasons(report):
    return {f"{each['repository']}{each.get('image', '')}": each["reason"] for each in report["failures"]}


# --- From a registry ----------------------------------------------------------------------------------------------


def test_everything_of_a_registry_and_then_only_what_is_new(registry, importer, wharf):
    prefix, names = new_prefix(), [new_name("whole"), new_name("whole")]
    one, other, many = image("whole one"), docker_image("whole docker"), index("whole index")
    for name in names:
        registry.push(name, one, "v1")
        registry.push(name, one, "same")
        registry.push(name, other, "docker")
        registry.push(name, many, "many")
    arguments = ("registry", registry.host, "--repository", "whole/*", "--prefix", prefix)
    report = importer(*arguments)
    assert report["failures"] == [] and not report["interrupted"] and not report["dryRun"]
    assert (report["repositories"], report["repositoriesCreated"], report["images"]) == (2, 2, 6)
    assert (report["imagesCopied"], report["tagsWritten"], report["manifestsCopied"]) == (6, 8, 10)
    for name in names:
        repo = target(wharf, f"{prefix}/{name}")
        expected = {"v1": one.digest, "same": one.digest, "docker": other.digest, "many": many.digest}
        assert tags_of(wharf, repo.name) == expected
        assert {pull_whole(repo, tag) for tag in expected} == set(expected.values())
    # Nothing is new, and no manifest and no layer is read again.
    read = len(registry.served("blobs")), len(registry.served("manifests"))
    report = importer(*arguments)
    assert (report["imagesUnchanged"], report["imagesCopied"], report["bytesCopied"]) == (6, 0, 0)
    assert (len(registry.served("blobs")), len(registry.served("manifests"))) == read
    # One tag moves, another comes.
    moved = image("whole moved")
    registry.push(names[0], moved, "v1")
    registry.push(names[0], moved, "v2")
    report = importer(*arguments)
    assert (report["imagesCopied"], report["tagsWritten"], report["imagesUnchanged"]) == (1, 2, 6)
    tags = tags_of(wharf, f"{prefix}/{names[0]}")
    assert tags["v1"] == tags["v2"] == moved.digest and tags["same"] == one.digest


def test_lines_and_a_table_for_people(registry, importer, wharf):
    name, prefix = new_name("text"), new_prefix()
    registry.push(name, image("text"), "v1")
    finished = importer.run("registry", registry.host, "--repository", name, "--prefix", prefix)
    assert f"{prefix}/{name}:v1 copied\n" in finished.stderr
    assert "Images        1, 1 copied, 0 unchanged" in finished.stdout
    missing = importer.run("registry", registry.host, "--repository", new_name("none"), expect=1)
    assert "NOT IMPORTED" in missing.stdout and "NAME_UNKNOWN" in missing.stdout


def test_a_thousand_tags_in_pages(wharf, importer, fresh_wharf):
    """Another Wharf gives lists in pages of 1,000, and speaks the referrers API."""
    client, name = wharf.client(), new_name("tags")
    client.create_repository(repositoryName=name)
    repo = target(wharf, name)
    pushed = [repo.push_image("first"), repo.push_image("second")]
    signature = repo.push_artifact(subject=pushed[0].descriptor, artifact_type="application/x.signature")
    nested = repo.push_artifact(subject=signature.descriptor, artifact_type="application/x.note")
    for number in range(1_010):
        repo.push_manifest(pushed[number % 2].body, f"n{number}")
    into = Importer(fresh_wharf, importer.home)
    login = ("--username", "AWS", "--password-stdin")
    arguments = ("registry", wharf.host, "--repository", name, *login)
    report = into(*arguments, stdin=wharf.password)
    assert report["failures"] == []
    assert (report["images"], report["tagsWritten"], report["referrersCopied"]) == (2, 1_012, 2)
    assert tags_of(fresh_wharf, name) == tags_of(wharf, name)
    assert digests_of(fresh_wharf, name) == digests_of(wharf, name)
    there = target(fresh_wharf, name)
    for subject, referrer in ((pushed[0], signature), (signature, nested)):
        (listed,) = there.client.get(there.referrers(subject.digest)).expect(200).json()["manifests"]
        assert listed["digest"] == referrer.digest
    # A signature that comes later is found, though its image is there.
    later = repo.push_artifact(subject=pushed[1].descriptor, artifact_type="application/x.signature")
    report = into(*arguments, stdin=wharf.password)
    assert (report["referrersCopied"], report["imagesUnchanged"], report["tagsWritten"]) == (1, 2, 0)
    assert later.digest in digests_of(fresh_wharf, name)


def test_a_bar_on_a_terminal(registry, importer, wharf):
    name = new_name("bar")
    registry.push(name, image("bar"), "v1")
    ours, theirs = pty.openpty()
    command = importer.command("registry", registry.host, "--repository", name)
    variables = {name: value for name, value in {**os.environ, **importer.environment}.items() if value is not None}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=variables, text=True)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):
        # The end of a terminal is an error.
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert "1 copied" in process.communicate(timeout=60)[0] and process.returncode == 0
    assert b" images, " in shown and b":v1 copied" not in shown and shown.endswith(b"\r\x1b[K")


def test_a_target_with_tls(registry, tmp_path, default_database):
    from conftest import environment_of

    environment = environment_of(default_database)
    server = Wharf(tmp_path / "tls", arguments=["--tls", "self-signed"], environment=environment).start()
    try:
        name, made = new_name("tls"), image("tls", size=500_000)
        registry.push(name, made, "v1")
        report = Importer(server, tmp_path / "home")("registry", registry.host, "--repository", name)
        assert report["failures"] == [] and report["bytesCopied"] == made.size
        assert server.url.startswith("https:")
    finally:
        server.finish()


def test_logins(tmp_path, importer, wharf):
    open_registry = DockerRegistry(tmp_path / "registry").start()
    made, name = image("login"), new_name("login")
    open_registry.push(name, made, "v1")
    open_registry.stop()
    authority, *tls = make_certificate(tmp_path / "tls", ["localhost"])
    closed = DockerRegistry(tmp_path / "registry", has_login=True, tls=tls).start()
    try:
        trusted = ("--source-ca-bundle", authority)
        base = ("registry", closed.url, "--retries", "0")
        untrusted = importer.run(*base, expect=2)
        assert "certificate" in untrusted.stderr
        refused = importer.run(*base, *trusted, expect=2)
        assert "401" in refused.stderr and "is the login right" in refused.stderr
        wrong = importer.run(*base, *trusted, "--username", USER, "--password-stdin", expect=2, stdin="wrong\n")
        assert "401" in wrong.stderr and "wrong" not in wrong.stderr
        flags = ("--username", USER, "--password-stdin", "--prefix", new_prefix())
        assert importer(*base, *trusted, *flags, stdin=PASSWORD + "\n")["imagesCopied"] == 1
        variables = {"WHARF_SOURCE_USERNAME": USER, "WHARF_SOURCE_PASSWORD": PASSWORD}
        assert importer(*base, *trusted, "--prefix", new_prefix(), **variables)["imagesCopied"] == 1
        docker = importer.home / ".docker"
        docker.mkdir()
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (docker / "config.json").write_text(json.dumps({"auths": {closed.host: {"auth": pair}}}))
        assert importer(*base, *trusted, "--prefix", new_prefix())["imagesCopied"] == 1
        helper = tmp_path / "bin/docker-credential-tests"
        helper.parent.mkdir()
        answer = json.dumps({"Username": USER, "Secret": PASSWORD})
        helper.write_text(f"#!/bin/sh\nread -r host\n[ \"$host\" = {closed.host} ] && echo '{answer}'\n")
        helper.chmod(0o755)
        (docker / "config.json").write_text(json.dumps({"credHelpers": {closed.host: "tests"}}))
        path = f"{helper.parent}:{os.environ['PATH']}"
        assert importer(*base, *trusted, "--prefix", new_prefix(), PATH=path)["imagesCopied"] == 1
    finally:
        closed.stop()


def test_bearer_tokens(fake, importer, wharf):
    name = new_name("bearer")
    push(fake, name, v1=image("bearer"))
    asked = []

    def door(request):
        if request.headers.get("Authorization") == "Bearer opens":
            return None
        scope = f'Bearer realm="{fake.url}/token",service="here",scope="repository:{name}:pull"'
        return request.answer(401, b"{}", **{"WWW-Authenticate": scope})

    def token(request):
        asked.append((parse_qs(urlsplit(request.path).query), request.headers.get("Authorization")))
        return request.answer(200, json.dumps({"token": "opens", "expires_in": 300}).encode())

    fake.fault(r"^/v2/", door)
    fake.fault(r"^/token", token)
    login = {"WHARF_SOURCE_USERNAME": "me", "WHARF_SOURCE_PASSWORD": "mine"}
    report = importer("registry", fake.host, "--repository", name, **login)
    assert report["failures"] == [] and tags_of(wharf, name) == {"v1": image("bearer").digest}
    basic = "Basic " + base64.b64encode(b"me:mine").decode()
    assert asked and all(
        query == {"service": ["here"], "scope": [f"repository:{name}:pull"]} and sent == basic for query, sent in asked
    )


# --- What goes wrong ----------------------------------------------------------------------------------------------


def times(count, fault):
    """The fault, so many times."""
    left = threading.Semaphore(count)
    return lambda request: fault(request) if left.acquire(blocking=False) else None


def test_a_source_that_fails_in_passing(fake, importer, wharf):
    name, made = new_name("passing"), image("passing", size=2_000_000)
    push(fake, name, v1=made, v2=index("passing index"))
    big = digest_of(made.layers[0])
    fake.fault(r"/manifests/", times(2, fake.status(500)))
    fake.fault(r"/tags/list", times(2, fake.status(429, **{"Retry-After": "0"})))
    fake.fault(rf"/blobs/{big}", times(2, fake.cut(made.layers[0], 700_000)))
    fake.fault(rf"/blobs/{digest_of(made.layers[1])}", times(1, fake.status(503)))
    report = importer("registry", fake.host, "--repository", name)
    assert report["failures"] == []
    assert pull_whole(target(wharf, name), "v1") == made.digest


def test_what_is_wrong_is_named_and_the_rest_comes(fake, importer, wharf):
    name = new_name("wrong")
    made = {tag: image(f"wrong {tag}") for tag in ("good", "digest", "missing", "manifest", "busy", "short", "text")}
    push(fake, name, **made)
    list_tags(fake, name, *made, "gone", "not a tag")

    def blob(tag):
        return f"/v2/{name}/blobs/{digest_of(made[tag].layers[0])}"

    layer = made["digest"].layers[0]
    fake.content[blob("digest")] = (OCTETS, layer[:-1] + bytes([layer[-1] ^ 1]))
    del fake.content[blob("missing")]
    fake.content[f"/v2/{name}/manifests/{made['manifest'].digest}"] = (made["good"].media_type, made["good"].manifest)
    fake.fault(blob("busy"), fake.status(500))
    fake.content[blob("short")] = (OCTETS, made["short"].layers[0][:-5])
    fake.content[f"/v2/{name}/manifests/{made['text'].digest}"] = ("text/html", b"<html>")
    report = importer("registry", fake.host, "--repository", name, "--retries", "1", expect=1)
    assert report["imagesCopied"] == 1 and pull_whole(target(wharf, name), "good") == made["good"].digest
    why = reasons(report)
    assert set(why) == {f"{name}:{tag}" for tag in (*made, "gone", "not a tag") if tag != "good"}
    for tag, text in {
        "digest": "another digest",
        "missing": "does not have its layer",
        "manifest": "has the digest",
        "busy": "500",
        "short": "bytes, and its manifest says",
        "text": "",
        "gone": "404",
        "not a tag": "is no tag",
    }.items():
        assert text in why[f"{name}:{tag}"], why
    assert digests_of(wharf, name) == {made["good"].digest}
    # What was missing is there now.
    fake.heal()
    fake.push(name, made["missing"], "missing")
    fake.push(name, made["digest"], "digest")
    list_tags(fake, name, "good", "missing", "digest")
    report = importer("registry", fake.host, "--repository", name)
    assert (report["imagesCopied"], report["imagesUnchanged"]) == (2, 1)


def test_an_endless_or_dead_source_ends(fake, importer, wharf):
    name = new_name("dead")
    push(fake, name, v1=image("dead"))
    fake.fault(r"/tags/list", fake.endless)
    (reason,) = reasons(importer("registry", fake.host, "--repository", name, expect=1)).values()
    assert "longer than" in reason
    fake.heal()
    fake.close()
    (reason,) = reasons(importer("registry", fake.host, "--repository", name, "--retries", "1", expect=1)).values()
    assert "cannot be reached" in reason


def test_a_source_that_answers_for_nothing_is_given_up(fake, importer, wharf):
    name = new_name("silent")
    push(fake, name, **{f"v{number}": image(f"silent {number}", size=10) for number in range(40)})
    fake.fault(r"/blobs/", fake.status(500))
    report = importer("registry", fake.host, "--repository", name, "--retries", "0", expect=1)
    not_tried = [reason for reason in reasons(report).values() if reason.startswith("not tried")]
    assert len(report["failures"]) == 40 and 40 - 20 - 4 <= len(not_tried) <= 20


def test_a_login_goes_to_no_other_host(fake, importer, wharf):
    name, made, elsewhere = new_name("redirected"), image("redirected"), FakeUpstream()
    try:
        push(fake, name, v1=made)
        for blob in made.blobs:
            path = f"/v2/{name}/blobs/{digest_of(blob)}"
            elsewhere.content[path] = (OCTETS, blob)
            fake.fault(path, fake.redirect(elsewhere.url + path))
        basic = "Basic " + base64.b64encode(b"me:mine").decode()

        def door(request):
            if request.headers.get("Authorization") != basic:
                return request.answer(401, b"{}", **{"WWW-Authenticate": 'Basic realm="here"'})
            return None

        fake.fault(r"(tags/list|manifests)", door)
        login = {"WHARF_SOURCE_USERNAME": "me", "WHARF_SOURCE_PASSWORD": "mine"}
        assert importer("registry", fake.host, "--repository", name, **login)["imagesCopied"] == 1
        assert any(sent == basic for _, path, sent in fake.requests if "/blobs/" in path)
        assert len(elsewhere.requests) == 3 and {sent for *_, sent in elsewhere.requests} == {None}
    finally:
        elsewhere.close()


def test_a_target_that_is_restarted(fake, fresh_wharf, tmp_path):
    into, name = Importer(fresh_wharf, tmp_path / "home"), new_name("restarted")
    made = {f"v{number}": image(f"restarted {number}", size=20_000) for number in range(20)}
    push(fake, name, **made)
    _, opened = held(fake, 25)
    importing = into.start("registry", fake.host, "--repository", name, "--retries", "8")
    try:
        wait_for(lambda: len(fake.asked("/blobs/")) == 25 + 8, "layers on their way")
        fresh_wharf.kill()
        opened.set()
        fresh_wharf.start()
        printed, _ = importing.communicate(timeout=120)
    finally:
        importing.kill()
    assert importing.returncode == 0 and json.loads(printed)["failures"] == []
    assert tags_of(fresh_wharf, name) == {tag: each.digest for tag, each in made.items()}
    assert all(pull_whole(target(fresh_wharf, name), tag) == each.digest for tag, each in made.items())


def test_layers_in_parts_go_on_where_they_broke_off(fake, importer, wharf):
    name = new_name("parts")
    content = noise("parts", 1 << 20) * 70
    made = Image(b'{"architecture":"amd64","os":"linux"}', (content,))
    push(fake, name, v1=made)
    blob = digest_of(content)
    fake.fault(rf"/blobs/{blob}", times(1, fake.cut(content, 66 << 20)))
    report = importer("registry", fake.host, "--repository", name)
    assert report["failures"] == [] and report["bytesCopied"] == made.size
    assert len(fake.asked(rf"/blobs/{blob}")) == 2
    assert pull_whole(target(wharf, name), "v1") == made.digest


def held(fake, after):
    """Lets so many blobs through and holds the others; returns what counts those that were sent, and what opens."""
    opened, lock, sent = threading.Event(), threading.Lock(), []

    def gate(request):
        with lock:
            if len(sent) < after:
                sent.append(request.path)
                return
        opened.wait(60)

    fake.fault(r"/blobs/", gate)
    return sent, opened


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_an_import_that_is_ended_goes_on(fake, importer, wharf, ending):
    name = new_name("ended")
    made = {f"v{number}": image(f"ended {ending} {number}", size=20_000) for number in range(20)}
    push(fake, name, **made)
    sent, opened = held(fake, 25)
    arguments = ("registry", fake.host, "--repository", name)
    importing = importer.start(*arguments)
    try:
        # All places for layers are taken by what is held.
        wait_for(lambda: len(sent) == 25 and len(fake.asked("/blobs/")) == 25 + 8, "layers on their way")
        importing.send_signal(ending)
        printed, _ = importing.communicate(timeout=60)
    finally:
        importing.kill()
        opened.set()
    if ending == signal.SIGINT:
        assert importing.returncode == 1 and json.loads(printed)["interrupted"]
    else:
        assert importing.returncode == -signal.SIGKILL
    in_flight = set(fake.asked("/blobs/")[:]) - set(sent)
    fake.heal()
    report = importer(*arguments)
    assert report["failures"] == [] and tags_of(wharf, name) == {tag: each.digest for tag, each in made.items()}
    for tag in made:
        pull_whole(target(wharf, name), tag)
    asked = fake.asked("/blobs/")
    twice = {path for path in asked if asked.count(path) > 1}
    # What was read to the end may still have been on its way into the target.
    assert len(asked) == len(set(asked)) + len(twice) and len(twice) <= 2 * 8 and in_flight <= set(asked)


def test_two_imports_do_not_share_a_state(fake, importer):
    name = new_name("shared")
    push(fake, name, v1=image("shared"))
    _, opened = held(fake, 0)
    importing = importer.start("registry", fake.host, "--repository", name)
    try:
        wait_for(lambda: fake.asked("/blobs/"), "layers on their way")
        assert "another import" in importer.run("registry", fake.host, "--repository", name, expect=2).stderr
    finally:
        opened.set()
        importing.communicate(timeout=60)
    assert importing.returncode == 0


# --- Tags of the target, filters, dry runs ------------------------------------------------------------------------


def test_tags_that_are_taken(fake, importer, wharf):
    client, name = wharf.client(), new_name("taken")
    client.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    repo, made = target(wharf, name), image("taken")
    mine = repo.push_image("v1")
    push(fake, name, v1=made, v2=made)
    arguments = ("registry", fake.host, "--repository", name)
    report = importer(*arguments, expect=1)
    assert f"names {mine.digest}, which no import put there" in reasons(report)[f"{name}:v1"]
    assert tags_of(wharf, name) == {"v1": mine.digest, "v2": made.digest}
    report = importer(*arguments, "--overwrite-tags", expect=1)
    assert f"immutable, and not moved from {mine.digest}" in reasons(report)[f"{name}:v1"]
    assert tags_of(wharf, name)["v1"] == mine.digest
    client.put_image_tag_mutability(repositoryName=name, imageTagMutability="MUTABLE")
    report = importer(*arguments, "--overwrite-tags")
    assert report["tagsWritten"] == 1 and tags_of(wharf, name)["v1"] == made.digest
    # What an import put there moves with the source.
    moved = image("taken, moved")
    push(fake, name, v1=moved, v2=made)
    assert importer(*arguments)["tagsWritten"] == 1
    assert tags_of(wharf, name) == {"v1": moved.digest, "v2": made.digest}


def test_dry_run(fake, importer, wharf):
    name, made, many = new_name("dry"), image("dry"), index("dry index")
    push(fake, name, v1=made, many=many)
    arguments = ("registry", fake.host, "--repository", name)
    report = importer(*arguments, "--dry-run")
    size = made.size + sum(child.size for child in many.images)
    assert (report["dryRun"], report["bytesCopied"], report["imagesCopied"]) == (True, size, 2)
    assert report["wouldCopy"] == [f"{name}:many", f"{name}:v1"] and report["repositoriesCreated"] == 1
    assert not fake.asked("/blobs/") and not list(importer.home.rglob("*.jsonl"))
    with pytest.raises(wharf.client().exceptions.RepositoryNotFoundException):
        wharf.client().describe_repositories(repositoryNames=[name])
    assert importer(*arguments)["bytesCopied"] == size
    report = importer(*arguments, "--dry-run")
    assert (report["imagesUnchanged"], report["imagesCopied"], report["bytesCopied"]) == (2, 0, 0)


def test_filters(fake, importer, wharf):
    name = new_name("filters")
    old, new = ({"created": created} for created in ("2020-01-01T00:00:00Z", "2026-11-01T00:00:00.123Z"))
    made = {
        tag: Image(json.dumps({**extra, "tag": tag}).encode(), (noise(tag, 1_000),))
        for tag, extra in {"v1": old, "v2": new, "edge": new, "v3": {}}.items()
    }
    signature = f"sha256-{made['v2'].digest[7:]}.sig"
    made[signature] = Image(b'{"is":"a signature"}', (b"signature",))
    push(fake, name, **made)
    report = importer("registry", fake.host, "--repository", name, "--tags", "v*", "--since", "2026-01-01")
    assert report["failures"] == []
    # Signatures of cosign come along; what does not say when it was made is taken.
    assert set(tags_of(wharf, name)) == {"v2", "v3", signature}
    refused = importer.run("registry", fake.host, "--since", "yesterday", expect=2)
    assert "is no time" in refused.stderr
    assert "--prefix" in importer.run("registry", fake.host, "--prefix", "A", expect=2).stderr


def test_referrers_by_tag(fake, importer, wharf):
    """A registry without the referrers API keeps the list under a tag."""
    name, made, artifact = new_name("fallback"), image("fallback"), image("fallback artifact")
    signed = json.loads(artifact.manifest) | {"subject": made.descriptor, "artifactType": "application/x.signature"}
    body = json.dumps(signed).encode()
    push(fake, name, v1=made)
    for blob in artifact.blobs:
        fake.content[f"/v2/{name}/blobs/{digest_of(blob)}"] = (OCTETS, blob)
    fake.content[f"/v2/{name}/manifests/{digest_of(body)}"] = (artifact.media_type, body)
    tag = made.digest.replace(":", "-")
    listed = index_manifest([descriptor(artifact.media_type, body)])
    for reference in (tag, digest_of(listed)):
        fake.content[f"/v2/{name}/manifests/{reference}"] = ("application/vnd.oci.image.index.v1+json", listed)
    list_tags(fake, name, "v1", tag)
    report = importer("registry", fake.host, "--repository", name, "--tags", "v1")
    assert report["failures"] == []
    repo = target(wharf, name)
    (found,) = repo.client.get(repo.referrers(made.digest)).expect(200).json()["manifests"]
    assert found["digest"] == digest_of(body)
    # Asked for nobody any more as soon as it is known, which the two images find out at the same time.
    assert len(fake.asked("/referrers/")) <= 2


def test_layers_are_mounted_where_that_is_allowed(fake, fresh_wharf, tmp_path):
    into = Importer(fresh_wharf, tmp_path / "home")
    fresh_wharf.client().put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    names, made = [new_name("mount"), new_name("mount")], image("mount")
    for name in names:
        push(fake, name, v1=made)
    report = into("registry", fake.host, "--repository", names[0], "--repository", names[1])
    assert (report["blobsCopied"], report["blobsMounted"], report["bytesCopied"]) == (3, 3, made.size)
    assert all(pull_whole(target(fresh_wharf, name), "v1") == made.digest for name in names)


# --- From ECR -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ecr(tmp_path_factory, default_database):
    """A registry with ECR's API: another Wharf."""
    from conftest import environment_of

    server = Wharf(tmp_path_factory.mktemp("ecr"), environment=environment_of(default_database))
    yield server.start()
    server.finish()


def of_ecr(server):
    """The arguments and the environment of an import from it."""
    keys = {name: server.credentials[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    return ("ecr", "--source-region", server.region, "--source-endpoint", server.url), keys


def test_everything_of_ecr(ecr, importer, wharf):
    client, name, plain = ecr.client(), new_name("ecr"), new_name("ecr")
    statement = {"Effect": "Allow", "Principal": "*", "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "pull", **statement}]})
    client.create_repository(
        repositoryName=name,
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "latest*"}],
        imageScanningConfiguration={"scanOnPush": True},
        tags=[{"Key": "team", "Value": "harbour"}],
    )
    client.set_repository_policy(repositoryName=name, policyText=policy)
    client.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=LIFECYCLE)
    client.create_repository(repositoryName=plain)
    repo = target(ecr, name)
    children = [repo.push_image(), repo.push_image()]
    listed = repo.push_index(children, "many")
    single = repo.push_image("v1")
    repo.push_manifest(single.body, "latest")
    signature = repo.push_artifact(subject=listed.descriptor, artifact_type="application/x.signature")
    material = repo.push_artifact(subject=children[0].descriptor, artifact_type="application/x.material")
    untagged = repo.push_image()
    arguments, keys = of_ecr(ecr)
    arguments += ("--repository", "ecr/*")
    report = importer(*arguments, **keys)
    assert report["failures"] == []
    assert (report["repositories"], report["images"], report["referrersCopied"]) == (2, 2, 2)
    assert tags_of(wharf, name) == {"many": listed.digest, "v1": single.digest, "latest": single.digest}
    everything = {each.digest for each in (*children, listed, single, signature, material)}
    assert digests_of(wharf, name) == everything
    (there,) = wharf.client().describe_repositories(repositoryNames=[name])["repositories"]
    assert there["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert there["imageTagMutabilityExclusionFilters"] == [{"filterType": "WILDCARD", "filter": "latest*"}]
    assert there["imageScanningConfiguration"] == {"scanOnPush": True}
    tags = wharf.client().list_tags_for_resource(resourceArn=there["repositoryArn"])["tags"]
    assert tags == [{"Key": "team", "Value": "harbour"}]
    assert json.loads(wharf.client().get_repository_policy(repositoryName=name)["policyText"]) == json.loads(policy)
    lifecycle = wharf.client().get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]
    assert json.loads(lifecycle) == json.loads(LIFECYCLE)
    # A policy that was changed in the target stays; the mutable tag moves, the untagged image comes when it is asked for.
    changed = LIFECYCLE.replace("100", "7")
    wharf.client().put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=changed)
    newer = repo.push_image("latest")
    report = importer(*arguments, "--untagged", **keys)
    assert report["failures"] == [] and tags_of(wharf, name)["latest"] == newer.digest
    assert digests_of(wharf, name) == everything | {newer.digest, untagged.digest}
    assert "7" in wharf.client().get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]
    assert importer(*arguments, **keys)["imagesCopied"] == 0


def test_credentials_of_ecr(ecr, importer, wharf):
    name, copied = new_name("keys"), new_prefix()
    ecr.client().create_repository(repositoryName=name)
    target(ecr, name).push_image("v1")
    arguments, keys = of_ecr(ecr)
    arguments += ("--repository", name)
    nothing = importer.run(*arguments, expect=2)
    assert "no credentials for the source" in nothing.stderr
    folder = importer.home / ".aws"
    folder.mkdir()
    lines = [f"{key.lower()} = {value}" for key, value in keys.items()]
    (folder / "credentials").write_text("\n".join(["[prod]", *lines]))
    # The environment's key is the target's when the source has a profile.
    own = {key: wharf.credentials[key] for key in keys}
    assert importer(*arguments, "--source-profile", "prod", "--prefix", copied, **own)["imagesCopied"] == 1
    assert importer(*arguments, "--source-profile", "prod", "--prefix", new_prefix())["imagesCopied"] == 1
    wrong = {**keys, "AWS_SECRET_ACCESS_KEY": "x" * 40}
    refused = importer.run(*arguments, expect=2, **wrong)
    assert "the credentials are those of" in refused.stderr and "x" * 40 not in refused.stderr
    missing = importer(*arguments, "--repository", new_name("none"), "--prefix", copied, expect=1, **keys)
    assert list(reasons(missing).values()) == ["the source has no such repository"]


# --- From a folder ------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path):
    """A docker-registry that has ended, whose folder can be changed."""
    server = DockerRegistry(tmp_path / "stored").start()
    yield server
    if server.process.poll() is None:
        server.stop()


def test_a_storage_folder(stored, importer, wharf):
    one, other = new_name("folder"), f"{new_name('folder')}/deep/er"
    made, many, lost = image("folder"), index("folder index"), image("folder untagged")
    stored.push(one, made, "v1")
    stored.push(one, many, "many")
    stored.push(other, made, "v1")
    stored.push(other, lost, "moved")
    stored.push(other, made, "moved")
    signed = json.loads(image("folder artifact").manifest) | {"subject": made.descriptor}
    repo = Repository(RegistryClient(stored.host), one)
    for blob in image("folder artifact").blobs:
        repo.push_blob(blob)
    repo.push_manifest(json.dumps(signed).encode())
    # Half an upload.
    repo.start_upload()
    stored.stop()
    for root in (stored.folder / "data", stored.folder / "data/docker/registry/v2"):
        prefix = new_prefix()
        report = importer("folder", root, "--prefix", prefix, "--state", importer.home / prefix)
        assert report["failures"] == []
        assert (report["repositories"], report["images"], report["referrersCopied"]) == (2, 3, 1)
        assert tags_of(wharf, f"{prefix}/{one}") == {"v1": made.digest, "many": many.digest}
        assert tags_of(wharf, f"{prefix}/{other}") == {"v1": made.digest, "moved": made.digest}
        assert lost.digest not in digests_of(wharf, f"{prefix}/{other}")
        for name, tags in ((one, ("v1", "many")), (other, ("v1", "moved"))):
            for tag in tags:
                pull_whole(target(wharf, f"{prefix}/{name}"), tag)
    report = importer(
        "folder", stored.folder / "data", "--prefix", prefix, "--untagged", "--state", importer.home / "u"
    )
    assert report["imagesCopied"] == 1 and lost.digest in digests_of(wharf, f"{prefix}/{other}")
    refused = importer.run("folder", importer.home, expect=2)
    assert "holds no storage of a docker-registry" in refused.stderr


def test_a_damaged_storage_folder(stored, importer, wharf):
    name = new_name("damaged")
    kinds = ("good", "cut", "flipped", "layer", "manifest", "link", "nolink", "revision")
    made = {kind: image(f"damaged {kind}") for kind in kinds}
    for kind, each in made.items():
        stored.push(name, each, kind)
    stored.stop()
    root = stored.folder / "data/docker/registry/v2"
    manifests = root / "repositories" / name / "_manifests"

    def blob(digest):
        return root / "blobs/sha256" / digest[7:9] / digest[7:] / "data"

    def layer(kind):
        return blob(digest_of(made[kind].layers[0]))

    layer("cut").write_bytes(layer("cut").read_bytes()[:-100])
    content = bytearray(layer("flipped").read_bytes())
    content[1_000] ^= 1
    layer("flipped").write_bytes(content)
    layer("layer").unlink()
    blob(made["manifest"].digest).write_bytes(b"{}")
    (manifests / "tags/link/current/link").write_text("sha256:")
    (manifests / "tags/nolink/current/link").unlink()
    (manifests / "revisions/sha256" / made["revision"].digest[7:] / "link").unlink()
    shutil.rmtree(root / "repositories" / name / "_layers")
    (root / "repositories" / "damaged" / "_strange").mkdir()
    report = importer("folder", stored.folder / "data", expect=1)
    assert tags_of(wharf, name) == {"good": made["good"].digest}
    assert digests_of(wharf, name) == {made["good"].digest}
    why = reasons(report)
    for kind, text in {
        "cut": "bytes, and its manifest says",
        "flipped": "another digest",
        "layer": "is missing",
        "manifest": "has the digest",
        "link": "holds no digest",
        "nolink": "is missing",
        "revision": "which was deleted or never written",
    }.items():
        assert text in why[f"{name}:{kind}"], why
    assert len(why) == len(kinds) - 1
