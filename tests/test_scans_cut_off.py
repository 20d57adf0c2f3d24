"""Scans in the middle of which something happens to the image, its key, who reads its layers, or that two nodes are asked for."""

import contextlib
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import configuration, environment_of
from harness import bucket, postgres, storage
from harness.alpine import alpine, data, large, system
from harness.cluster import Cluster
from harness.feeds import FeedServer, secdb
from harness.registry_client import digest_of
from harness.scan_accounts import (
    ENDED,
    Account,
    description,
    feed_path,
    feeds_configuration,
    findings,
    has_worked,
    reading_children,
    signal_child,
    status,
)
from harness.scrape import scrape
from harness.server import Wharf, wait_for

ACCOUNT, OTHER = "123456789012", "210987654321"
KEYS = {
    ACCOUNT: ("AKIASCANSCUTOFF00001", "first-secret-of-the-tests-0000000000000001"),
    OTHER: ("AKIASCANSCUTOFF00002", "second-secret-of-the-tests-000000000000002"),
}
TOKEN = "a-token-of-the-tests-of-scans"
METRICS = f'[metrics]\non_main_listener = true\ntoken = "{TOKEN}"\n'
RELEASES = RELEASE, OTHER_RELEASE, *_ = ("3.22", "3.23", "3.21", "3.20")
VULNERABLE = {"openssl": "3.3.0-r0", "zlib": "1.3.1-r0"}
LAYERS_WAITING = "SELECT count(*) FROM jobs WHERE kind = 'analyse_layer'"
FOUND = {("CVE-2026-1001", "openssl", "3.3.0-r0", "3.3.2-r0")}
NAME = "app"


class HeldFiles(dict):
    """The files of a feed server, none of which is given before it is let go."""

    def __init__(self):
        super().__init__()
        self.gates = {}

    def __setitem__(self, path, content):
        self.gates[path] = threading.Event()
        super().__setitem__(path, content)

    def get(self, path):
        if path in self.gates:
            assert self.gates[path].wait(50), f"{path} was never let go"
        return super().get(path)


@pytest.fixture
def feeds():
    server = FeedServer()
    server.files = HeldFiles()
    for release in RELEASES:
        fixes = {"openssl": {"3.3.2-r0": ["CVE-2026-1001"]}, "zlib": {"1.3.1-r0": ["CVE-2026-1002"]}}
        server.files[feed_path(release)] = secdb(fixes, release)
    yield server
    let_go(server)
    server.close()


def let_go(feeds, *releases):
    for release in releases or RELEASES:
        feeds.files.gates[feed_path(release)].set()


@pytest.fixture
def server(tmp_path, feeds, default_database):
    """A server whose feeds are there."""
    let_go(feeds)
    config = METRICS + configuration(accounts=KEYS).lstrip() + feeds_configuration(feeds.url, RELEASES)
    server = Wharf(tmp_path / "wharf", environment=environment_of(default_database), config=config)
    yield server.start()
    server.finish()


@pytest.fixture
def account(server):
    account = Account(server.host, ACCOUNT, KEYS[ACCOUNT])
    yield account
    account.close()


def ecr(account, operation, expect=200, **parameters):
    return account.api.ecr(operation, parameters).expect(expect).json()


def create(account, name=NAME, **parameters):
    ecr(
        account,
        "CreateRepository",
        repositoryName=name,
        imageScanningConfiguration={"scanOnPush": True},
        **parameters,
    )


def vulnerable(name, release=RELEASE, layer=None):
    """An image with one finding."""
    return alpine(name, VULNERABLE, release, [layer or large()])


def pushed_and_held(server, account, made, tag="v1", name=NAME):
    """Pushes an image whose scan stands still, as who reads a layer of it does; returns that process."""
    account.push(name, made, tag)
    child = signal_child(server, signal.SIGSTOP)
    told = account.describe(name, tag)
    assert status(told) in ("PENDING", "IN_PROGRESS") and not findings(told)
    return child


def let_go_on(child):
    # Its work may have been called off.
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGCONT)


def scans(server, made):
    """What is stored of the scans of an image."""
    return storage.query(
        server,
        "SELECT s.status, s.description, s.ended_at_ms IS NOT NULL FROM image_scans s "
        f"JOIN images i ON i.id = s.image_id WHERE i.digest = '{made.digest}'",
    )


def wait_for_quiet(server):
    wait_for(lambda: storage.query(server, "SELECT count(*) FROM jobs") == [["0"]], "background work to end", 90)


def has_ended(server, made):
    """Whether no scan of the image goes on."""
    return all(row[2] in ("1", "t") for row in scans(server, made))


def analysed(*servers, **labels):
    return sum(scrape(server.url, TOKEN).value("wharf_layers_analysed_total", **labels) for server in servers)


def kill_readers(server, account):
    """Kills each process that reads a layer once it has worked; returns what is told of the image in the end."""

    def has_ended():
        readers = reading_children(server)
        for reader in readers:
            with contextlib.suppress(ProcessLookupError):
                # It stands still while it is looked at.
                os.kill(reader, signal.SIGSTOP)
                os.kill(reader, signal.SIGKILL if has_worked(reader) else signal.SIGCONT)
        return not readers and status(account.describe(NAME, "v1")) in ENDED

    wait_for(has_ended, "the scan to end", 90)
    return account.describe(NAME, "v1")


def expect_clean(server):
    report = storage.fsck(server)
    assert report["check"]["status"] == "CLEAN" and report["findings"] == [], report


def set_class(account, tag, target):
    image = {"imageTag": tag}
    return ecr(account, "UpdateImageStorageClass", repositoryName=NAME, imageId=image, targetStorageClass=target)[
        "imageStatus"
    ]


class TestImages:
    """What becomes of an image in the middle of its scan."""

    def test_deleted(self, server, account):
        create(account)
        made = vulnerable("deleted")
        child = pushed_and_held(server, account, made)
        gone = ecr(account, "BatchDeleteImage", repositoryName=NAME, imageIds=[{"imageTag": "v1"}])
        assert not gone["failures"]
        # Who reads a layer for nobody is ended, though it stands still.
        wait_for(lambda: child not in reading_children(server), "the reading to be called off")
        wait_for(lambda: storage.query(server, LAYERS_WAITING) == [["0"]], "the layers to be done with")
        assert account.ask("DescribeImageScan", NAME, "v1").expect(400).json()["__type"] == "ImageNotFoundException"
        assert scans(server, made) == []
        expect_clean(server)

    def test_deleted_and_restored(self, server, account):
        create(account)
        made = vulnerable("restored")
        child = pushed_and_held(server, account, made)
        ecr(account, "BatchDeleteImage", repositoryName=NAME, imageIds=[{"imageTag": "v1"}])
        image = {"imageDigest": made.digest, "imageTag": "v1"}
        account.api.wharf("RestoreImage", {"repositoryName": NAME, "imageIds": [image]}).expect(200)
        let_go_on(child)
        wait_for(lambda: scans(server, made) != [] and has_ended(server, made), "the scan after the restore to end")
        told = account.ended(NAME, "v1")
        assert status(told) == "COMPLETE" and findings(told) == FOUND
        assert told["platforms"][0]["scan"]["cause"] == "RESTORE"
        expect_clean(server)

    def test_archived(self, server, account):
        """The scan fails, and another one is done once the image is back."""
        create(account)
        made = vulnerable("archived")
        child = pushed_and_held(server, account, made)
        assert set_class(account, "v1", "ARCHIVE") == "ARCHIVED"
        let_go_on(child)
        wait_for(lambda: has_ended(server, made), "the scan to end")
        assert [row[:2] for row in scans(server, made)] == [
            ["FAILED", "The image is archived: it is scanned when it is restored"]
        ]
        told = account.ask("DescribeImageScan", NAME, "v1")
        assert told.status != 200 or not told.json()["findings"], told
        told = account.api.ecr("DescribeImageScanFindings", {"repositoryName": NAME, "imageId": {"imageTag": "v1"}})
        assert told.status != 200 or "imageScanFindings" not in told.json(), told
        assert set_class(account, "v1", "STANDARD") == "ACTIVATING"
        wait_for(lambda: scans(server, made)[0][0] == "COMPLETE", "the scan after the restore to end")
        told = account.describe(NAME, "v1")
        assert findings(told) == FOUND and told["platforms"][0]["scan"]["cause"] == "RESTORE"
        wait_for_quiet(server)
        expect_clean(server)

    def test_archived_and_restored(self, server, account):
        """All of it while a layer is read."""
        create(account)
        made = vulnerable("there and back")
        child = pushed_and_held(server, account, made)
        assert set_class(account, "v1", "ARCHIVE") == "ARCHIVED"
        assert set_class(account, "v1", "STANDARD") == "ACTIVATING"
        let_go_on(child)
        wait_for(lambda: scans(server, made)[0][0] == "COMPLETE", "the scan after the restore to end")
        assert findings(account.describe(NAME, "v1")) == FOUND
        wait_for_quiet(server)
        expect_clean(server)


class TestKeys:
    """A repository's key is disabled in the middle of a scan, and after it."""

    @pytest.fixture
    def key(self, account):
        made = account.api.kms("CreateKey").expect(200).json()["KeyMetadata"]["KeyId"]
        create(account, encryptionConfiguration={"encryptionType": "KMS", "kmsKey": made})
        return made

    def test_disabled_in_the_middle(self, server, account, key):
        """The scan fails and tells nothing, and can be done again."""
        made = vulnerable("key")
        child = pushed_and_held(server, account, made)
        account.api.kms("DisableKey", {"KeyId": key}).expect(200)
        let_go_on(child)
        wait_for(lambda: has_ended(server, made), "the scan to end", 60)
        ((told, why, _),) = scans(server, made)
        assert told == "FAILED" and key in why, why
        self.expect_refused(account)
        account.api.kms("EnableKey", {"KeyId": key}).expect(200)
        told = account.describe(NAME, "v1")
        assert status(told) == "FAILED" and not findings(told) and "found" not in told["platforms"][0]
        account.start_scan(NAME, "v1")
        told = account.ended(NAME, "v1")
        assert status(told) == "COMPLETE" and findings(told) == FOUND
        wait_for_quiet(server)
        expect_clean(server)

    def test_disabled_after_the_scan(self, server, account, key):
        """What was found is there again with the key. A scan that is asked for meanwhile takes nothing away for good."""
        account.push(NAME, vulnerable("key", layer=data("small", 1_000)), "v1")
        told = account.ended(NAME, "v1")
        assert status(told) == "COMPLETE" and findings(told) == FOUND
        account.api.kms("DisableKey", {"KeyId": key}).expect(200)
        self.expect_refused(account)
        account.api.kms("EnableKey", {"KeyId": key}).expect(200)
        assert findings(account.describe(NAME, "v1")) == FOUND
        expect_clean(server)

    def expect_refused(self, account):
        image = {"repositoryName": NAME, "imageId": {"imageTag": "v1"}}
        for answer in (
            account.api.wharf("DescribeImageScan", image),
            account.api.wharf("ListImagePackages", image),
            account.api.wharf("ExplainImageFinding", {**image, "vulnerability": "CVE-2026-1001"}),
            account.api.wharf("ListImageScanCounts", {"repositoryName": NAME}),
            account.api.ecr("DescribeImageScanFindings", image),
        ):
            assert answer.status == 400 and "CVE-2026" not in answer.body.decode(), answer
            assert answer.json()["__type"] in ("KmsException", "ValidationException"), answer


class TestChildren:
    """Who reads a layer is ended from outside."""

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "terminated"])
    def test_once(self, server, account, number):
        create(account)
        made = vulnerable("ended")
        child = pushed_and_held(server, account, made)
        os.kill(child, number)
        let_go_on(child) if number != signal.SIGKILL else None
        told = account.ended(NAME, "v1")
        assert status(told) == "COMPLETE" and findings(told) == FOUND
        assert analysed(server, result="failed") == 1
        assert analysed(server, result="whole") == len(made.layers)
        wait_for_quiet(server)
        assert reading_children(server) == []
        expect_clean(server)

    def test_again_and_again(self, server, account):
        """A layer that its readers die of is not clean: that is said. Other images are scanned meanwhile."""
        create(account)
        clean = {"zlib": "1.3.1-r0"}
        known, made = alpine("known", clean), alpine("deadly", clean, between=[large()])
        # All layers but one are read before.
        account.push(NAME, known, "known")
        assert status(account.ended(NAME, "known")) == "COMPLETE"
        child = pushed_and_held(server, account, made)
        account.push(NAME, vulnerable("beside", OTHER_RELEASE, data("small", 1_000)), "beside")
        told = account.ended(NAME, "beside")
        assert status(told) == "COMPLETE" and findings(told) == FOUND
        os.kill(child, signal.SIGKILL)

        told = kill_readers(server, account)
        assert status(told) == "FAILED", told["platforms"]
        # One that is ended before it has begun says nothing of the layer.
        assert any(why in description(told) for why in ("ended by the system", "cannot be read")), description(told)
        assert not told["platforms"][0]["scan"]["isWhole"]
        wait_for_quiet(server)
        expect_clean(server)

    def test_the_layer_that_tells_the_system(self, server, account):
        """That it could not be read is what is said, and not that there is no such system."""
        create(account)
        clean = {"zlib": "1.3.1-r0"}
        account.push(NAME, alpine("known", clean), "known")
        account.ended(NAME, "known")
        child = pushed_and_held(server, account, alpine("deadly", clean, below=system(RELEASE, is_large=True)))
        os.kill(child, signal.SIGKILL)
        told = kill_readers(server, account)
        assert status(told) == "FAILED" and "analysed in part" in description(told), told["platforms"]

    def test_a_scan_once_there_is_memory_again(self, server, account):
        """What ended who read a layer was not the layer: who asks for another scan has it read again."""
        create(account)
        made = vulnerable("unlucky")
        child = pushed_and_held(server, account, made)
        os.kill(child, signal.SIGKILL)
        assert "analysed in part" in description(kill_readers(server, account))
        account.start_scan(NAME, "v1")
        told = account.ended(NAME, "v1")
        assert told["platforms"][0]["scan"]["isWhole"], told["platforms"]
        assert status(told) == "COMPLETE" and findings(told) == FOUND


@pytest.fixture
def cluster(tmp_path, feeds):
    """Nodes whose feeds are not there yet."""
    config = METRICS + configuration(accounts=KEYS).lstrip() + feeds_configuration(feeds.url, RELEASES)
    environment = {"WHARF_DATABASE_URL": postgres.new_database(), **bucket.environment_of_new()}
    cluster = Cluster(tmp_path / "cluster", environment=environment, config=config)
    yield cluster.start()
    cluster.finish()


def test_two_nodes_are_asked_at_once(cluster, feeds):
    """For an image of two accounts, again and again: one scan for each account, and each layer read once for each."""
    accounts = {account: Account(cluster.nodes[0].host, account, KEYS[account]) for account in KEYS}
    for account in accounts.values():
        ecr(account, "CreateRepository", repositoryName=NAME)
    at = [
        Account(node.host, account, KEYS[account], accounts[account].token)
        for node in cluster.nodes
        for account in KEYS
    ]
    layers = set()
    with ThreadPoolExecutor(len(at)) as pool:
        for release in RELEASES:
            made = vulnerable(f"of {release}", release, data(release, 300_000))
            for account in accounts.values():
                account.push(NAME, made, release)
            layers |= {digest_of(layer) for layer in made.layers}
            # All are asked before any scan can end: its advisories are not there.
            together = threading.Barrier(len(at))

            def ask(account, release=release, together=together):
                together.wait()
                account.start_scan(NAME, release)

            list(pool.map(ask, at))
            let_go(feeds, release)
            for account in at:
                told = account.ended(NAME, release)
                assert status(told) == "COMPLETE" and findings(told) == FOUND
    wait_for_quiet(cluster)
    nodes = cluster.nodes
    assert analysed(*nodes, result="whole") == analysed(*nodes) == len(layers) * len(KEYS)
    complete = sum(scrape(node.url, TOKEN).value("wharf_scans_total", result="complete") for node in nodes)
    assert complete == len(RELEASES) * len(KEYS)
    kept = storage.query(cluster, "SELECT count(*), count(DISTINCT blob_id) FROM layer_facts")
    assert kept == [[str(len(layers) * len(KEYS)), str(len(layers))]]
    expect_clean(cluster.nodes[0])
    for account in [*accounts.values(), *at]:
        account.close()
