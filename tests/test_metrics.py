"""What the server tells of itself: metrics for Prometheus, spans for OpenTelemetry, and logs that programs read."""

import json
import re
import secrets
import urllib.error
import uuid

import pytest

from harness import postgres
from harness.cluster import Cluster, free_port
from harness.collector import Collector
from harness.commands import WITHOUT_AWS, run
from harness.registry_client import RegistryClient, Repository, new_repository, random_content
from harness.scrape import scrape
from harness.server import ROOT, Wharf, binary, wait_for
from test_ctl import Program

TOKEN = secrets.token_hex(16)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def measured(tmp_path_factory, make_server):
    """A server with a listener for metrics, whose base URL is `metrics_url`."""
    port = free_port()
    config = f'[metrics]\nlisten = "127.0.0.1:{port}"\nrepositories = 3\n'
    server = Wharf(tmp_path_factory.mktemp("measured"), config=config)
    server.metrics_url = f"http://127.0.0.1:{port}"
    yield server.start()
    server.finish()


class TestMetrics:
    def test_requests_and_bytes_of_a_push_and_a_pull(self, measured):
        before = scrape(measured.metrics_url)
        repository = new_repository(measured, "counted")
        layer = random_content(300_000)
        digest = repository.push_blob(layer)
        repository.push_image("v1")
        repository.client.get(repository.blob(digest)).expect(200)
        repository.client.get(repository.blob("sha256:" + "0" * 64)).expect(404)
        repository.pull("v1").expect(200)
        after = scrape(measured.metrics_url)

        def grown(name, **labels):
            return after.value(name, **labels) - before.value(name, **labels)

        requests = "wharf_http_requests_total"
        assert grown(requests, service="ecr", operation="CreateRepository", status="200") == 1
        assert grown(requests, service="registry", operation="Blob", method="GET", status="200") == 1
        assert grown(requests, service="registry", operation="Blob", method="GET", status="404") == 1
        assert grown(requests, operation="Manifest", method="PUT", status="201") == 1
        assert grown(requests, operation="Manifest", method="GET", status="200") == 1
        assert grown(requests, operation="StartUpload", method="POST", status="202") == 3
        assert grown(requests, operation="CompleteUpload", method="PUT", status="201") == 3
        latency = "wharf_http_request_duration_seconds"
        assert grown(f"{latency}_count", operation="Blob") == 2
        assert grown(f"{latency}_bucket", operation="Blob", le="+Inf") == 2
        assert 0 < grown(f"{latency}_sum", operation="Blob") < 60
        assert grown("wharf_http_received_bytes_total") > len(layer)
        assert grown("wharf_http_sent_bytes_total") > len(layer)
        assert after.value("wharf_http_connections") >= 1
        assert grown("wharf_http_connections_total") >= 1
        assert grown("wharf_database_attempts_total", access="write") > 0
        assert grown("wharf_database_attempts_total", access="read") > 0
        assert after.value("wharf_build_info") == 1
        assert after.value("process_resident_memory_bytes") > 1_000_000
        assert after.value("process_open_fds") > 3

    def test_what_is_stored(self, measured):
        """The figures are as old as a minute, and a server that has just begun has fresh ones."""
        repository, copy = new_repository(measured, "stored"), new_repository(measured, "copy")
        layer = random_content(200_000)
        for each in (repository, copy):
            each.push_blob(layer)
            each.push_image("v1")
        copy.start_upload()
        measured.restart()
        told = scrape(measured.metrics_url)
        assert told.value("wharf_repositories") >= 2
        assert told.value("wharf_images") >= 2 and told.value("wharf_tags") >= 2
        assert told.value("wharf_store_objects", tier="standard") >= 3
        assert told.value("wharf_store_shared_bytes", tier="standard") >= len(layer)
        logical = told.value("wharf_store_logical_bytes", tier="standard")
        unique = told.value("wharf_store_unique_bytes", tier="standard")
        assert logical - unique == told.value("wharf_store_shared_bytes", tier="standard")
        assert told.value("wharf_uploads") == 1
        assert told.value("wharf_nodes") == 1

    def test_only_the_most_pulled_repositories_are_named(self, measured):
        name = f"often{uuid.uuid4().hex[:8]}"
        measured.client().create_repository(repositoryName=name)
        often = Repository(RegistryClient(measured.host, measured.authorization), name)
        others = [new_repository(measured, "seldom") for _ in range(4)]
        for repository in (often, *others):
            repository.push_image("v1")
            repository.pull("v1").expect(200)
        for _ in range(20):
            often.pull("v1").expect(200)

        def pulls():
            return scrape(measured.metrics_url).value("wharf_repository_pulls_total", repository=name)

        wait_for(lambda: pulls() == 21, "the pulls to be counted")
        told = scrape(measured.metrics_url)
        assert len(told.labels("wharf_repository_pulls_total", "repository")) == 3
        assert told.value("wharf_pulls_total") >= 25

    def test_docs_list_every_metric(self, measured):
        """docs/metrics.md and the server name the same metrics, with the same labels."""
        repository = new_repository(measured, "listed")
        repository.push_image("v1")
        repository.pull("v1").expect(200)
        wait_for(lambda: scrape(measured.metrics_url).value("wharf_pulls_total") > 0, "a pull to be counted")
        told = scrape(measured.metrics_url)
        rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \|([^|]*)\|", (ROOT / "docs/metrics.md").read_text(), re.M)
        documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
        # Of kinds of jobs there may be none at the moment, and of a collection neither.
        assert set(told.families) <= set(documented), set(told.families) - set(documented)
        assert set(documented) == set(told.families) | MAY_BE_ABSENT & set(documented)
        for name, family in told.families.items():
            kind, labels = documented[name]
            assert family.type == kind, name
            for sample in family.samples:
                assert set(sample.labels) - {"le"} == labels, sample

    def test_they_are_off_unless_asked_for(self, wharf):
        with pytest.raises(urllib.error.HTTPError) as refused:
            scrape(wharf.url)
        assert refused.value.code == 404

    def test_the_main_listener_asks_for_the_token(self, serve):
        server = serve(f'[metrics]\non_main_listener = true\ntoken = "{TOKEN}"\n')
        for wrong in (None, "another-token-of-16"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                scrape(server.url, wrong)
            assert refused.value.code == 401
            assert refused.value.headers["WWW-Authenticate"] == 'Bearer realm="metrics"'
        assert scrape(server.url, TOKEN).value("wharf_http_requests_total", operation="Metrics", status="401") == 2

    def test_the_main_listener_needs_a_token(self, tmp_path):
        (tmp_path / "wharf.toml").write_text("[metrics]\non_main_listener = true\n")
        command = [binary(), "config", "check", "--config", tmp_path / "wharf.toml", "--data-dir", tmp_path / "data"]
        assert "metrics.token" in run(*command, expect=1).stderr


MAY_BE_ABSENT = {
    "wharf_garbage_collected_objects_total",
    "wharf_garbage_collected_bytes_total",
    "wharf_garbage_collection_age_seconds",
}


class TestTraces:
    @pytest.fixture
    def collector(self):
        collector = Collector()
        yield collector
        collector.stop()

    def test_requests_become_spans(self, serve, collector):
        config = f'[telemetry]\notlp_endpoint = "{collector.url}"\nservice_name = "registry-7"\n'
        server = serve(config + 'otlp_headers = { x-api-key = "key-of-the-collector" }\n')
        repository = new_repository(server, "traced")
        repository.push_image("v1")
        answer = repository.pull("v1", traceparent=f"00-{TRACE}-{PARENT}-01").expect(200)
        request_id = answer.header("x-amzn-requestid")
        span = collector.wait_for(lambda span: span.attributes.get("wharf.request_id") == request_id, "the pull")
        assert (span.trace_id, span.parent) == (TRACE, PARENT), "the client's trace goes on"
        assert (span.name, span.kind) == ("GET registry Manifest", 2)
        assert span.attributes["http.response.status_code"] == 200
        assert span.attributes["wharf.repository"] == repository.name
        assert span.attributes["enduser.id"] == f"arn:aws:iam::{server.account}:root"
        assert span.attributes["http.response.body.size"] == len(answer.body)
        assert span.resource["service.name"] == "registry-7"
        assert 0 <= span.milliseconds < 60_000 and span.status == {}
        made = collector.wait_for(lambda span: span.name == "POST ecr CreateRepository", "the repository")
        assert made.trace_id == made.attributes["wharf.request_id"].replace("-", ""), "a trace of its own"
        assert made.parent is None
        path, headers, body = collector.requests[0]
        assert path == "/v1/traces" and headers["content-type"] == "application/json"
        assert headers["x-api-key"] == "key-of-the-collector"
        assert b"key-of-the-collector" not in body and server.password.encode() not in body

    def test_a_client_that_is_not_traced_is_left_alone(self, serve, collector):
        server = serve(f'[telemetry]\notlp_endpoint = "{collector.url}"\n')
        repository = new_repository(server, "traced")
        repository.push_image("v1")
        repository.pull("v1", traceparent=f"00-{TRACE}-{PARENT}-00").expect(200)
        last = repository.pull("v1").expect(200).header("x-amzn-requestid")
        collector.wait_for(lambda span: span.attributes.get("wharf.request_id") == last, "the last pull")
        assert all(span.trace_id != TRACE for span in collector.spans)

    def test_what_a_collector_cannot_take_now_is_sent_again(self, serve):
        collector = Collector(answer=lambda number: 503 if number == 0 else 200)
        server = serve(f'[telemetry]\notlp_endpoint = "{collector.url}"\n')
        new_repository(server, "traced")
        collector.wait_for(lambda span: span.name == "POST ecr CreateRepository", "the repository")
        collector.stop()
        # Nobody waits for a collector that is gone.
        new_repository(server, "untraced")
        assert server.stop() == 0


class TestLogs:
    def test_json(self, tmp_path):
        """Every line is an object, every request has one, and no secret is in any."""
        environment = {"WHARF_LOG_FORMAT": "json", "WHARF_LOG_ACCESS": "true"}
        server = Wharf(tmp_path / "wharf", environment=environment).start()
        repository = new_repository(server, "logged")
        repository.push_image("v1")
        answer = repository.pull("v1", traceparent=f"00-{TRACE}-{PARENT}-01").expect(200)
        wrong = RegistryClient(server.host, "Basic QVdTOndyb25nLXBhc3N3b3JkLTE=").get("/v2/").expect(400)
        ecr, layer = server.client(), answer.json()["layers"][0]["digest"]
        url = ecr.get_download_url_for_layer(repositoryName=repository.name, layerDigest=layer)["downloadUrl"]
        repository.client.request("GET", url, authorization=None).expect(200)
        key, secret = server.credentials["AWS_ACCESS_KEY_ID"], server.credentials["AWS_SECRET_ACCESS_KEY"]
        assert server.stop() == 0
        text = server.log_text()
        # The welcome is for people.
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        others = [line for line in text.splitlines() if line and not line.startswith("{")]
        assert all(re.match(r"Wharf is listening|  |Push an image", line) for line in others), others
        requests = {line["request_id"]: line for line in lines if line["target"] == "wharf::access"}
        pull = requests[answer.header("x-amzn-requestid")]
        expected = {
            "level": "INFO",
            "trace_id": TRACE,
            "principal": f"arn:aws:iam::{server.account}:root",
            "method": "GET",
            "path": f"/v2/{repository.name}/manifests/v1",
            "service": "registry",
            "operation": "Manifest",
            "repository": repository.name,
            "status": 200,
            "sent_bytes": len(answer.body),
            "is_whole": True,
            "source_ip": "127.0.0.1",
        }
        assert expected.items() <= pull.items(), pull
        assert {"timestamp", "elapsed_ms", "answered_ms", "received_bytes"} <= set(pull)
        created = next(line for line in requests.values() if line["operation"] == "CreateRepository")
        assert created["service"] == "ecr" and created["repository"] == repository.name
        refused = requests[wrong.header("x-amzn-requestid")]
        assert refused["status"] == 400 and refused["principal"] == ""
        for hidden in (secret, server.password, "wrong-password", url.rpartition("/")[2], "Basic "):
            assert hidden not in text, hidden
        assert key not in text, "not even its id"

    def test_text_has_no_line_for_every_request_unless_asked_for(self, fresh_wharf):
        new_repository(fresh_wharf, "quiet")
        assert "wharf::access" not in fresh_wharf.log_text()


class TestNodes:
    @pytest.fixture
    def cluster(self, tmp_path):
        environment = {"WHARF_DATABASE_URL": postgres.new_database()}
        cluster = Cluster(tmp_path / "cluster", nodes=2, environment=environment)
        yield cluster.start()
        cluster.finish()

    @pytest.mark.every_store("ListNodes")
    def test_two_nodes(self, cluster):
        first, second = cluster.nodes
        cli = Program(first)

        def listed():
            return {node["address"]: node for node in cli.json("nodes")}

        def address(node):
            return node.host.replace("localhost", "127.0.0.1")

        assert set(listed()) == {address(first), address(second)}
        assert listed()[address(first)]["isThisNode"] and not listed()[address(second)]["isThisNode"]
        assert all(node["status"] == "ALIVE" and node["isCurrent"] for node in listed().values())
        text = cli("nodes").splitlines()
        assert text[0].split() == ["ADDRESS", "VERSION", "UP", "LAST", "SEEN", "STATUS", "KEYS", "AND", "POLICIES"]
        assert re.search(r"\(this node\) +\d\S* +\S+ +(now|\S+ ago) +alive +current$", "\n".join(text), re.M), text
        # One that dies is silent, one that stops is gone.
        second.kill()
        wait_for(lambda: listed()[address(second)]["status"] == "SILENT", "the dead node to be missed")
        assert cli.json("status")["database"] == "POSTGRES"
        assert "Nodes     1 of 2 alive" in cli("status")
        cluster.start_node(second)
        wait_for(lambda: sum(node["status"] == "ALIVE" for node in cli.json("nodes")) == 2, "the new node")
        assert second.stop() == 0
        wait_for(lambda: sum(node["status"] == "ALIVE" for node in cli.json("nodes")) == 1, "the node to be gone")

    def test_one_machine(self, fresh_wharf):
        cli = Program(fresh_wharf)
        (node,) = cli.json("nodes")
        assert node["isThisNode"] and node["isCurrent"] and node["status"] == "ALIVE"
        repository = new_repository(fresh_wharf, "status")
        repository.push_image("v1")
        status = cli.json("status")
        assert status["store"]["repositories"] == 1 and status["store"]["images"] == 1
        assert re.search(r"^Contents  1 repository, 1 image, 1 tag$", cli("status"), re.M), cli("status")
        assert re.search(r"^Database  SQLite", cli("status"), re.M)


class TestHealth:
    def health(self, server, *arguments, expect):
        command = [binary(), "health", "--data-dir", server.data_dir, *arguments]
        return run(*command, expect=expect, environment={**server.environment, **WITHOUT_AWS}).stdout

    def test_exit_codes(self, fresh_wharf):
        assert self.health(fresh_wharf, expect=0) == "ready\n"
        assert self.health(fresh_wharf, "--live", expect=0) == "alive\n"
        assert self.health(fresh_wharf, "--endpoint", fresh_wharf.url, expect=0) == "ready\n"
        fresh_wharf.stop()
        assert self.health(fresh_wharf, expect=1).startswith("not ready: ")

    def test_tls(self, tls_wharf):
        """The certificate is for the name by which others reach the server."""
        assert self.health(tls_wharf, "--endpoint", f"https://[::1]:{tls_wharf.port}", expect=0) == "ready\n"
