"""What deploy/ holds: an image that docker runs, files that name settings which exist, and a unit that systemd takes."""

import json
import re
import urllib.request
from pathlib import Path

import pytest
import yaml

from harness.cluster import free_port
from harness.commands import program, refused, run
from harness.server import ROOT, Wharf, binary, wait_for

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
        # Neither a dump of its memory nor a look into it: what tells of it is root's, though the process is not.
        process = Path(f"/proc/{told['State']['Pid']}")
        assert (process / "environ").stat().st_uid == 0
        assert re.search(r"^Max core file size\s+0\s", (process / "limits").read_text(), re.M)
        exported = docker("exec", name, "/usr/local/bin/wharf", "credentials", "--output", "env")
        assert "export AWS_SECRET_ACCESS_KEY=" in exported, exported
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


def test_the_unit_lets_the_program_give_up_its_rights():
    """The process that reads a layer takes its rights away itself: a filter that forbids that would leave it all of them."""
    listed = run("systemd-analyze", "syscall-filter").stdout
    groups = {
        name: set(calls.split()) for name, calls in re.findall(r"^(@[a-z-]+)\n((?:    .*\n)+)", listed, re.MULTILINE)
    }

    def expanded(names):
        return {call for name in names for call in (expanded(groups[name]) if name in groups else {name})}

    allowed = expanded(["@default"])
    unit = (DEPLOY / "systemd/wharf.service").read_text()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        calls = expanded(line.removeprefix("~").split())
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    needed = {"landlock_create_ruleset", "landlock_restrict_self", "seccomp", "prctl", "prlimit64", "setpriority"}
    assert needed - allowed == set()
    assert "reboot" not in allowed and "setrlimit" not in allowed


KUBERNETES = ["1.25", "1.31", "1.37"]
CHARTS = {
    "as it is": {},
    "everything": {
        "image": {"digest": "sha256:" + "0" * 64},
        "domains": ["example.com"],
        "storage": {"endpoint": "https://s3.example.com", "prefix": "wharf/"},
        "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
        "ingress": {"enabled": True, "className": "nginx", "tls": [{"secretName": "tls", "hosts": ["a.example.com"]}]},
        "networkPolicy": {
            "registryFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
            "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
        },
        "telemetry": {"otlpEndpoint": "http://collector:4318"},
        "environment": {"WHARF_RATES_PRESET": "ecr"},
        "extraEnv": [{"name": "WHARF_LOG", "value": "debug"}],
        "podAnnotations": {"a": "b"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
        ],
        "priorityClassName": "high",
        "imagePullSecrets": [{"name": "pull"}],
    },
    "nothing": {
        "metrics": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "serviceAccount": {"create": False},
        "storage": {"keysInSecret": False},
    },
}


def rendered(values=None, name="wharf"):
    """The documents of the chart, by kind and name."""
    import helm_python

    chart = helm_python.Chart.load(str(DEPLOY / "helm/wharf"))
    texts = chart.render(values or {}, name=name, namespace="registry", is_install=True)
    texts = [text for path, text in texts.items() if path.endswith(".yaml")]
    documents = [document for text in texts for document in yaml.safe_load_all(text) if document]
    return {(document["kind"], document["metadata"]["name"]): document for document in documents}


def container_of(documents, name="wharf"):
    spec = documents["Deployment", name]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    return spec, container


def test_the_chart_has_no_fault():
    import helm_python

    told = helm_python.lint(str(DEPLOY / "helm/wharf"))
    assert told["errors"] == [] and [m["error"] for m in told["messages"]] == ["icon is recommended"], told


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("values", CHARTS.values(), ids=CHARTS)
def test_kubernetes_takes_the_chart(values, version):
    import kubernetes_validate

    documents = rendered(values)
    for (kind, _), document in documents.items():
        # The operator of Prometheus brings the schema of its own kind.
        if kind != "ServiceMonitor":
            kubernetes_validate.validate(document, version, strict=True)
    kinds = {"Deployment", "Service"}
    if values != CHARTS["nothing"]:
        kinds |= {"NetworkPolicy", "PodDisruptionBudget", "ServiceAccount"}
    if values == CHARTS["everything"]:
        kinds |= {"Ingress", "ServiceMonitor"}
    assert {kind for kind, _ in documents} == kinds


def test_the_chart_gives_a_good_configuration(tmp_path):
    """The server takes what the chart sets, beside what Kubernetes sets for the chart's own Services."""
    documents = rendered()
    spec, container = container_of(documents)
    secrets = {
        "service-key": "0" * 64,
        "access-key-id": "AKIAEXAMPLE000000000",
        "secret-access-key": "change-me-root",
        "database-url": "postgres://wharf:change-me@postgres/wharf",
        "storage-access-key-id": "wharf-store",
        "storage-secret-access-key": "change-me-store",
        "metrics-token": "change-me-metrics",
    }
    given, used = {}, set()
    for variable in container["env"]:
        if "value" in variable:
            given[variable["name"]] = variable["value"]
        else:
            key = variable["valueFrom"]["secretKeyRef"]["key"]
            given[variable["name"]] = secrets[key]
            used.add(key)
    assert used == set(secrets), "the Secret that values.yaml describes is the one that is asked for"
    values = (DEPLOY / "helm/wharf/values.yaml").read_text()
    assert all(f"{key}=" in values for key in secrets)
    told = run(binary(), "config", "check", "--data-dir", tmp_path, environment=given).stdout
    assert 'bucket = "wharf"' in told and "change-me" not in told
    # Whatever else runs in the namespace tells the nodes nothing, and would not stop them.
    assert spec["enableServiceLinks"] is False
    run(binary(), "config", "check", "--data-dir", tmp_path, environment={**given, **service_links(documents)})


def service_links(documents):
    """What Kubernetes sets in pods for Services with an address of their own."""
    variables = {}
    for number, ((kind, name), document) in enumerate(documents.items()):
        if kind != "Service" or document["spec"].get("clusterIP") == "None":
            continue
        address, prefix = f"10.96.0.{number}", name.upper().replace("-", "_")
        ports = document["spec"]["ports"]
        variables |= {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
        variables[f"{prefix}_PORT"] = f"tcp://{address}:{ports[0]['port']}"
        for port in ports:
            at = f"{prefix}_PORT_{port['port']}_TCP"
            variables[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
            variables |= {at: f"tcp://{address}:{port['port']}", f"{at}_PROTO": "tcp"}
            variables |= {f"{at}_PORT": str(port["port"]), f"{at}_ADDR": address}
    return variables


@pytest.mark.parametrize("name", ["wharf", "wharf-metrics", "wharf-port", "wharf-port-1", "wharf-service"])
def test_a_service_of_our_name(tmp_path, name):
    """Beside it a server starts: in a pod of any Deployment, not only of the chart's."""
    port = {"name": "registry-tls", "port": 5000}
    links = service_links({("Service", name): {"spec": {"ports": [port]}}})
    assert len(links) == 8
    server = Wharf(tmp_path / "wharf", environment=links).start()
    server.client().describe_repositories()
    server.finish()
    said = refused(binary(), "config", "check", environment={**links, "WHARF_LISTEN_PORT": "5000"})
    assert "WHARF_LISTEN_PORT" in said and "_TCP" not in said, said


def test_metrics_of_the_chart_are_not_everybodys():
    documents = rendered({"metrics": {"serviceMonitor": {"enabled": True}}})
    _, container = container_of(documents)
    (token,) = [variable for variable in container["env"] if variable["name"] == "WHARF_METRICS_TOKEN"]
    (endpoint,) = documents["ServiceMonitor", "wharf"]["spec"]["endpoints"]
    secret = token["valueFrom"]["secretKeyRef"]
    assert endpoint["authorization"] == {"type": "Bearer", "credentials": secret}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    rules = documents["NetworkPolicy", "wharf"]["spec"]["ingress"]
    allowed = {port["port"]: rule.get("from") for rule in rules for port in rule["ports"]}
    assert set(allowed) == set(ports) == {"registry", "metrics"}
    assert allowed["registry"] is None and allowed["metrics"] == [{"podSelector": {}}]
    closed = rendered({"networkPolicy": {"metricsFrom": []}})
    (rule,) = closed["NetworkPolicy", "wharf"]["spec"]["ingress"]
    assert [port["port"] for port in rule["ports"]] == ["registry"], "an empty list is nobody"
    assert "metrics-token" not in json.dumps(container_of(rendered({"metrics": {"tokenInSecret": False}})))


def test_bases_are_pinned():
    """An image is what its digest says: a tag is whatever somebody pushed last."""
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    pinned = dict(re.findall(r"(?m)^ARG (\w+_IMAGE)=(\S+)$", dockerfile))
    bases = re.findall(r"(?m)^FROM (\S+)", dockerfile)
    assert bases == [f"${{{name}}}" for name in pinned]
    assert re.findall(r"(?m)^FROM (\S+)", (DEPLOY / "Dockerfile.prebuilt").read_text()) == ["scratch"]
    compose = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
    others = [each["image"] for each in compose["services"].values() if not each["image"].startswith("${WHARF_IMAGE")]
    for image in [*pinned.values(), *others]:
        assert re.fullmatch(r"[\w./:-]+@sha256:[0-9a-f]{64}", image), image
