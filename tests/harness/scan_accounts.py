"""Servers that scan images by feeds of this machine alone, and what they tell of a scan."""

import os
from pathlib import Path

from harness.aws_api import AwsApi, Signing
from harness.registry_client import RegistryClient, Repository
from harness.server import wait_for

REGION = "us-east-1"
# What a server would fetch from the internet for an image of Alpine.
ELSEWHERE = ("alpine", "kev", "epss", "cve-list")
ENDED = ("COMPLETE", "ACTIVE", "FAILED", "UNSUPPORTED_IMAGE")


def feed_path(release):
    return f"/alpine-{release}.json"


def feeds_configuration(url, releases=("3.22",)):
    """Lines of a wharf.toml: a feed for each release of Alpine, at this URL, and nothing from elsewhere."""
    off = [f'[[advisories.feeds]]\nname = "{name}"\nenabled = false\n' for name in ELSEWHERE]
    own = [
        f'[[advisories.feeds]]\nname = "made-{release.replace(".", "-")}"\nurls = ["{url}{feed_path(release)}"]\n'
        f'form = "secdb"\necosystems = ["Alpine"]\nrelease = "{release}"\n'
        for release in releases
    ]
    return "\n".join([*off, *own])


class Account:
    """An account's root user at one server, with its API and its registry."""

    def __init__(self, host, account, keys, token=None):
        self.account = account
        self.host = host
        self.api = AwsApi(self, Signing(*keys, REGION))
        if token is None:
            (data,) = self.api.ecr("GetAuthorizationToken").expect(200).json()["authorizationData"]
            token = f"Basic {data['authorizationToken']}"
        self.token = token
        self.registry = RegistryClient(host, token)

    def close(self):
        self.api.client.close()
        self.registry.close()

    def repository(self, name):
        return Repository(self.registry, name)

    def push(self, name, made, tag):
        repository = self.repository(name)
        for blob in made.blobs:
            repository.push_blob(blob)
        repository.push_manifest(made.manifest, tag, made.media_type)

    def ask(self, operation, name, tag, **members):
        """The answer to one of Wharf's operations on an image."""
        return self.api.wharf(operation, {"repositoryName": name, "imageId": {"imageTag": tag}, **members})

    def start_scan(self, name, tag):
        self.ask("StartImageScan", name, tag).expect(200)

    def describe(self, name, tag):
        """What is told of an image's scan, all of it in one answer."""
        told = self.ask("DescribeImageScan", name, tag, maxResults=1000).expect(200).json()
        assert "nextToken" not in told, "a second page may be of another scan"
        return told

    def ended(self, name, tag, seconds=60):
        """What is told of an image's scan once that has ended."""
        told = {}

        def has_ended():
            told.update(self.describe(name, tag))
            return all(platform["scan"]["status"] in ENDED for platform in told["platforms"])

        wait_for(has_ended, f"the scan of {name}:{tag} to end", seconds)
        return told


def status(told):
    """The status of the scan of an image of one platform."""
    return told["platforms"][0]["scan"]["status"]


def description(told):
    return told["platforms"][0]["scan"].get("description", "")


def findings(told):
    """What was found, as far as feeds decide it."""
    return {(found["vulnerability"], found["name"], found["version"], found["fixedIn"]) for found in told["findings"]}


def revisions(told):
    """The revisions of the feeds that an image was compared with; none of a scan that has not ended."""
    found = told["platforms"][0].get("found", {})
    return {feed["name"]: feed["revision"] for feed in found.get("feeds", [])}


def lasting(told):
    """What does not depend on when an image was scanned, and how often."""
    (platform,) = told["platforms"]
    found = {name: value for name, value in platform["found"].items() if name != "feeds"}
    times = ("firstSeenAt", "lastSeenAt")
    shown = [{name: value for name, value in each.items() if name not in times} for each in told["findings"]]
    return platform["imageDigest"], platform["scan"]["status"], found, shown


def reading_children(server):
    """The processes that read layers for a server."""
    found = []
    for listed in Path(f"/proc/{server.process.pid}/task").glob("*/children"):
        try:
            for child in listed.read_text().split():
                if b"analyze-layer" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    found.append(int(child))
        except OSError:
            # It has ended meanwhile, or the thread that has started it.
            continue
    return found


def signal_child(server, number, but=()):
    """Sends a signal to a process that reads a layer, once there is one; returns its id. `but` are not meant."""
    sent = []

    def is_sent():
        for child in reading_children(server):
            if child not in but:
                try:
                    os.kill(child, number)
                except ProcessLookupError:
                    continue
                sent.append(child)
                return True
        return False

    wait_for(is_sent, "a process that reads a layer")
    return sent[0]


def has_worked(child):
    """Whether a process has taken some time of a processor: who reads a layer has begun to by then."""
    try:
        user, system = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return False
    return int(user) + int(system) >= 2
