"""Characters that end a line for some readers, steer a terminal or turn the direction of text: they are escapes wherever
people and readers of lines look at what somebody else wrote."""

import json
import uuid

from harness.commands import run
from harness.raw_http import RawConnection, head
from harness.server import binary, wait_for

HIDDEN = "\u2028\u2029\u202e\u2066\u200b\u0085\u009b\u007f\ufeff"


def is_hidden(text):
    return any(character in text for character in HIDDEN)


def test_audit_file(start_configured):
    """The records are the same values, and each is one line to everybody."""
    server = start_configured('[audit]\nfile = "{folder}/audit.jsonl"\n')
    file = server.folder / "audit.jsonl"
    described = f"a{HIDDEN}b"
    server.client("kms").create_key(Description=described)
    wait_for(lambda: "CreateKey" in file.read_text(), "the record")
    text = file.read_text()
    assert not is_hidden(text)
    (record,) = [json.loads(line) for line in text.splitlines() if "CreateKey" in line]
    assert record["requestParameters"]["description"] == described
    (event,) = server.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateKey"}]
    )["Events"]
    assert json.loads(event["CloudTrailEvent"])["requestParameters"]["description"] == described


def test_log(start_configured):
    """Of an access line in either format, with what a client sends as it stands."""
    for format in ("text", "json"):
        server = start_configured(f'[log]\naccess = true\nformat = "{format}"\n')
        path = f"/{uuid.uuid4().hex}"
        request = head("GET", path, [("Host", "localhost"), ("User-Agent", f"a{HIDDEN[:5]}b".encode())])
        RawConnection(server.host).exchange(request)
        request = head("GET", f"{path}/{HIDDEN[:5]}".encode(), [("Host", "localhost")])
        RawConnection(server.host).exchange(request)
        wait_for(lambda server=server, path=path: path in server.log_text(), "the line")
        assert not is_hidden(server.log_text())


def test_commands(wharf):
    """What a command prints of others' values."""
    described = f"{uuid.uuid4().hex}{HIDDEN}"
    wharf.client("kms").create_key(Description=described)
    command = [binary(), "audit", "list", "--event", "CreateKey", "--output", "json"]
    shown = run(*command, environment=wharf.aws_environment()).stdout
    assert described in [event["requestParameters"].get("description") for event in json.loads(shown)]
    assert not is_hidden(shown)
