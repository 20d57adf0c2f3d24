"""Layers that a bucket encrypts in Wharf's place: stored plain, pulled from the bucket itself, and checked by their digests."""

import json
import subprocess
import uuid
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest

from conftest import environment_of
from harness import bucket, storage
from harness.api_push import push_image, push_layer
from harness.bucket_front import BucketFront
from harness.identities import Identities, allow, document
from harness.images import docker_image, image, write_layout
from harness.registry_client import OCI_MANIFEST, RegistryClient, Repository, digest_of, image_manifest, random_content
from harness.server import Wharf, binary, wait_for
from harness.skopeo import Skopeo
from harness.storage import fsck, kinds, query, wharf_command
from harness.stored import expect_nothing_left_over, rows
from harness.upstream import FakeUpstream
from test_archive import archive, in_tier, restore, wait_until_active
from test_import import Importer, of_ecr
from test_pull_through_cache import OPEN, rule
from test_replication import in_region, replicate, wait_for_status
from test_root_keys import service_key, wait_until_resealed
from test_skopeo import expect_directory

MIB = 1024 * 1024
PLAIN = {"WHARF_STORAGE_ENCRYPTION": "store"}
REDIRECT = {**PLAIN, "WHARF_STORAGE_REDIRECT": "true"}
WHARF = {"WHARF_STORAGE_ENCRYPTION": "wharf", "WHARF_STORAGE_REDIRECT": "false"}


@pytest.fixture
def front():
    front = BucketFront()
    yield front
    front.close()


@pytest.fixture
def start(tmp_path, default_database):
    """Starts a server with a new bucket."""
    started = []

    def start(config=None, **extra):
        environment = environment_of(default_database) | bucket.environment_of_new() | extra
        server = Wharf(tmp_path / f"wharf{len(started)}", environment=environment, config=config)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.finish()


@pytest.fixture
def redirecting(start, front):
    """A server that sends pulls to the bucket."""
    return start(**REDIRECT, WHARF_STORAGE_PUBLIC_ENDPOINT=front.url)


def change(server, settings):
    """Starts the server again with other settings."""
    if settings is WHARF:
        server.environment.pop("WHARF_STORAGE_PUBLIC_ENDPOINT", None)
    server.environment.update(settings)
    server.restart()


def repository(server, name="app", **options):
    """The repository, made if it is not there."""
    client = server.client()
    if not [1 for found in client.describe_repositories()["repositories"] if found["repositoryName"] == name]:
        client.create_repository(repositoryName=name, **options)
    return Repository(RegistryClient(server.host, server.authorization), name)


def key_of(server, digest):
    """The key of the object that holds a blob."""
    ((name, tier),) = query(server, f"SELECT object_id, tier FROM blobs WHERE digest = '{digest}'")
    folder = {"STANDARD": "blobs", "ARCHIVE": "archive"}[tier]
    (key,) = [key for key in bucket.objects(server.environment, folder) if key.name == name]
    return key


def stored(server, digest):
    return bucket.read(server.environment, key_of(server, digest))


def location(repository, digest, **headers):
    """Where a pull of a blob is sent to."""
    answer = repository.client.get(repository.blob(digest), **headers).expect(307)
    assert answer.header("Docker-Content-Digest") == digest and answer.header("Cache-Control") == "no-store"
    assert answer.body == b""
    return answer.header("Location")


def read(url, **headers):
    with urlopen(Request(url, headers=headers), timeout=60) as answer:
        return answer.read()


def refused(url, **headers):
    with pytest.raises(HTTPError) as failure:
        read(url, **headers)
    return failure.value.code, failure.value.read().decode()


class TestPull:
    def test_docker(self, redirecting, front, docker):
        made = docker_image("docker-redirected", size=200_000, layers=3)
        push_image(redirecting.client(), repository(redirecting, "docker").name, made, "v1")
        docker("login", "--username", "AWS", "--password-stdin", redirecting.host, stdin=redirecting.password)
        name = f"{redirecting.host}/docker:v1"
        assert made.digest in docker("pull", name)
        docker.forget(name)
        assert sorted(front.served) == sorted(key_of(redirecting, digest_of(layer)).name for layer in made.layers)
        assert front.refused == []

    def test_skopeo(self, redirecting, front, tmp_path):
        skopeo, made = Skopeo(redirecting), image("redirected", size=9 * MIB, layers=2)
        name = repository(redirecting, "skopeo").name
        skopeo.copy(write_layout(tmp_path / "in", made, "v1"), skopeo.image(name, "v1"), "--preserve-digests")
        skopeo.copy(skopeo.image(name, "v1"), f"dir:{tmp_path}/out")
        expect_directory(tmp_path / "out", made)
        assert len(front.served) == 2 and front.refused == []
        for layer in made.layers:
            assert stored(redirecting, digest_of(layer)) == layer
        assert bucket.unfinished(redirecting.environment) == []

    def test_url(self, redirecting, front):
        """It is good for its time, for its object and for GET alone."""
        there = repository(redirecting)
        content, other = random_content(300_000), random_content(100_000)
        digest = there.push_blob(content)
        there.push_blob(other)
        url = location(there, digest)
        parts = urlsplit(url)
        assert url.startswith(front.url) and parse_qs(parts.query)["X-Amz-Expires"] == ["1200"]
        assert parts.path == f"/{redirecting.environment['WHARF_STORAGE_BUCKET']}/{key_of(redirecting, digest)}"
        assert read(url) == content
        assert read(url, Range="bytes=65530-65545") == content[65530:65546]
        assert read(location(there, digest, range="bytes=5-9"), Range="bytes=5-9") == content[5:10]
        elsewhere = url.replace(key_of(redirecting, digest).name, key_of(redirecting, digest_of(other)).name)
        for changed in (elsewhere, url.replace("X-Amz-Expires=1200", "X-Amz-Expires=9999"), url[:-1] + "x"):
            assert refused(changed) == (403, "SignatureDoesNotMatch")
        assert refused(url, Authorization=redirecting.authorization)[0] == 400
        front.ahead = 1300
        assert "expired" in refused(url)[1]

    def test_answers_without_the_bucket(self, redirecting, front):
        """HEAD, what the client has, what is short, what is not there and who may not ask: no URL."""
        there = repository(redirecting)
        content, short = random_content(65_537), random_content(65_536)
        digest, short_digest = there.push_blob(content), there.push_blob(short)
        head = there.client.head(there.blob(digest)).expect(200)
        assert head.header("Content-Length") == str(len(content)) and head.header("Docker-Content-Digest") == digest
        there.client.get(there.blob(digest), if_none_match=f'"{digest}"').expect(304)
        assert there.client.get(there.blob(short_digest)).expect(200).body == short
        there.client.get(there.blob(digest_of(b"none"))).expect_error(404, "BLOB_UNKNOWN")
        nobody = Identities(redirecting).user(document(allow("ecr:GetAuthorizationToken", "ecr:BatchGetImage")))
        nobody.registry().get(there.blob(digest)).expect_error(403, "DENIED")
        there.client.request("GET", there.blob(digest), authorization=None).expect(401)
        assert front.served == []
        location(there, digest)

    def test_get_download_url_for_layer(self, redirecting, front):
        ecr, name = redirecting.client(), repository(redirecting).name
        made = image("by-the-api", size=6 * MIB)
        push_image(ecr, name, made, "v1")
        for content in made.blobs:
            answer = ecr.get_download_url_for_layer(repositoryName=name, layerDigest=digest_of(content))
            assert answer["layerDigest"] == digest_of(content)
            assert answer["downloadUrl"].startswith(front.url) and read(answer["downloadUrl"]) == content
        assert len(front.served) == 3

    def test_audit(self, start):
        """A pull that is sent to the bucket is recorded as any."""
        redirecting = start(**REDIRECT, WHARF_AUDIT_RECORD_READS="true")
        there = repository(redirecting)
        digest = there.push_blob(random_content(100_000))
        location(there, digest)

        def recorded():
            events = redirecting.client("cloudtrail").lookup_events(
                LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "GetDownloadUrlForLayer"}]
            )["Events"]
            told = [json.loads(event["CloudTrailEvent"]) for event in events]
            return [event for event in told if event["requestParameters"]["layerDigest"] == digest]

        wait_for(recorded, "the pull to be recorded")
        assert "errorCode" not in recorded()[0]


class TestForms:
    @pytest.mark.parametrize("kind", ["KMS", "KMS_DSSE"])
    def test_kms(self, redirecting, front, kind):
        """What a KMS key was asked for is sealed by Wharf and read through it, whatever the bucket does."""
        needle = b"the secret of the tests; " * 20_000
        secret = repository(redirecting, "secret", encryptionConfiguration={"encryptionType": kind})
        open_to_bucket = repository(redirecting, "open")
        digest = secret.push_blob(needle)
        assert needle[:25] not in stored(redirecting, digest)
        assert secret.client.get(secret.blob(digest)).expect(200).body == needle
        ecr = redirecting.client()
        secret.push_blob(config := b"{}")
        body = image_manifest(config, [needle])
        secret.push_manifest(body, "v1", OCI_MANIFEST)
        url = ecr.get_download_url_for_layer(repositoryName="secret", layerDigest=digest)["downloadUrl"]
        assert not url.startswith(front.url) and read(url) == needle
        # Another key domain has no share in it.
        mounted = open_to_bucket.client.post(f"{open_to_bucket.uploads}?mount={digest}&from=secret", content_length="0")
        mounted.expect(202)
        open_to_bucket.push_blob(needle)
        assert read(location(open_to_bucket, digest)) == needle
        forms = query(redirecting, f"SELECT length(data_key) = 0 FROM blobs WHERE digest = '{digest}'")
        assert sorted(form in (["1"], ["t"]) for form in forms) == [False, True]
        secret.client.get(secret.blob(digest)).expect(200)
        assert fsck(redirecting)["findings"] == []

    def test_settings_change_back_and_forth(self, start, front):
        """Each object is read as it was written, and an upload goes on as it was begun."""
        server = start()
        contents = {}

        def push(name):
            there = repository(server)
            content = random_content(150_000)
            contents[there.push_blob(content)] = (name, content)
            location = there.start_upload()
            first = random_content(MIB)
            answer = there.client.patch(location, first, content_range=f"0-{MIB - 1}")
            return first, answer.expect(202).header("Location")

        def finish(begun, name):
            first, location = begun
            there, last = repository(server), random_content(300_000)
            digest = digest_of(first + last)
            there.client.put(f"{location}{'&' if '?' in location else '?'}digest={digest}", last).expect(201)
            contents[digest] = (name, first + last)

        def expect_all(is_redirecting):
            there = repository(server)
            for digest, (name, content) in contents.items():
                if name == "plain" and is_redirecting:
                    assert read(location(there, digest)) == content
                else:
                    assert there.client.get(there.blob(digest)).expect(200).body == content
                assert (stored(server, digest) == content) == (name == "plain")

        begun = push("sealed")
        expect_all(False)
        change(server, REDIRECT | {"WHARF_STORAGE_PUBLIC_ENDPOINT": front.url})
        finish(begun, "sealed")
        begun = push("plain")
        expect_all(True)
        change(server, WHARF)
        finish(begun, "plain")
        push("sealed")
        expect_all(False)
        assert fsck(server)["findings"] == []
        # Pushed again, a layer has the form of today.
        (digest,) = [digest for digest, (name, _) in contents.items() if name == "plain"][:1]
        repository(server).push_blob(contents[digest][1])
        contents[digest] = ("sealed", contents[digest][1])
        change(server, PLAIN)
        expect_all(False)
        expect_nothing_left_over(server)

    def test_api_parts_and_digests_of_other_kinds(self, start):
        server = start(**PLAIN)
        there, ecr = repository(server), server.client()
        content = random_content(11 * MIB + 5)
        push_layer(ecr, there.name, content)
        long = there.push_blob(content[: 9 * MIB], "sha512")
        empty = there.push_blob(b"")
        for digest, expected in ((digest_of(content), content), (long, content[: 9 * MIB]), (empty, b"")):
            assert there.client.get(there.blob(digest)).expect(200).body == expected
            assert stored(server, digest) == expected
        wrong = there.client.put(f"{there.start_upload()}?digest={digest_of(b'other')}", b"bytes")
        wrong.expect_error(400, "DIGEST_INVALID")
        assert fsck(server)["findings"] == []
        expect_nothing_left_over(server)

    def test_server_side_encryption(self, start):
        """The bucket is asked to encrypt each object, however it is written."""
        asked = {"WHARF_STORAGE_SERVER_SIDE_ENCRYPTION": "aws:kms", "WHARF_STORAGE_SERVER_SIDE_ENCRYPTION_KEY_ID": "k1"}
        server = start(**PLAIN, **asked)
        there = repository(server)
        digests = [there.push_blob(random_content(size)) for size in (1000, 12 * MIB)]
        for digest in digests:
            found = bucket.client().head_object(
                Bucket=server.environment["WHARF_STORAGE_BUCKET"], Key=str(key_of(server, digest))
            )
            assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", "k1")


class TestCare:
    @pytest.fixture
    def server(self, start):
        return start(**PLAIN)

    @pytest.fixture
    def pushed(self, server):
        there = repository(server)
        content, config = random_content(200_000), b'{"architecture": "amd64", "os": "linux"}'
        for part in (content, config):
            there.push_blob(part)
        there.push_manifest(image_manifest(config, [content]), "v1", OCI_MANIFEST)
        return there, content

    @pytest.mark.parametrize(
        ("kind", "damage"),
        [
            ("DIGEST_MISMATCH", lambda content: bytes([content[0] ^ 1]) + content[1:]),
            ("DIGEST_MISMATCH", lambda content: content[:-1] + bytes([content[-1] ^ 1])),
            ("WRONG_LENGTH", lambda content: content[:-1]),
            ("WRONG_LENGTH", lambda content: content + b"more"),
            ("MISSING_OBJECT", None),
        ],
    )
    def test_fsck(self, server, pushed, kind, damage):
        """There are no authentication tags, and damage is found all the same; pushing again mends it."""
        there, content = pushed
        assert fsck(server)["check"]["status"] == "CLEAN"
        digest = digest_of(content)
        key = key_of(server, digest)
        if damage:
            bucket.write(server.environment, key, damage(content))
        else:
            bucket.client().delete_object(Bucket=server.environment["WHARF_STORAGE_BUCKET"], Key=str(key))
        report = fsck(server, expect=1)
        assert kinds(report) == [kind] and report["findings"][0]["subject"] == digest
        there.push_blob(content)
        assert fsck(server)["findings"] == []
        assert there.client.get(there.blob(digest)).expect(200).body == content

    def test_healed_from_a_sealed_copy(self, server, pushed):
        """A copy of another key domain is as good as any."""
        there, content = pushed
        secret = repository(server, "secret", encryptionConfiguration={"encryptionType": "KMS"})
        digest = secret.push_blob(content)
        ((name,),) = query(server, f"SELECT object_id FROM blobs WHERE digest = '{digest}' AND length(data_key) = 0")
        (key,) = [key for key in bucket.objects(server.environment, "blobs") if key.name == name]
        bucket.write(server.environment, key, content[:-1] + b"\0")
        assert kinds(fsck(server, expect=1)) == ["DIGEST_MISMATCH"]
        (finding,) = fsck(server, "--repair")["findings"]
        assert "copied" in finding["repair"]
        assert there.client.get(there.blob(digest)).expect(200).body == content
        forms = query(server, f"SELECT length(data_key) = 0 FROM blobs WHERE digest = '{digest}'")
        assert sorted(form in (["1"], ["t"]) for form in forms) == [False, True]

    def test_new_root_key(self, server, pushed):
        """What has no data key needs none anew."""
        there, content = pushed
        wait_until_resealed(server, service_key(server, "rotate")["number"])
        digest = digest_of(content)
        assert there.client.get(there.blob(digest)).expect(200).body == content
        assert stored(server, digest) == content

    def test_migrated_into_a_folder(self, server, pushed, tmp_path):
        """Plain objects stay plain, are read as such, and it is said that nobody encrypts them any more."""
        there, content = pushed
        there.client.close()
        server.stop()
        source = {**server.environment, "WHARF_DATA_DIR": str(server.data_dir)}
        files = []
        for name, keys in (("from", source), ("to", {"WHARF_DATA_DIR": str(tmp_path / "target/data")})):
            files.append(tmp_path / f"{name}.toml")
            files[-1].write_text(toml(keys))
        (tmp_path / "target").mkdir()
        command = [binary(), "migrate", "--from", files[0], "--to", files[1]]
        ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=120)
        assert ended.returncode == 0, ended
        assert "2 blobs are not encrypted by Wharf" in ended.stdout
        moved = Wharf(tmp_path / "target")
        moved.start()
        try:
            there = repository(moved)
            assert there.client.get(there.blob(digest_of(content))).expect(200).body == content
            path = storage.object_of(moved, digest_of(content))
            assert path.read_bytes() == content
            assert fsck(moved)["findings"] == []
            path.write_bytes(content[:-1] + b"\0")
            assert kinds(fsck(moved, expect=1)) == ["DIGEST_MISMATCH"]
            there.push_blob(content)
            assert storage.object_of(moved, digest_of(content)).stat().st_size > len(content), "sealed from now on"
        finally:
            moved.finish()

    @pytest.mark.parametrize("is_folder", [False, True])
    def test_archive(self, start, tmp_path, is_folder):
        """An archive in the bucket has plain objects, too; one in a folder has sealed ones."""
        extra = {"WHARF_ARCHIVE_DIR": str(tmp_path / "cold")} if is_folder else {}
        server = start(**PLAIN, **extra)
        there, ecr = repository(server), server.client()
        content = b"text that compresses well; " * 10_000
        config = b'{"architecture": "amd64", "os": "linux"}'
        digests = [there.push_blob(part) for part in (config, content)]
        there.push_manifest(body := image_manifest(config, [content]), "v1", OCI_MANIFEST)
        archive(ecr, there.name, "v1")
        tiers = lambda: {row[0] for row in rows(server, "SELECT tier FROM blobs")}  # noqa: E731
        wait_for(lambda: tiers() == {"ARCHIVE"}, "the layers to be in the archive")
        ((length, encoding),) = rows(
            server, f"SELECT length(data_key), encoding FROM blobs WHERE digest = '{digest_of(content)}'"
        )
        assert (length != "0", encoding) == (is_folder, "ZSTD")
        assert fsck(server)["findings"] == []
        if not is_folder:
            assert in_tier(server, digests, "ARCHIVE")
            assert stored(server, digest_of(content))[:4] == b"\x28\xb5\x2f\xfd", "a frame of zstd"
        restore(ecr, there.name, "v1")
        wait_until_active(ecr, there.name, digest_of(body))
        assert stored(server, digest_of(content)) == content
        assert there.client.get(there.blob(digest_of(content))).expect(200).body == content

    def test_objects_stay_for_pulls_that_go_on(self, redirecting):
        """A layer that is pushed again leaves the object that others are reading for an hour."""
        there = repository(redirecting)
        content = random_content(100_000)
        digest = there.push_blob(content)
        url = location(there, digest)
        there.push_blob(content)
        assert location(there, digest).partition("?")[0] != url.partition("?")[0]
        storage.execute(redirecting, "UPDATE removed_objects SET removed_at_ms = removed_at_ms - 3500000")
        wharf_command(redirecting, "gc")
        assert read(url) == content
        storage.execute(redirecting, "UPDATE removed_objects SET removed_at_ms = removed_at_ms - 100001")
        wharf_command(redirecting, "gc")
        assert refused(url)[0] == 404


class TestOtherWays:
    def test_replication_between_regions(self, start):
        server = start(**PLAIN, WHARF_REGIONS="us-east-1,eu-west-1")
        there, away = repository(server), in_region(server, "eu-west-1")
        replicate(server.client(), ("eu-west-1", "123456789012"))
        made = image("replicated", size=100_000)
        push_image(server.client(), there.name, made, "v1")
        wait_for_status(server.client(), there.name, made.digest)
        copied = Repository(RegistryClient(server.host, away.authorization), there.name)
        for content in made.blobs:
            assert copied.client.get(copied.blob(digest_of(content))).expect(200).body == content
        forms = query(server, "SELECT length(data_key) = 0, region FROM blobs")
        assert len(forms) == 6 and all(form in ("1", "t") for form, _ in forms)

    def test_pull_through_cache(self, start, front):
        """A layer that is on its way comes through Wharf; when it is there, clients are sent to the bucket."""
        upstream = FakeUpstream()
        try:
            server = start(OPEN, **REDIRECT, WHARF_STORAGE_PUBLIC_ENDPOINT=front.url)
            made = image("cached", size=3 * MIB)
            upstream.push("library/app", made, "v1")
            prefix = rule(server, upstream.url)
            there = Repository(RegistryClient(server.host, server.authorization), f"{prefix}/library/app")
            there.pull("v1").expect(200)
            for content in made.layers:
                assert there.client.get(there.blob(digest_of(content))).expect(200).body == content
                digest = digest_of(content)
                wait_for(lambda digest=digest: is_stored(server, digest), "the layer to be stored")
                assert read(location(there, digest)) == content
        finally:
            upstream.close()

    def test_import_from_it(self, redirecting, front, wharf, tmp_path):
        """`wharf import` takes images from one that sends it to the bucket."""
        made = image("imported", size=200_000)
        name = f"redirected/{uuid.uuid4().hex}"
        push_image(redirecting.client(), repository(redirecting, name).name, made, "v1")
        arguments, keys = of_ecr(redirecting)
        report = Importer(wharf, tmp_path / "home")(*arguments, "--repository", name, **keys)
        assert report["imagesCopied"] == 1 and len(front.served) == 2 and front.refused == []
        there = Repository(RegistryClient(wharf.host, wharf.authorization), name)
        for content in made.blobs:
            assert there.client.get(there.blob(digest_of(content))).expect(200).body == content


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"WHARF_STORAGE_ENCRYPTION": "store"}, "only a bucket (storage.bucket) can encrypt"),
            ({"WHARF_STORAGE_ENCRYPTION": "nobody"}, "'nobody' is not possible"),
            ({"WHARF_STORAGE_BUCKET": "abc", "WHARF_STORAGE_REDIRECT": "true"}, "needs storage.encryption"),
            ({"WHARF_STORAGE_BUCKET": "abc", "WHARF_STORAGE_SERVER_SIDE_ENCRYPTION": "DES"}, "'DES' is not possible"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path, settings, said):
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **settings}
        command = [str(binary()), "serve", "--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:0"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode != 0 and said in ended.stderr + ended.stdout, ended


def is_stored(server, digest):
    return query(server, f"SELECT 1 FROM blobs WHERE digest = '{digest}'") != []


def toml(environment):
    """A configuration that says what the environment does."""
    top, sections = [], {"database": [], "storage": []}
    for name, value in environment.items():
        key = name.removeprefix("WHARF_").lower()
        section, _, rest = key.partition("_")
        lines = sections[section] if section in sections else top
        lines.append(f"{rest if section in sections else key} = {json.dumps(value)}")
    return "\n".join([*top, *(f"[{name}]\n" + "\n".join(lines) for name, lines in sections.items() if lines), ""])
