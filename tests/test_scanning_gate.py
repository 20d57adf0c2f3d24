"""The steps by which a pipeline lets no image pass that has critical findings, verbatim as they are taught for ECR."""

import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.exceptions import WaiterError

from harness.commands import run
from harness.feeds import FeedServer
from harness.registry_client import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    descriptor,
    digest_of,
    index_manifest,
)
from harness.scans import (
    SCAN_SECONDS,
    advisory,
    feeds_configuration,
    image_of,
    serve_advisories,
    tree_layer,
    write,
)
from harness.server import AWS, Wharf, shifted, wait_for

CREATE = "aws ecr create-repository --repository-name api-gateway --image-scanning-configuration scanOnPush=true"
# With SHA as the pipeline has it. The last lines are the gate.
STEPS = r"""
aws ecr start-image-scan --repository-name api-gateway --image-id imageTag=$SHA
aws ecr wait image-scan-complete --repository-name api-gateway --image-id imageTag=$SHA
aws ecr describe-image-scan-findings --repository-name api-gateway --image-id imageTag=$SHA \
    --query 'imageScanFindings.findings[?severity==`CRITICAL`]' --output json
CRITICAL=$(aws ecr describe-image-scan-findings --repository-name api-gateway --image-id imageTag=$SHA \
    --query 'imageScanFindings.findingSeverityCounts' --output json | jq -r '.CRITICAL // 0')
echo "critical findings: $CRITICAL"
if [ "$CRITICAL" -gt 0 ]; then
    echo "Critical vulnerabilities found, failing the build"
    exit 1
fi
"""
# Debian has no word for it: that it is critical is what CVSS says.
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
RECORDS = [
    advisory("DEBIAN-CVE-2026-1000", "Debian:12", "openssl", "3.0.15-1~deb12u1", "not yet assigned", CRITICAL),
    advisory("DEBIAN-CVE-2026-1001", "Debian:12", "zlib", word="low"),
]
VULNERABLE, FIXED = "3.0.14-1~deb12u2", "3.0.15-1~deb12u1"
DEBIAN = {"ID": "debian", "VERSION_ID": '"12"', "PRETTY_NAME": '"Debian GNU/Linux 12 (bookworm)"'}


def status(packages):
    """dpkg's own file of what is installed."""
    return "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nSource: {source}\nVersion: {version}\n\n"
        for name, source, version in packages
    )


def debian(folder, openssl, architecture="amd64", release=DEBIAN):
    """An image of two packages of Debian."""
    root = folder / uuid.uuid4().hex
    installed = status([("libssl3", "openssl", openssl), ("zlib1g", "zlib", "1:1.2.13.dfsg-1")])
    files = {
        "etc/os-release": "".join(f"{key}={value}\n" for key, value in release.items()),
        "var/lib/dpkg/status": installed,
    }
    write(root, files)
    return image_of(tree_layer(root), architecture=architecture)


@pytest.fixture
def feeds():
    server = FeedServer()
    serve_advisories(server, RECORDS)
    yield server
    server.close()


@pytest.fixture
def start(tmp_path):
    servers = []

    def start(config):
        servers.append(Wharf(tmp_path / f"wharf{len(servers)}", config=config))
        return servers[-1].start()

    yield start
    for server in servers:
        server.finish()


def shell(wharf, script, **environment):
    """Lines as a pipeline runs them; `aws` in them is the AWS CLI, with this server."""
    variables = {**wharf.aws_environment(), **environment}
    return run("bash", "-e", "-c", f'aws() {{ {AWS} "$@"; }}\n{script}', expect=None, environment=variables)


def repository(wharf):
    assert shell(wharf, CREATE).returncode == 0
    return Repository(RegistryClient(wharf.host, wharf.authorization), "api-gateway")


def push(there, made, tag=None):
    for blob in made.blobs:
        there.push_blob(blob)
    there.push_manifest(made.manifest, tag, made.media_type)


def attestation(image):
    """What buildx adds to an index for an image: a manifest for the platform `unknown/unknown`."""
    statement = {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": "pkg:docker/app", "digest": {"sha256": image.digest.partition(":")[2]}}],
        "predicate": {"builder": {"id": ""}, "buildType": "https://mobyproject.org/buildkit@v1"},
    }
    layer = json.dumps(statement).encode()
    config = {
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
    }
    body = json.dumps(config).encode()
    in_toto = {"annotations": {"in-toto.io/predicate-type": statement["predicateType"]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, body),
        "layers": [descriptor("application/vnd.in-toto+json", layer, **in_toto)],
    }
    return body, layer, json.dumps(manifest).encode()


def push_as_buildx(there, images, tag):
    """An index with an attestation beside each image, in the order in which buildx pushes and lists them."""
    listed, attested = [], []
    for image in images:
        push(there, image)
        config, layer, manifest = attestation(image)
        there.push_blob(config)
        there.push_blob(layer)
        there.push_manifest(manifest)
        listed.append(image.descriptor)
        attested.append(
            descriptor(
                OCI_MANIFEST,
                manifest,
                annotations={
                    "vnd.docker.reference.digest": image.digest,
                    "vnd.docker.reference.type": "attestation-manifest",
                },
                platform={"architecture": "unknown", "os": "unknown"},
            )
        )
    there.push_manifest(index_manifest([*listed, *attested]), tag, OCI_INDEX)


def critical_findings(finished):
    """What the gate has printed of them."""
    printed = finished.stdout
    # Behind what start-image-scan tells.
    decoder = json.JSONDecoder()
    _, end = decoder.raw_decode(printed)
    listed, _ = decoder.raw_decode(printed[end:].lstrip())
    return listed


def test_the_gate(start, feeds, tmp_path):
    """An image passes without critical findings, and with one it does not; so does an index, if any of its images has one."""
    wharf = start(feeds_configuration(feeds.url))
    there = repository(wharf)
    push(there, debian(tmp_path, FIXED), "clean")
    push(there, debian(tmp_path, VULNERABLE), "critical")
    push_as_buildx(there, [debian(tmp_path, FIXED), debian(tmp_path, FIXED, "arm64")], "clean-index")
    push_as_buildx(there, [debian(tmp_path, FIXED), debian(tmp_path, VULNERABLE, "arm64")], "critical-index")
    for tag in ("clean", "clean-index"):
        passed = shell(wharf, STEPS, SHA=tag)
        assert passed.returncode == 0, passed
        assert critical_findings(passed) == [] and passed.stdout.endswith("critical findings: 0\n")
    for tag in ("critical", "critical-index"):
        stopped = shell(wharf, STEPS, SHA=tag)
        assert stopped.returncode == 1, stopped
        assert "critical findings: 1\n" in stopped.stdout and "failing the build" in stopped.stdout
        (found,) = critical_findings(stopped)
        assert (found["name"], found["severity"]) == ("CVE-2026-1000", "CRITICAL")
        attributes = {each["key"]: each["value"] for each in found["attributes"]}
        assert attributes["package_name"] == "openssl" and attributes["package_version"] == VULNERABLE
    # What buildx adds to images is none.
    ecr = wharf.client()
    (pushed,) = ecr.batch_get_image(repositoryName="api-gateway", imageIds=[{"imageTag": "clean-index"}])["images"]
    attested = json.loads(pushed["imageManifest"])["manifests"][-1]
    with pytest.raises(ecr.exceptions.UnsupportedImageTypeException):
        ecr.start_image_scan(repositoryName="api-gateway", imageId={"imageDigest": attested["digest"]})
    # Less than critical is told all the same.
    told = ecr.describe_image_scan_findings(repositoryName="api-gateway", imageId={"imageTag": "clean"})
    assert told["imageScanFindings"]["findingSeverityCounts"] == {"LOW": 1}


def test_the_scan_on_push_alone(start, feeds, tmp_path):
    """The same without a scan that somebody asks for: waiting for that of the push is enough."""
    wharf = start(feeds_configuration(feeds.url))
    there = repository(wharf)
    waiting = STEPS.replace("aws ecr start-image-scan", "true")
    push(there, debian(tmp_path, FIXED), "clean")
    push_as_buildx(there, [debian(tmp_path, VULNERABLE)], "critical-index")
    for tag, code in (("clean", 0), ("critical-index", 1)):
        finished = shell(wharf, waiting, SHA=tag)
        assert finished.returncode == code, finished


def ended(wharf, tag, **environment):
    """What DescribeImageScanFindings says of an image when its scan is over."""
    line = f"aws ecr describe-image-scan-findings --repository-name api-gateway --image-id imageTag={tag} --output json"
    told = {}

    def is_over():
        finished = shell(wharf, line, **environment)
        assert finished.returncode == 0, finished
        told.update(json.loads(finished.stdout))
        return told["imageScanStatus"]["status"] not in ("PENDING", "IN_PROGRESS")

    wait_for(is_over, f"the scan of {tag} to end", SCAN_SECONDS)
    return told


def assert_not_clean(told, state, why):
    """An answer that nobody can take for one that says that nothing was found."""
    assert told["imageScanStatus"]["status"] == state, told
    assert why in told["imageScanStatus"]["description"], told
    # The CLI writes null for what it was not told.
    assert told["imageScanFindings"] is None, told


def test_offline_with_an_empty_store(start, tmp_path):
    """A server that fetches nothing, and has been given nothing."""
    wharf = start("[scanning]\noffline = true\n")
    push(repository(wharf), debian(tmp_path, FIXED), "v1")
    stopped = shell(wharf, STEPS, SHA="v1")
    assert stopped.returncode == 255 and "Waiter ImageScanComplete failed" in stopped.stderr, stopped
    assert "critical findings" not in stopped.stdout
    assert_not_clean(ended(wharf, "v1"), "FAILED", "There are no advisories for Debian 12 (debian): none were imported")


def test_with_an_empty_feed(start, feeds, tmp_path):
    """A feed that nobody can reach, and one that says nothing of the image's system."""
    wharf = start(feeds_configuration(feeds.url))
    feeds.files.pop("/debian.jsonl")
    there = repository(wharf)
    push(there, debian(tmp_path, FIXED), "v1")
    stopped = shell(wharf, STEPS, SHA="v1")
    assert stopped.returncode == 255 and "Waiter ImageScanComplete failed" in stopped.stderr, stopped
    assert_not_clean(
        ended(wharf, "v1"), "FAILED", "There are no advisories for Debian 12 (test-debian): they could not be fetched"
    )

    other = start(feeds_configuration(feeds.url))
    feeds.files["/debian.jsonl"] = json.dumps(advisory("DEBIAN-CVE-2026-1", "Debian:11", "bash")).encode()
    push(repository(other), debian(tmp_path, FIXED), "v1")
    stopped = shell(other, STEPS, SHA="v1")
    assert stopped.returncode == 255 and "Waiter ImageScanComplete failed" in stopped.stderr, stopped
    assert_not_clean(ended(other, "v1"), "FAILED", "There are no advisories for Debian 12")


class Silent:
    """A server of feeds that takes requests and answers none until it is let."""

    def __init__(self):
        self.is_let = threading.Event()
        self.asked = threading.Event()
        silent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                silent.asked.set()
                silent.is_let.wait()
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.is_let.set()
        self.server.shutdown()
        self.server.server_close()


def test_while_advisories_are_on_their_way(start, tmp_path):
    feeds = Silent()
    try:
        wharf = start(feeds_configuration(feeds.url))
        push(repository(wharf), debian(tmp_path, FIXED), "v1")
        assert feeds.asked.wait(SCAN_SECONDS)
        ecr = wharf.client()
        which = {"repositoryName": "api-gateway", "imageId": {"imageTag": "v1"}}

        # Basic scanning has no other word for it.
        told = ecr.describe_image_scan_findings(**which)
        assert told["imageScanStatus"]["status"] == "IN_PROGRESS" and "imageScanFindings" not in told
        with pytest.raises(WaiterError, match="Max attempts exceeded"):
            ecr.get_waiter("image_scan_complete").wait(**which, WaiterConfig={"Delay": 1, "MaxAttempts": 3})
    finally:
        feeds.close()


def test_with_data_that_is_old(start, feeds, tmp_path):
    """Two weeks later, without a look at the feed in between: what was clean is not called so again."""
    wharf = start(feeds_configuration(feeds.url))
    push(repository(wharf), debian(tmp_path, FIXED), "v1")
    assert shell(wharf, STEPS, SHA="v1").returncode == 0
    feeds.files.clear()
    wharf.restart(clock="+340h")
    later = shifted("+340h")
    stopped = shell(wharf, STEPS, SHA="v1", **later)
    assert stopped.returncode == 255 and "Waiter ImageScanComplete failed" in stopped.stderr, stopped
    told = ended(wharf, "v1", **later)
    assert_not_clean(told, "FAILED", "hours ago, and 336 hours are allowed (scanning.max_data_age_hours)")


def test_systems_that_nobody_knows(start, feeds, tmp_path):
    """An unknown distribution, one without a name, and an image with nothing in it that could be compared."""
    wharf = start(feeds_configuration(feeds.url))
    there = repository(wharf)
    push(there, debian(tmp_path, FIXED, release={"ID": "plan9", "VERSION_ID": "4"}), "plan9")
    push(there, debian(tmp_path, FIXED, release={"NAME": "nameless"}), "nameless")
    empty = tmp_path / "empty"
    write(empty, {"etc/motd": "hello\n"})
    push(there, image_of(tree_layer(empty)), "empty")
    ecr = wharf.client()
    for tag, system in (
        ("plan9", "'plan9' version '4'"),
        ("nameless", "'' version ''"),
        ("empty", "'' version ''"),
    ):
        why = f"UnsupportedImageError: The operating system {system} is not supported"
        assert_not_clean(ended(wharf, tag), "UNSUPPORTED_IMAGE", why)
        # ECR's waiter does not know the state, and waits for five minutes by itself.
        with pytest.raises(WaiterError, match="Max attempts exceeded"):
            ecr.get_waiter("image_scan_complete").wait(
                repositoryName="api-gateway", imageId={"imageTag": tag}, WaiterConfig={"Delay": 1, "MaxAttempts": 2}
            )
