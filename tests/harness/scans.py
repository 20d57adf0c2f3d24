"""Images of trees of files, pushed to be scanned, and what Wharf says of them."""

import gzip
import json
from pathlib import Path

from harness.aws_api import AwsApi
from harness.commands import run
from harness.images import Image
from harness.registry_client import RegistryClient, Repository, digest_of
from harness.server import wait_for

# The ecosystems that the tests have advisories for, and the feeds of the table that are not asked then.
ECOSYSTEMS = (
    "Alpine",
    "Debian",
    "Rocky Linux",
    "npm",
    "PyPI",
    "Maven",
    "Go",
    "RubyGems",
    "Packagist",
    "NuGet",
    "crates.io",
)
SWITCHED_OFF = (
    "alpine",
    "debian",
    "osv-npm",
    "osv-pypi",
    "osv-maven",
    "osv-go",
    "osv-rubygems",
    "osv-packagist",
    "osv-nuget",
    "osv-crates",
    "rocky",
    "kev",
    "epss",
    "cve-list",
)
# A deadline alone: a debug build on a busy machine takes its time with 200 MB.
SCAN_SECONDS = 300


def path_of(ecosystem):
    return f"/{ecosystem.lower().replace(' ', '-').replace('.', '-')}.jsonl"


def feeds_configuration(url, ecosystems=ECOSYSTEMS):
    """The lines of a wharf.toml by which it fetches advisories from a `FeedServer` alone."""
    lines = []
    for name in SWITCHED_OFF:
        lines += ["[[advisories.feeds]]", f'name = "{name}"', "enabled = false"]
    for ecosystem in ecosystems:
        lines += [
            "[[advisories.feeds]]",
            f'name = "test{path_of(ecosystem).replace("/", "-").removesuffix(".jsonl")}"',
            f'urls = ["{url}{path_of(ecosystem)}"]',
            'form = "osv"',
            f'ecosystems = ["{ecosystem}"]',
        ]
    return "\n".join([*lines, ""])


def advisory(name, ecosystem, package, fixed=None, word=None, vector=None):
    """A record of OSV: all versions before `fixed` are affected, or all that there are. `word` is the distribution's own
    severity, `vector` one of CVSS 3."""
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    affected = {
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    if word:
        affected["ecosystem_specific"] = {"urgency": word}
    record = {"id": name, "modified": "2026-11-01T00:00:00Z", "details": f"About {package}.", "affected": [affected]}
    # Distributions name what they tell of by their own names.
    if "-CVE-" in name:
        record["upstream"] = [name[name.index("CVE-") :]]
    if vector:
        record["severity"] = [{"type": "CVSS_V3", "score": vector}]
    return record


def serve_advisories(feeds, records, ecosystems=ECOSYSTEMS):
    """Has a `FeedServer` serve records, each in the feed of its ecosystem; every feed has one of a package that nobody has."""
    by_ecosystem = {
        name: [advisory(f"TEST-{name}", name + RELEASES.get(name, ""), "nobody-has-it")] for name in ecosystems
    }
    for record in records:
        by_ecosystem[record["affected"][0]["package"]["ecosystem"].partition(":")[0]].append(record)
    for name, listed in by_ecosystem.items():
        feeds.files[path_of(name)] = "".join(f"{json.dumps(record)}\n" for record in listed).encode()


# Records are for a release where there are some.
RELEASES = {"Alpine": ":v3.20", "Debian": ":12", "Rocky Linux": ":9"}


def tree_layer(folder):
    """A gzip layer of all that is in a folder, and the digest of what is in it."""
    packed = run("tar", "--numeric-owner", "--sort=name", "-C", folder, "-cf", "-", ".", text=False).stdout
    return gzip.compress(packed, compresslevel=1, mtime=0), digest_of(packed)


def image_of(*layers, architecture="amd64"):
    """An image of layers with the digests of what is in them."""
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
        "history": [{"created_by": f"COPY {number}"} for number in range(len(layers))],
    }
    return Image(json.dumps(config).encode(), tuple(packed for packed, _ in layers), architecture)


def write(root, files):
    """Writes texts under a folder, by their paths."""
    for name, content in files.items():
        path = Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


class Scanned:
    """A repository whose images are scanned as they are pushed, and what Wharf's own operations say of them."""

    def __init__(self, wharf, name):
        self.wharf = wharf
        self.name = name
        self.api = AwsApi(wharf)
        wharf.client().create_repository(repositoryName=name, imageScanningConfiguration={"scanOnPush": True})

    def push(self, made, tag="v1"):
        repository = Repository(RegistryClient(self.wharf.host, self.wharf.authorization), self.name)
        for blob in made.blobs:
            repository.push_blob(blob)
        repository.push_manifest(made.manifest, tag, made.media_type)
        return self.wait(tag)

    def ask(self, operation, tag, **parameters):
        sent = {"repositoryName": self.name, "imageId": {"imageTag": tag}, **parameters}
        answer = self.api.wharf(operation, sent)
        assert answer.status == 200, repr(answer)
        return answer.json()

    def wait(self, tag="v1", status="COMPLETE"):
        """Waits for the end of the scans of an image; what `DescribeImageScan` says then."""
        described = {}

        def is_over():
            described.update(self.ask("DescribeImageScan", tag, maxResults=1000))
            return all("endedAt" in platform.get("scan", {}) for platform in described["platforms"])

        wait_for(is_over, f"the scan of {self.name}:{tag} to end", SCAN_SECONDS)
        for platform in described["platforms"]:
            assert platform["scan"]["status"] == status, json.dumps(platform, indent=1)
        return described

    def packages(self, kind, tag="v1"):
        """The packages of a kind, page by page."""
        found, more = [], {}
        while True:
            page = self.ask("ListImagePackages", tag, maxResults=1000, **more)
            found += [package for package in page["packages"] if package["kind"] == kind]
            if "nextToken" not in page:
                return found
            more = {"nextToken": page["nextToken"]}
