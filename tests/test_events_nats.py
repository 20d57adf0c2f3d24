"""Events by NATS, with a real server of it."""

import base64
import json
import ssl

from harness import api_push, images
from harness.events import cli, jobs, make_repository
from harness.nats import NatsServer, Subscriber
from harness.server import wait_for
from harness.tls import make_certificate


def test_nats_gets_events_and_its_restart_loses_none(serve, tmp_path):
    nats = NatsServer(tmp_path, "authorization { user: wharf, password: 'p@ss word' }")
    login = {"user": "wharf", "pass": "p@ss word"}
    url = f"nats://wharf:p%40ss%20word@127.0.0.1:{nats.port}"
    server = serve(nats=[{"url": url, "subject": "wharf.events", "name": "bus"}])
    subscriber = Subscriber(nats.port, "wharf.>", **login)
    name = make_repository(server)
    (headers, body) = subscriber.wait_for(1)[0]
    event = json.loads(body)
    assert event["detail"]["repository-name"] == name
    assert f"Nats-Msg-Id: {event['id']}" in headers
    subscriber.close()
    nats.stop()
    made = images.image("events", size=1000)
    api_push.push_image(server.client(), name, made, "v1")
    wait_for(lambda: any(job.get("lastError") for job in jobs(server)), "a failure")
    nats.start()
    subscriber = Subscriber(nats.port, "wharf.>", **login)
    wait_for(lambda: jobs(server) == [], "an empty queue")
    make_repository(server)
    subscriber.wait_for(1)
    subscriber.close()
    nats.stop()


def test_a_wrong_password_of_nats_is_told(serve, tmp_path):
    nats = NatsServer(tmp_path, "authorization { token: right }")
    server = serve(nats=[{"url": f"nats://wrong@127.0.0.1:{nats.port}", "subject": "a", "name": "bus"}])
    told = json.loads(cli(server, "events", "test", "--output", "json", expect=1).stdout)
    assert "Authorization Violation" in told[0]["reason"] and "wrong" not in told[0]["reason"]
    nats.stop()


def test_nats_over_tls(serve, tmp_path):
    authority, certificate, key = make_certificate(tmp_path / "tls", ["localhost"])
    nats = NatsServer(tmp_path, f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}')
    sink = {"url": f"tls://localhost:{nats.port}", "subject": "wharf.events", "ca_file": str(authority)}
    server = serve(nats=[sink])
    subscriber = Subscriber(nats.port, "wharf.>", ssl.create_default_context(cafile=authority))
    name = make_repository(server)
    ((_, body),) = subscriber.wait_for(1)
    assert json.loads(body)["detail"]["repository-name"] == name
    subscriber.close()
    nats.stop()


def test_a_stream_of_jetstream_must_store_each_event(serve, tmp_path):
    nats = NatsServer(tmp_path, f'jetstream {{ store_dir: "{tmp_path}/streams" }}')
    sink = {"url": f"nats://127.0.0.1:{nats.port}", "subject": "wharf.events", "jetstream": True, "name": "stream"}
    server = serve(nats=[sink])
    name = make_repository(server)
    wait_for(lambda: any(job.get("lastError") for job in jobs(server)), "a failure")
    assert jobs(server)[0]["lastError"] == "no stream of JetStream has the subject"
    asker = Subscriber(nats.port, "answers")
    made = asker.ask("$JS.API.STREAM.CREATE.wharf", {"name": "wharf", "subjects": ["wharf.>"], "storage": "file"})
    assert "error" not in made, made
    wait_for(lambda: jobs(server) == [], "an empty queue")
    stream = asker.ask("$JS.API.STREAM.INFO.wharf", {})
    assert stream["state"]["messages"] == 1, stream
    message = asker.ask("$JS.API.STREAM.MSG.GET.wharf", {"seq": 1})["message"]
    assert message["subject"] == "wharf.events"
    assert json.loads(base64.b64decode(message["data"]))["detail"]["repository-name"] == name
    asker.close()
    nats.stop()
