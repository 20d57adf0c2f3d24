"""Root keys: rotation seals everything anew without touching a layer, and the service key changes at a start."""

import json
import random
import threading
import time

import pytest

from conftest import environment_of
from harness.commands import run
from harness.files import files_under
from harness.registry_client import (
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    digest_of,
    image_manifest,
    new_repository,
    path_of,
    with_query,
)
from harness.seeds import fresh_seed
from harness.server import AWS, Wharf, binary, wait_for
from test_serve import refused, serve

OLD, NEW = "ab" * 32, "cd" * 32


def service_key(wharf, *arguments, expect=0):
    """Runs `wharf service-key` and gives what it says, as JSON if it worked."""
    command = [binary(), "service-key", *arguments, "--data-dir", wharf.data_dir, "--output", "json"]
    done = run(*command, expect=expect)
    return json.loads(done.stdout) if expect == 0 else done.stderr


def status(wharf):
    return service_key(wharf, "status")


def wait_until_resealed(wharf, number, seconds=60):
    """Waits until a search for all that older root keys have sealed has found nothing."""

    def is_done():
        told = status(wharf)
        assert not (told["search"] or {}).get("unreadable"), told
        return all(key["unusedSince"] for key in told["rootKeys"] if key["number"] < number)

    wait_for(is_done, f"root key {number} to have sealed everything", seconds)


def objects(wharf):
    """The objects with what would change if one was written again."""
    found = files_under(wharf.data_dir / "blobs/objects")
    return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}


def expect_all(client, pushed):
    """Every image of (repository, tag, manifest, blobs) can be pulled whole."""
    for name, tag, body, blobs in pushed:
        repository = Repository(client, name)
        assert repository.pull(tag).expect(200).body == body
        for digest, content in blobs.items():
            assert client.get(repository.blob(digest)).expect(200).body == content


def expect_manifests(wharf, pushed):
    """As `expect_all`, at a node that has no folder of layers in common with the one that was pushed to."""
    client = RegistryClient(wharf.host, wharf.authorization)
    expect_all(client, [(name, tag, body, {}) for name, tag, body, _ in pushed])


class Pusher(threading.Thread):
    """Pushes images and pulls what it has pushed until it is told to stop."""

    def __init__(self, wharf, number):
        super().__init__(daemon=True)
        self.random = random.Random(fresh_seed())
        self.wharf, self.number = wharf, number
        self.pushed, self.error = [], None
        self.is_over = threading.Event()

    def run(self):
        try:
            client = RegistryClient(self.wharf.host, self.wharf.authorization)
            repository = new_repository(self.wharf, f"load{self.number}", client)
            count = 0
            while not self.is_over.is_set():
                count += 1
                self.pushed.append(push(repository, f"v{count}", self.random.randbytes(40_000)))
                expect_all(client, [self.random.choice(self.pushed)])
        except BaseException as error:
            self.error = error


def push(repository, tag, content):
    config = json.dumps({"tag": tag}).encode()
    body = image_manifest(config, [content])
    blobs = {repository.push_blob(part): part for part in (config, content)}
    repository.push_manifest(body, tag, OCI_MANIFEST)
    return repository.name, tag, body, blobs


def push_many(wharf, count, name="many"):
    client = RegistryClient(wharf.host, wharf.authorization)
    repository = new_repository(wharf, name, client)
    return [push(repository, f"v{number}", b"%d" % number) for number in range(count)]


class TestRotation:
    def test_under_load(self, fresh_wharf):
        """While images are pushed and pulled the root key changes several times; all stay whole and no layer moves."""
        secrets = fresh_wharf.client("secretsmanager")
        secrets.create_secret(Name="kept", SecretString="value")
        user = fresh_wharf.client("iam")
        user.create_user(UserName="kept")
        key = user.create_access_key(UserName="kept")["AccessKey"]
        before = push_many(fresh_wharf, 5, "before")
        kept = objects(fresh_wharf)
        pushers = [Pusher(fresh_wharf, number) for number in range(4)]
        for pusher in pushers:
            pusher.start()
        numbers = []
        for _ in range(3):
            numbers.append(service_key(fresh_wharf, "rotate")["number"])
            wait_for(
                lambda: any(
                    key["status"] == "SEALING" and key["number"] == numbers[-1]
                    for key in status(fresh_wharf)["rootKeys"]
                ),
                "the new root key to seal",
            )
        assert numbers == [2, 3, 4]
        wait_until_resealed(fresh_wharf, 4)
        for pusher in pushers:
            pusher.is_over.set()
        for pusher in pushers:
            pusher.join(60)
            assert pusher.error is None, pusher.error
            assert len(pusher.pushed) > 1
        fresh_wharf.restart()
        client = RegistryClient(fresh_wharf.host, fresh_wharf.authorization)
        expect_all(client, before + [entry for pusher in pushers for entry in pusher.pushed])
        now = objects(fresh_wharf)
        assert {path: now.get(path) for path in kept} == kept
        assert secrets.get_secret_value(SecretId="kept")["SecretString"] == "value"
        as_user = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        told = run(AWS, "sts", "get-caller-identity", environment={**fresh_wharf.aws_environment(), **as_user}).stdout
        assert json.loads(told)["Arn"].endswith("user/kept")

    def test_an_upload_goes_on(self, fresh_wharf):
        """An upload in hand is finished after a rotation, also one that a request is writing."""
        repository = new_repository(fresh_wharf, "upload")
        location = repository.start_upload()
        location = repository.client.patch(location, b"first ").expect(202).header("Location")
        service_key(fresh_wharf, "rotate")
        wait_until_resealed(fresh_wharf, 2)
        content = b"first and second"
        location = repository.client.patch(path_of(location), content[6:]).expect(202).header("Location")
        repository.client.put(with_query(path_of(location), digest=digest_of(content))).expect(201)
        assert repository.client.get(repository.blob(digest_of(content))).expect(200).body == content

    def test_killed(self, fresh_wharf):
        """kill -9 at any moment of sealing anew: the search goes on, and everything stays readable."""
        pushed = push_many(fresh_wharf, 250)
        chooser = random.Random(fresh_seed())
        number = 1
        for _ in range(4):
            number = service_key(fresh_wharf, "rotate")["number"]
            time.sleep(chooser.uniform(0, 0.4))
            fresh_wharf.kill()
            fresh_wharf.start()
            expect_all(RegistryClient(fresh_wharf.host, fresh_wharf.authorization), chooser.sample(pushed, 20))
        wait_until_resealed(fresh_wharf, number, 120)
        expect_all(RegistryClient(fresh_wharf.host, fresh_wharf.authorization), pushed)

    @pytest.mark.every_store("RetireRootKey")
    def test_too_early_to_retire(self, fresh_wharf):
        assert "is the newest" in service_key(fresh_wharf, "retire", "1", expect=2)
        service_key(fresh_wharf, "rotate")
        wait_until_resealed(fresh_wharf, 2)
        assert "may still be needed" in service_key(fresh_wharf, "retire", "1", expect=2)
        assert "no root key 9" in service_key(fresh_wharf, "retire", "9", expect=2)
        text = run(binary(), "service-key", "status", "--data-dir", fresh_wharf.data_dir).stdout
        assert "Root key 2   sealing" in text and "0 unreadable" in text, text

    @pytest.mark.every_store("DescribeRootKeys", "RotateRootKey")
    @pytest.mark.skipif("config.getoption('--database') != 'postgres'", reason="several nodes need PostgreSQL")
    def test_all_nodes_follow(self, tmp_path, fresh_wharf):
        """What one node seals with a new root key, another one opens, from the first moment."""
        key = (fresh_wharf.data_dir / "service.key").read_text().strip()
        other = Wharf(tmp_path / "other", environment={**fresh_wharf.environment, "WHARF_SERVICE_KEY": key}).start()
        service_key(fresh_wharf, "rotate")
        pushed = []
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (pushed and status(other)["rootKeys"][-1]["status"] == "SEALING"):
            number = len(pushed)
            name = f"node{number}"
            pushed += push_many(fresh_wharf, 1, name)
            expect_manifests(other, pushed[-1:])
        wait_until_resealed(other, 2)
        expect_manifests(other, pushed)
        other.finish()


@pytest.mark.every_store("RewrapRootKeys")
class TestServiceKey:
    def test_change(self, tmp_path, default_database):
        """A start with both keys wraps the root keys anew; then the old one is of no use any more."""
        environment = {**environment_of(default_database), "WHARF_SERVICE_KEY": OLD}
        wharf = Wharf(tmp_path / "wharf", environment=environment).start()
        pushed = push_many(wharf, 2)
        service_key(wharf, "rotate")
        assert service_key(wharf, "rewrap")["rewrapped"] == 2
        wharf.stop()
        old = dict(wharf.environment)
        said = refused(*serve(wharf), environment={**old, "WHARF_SERVICE_KEY": NEW}, timeout=60)
        assert "is not the one" in said and "WHARF_PREVIOUS_SERVICE_KEY" in said, said
        wharf.environment = {**old, "WHARF_SERVICE_KEY": NEW, "WHARF_PREVIOUS_SERVICE_KEY": OLD}
        wharf.start()
        expect_all(RegistryClient(wharf.host, wharf.authorization), pushed)
        wharf.stop()
        assert "is not the one" in refused(*serve(wharf), environment=old, timeout=60)
        wharf.environment = {**old, "WHARF_SERVICE_KEY": NEW}
        wharf.start()
        expect_all(RegistryClient(wharf.host, wharf.authorization), pushed)
        wharf.finish()
