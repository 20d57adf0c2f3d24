"""`wharf scan`, `wharf findings` and `wharf scan explain` against a server whose advisories are served by the test."""

import json
from dataclasses import replace

import pytest

from conftest import environment_of
from harness.api_push import push_image, push_index
from harness.commands import WITHOUT_AWS, run
from harness.feeds import FeedServer, secdb
from harness.images import Image, Index, image, layer
from harness.server import Wharf, binary

CONFIG = """
[scanning]
offline = {offline}

[[advisories.feeds]]
name = "alpine"
urls = ["{url}/{{release}}/{{repository}}.json"]
"""
# What says more of what feeds like that tell, and is on the internet.
OTHERS = ("kev", "epss", "cve-list", "osv-npm")

OS_RELEASE = b'ID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME="Alpine Linux v3.20"\n'


def alpine(architecture="amd64", **packages):
    """An image with these packages of Alpine 3.20."""
    installed = "".join(f"P:{name}\nV:{version}\nA:x86_64\no:{name}\n\n" for name, version in packages.items())
    base = layer({"etc/os-release": OS_RELEASE, "etc/alpine-release": b"3.20.3\n"})
    database = layer({"lib/apk/db/installed": installed.encode()})
    return made_of(base, database, architecture=architecture)


def made_of(*layers, architecture="amd64"):
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
        "history": [{"created_by": f"RUN step {number}"} for number in range(len(layers))],
    }
    return Image(json.dumps(config).encode(), tuple(packed for packed, _ in layers), architecture)


@pytest.fixture(scope="module")
def feeds():
    server = FeedServer()
    server.files["/v3.20/main.json"] = secdb(
        {
            "openssl": {"3.3.2-r1": ["CVE-2024-0001"], "3.3.0-r0": ["CVE-2024-0002"]},
            "musl": {"0": ["CVE-2024-0003"]},
            "linux-headers": {"6.6.1-r0": ["CVE-2024-0004"]},
        }
    )
    server.files["/v3.20/community.json"] = secdb({}, repository="community")
    yield server
    server.close()


def server_of(folder, feeds, database, is_offline=False):
    config = CONFIG.format(url=feeds.url, offline=str(is_offline).lower())
    config += "".join(f'\n[[advisories.feeds]]\nname = "{name}"\nenabled = false\n' for name in OTHERS)
    return Wharf(folder, environment=environment_of(database), config=config).start()


@pytest.fixture(scope="module")
def server(tmp_path_factory, feeds, default_database):
    server = server_of(tmp_path_factory.mktemp("scans"), feeds, default_database)
    ecr = server.client()
    ecr.create_repository(repositoryName="app")
    push_image(ecr, "app", alpine(openssl="3.3.1-r0", musl="1.2.5-r0"), "vulnerable")
    push_image(ecr, "app", alpine(openssl="3.3.2-r1", musl="1.2.5-r0"), "clean")
    push_image(ecr, "app", made_of(layer({"hello": b"world"})), "nothing")
    both = Index((alpine(openssl="3.3.2-r1"), alpine("arm64", openssl="3.3.1-r0")))
    push_index(ecr, "app", both, "both")
    yield server
    server.finish()


def wharf(server, *arguments, expect):
    """What a command prints, and what it says beside."""
    command = [binary(), *arguments, "--data-dir", server.data_dir, "--config", server.folder / "wharf.toml"]
    finished = run(*command, expect=expect, environment={**server.environment, **WITHOUT_AWS})
    return finished.stdout, finished.stderr


def test_an_image_with_findings(server):
    said = wharf(server, "findings", "app:vulnerable", expect=2)[1]
    assert "app:vulnerable was not scanned by basic scanning yet (ScanNotFoundException" in said
    # Without a terminal a line says whenever what is waited for has changed.
    printed, said = wharf(server, "scan", "app:vulnerable", expect=1)
    assert said and all(line.startswith("app:vulnerable: the scan is ") for line in said.splitlines()), said
    (line,) = [line for line in printed.splitlines() if "CVE-" in line]
    assert line.split()[1:5] == ["CVE-2024-0001", "openssl", "3.3.1-r0", "3.3.2-r1"]
    assert "System      Alpine Linux v3.20; its last day of fixes is 2026-04-01" in printed
    assert "alpine/v3.20/main (" in printed and "1 finding: " in printed
    # The same is there to be read, and counts by what is asked for.
    for arguments, code in (
        ([], 1),
        (["--fail-on", "critical"], 0),
        (["--severity", "CRITICAL"], 0),
        (["--only-fixed"], 1),
    ):
        wharf(server, "findings", "app:vulnerable", *arguments, expect=code)
    shown = json.loads(wharf(server, "findings", "app:vulnerable", "--output", "json", expect=1)[0])
    (finding,) = shown["findings"]
    assert (shown["verdict"], finding["isCounted"], finding["packages"][0]["kind"]) == ("FINDINGS", True, "apk")
    # As `docker push` has it.
    port = server.url.rsplit(":", 1)[1]
    wharf(server, "findings", f"localhost:{port}/app:vulnerable", expect=1)
    said = wharf(server, "scan", "registry.example.com:5000/app:vulnerable", expect=2)[1]
    assert "registry.example.com:5000 is not the registry that this command speaks to" in said


def test_what_is_installed(server):
    wharf(server, "scan", "app:vulnerable", expect=1)
    printed, _ = wharf(server, "packages", "app:vulnerable", expect=0)
    rows = [line.split()[:3] for line in printed.splitlines()[-2:]]
    assert rows == [["apk", "musl", "1.2.5-r0"], ["apk", "openssl", "3.3.1-r0"]]
    shown = json.loads(wharf(server, "packages", "app:vulnerable", "--output", "json", expect=0)[0])
    assert [package["name"] for package in shown["packages"]] == ["musl", "openssl"]
    assert shown["unknown"] == [] and shown["platforms"][0]["platform"] == "linux/amd64"


def test_an_operation_by_curl(server):
    """As docs/scanning.md shows it."""
    wharf(server, "scan", "app:vulnerable", expect=1)
    key = ":".join(server.credentials[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    asked = {"repositoryName": "app", "imageId": {"imageTag": "vulnerable"}, "maxResults": 100}
    signing = ["--aws-sigv4", "aws:amz:us-east-1:wharf", "--user", key]
    headers = ["Content-Type: application/x-amz-json-1.1", "X-Amz-Target: Wharf_20261121.ListImagePackages"]
    headers = [word for header in headers for word in ("-H", header)]
    answer = json.loads(run("curl", "-s", server.url, *signing, *headers, "-d", json.dumps(asked)).stdout)
    assert [package["name"] for package in answer["packages"]] == ["musl", "openssl"], answer


def test_a_clean_image(server):
    printed, _ = wharf(server, "scan", "app:clean", expect=0)
    assert printed.endswith("\n\nNo findings\n")
    started = json.loads(wharf(server, "scan", "app:clean", "--no-wait", "--output", "json", expect=0)[0])
    described = server.client().describe_images(repositoryName="app", imageIds=[{"imageTag": "clean"}])
    assert started["imageDigest"] == described["imageDetails"][0]["imageDigest"]


def test_what_does_not_run(server):
    push_image(server.client(), "app", alpine(**{"linux-headers": "6.6.0-r0"}), "headers")
    printed, _ = wharf(server, "scan", "app:headers", expect=0)
    assert "1 finding is in packages that do not run" in printed and "CVE-2024-0004" in printed
    assert printed.endswith("\n\nNo other findings\n")
    wharf(server, "findings", "app:headers", "--include-not-runtime", expect=1)


def test_an_index(server):
    shown = json.loads(wharf(server, "scan", "app:both", "--output", "json", expect=1)[0])
    names = {platform["imageDigest"]: platform["platform"] for platform in shown["platforms"]}
    assert sorted(names.values()) == ["linux/amd64", "linux/arm64"]
    assert [names[finding["imageDigest"]] for finding in shown["findings"]] == ["linux/arm64"]
    printed, _ = wharf(server, "findings", "app:both", expect=1)
    assert printed.count("Platform    linux/") == 2


def test_for_code_hosts(server):
    wharf(server, "scan", "app:vulnerable", expect=1)
    sarif = json.loads(wharf(server, "findings", "app:vulnerable", "--output", "sarif", expect=1)[0])
    (made,) = sarif["runs"]
    (rule,), (result,) = made["tool"]["driver"]["rules"], made["results"]
    assert (sarif["version"], rule["id"], result["ruleId"]) == ("2.1.0", "CVE-2024-0001", "CVE-2024-0001")
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "lib/apk/db/installed"
    assert result["message"]["text"].endswith("fixed in 3.3.2-r1")


def test_why_and_why_not(server):
    wharf(server, "scan", "app:vulnerable", expect=1)
    # Any name, and in any case.
    printed, _ = wharf(server, "scan", "explain", "app:vulnerable", "cve-2024-0001", expect=0)
    assert printed.startswith("app:vulnerable has CVE-2024-0001\n")
    words = " ".join(printed.split())
    assert "Answer affected, fixed in 3.3.2-r1 Severity " in words
    assert "Made by RUN step 1" in words and "of alpine" in words
    for vulnerability, package in (("CVE-2024-0002", "openssl 3.3.1-r0"), ("CVE-2024-0003", "musl 1.2.5-r0")):
        printed, _ = wharf(server, "scan", "explain", "app:vulnerable", vulnerability, expect=0)
        assert printed.startswith(f"app:vulnerable is not said to have {vulnerability}\n")
        assert f"Package  {package} (apk" in printed and "Answer   not found: " in printed
    printed, _ = wharf(server, "scan", "explain", "app:vulnerable", "CVE-1999-1", expect=1)
    assert "has nothing to do with CVE-1999-1" in printed


def test_what_is_not_known_is_not_clean(server, feeds, tmp_path, default_database):
    printed, said = wharf(server, "scan", "app:nothing", expect=2)
    assert "Not known: images of its kind are not supported" in printed and "No findings\n" not in printed
    assert "it is not known whether app:nothing is sound" in said
    assert "ImageNotFoundException" in wharf(server, "scan", "app:absent", expect=2)[1]
    # A layer that breaks off.
    whole = alpine(openssl="3.3.2-r1")
    torn = replace(whole, layers=(whole.layers[0], whole.layers[1][: len(whole.layers[1]) // 2]))
    push_image(server.client(), "app", torn, "torn")
    printed, said = wharf(server, "scan", "app:torn", expect=2)
    assert printed.count("analysed in part") == 1 and said.endswith("sound: the scan failed\n"), (printed, said)

    offline = server_of(tmp_path / "offline", feeds, default_database, is_offline=True)
    try:
        ecr = offline.client()
        ecr.create_repository(repositoryName="app")
        push_image(ecr, "app", alpine(openssl="3.3.2-r1"), "clean")
        printed, said = wharf(offline, "scan", "app:clean", expect=2)
        # The reason is there once.
        assert printed.count("no advisories for Alpine 3.20") == 1 and "No findings" not in printed
        said = said.splitlines()[-1]
        assert said == "error: it is not known whether app:clean is sound: the scan failed"
        assert wharf(offline, "findings", "app:clean", expect=2)[1] == f"{said}\n"
        for command in (["scan", "explain", "app:clean", "CVE-2024-0001"], ["packages", "app:clean"]):
            printed, said = wharf(offline, *command, expect=2)
            assert printed == "" and "the scan failed: " in said and "no advisories for Alpine 3.20" in said
    finally:
        offline.finish()


def test_a_repository_alone_means_its_tag_latest(server):
    ecr = server.client()
    ecr.create_repository(repositoryName="other")
    push_image(ecr, "other", image("noise"), "latest")
    printed, _ = wharf(server, "scan", "other", "--timeout", "2m", expect=2)
    assert printed.split()[:2] == ["Image", "other:latest"]
