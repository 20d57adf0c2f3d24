"""What has images scanned beside pushes: what replication brings, and what the pull-through cache does; and indexes, which are
scanned by their images, whatever these are called."""

import copy
import json

import pytest

from harness.api_push import push_index
from harness.feeds import FeedServer
from harness.images import Index
from harness.registry_client import OCI_INDEX, OCI_MANIFEST, RegistryClient, Repository, descriptor, digest_of
from harness.scans import Scanned, advisory, feeds_configuration, image_of, serve_advisories, tree_layer, write
from harness.server import Wharf, wait_for
from harness.upstream import FakeUpstream

HOME, AWAY, ACCOUNT = "us-east-1", "eu-west-1", "123456789012"
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
VULNERABILITY = "GHSA-vh95-rmgr-6w4m"
CONFIG = f"""
regions = ["{HOME}", "{AWAY}"]

[pull_through_cache]
allow_any_upstream = true
allow_http = true
allow_private_networks = true
"""
EVERYTHING = [{"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}]}]


@pytest.fixture(scope="module")
def feeds():
    server = FeedServer()
    serve_advisories(server, [advisory(VULNERABILITY, "npm", "minimist", "1.2.3", vector=CRITICAL)])
    yield server
    server.close()


@pytest.fixture(scope="module")
def wharf(tmp_path_factory, feeds):
    server = Wharf(tmp_path_factory.mktemp("causes"), config=CONFIG + feeds_configuration(feeds.url))
    yield server.start()
    server.finish()


@pytest.fixture
def made(tmp_path):
    """Makes an image that has a version of a package."""

    def make(version, architecture="amd64"):
        root = tmp_path / version / architecture
        write(root, {"app/node_modules/minimist/package.json": json.dumps({"name": "minimist", "version": version})})
        return image_of(tree_layer(root), architecture=architecture)

    return make


def ended(client, repository, tag):
    """What is told of an image once its scan has ended, wherever it comes from."""
    told = {}

    def is_over():
        try:
            told.update(client.describe_image_scan_findings(repositoryName=repository, imageId={"imageTag": tag}))
        except (
            client.exceptions.RepositoryNotFoundException,
            client.exceptions.ImageNotFoundException,
            client.exceptions.ScanNotFoundException,
        ):
            return False
        return told["imageScanStatus"]["status"] not in ("PENDING", "IN_PROGRESS")

    wait_for(is_over, f"the scan of {repository}:{tag} to end", 120)
    return told


def counts(told):
    return told["imageScanStatus"]["status"], told.get("imageScanFindings", {}).get("findingSeverityCounts")


def test_what_replication_brings(wharf, made):
    """By the rules of the registry that it comes to alone."""
    away = copy.copy(wharf)
    away.region, away._authorization = AWAY, None
    home, far = wharf.client(), away.client()
    far.put_registry_scanning_configuration(scanType="BASIC", rules=EVERYTHING)
    home.put_replication_configuration(
        replicationConfiguration={"rules": [{"destinations": [{"region": AWAY, "registryId": ACCOUNT}]}]}
    )
    home.create_repository(repositoryName="replicated")
    repository = Repository(RegistryClient(wharf.host, wharf.authorization), "replicated")
    image = made("1.2.0")
    for blob in image.blobs:
        repository.push_blob(blob)
    repository.push_manifest(image.manifest, "v1", image.media_type)
    assert counts(ended(far, "replicated", "v1")) == ("COMPLETE", {"CRITICAL": 1})
    with pytest.raises(home.exceptions.ScanNotFoundException):
        home.describe_image_scan_findings(repositoryName="replicated", imageId={"imageTag": "v1"})
    home.put_replication_configuration(replicationConfiguration={"rules": []})


def test_what_the_cache_brings(wharf, made):
    ecr = wharf.client()
    ecr.put_registry_scanning_configuration(scanType="BASIC", rules=EVERYTHING)
    upstream = FakeUpstream()
    upstream.push("one", made("1.2.0"), "v1")
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="cached", upstreamRegistryUrl=upstream.url)
    Repository(RegistryClient(wharf.host, wharf.authorization), "cached/one").pull("v1")
    assert counts(ended(ecr, "cached/one", "v1")) == ("COMPLETE", {"CRITICAL": 1})
    ecr.put_registry_scanning_configuration(scanType="BASIC", rules=[])
    upstream.close()


def of_other_kind(image, layer=None, config=None, **members):
    """The manifest of an image with other media types, or more members."""
    manifest = json.loads(image.manifest)
    if layer:
        manifest["layers"][0]["mediaType"] = layer
    if config:
        manifest["config"]["mediaType"] = config
    return json.dumps({**manifest, **members}).encode()


@pytest.mark.parametrize(
    "members",
    [
        {"subject": descriptor(OCI_MANIFEST, b"{}")},
        {"artifactType": "application/vnd.example"},
        {"layer": "application/vnd.custom.tar+gzip"},
        {"layer": "application/vnd.in-toto+json"},
        {"config": "application/vnd.custom.config+json"},
    ],
    ids=["subject", "artifact type", "layer", "no statement", "config"],
)
def test_a_platform_that_is_called_otherwise(wharf, made, members, request):
    """Whoever pulls the index runs it: an index is not what the other platform is."""
    scanned = Scanned(wharf, "otherwise/" + request.node.callspec.id.replace(" ", "-"))
    repository = Repository(RegistryClient(wharf.host, wharf.authorization), scanned.name)
    vulnerable, clean = made("1.2.0"), made("1.2.9", "arm64")
    for blob in (*vulnerable.blobs, *clean.blobs):
        repository.push_blob(blob)
    repository.push_manifest(clean.manifest, clean.digest, clean.media_type)
    hidden = of_other_kind(vulnerable, **members)
    repository.push_manifest(hidden, digest_of(hidden), OCI_MANIFEST)
    manifests = [
        descriptor(OCI_MANIFEST, content, platform={"os": "linux", "architecture": architecture})
        for content, architecture in ((hidden, "amd64"), (clean.manifest, "arm64"))
    ]
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).encode()
    repository.push_manifest(index, "v1", OCI_INDEX)
    status, severities = counts(ended(wharf.client(), scanned.name, "v1"))
    # Either it could be read, or the index is not known.
    assert (status, severities) in (("COMPLETE", {"CRITICAL": 1}), ("FAILED", None)), (status, severities)
    assert (status == "FAILED") == (members.get("layer") == "application/vnd.in-toto+json")


def test_what_another_push_calls_a_layer(wharf, made):
    """An image stays what its own manifest says."""
    scanned = Scanned(wharf, "renamed")
    ecr = wharf.client()
    ecr.put_image_scanning_configuration(repositoryName="renamed", imageScanningConfiguration={"scanOnPush": False})
    index = Index((made("1.2.0"), made("1.2.9", "arm64")))
    push_index(ecr, "renamed", index, "v1")
    repository = Repository(RegistryClient(wharf.host, wharf.authorization), "renamed")
    other = of_other_kind(index.images[0], layer="application/octet-stream", config="application/vnd.example+json")
    repository.push_manifest(other, "other", OCI_MANIFEST)
    ecr.start_image_scan(repositoryName="renamed", imageId={"imageTag": "v1"})
    assert counts(ended(ecr, scanned.name, "v1")) == ("COMPLETE", {"CRITICAL": 1})
