"""Signed requests over HTTP/2, where a client signs `host` and sends `:authority` (RFC 9113, 8.3.1), and every other way to
say which host is meant."""

import json
import socket
import struct

import pytest

from harness.aws_api import ECR_TARGET, FORM_TYPE, JSON_TYPE, AwsApi, signing_of
from harness.commands import run
from harness.raw_http import RawConnection, head
from harness.terraform import Terraform

# One call of every service, and what its answer shows.
JSON_CALLS = {
    "ecr": (f"{ECR_TARGET}.DescribeRegistry", "registryId"),
    "kms": ("TrentService.ListKeys", "Keys"),
    "secretsmanager": ("secretsmanager.ListSecrets", "SecretList"),
    "cloudtrail": ("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents", "Events"),
    "wharf": ("Wharf_20261121.DescribeServer", "{"),
}
FORM_CALLS = {
    "sts": ("Action=GetCallerIdentity&Version=2011-06-15", "GetCallerIdentityResult"),
    "iam": ("Action=ListUsers&Version=2010-05-08", "ListUsersResult"),
}
SERVICES = [*JSON_CALLS, *FORM_CALLS]


def call_of(service):
    """The headers and the body of a service's call, and what its answer shows."""
    if service in JSON_CALLS:
        target, shown = JSON_CALLS[service]
        return {"Content-Type": JSON_TYPE, "X-Amz-Target": target}, "{}", shown
    form, shown = FORM_CALLS[service]
    return {"Content-Type": FORM_TYPE}, form, shown


def curl(wharf, url, *arguments, version="2"):
    """The status and the body of an answer that came in that version of HTTP."""
    where = ["--cacert", wharf.certificate, "--connect-to", f"::[::1]:{wharf.port}"]
    command = ["curl", "-sS", f"--http{version}", *where, "-w", "\n%{http_code} %{http_version}", *arguments, url]
    body, _, facts = run(*command).stdout.rpartition("\n")
    status, used = facts.split()
    assert used == version
    return int(status), body


def headers_of(headers):
    return [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]


def send_signed(wharf, service, url, version="2", signed_url=None, **changes):
    """A call that is signed for `signed_url` and sent to `url`."""
    headers, body, shown = call_of(service)
    signing = signing_of(wharf, service=service, **changes)
    signed = signing.sign("POST", signed_url or url, headers, body.encode())
    status, answer = curl(wharf, url, *headers_of(signed), "-d", body, version=version)
    return status, answer, shown


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("service", SERVICES)
def test_every_service(tls_wharf, service, version):
    status, answer, shown = send_signed(tls_wharf, service, f"https://localhost:{tls_wharf.port}/", version)
    assert status == 200 and shown in answer, answer


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("service", SERVICES)
def test_curl_signs(tls_wharf, service, version):
    """curl's own signatures, as people try an endpoint."""
    headers, body, shown = call_of(service)
    key = ":".join(tls_wharf.credentials[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    signing = ["--aws-sigv4", f"aws:amz:{tls_wharf.region}:{service}", "--user", key]
    url = f"https://localhost:{tls_wharf.port}/"
    status, answer = curl(tls_wharf, url, *signing, *headers_of(headers), "-d", body, version=version)
    assert status == 200 and shown in answer, answer


@pytest.mark.parametrize(
    ("sent", "signed"),
    [
        ("LOCALHOST:@port@", "LOCALHOST:@port@"),
        ("LOCALHOST:@port@", "localhost:@port@"),
        ("localhost", "localhost"),
        ("[::1]:@port@", "[::1]:@port@"),
        ("@registry@:@port@", "@registry@:@port@"),
    ],
)
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_the_same_host_in_several_spellings(tls_wharf, sent, signed, version):
    """With and without a port, in upper case, by address and by the registry's name."""
    names = {"@port@": str(tls_wharf.port), "@registry@": "123456789012.dkr.ecr.us-east-1.wharf.test"}
    for name, value in names.items():
        sent, signed = sent.replace(name, value), signed.replace(name, value)
    status, answer, _ = send_signed(tls_wharf, "ecr", f"https://{sent}/", version, f"https://{signed}/")
    assert status == 200, answer


def test_another_host_is_not_what_was_signed(tls_wharf):
    url = f"https://localhost:{tls_wharf.port}/"
    status, answer, _ = send_signed(tls_wharf, "ecr", url, signed_url="https://elsewhere.example/")
    assert status == 400 and json.loads(answer)["__type"] == "InvalidSignatureException", answer
    status, answer, _ = send_signed(tls_wharf, "ecr", url, secret_key="wrong")
    assert status == 400 and json.loads(answer)["__type"] == "InvalidSignatureException", answer


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_presigned(tls_wharf, version):
    query = "Action=GetCallerIdentity&Version=2011-06-15"
    signing = signing_of(tls_wharf, service="sts")
    url = signing.presign("GET", f"https://localhost:{tls_wharf.port}/?{query}")
    status, answer = curl(tls_wharf, url, version=version)
    assert status == 200 and "GetCallerIdentityResult" in answer, answer


def test_a_push_and_a_pull(tls_wharf):
    """The registry itself over HTTP/2."""
    tls_wharf.client().create_repository(repositoryName="http2")
    token = ["-H", f"Authorization: {tls_wharf.authorization}"]
    url = f"https://localhost:{tls_wharf.port}/v2/http2/blobs"
    digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    status, answer = curl(tls_wharf, f"{url}/uploads/?digest={digest}", *token, "-d", "hello")
    assert status == 201, answer
    assert curl(tls_wharf, f"{url}/{digest}", *token) == (200, "hello")


def test_terraform(tls_wharf, tmp_path):
    """The AWS SDK for Go, which speaks HTTP/2 wherever TLS lets it."""
    services = ("ecr", "sts", "iam", "kms", "secretsmanager")
    terraform = Terraform(tls_wharf, tmp_path / "terraform", services)
    made = terraform.apply(
        """
        resource "aws_ecr_repository" "app" {
          name         = "tls/app"
          force_delete = true
        }
        resource "aws_iam_user" "ci" {
          name = "tls-ci"
        }
        resource "aws_kms_key" "key" {}
        resource "aws_secretsmanager_secret" "secret" {
          name                    = "tls/secret"
          recovery_window_in_days = 0
        }
        data "aws_caller_identity" "me" {}
        data "aws_ecr_authorization_token" "token" {}
        output "account" { value = data.aws_caller_identity.me.account_id }
        output "uri" { value = aws_ecr_repository.app.repository_url }
        """
    )
    terraform.destroy()
    assert made["account"] == tls_wharf.account
    assert made["uri"].endswith("/tls/app")


class RawHttp2:
    """Frames of HTTP/2 in clear, for heads that no library would send. Values are literals, and not remembered."""

    HEADERS, GOAWAY = 1, 7

    def __init__(self, host):
        name, _, port = host.rpartition(":")
        self.socket = socket.create_connection((name, int(port)), timeout=30)
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(4, 0, 0))

    @staticmethod
    def frame(kind, flags, stream, payload=b""):
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    def status(self, headers):
        """Asks with these headers; returns the status as HPACK has it in one byte."""
        block = b"".join(
            b"\0" + bytes([len(text[0])]) + text[0].encode() + self.length(len(text[1])) + text[1].encode()
            for text in headers
        )
        end_of_both = 0x5
        self.socket.sendall(self.frame(self.HEADERS, end_of_both, 1, block))
        while True:
            length, kind = struct.unpack(">IB", b"\0" + self.read(4))
            self.read(5)
            payload = self.read(length)
            assert kind != self.GOAWAY, payload
            if kind == self.HEADERS:
                # RFC 7541, Appendix A: the indexed statuses 200, 204, 206, 304, 400, 404 and 500; others are literal.
                return {0x88: 200, 0x8C: 400, 0x8D: 404}.get(payload[0], payload)

    @staticmethod
    def length(number):
        """RFC 7541, 5.1, with seven bits in the first byte."""
        if number < 127:
            return bytes([number])
        rest, encoded = number - 127, [127]
        while rest >= 128:
            encoded.append(rest % 128 + 128)
            rest //= 128
        return bytes([*encoded, rest])

    def read(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            assert more, "the server closed the connection"
            data += more
        return data


@pytest.mark.parametrize(
    ("authority", "hosts", "status"),
    [
        ("@host@", [], 200),
        ("@host@", ["@host@"], 200),
        (None, ["@host@"], 200),
        ("@host@", ["elsewhere.example"], 400),
        ("@host@", ["127.0.0.1"], 400),
        ("@host@", ["@host@", "@host@"], 400),
        ("user@@host@", [], 400),
    ],
)
def test_authority_and_host(wharf, authority, hosts, status):
    """A Host that means something else than the authority is not believed, nor is one of the two ignored: the request is
    refused. The same in both is fine, and so is Host alone."""
    query = "/?Action=GetCallerIdentity&Version=2011-06-15"
    url = signing_of(wharf, service="sts").presign("GET", f"http://{wharf.own_host}{query}")
    path = url.removeprefix(f"http://{wharf.own_host}")
    headers = [(":method", "GET"), (":scheme", "http"), (":path", path)]
    if authority:
        headers.append((":authority", authority.replace("@host@", wharf.own_host)))
    headers += [("host", host.replace("@host@", wharf.own_host)) for host in hosts]
    assert RawHttp2(wharf.own_host).status(headers) == status


def test_absolute_form(wharf):
    """RFC 9112, 3.2.2: the authority of an absolute target stands in the place of Host, for signatures too."""
    api = AwsApi(wharf)
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    signing = api.signing.but(service="sts")
    url = f"http://{wharf.own_host}/"
    signed = signing.sign("POST", url, {"Content-Type": FORM_TYPE}, body)
    for host, status in ((wharf.own_host, 200), ("elsewhere.example", 200)):
        headers = [("Host", host), *signed.items(), ("Content-Length", len(body))]
        connection = RawConnection(wharf.own_host)
        assert connection.exchange(head("POST", url, headers) + body, "POST").status == status
    elsewhere = [("Host", wharf.own_host), *signed.items(), ("Content-Length", len(body))]
    answer = RawConnection(wharf.own_host).exchange(head("POST", "http://elsewhere.example/", elsewhere) + body, "POST")
    assert answer.status == 403, repr(answer)
