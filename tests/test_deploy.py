"""What deploy/ holds: an image that docker runs, files that name settings which exist, and a unit that systemd takes."""

import json
import re
import shutil
import urllib.request

import pytest
import yaml

from harness.cluster import free_port
from harness.commands import program, run
from harness.server import ROOT, binary, wait_for

DEPLOY = ROOT / "deploy"
NONROOT = 65532


@pytest.fixture(scope="module")
def image(docker, tmp_path_factory):
    """An image of the program under test, made without any network."""
    context = tmp_path_factory.mktemp("context")
    run(DEPLOY / "rootfs", binary(), context)
    docker("build", "--file", DEPLOY / "Dockerfile.prebuilt", "--tag", "wharf:test", context)
    return "wharf:test"


def test_the_image_runs_without_rights(docker, image):
    """Not root, no capability, nothing to write but its volume; and it says itself whether it is healthy."""
    port = free_port()
    name = docker(
        "run",
        "--detach",
        "--network=host",
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--health-interval=1s",
        f"--env=WHARF_LISTEN=127.0.0.1:{port}",
        image,
    ).strip()

    def health():
        (told,) = json.loads(docker("inspect", name))
        assert told["State"]["Running"], docker("logs", name)
        return told["State"]["Health"]["Status"]

    try:
        wait_for(lambda: health() == "healthy", "the container to be healthy", 60)
        assert docker("exec", name, "/usr/local/bin/wharf", "health") == "ready\n"
        assert "Contents  0 repositories" in docker("exec", name, "/usr/local/bin/wharf", "status")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            assert answer.read() == b"ready\n"
        (told,) = json.loads(docker("inspect", name))
        status = open(f"/proc/{told['State']['Pid']}/status").read()
        assert re.search(rf"^Uid:\s+{NONROOT}\s+{NONROOT}\s", status, re.M), status
        assert re.search(r"^CapEff:\s+0+$", status, re.M), status
        assert "may look into the data folder" not in docker.run("logs", name).stderr
        docker("stop", name)
        (told,) = json.loads(docker("inspect", name))
        assert told["State"]["ExitCode"] == 0, "it ends well when docker stops it"
    finally:
        docker.run("rm", "--force", "--volumes", name, expect=None)


def interpolated(value, variables):
    """What compose makes of `${NAME:?text}` and `${NAME:-default}`."""

    def replace(match):
        name, _, rest = match[1].partition(":")
        return variables.get(name, rest.removeprefix("-"))

    return re.sub(r"\$\{([^}]*)\}", replace, value)


def test_compose_gives_every_node_a_good_configuration(tmp_path):
    compose = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
    lines = (DEPLOY / "compose/secrets.example.env").read_text().splitlines()
    secrets = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    nodes = [service for name, service in compose["services"].items() if name.startswith("node")]
    assert len(nodes) == 3
    for node in nodes:
        assert node["read_only"] and node["cap_drop"] == ["ALL"]
        assert node["environment"] == nodes[0]["environment"], "nodes are alike"
        environment = {name: interpolated(value, secrets) for name, value in node["environment"].items()}
        told = run(binary(), "config", "check", "--data-dir", tmp_path, environment=environment).stdout
        assert 'bucket = "wharf"' in told and "change-me" not in told
    for name in re.findall(r"^\s+server \S+ (\w+):5000", (DEPLOY / "compose/haproxy.cfg").read_text(), re.M):
        assert name in compose["services"]
    used = set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose/compose.yaml").read_text()))
    assert used == set(secrets), "every secret is asked for, and none else is in the example"


def test_the_balancer_of_compose(tmp_path):
    text = (DEPLOY / "compose/haproxy.cfg").read_text()
    # Only docker knows the names of its containers.
    text = re.sub(r"(?m)^resolvers docker\n(?:    .*\n)*", "", text).replace(" resolvers docker init-addr none", "")
    (tmp_path / "haproxy.cfg").write_text(re.sub(r"\bnode\d:5000", "127.0.0.1:5000", text))
    run(program("haproxy"), "-c", "-f", tmp_path / "haproxy.cfg")


@pytest.mark.parametrize("path", sorted(path for path in DEPLOY.rglob("*") if path.is_file()), ids=lambda p: p.name)
def test_all_settings_exist(path):
    """Every variable that a file sets is one that the server knows."""
    known = (ROOT / "docs/wharf.example.toml").read_text()
    for name in re.findall(r"\bWHARF_[A-Z_]+\b", path.read_text()):
        assert name in known or name == "WHARF_IMAGE", name


def test_the_unit(tmp_path):
    text = (DEPLOY / "systemd/wharf.service").read_text().replace("/usr/local/bin/wharf", str(binary()))
    unit = tmp_path / "wharf.service"
    unit.write_text(text)
    verified = run("systemd-analyze", "verify", unit)
    assert verified.stdout + verified.stderr == ""
    # Of 100, in tenths: 20 is an exposure of 2.0.
    run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit)


@pytest.mark.skipif(not shutil.which("helm"), reason="helm is not packaged by Debian")
@pytest.mark.parametrize("everything", [False, True])
def test_the_chart(everything):
    chart = DEPLOY / "helm/wharf"
    run("helm", "lint", chart)
    more = ["--set", "ingress.enabled=true,metrics.serviceMonitor.enabled=true"] if everything else []
    documents = [each for each in yaml.safe_load_all(run("helm", "template", "test", chart, *more).stdout) if each]
    kinds = [document["kind"] for document in documents]
    expected = ["Deployment", "PodDisruptionBudget", "Service", "Service", "ServiceAccount"]
    assert sorted(kinds) == sorted(expected + (["Ingress", "ServiceMonitor"] if everything else []))
