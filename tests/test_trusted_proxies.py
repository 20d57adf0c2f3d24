"""What proxies before the server say of clients: taken from those that are trusted, and from nobody else."""

import contextlib
import json
import socket
import ssl
import struct

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from harness.balancer import PROXY_ADDRESS, Balancer
from harness.identities import Identities, allow, document
from harness.raw_http import Dropped, RawConnection, head
from harness.raw_http2 import HEADERS, Http2Connection
from harness.registry_client import RegistryClient, new_repository
from harness.server import Wharf, wait_for
from harness.tls import make_certificate

TRUSTED = f'trusted_proxies = ["{PROXY_ADDRESS}", "10.0.0.0/8"]\n'
ACCESS = '[log]\naccess = true\nformat = "json"\n'
CLIENT = "198.51.100.7"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


@pytest.fixture(scope="module")
def start(start_configured):
    audit = '[audit]\nfile = "{folder}/audit.jsonl"\nrecord_reads = true\n'

    def start(config=TRUSTED, **environment):
        server = start_configured(config + ACCESS + audit, **environment)
        server.audit = server.folder / "audit.jsonl"
        return server

    return start


@pytest.fixture(scope="module")
def trusting(start):
    return start()


@pytest.fixture(scope="module")
def with_protocol(start):
    return start(f"{TRUSTED}proxy_protocol = true\n")


def seen(server, path, send):
    """The line of the access log of a request for a path that no other has."""
    send(path)
    wait_for(lambda: path in server.log_text(), "the line in the access log")
    lines = (line for line in server.log_text().splitlines() if path in line and line.startswith("{"))
    return json.loads(next(lines))


def source_of(server, path, *headers, source=PROXY_ADDRESS, before=b""):
    """Where the server thinks that a request comes from."""

    def send(path):
        connection = RawConnection(server.host, source=source)
        connection.exchange(before + head("GET", path, [("Host", "localhost"), *headers]))

    return seen(server, path, send)["source_ip"]


def challenged(server, *headers, source=PROXY_ADDRESS, before=b""):
    """Where the server tells a client to log in."""
    connection = RawConnection(server.host, source=source)
    answer = connection.exchange(before + head("GET", "/v2/", [("Host", "inner:5000"), *headers]))
    return answer.header("WWW-Authenticate").partition('realm="')[2].partition('"')[0], answer


def forwarded(*addresses):
    return ("X-Forwarded-For", ", ".join(addresses))


class TestForwardedFor:
    def test_trusted(self, trusting):
        assert source_of(trusting, "/trusted/1", forwarded(CLIENT)) == CLIENT
        assert source_of(trusting, "/trusted/2", forwarded("2001:db8::7")) == "2001:db8::7"
        assert source_of(trusting, "/trusted/3", forwarded(f"{CLIENT}:4711")) == CLIENT
        assert source_of(trusting, "/trusted/4") == PROXY_ADDRESS

    def test_spoofed(self, trusting):
        """By a client that is no proxy, and by one before a proxy that adds what it sees."""
        assert source_of(trusting, "/spoofed/1", forwarded("10.0.0.1"), source="127.0.0.1") == "127.0.0.1"
        assert source_of(trusting, "/spoofed/2", forwarded("127.0.0.1", CLIENT)) == CLIENT
        assert source_of(trusting, "/spoofed/3", forwarded("10.0.0.1"), forwarded(CLIENT)) == CLIENT
        assert source_of(trusting, "/spoofed/4", ("Forwarded", "for=10.0.0.1"), forwarded(CLIENT)) == CLIENT
        assert source_of(trusting, "/spoofed/5", ("Forwarded", f"for={CLIENT}")) == PROXY_ADDRESS

    def test_chain(self, trusting):
        assert source_of(trusting, "/chain/1", forwarded("203.0.113.1", CLIENT, "10.1.2.3", "10.4.5.6")) == CLIENT
        assert source_of(trusting, "/chain/2", forwarded("10.1.2.3", "10.4.5.6")) == "10.1.2.3"

    def test_garbage(self, trusting):
        plain = ("unknown", "", ",,,", "10.0.0.0/8", "a" * 5000, "1.2.3.4.5", "[::1")
        unusual = (f"{CLIENT}:01", f"{CLIENT}:+2", f"{CLIENT}:65536", f"[{CLIENT}]", "[fe80::1%5]:80", "198.051.100.7")
        for number, text in enumerate(plain + unusual):
            assert source_of(trusting, f"/garbage/{number}", ("X-Forwarded-For", text)) == PROXY_ADDRESS, text
        assert source_of(trusting, "/garbage/hop", forwarded(CLIENT, "unknown", "10.1.2.3")) == "10.1.2.3"

    def test_off_by_default(self, start):
        assert source_of(start(""), "/default/1", forwarded(CLIENT)) == PROXY_ADDRESS

    def test_http_2(self, trusting):
        def send(path):
            connection = Http2Connection(trusting.host, source=PROXY_ADDRESS)
            stream = connection.request(path, headers=[("x-forwarded-for", CLIENT)])
            assert connection.read_until(HEADERS, stream).status == 404

        assert seen(trusting, "/http2/1", send)["source_ip"] == CLIENT

    def test_failures_are_counted_by_client(self, start):
        """One client's guesses do not slow down the others behind the same proxy."""
        server = start(WHARF_AUTHENTICATION_FAILURES_PER_MINUTE="0")
        guess = ("Authorization", "Basic QVdTOm5vdGhpbmc=")

        def waited(path, client):
            def send(path):
                connection = RawConnection(server.host, source=PROXY_ADDRESS)
                connection.exchange(head("GET", path, [("Host", "localhost"), guess, forwarded(client)]))

            return seen(server, path, send)["answered_ms"]

        slow = [waited(f"/v2/guess{number}/tags/list", CLIENT) for number in range(5)]
        assert slow[-1] >= 1600 > waited("/v2/other/tags/list", "198.51.100.8")


class TestScheme:
    def test_https_at_the_proxy(self, trusting):
        realm, answer = challenged(trusting, ("X-Forwarded-Proto", "https"))
        assert realm == "https://inner:5000/" and answer.header("Strict-Transport-Security")
        assert challenged(trusting, ("X-Forwarded-Proto", "http"))[0] == "http://inner:5000/"
        assert challenged(trusting)[0] == "http://inner:5000/"
        assert challenged(trusting, ("X-Forwarded-Proto", "gopher"))[0] == "http://inner:5000/"

    def test_host_at_the_proxy(self, trusting):
        forwarded_host = ("X-Forwarded-Host", "registry.example.com")
        assert (
            challenged(trusting, forwarded_host, ("X-Forwarded-Proto", "https"))[0] == "https://registry.example.com/"
        )
        for bad in ("a b", "user@host", "host/path", ""):
            assert challenged(trusting, ("X-Forwarded-Host", bad))[0] == "http://inner:5000/", bad

    def test_spoofed(self, trusting):
        realm, answer = challenged(
            trusting, ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example.com"), source="127.0.0.1"
        )
        assert realm == "http://inner:5000/" and answer.header("Strict-Transport-Security") is None


class Condition:
    """Users that may do something under one condition."""

    def __init__(self, server):
        self.server, self.identities = server, Identities(server)

    def user(self, **condition):
        user = self.identities.user(document(allow("ecr:*", Condition=condition)))
        return (user.access_key_id, user.secret_access_key)


def client(url, keys, verify=True, service="ecr"):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        verify=verify,
        config=Config(retries={"total_max_attempts": 1}),
    )


def may(url, keys, verify=True):
    try:
        client(url, keys, verify).describe_repositories()
    except ClientError as refused:
        assert refused.response["Error"]["Code"] == "AccessDeniedException", refused
        return False
    return True


def test_public_url_of_https(start):
    """Where TLS ends before the server, and nobody says more, clients come by TLS."""
    server = start("", WHARF_PUBLIC_URL="https://registry.example.com")
    keys = Condition(server).user(Bool={"aws:SecureTransport": "true"})
    assert may(server.url, keys)
    trusting = start(TRUSTED, WHARF_PUBLIC_URL="https://registry.example.com")
    realm, answer = challenged(trusting, ("X-Forwarded-Proto", "http"))
    assert realm.startswith("https://") and answer.header("Strict-Transport-Security") is None


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """A certificate for haproxy, and the authority that clients trust."""
    folder = tmp_path_factory.mktemp("pem")
    authority, certificate, key = make_certificate(folder, ["localhost"])
    (folder / "both.pem").write_text(certificate.read_text() + key.read_text())
    return folder / "both.pem", str(authority)


class TestHaproxy:
    """The balancer that many have, in the ways in which it is set up."""

    RULES = (
        "option forwardfor",
        "http-request set-header X-Forwarded-Proto https",
        "http-request set-header X-Forwarded-Host %[req.hdr(host)]",
    )

    def test_http(self, trusting, pem, tmp_path):
        """It ends TLS, and gives the server another name; signatures are of the name that clients use."""
        bundle, authority = pem
        rules = (*self.RULES, "http-request set-header Host inner.example.com")
        condition = Condition(trusting)
        secure = condition.user(Bool={"aws:SecureTransport": "true"}, IpAddress={"aws:SourceIp": "127.0.0.1/32"})
        elsewhere = condition.user(IpAddress={"aws:SourceIp": f"{PROXY_ADDRESS}/32"})
        repository = new_repository(trusting)
        digest = json.loads(repository.push_image("v1").body)["layers"][0]["digest"]
        with Balancer(tmp_path, trusting.listen, rules=rules, bind=f"ssl crt {bundle}") as balancer:
            url = f"https://localhost:{balancer.port}"
            assert may(url, secure, authority) and not may(url, elsewhere, authority)
            assert not may(trusting.url, secure)
            ecr = client(url, secure, authority)
            (data,) = ecr.get_authorization_token()["authorizationData"]
            assert data["proxyEndpoint"] == url
            layer = ecr.get_download_url_for_layer(repositoryName=repository.name, layerDigest=digest)
            assert layer["downloadUrl"].startswith(f"{url}/")
            ecr.describe_repositories()
        records = [json.loads(line) for line in trusting.audit.read_text().splitlines()]
        described = [record for record in records if record["eventName"] == "DescribeRepositories"]
        assert described[-1]["sourceIPAddress"] == "127.0.0.1"

    def test_proxy_protocol(self, with_protocol, tmp_path):
        """It passes bytes on, and clients cannot say that they are somebody else."""
        with Balancer(tmp_path, with_protocol.listen, mode="tcp", send="send-proxy-v2") as balancer:

            def send(*headers):
                def exchange(path):
                    connection = RawConnection(balancer.host, source="127.0.0.9")
                    connection.exchange(head("GET", path, [("Host", "localhost"), *headers]))

                return exchange

            assert seen(with_protocol, "/v2proxy/1", send())["source_ip"] == "127.0.0.9"
            assert seen(with_protocol, "/v2proxy/2", send(forwarded(CLIENT)))["source_ip"] == "127.0.0.9"
            stream = Http2Connection(balancer.host, source="127.0.0.8")
            assert stream.read_until(HEADERS, stream.request("/healthz")).status == 200
            keys = Condition(Direct(with_protocol, balancer)).user(IpAddress={"aws:SourceIp": "127.0.0.1/32"})
            assert may(f"http://{balancer.host}", keys)

    def test_proxy_protocol_with_tls(self, with_protocol, pem, tmp_path):
        """It ends TLS and says so in the header."""
        bundle, authority = pem
        with Balancer(
            tmp_path, with_protocol.listen, mode="tcp", bind=f"ssl crt {bundle}", send="send-proxy-v2-ssl"
        ) as balancer:
            context = ssl.create_default_context(cafile=authority)
            connection = RawConnection(balancer.host, context=context)
            answer = connection.exchange(head("GET", "/v2/", [("Host", "registry.example.com")]))
            assert "https://registry.example.com/" in answer.header("WWW-Authenticate")
            keys = Condition(with_protocol).user(Bool={"aws:SecureTransport": "true"})
            assert may(f"https://localhost:{balancer.port}", keys, authority)
            assert not may(with_protocol.url, keys)

    def test_proxy_protocol_version_1(self, with_protocol, tmp_path):
        with Balancer(tmp_path, with_protocol.listen, mode="tcp", send="send-proxy") as balancer:

            def send(path):
                connection = RawConnection(balancer.host, source="127.0.0.9")
                connection.exchange(head("GET", path, [("Host", "localhost")]))

            assert seen(with_protocol, "/v1proxy/1", send)["source_ip"] == "127.0.0.9"


class Direct:
    """A server as seen through a balancer."""

    def __init__(self, server, balancer):
        self.server, self.url = server, f"http://{balancer.host}"

    def __getattr__(self, name):
        return getattr(self.server, name)


def header(source=CLIENT, command=0x21, family=0x11, values=b""):
    """A header of version 2."""
    body = socket.inet_aton(source) + socket.inet_aton("10.0.0.1") + struct.pack(">HH", 4711, 443) + values
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body)) + body


class TestProxyProtocol:
    def test_header(self, with_protocol):
        assert source_of(with_protocol, "/header/1", before=header()) == CLIENT
        assert source_of(with_protocol, "/header/2", before=b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n") == "2001:db8::7"
        assert source_of(with_protocol, "/header/3", before=header(command=0x20)) == PROXY_ADDRESS
        assert source_of(with_protocol, "/header/4", before=b"PROXY UNKNOWN\r\n") == PROXY_ADDRESS

    def test_headers_of_the_client(self, with_protocol):
        """Whoever is behind the proxy may not go on about others, unless it is trusted itself."""
        spoofed = (forwarded("203.0.113.1"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example.com"))
        assert source_of(with_protocol, "/client/1", *spoofed, before=header()) == CLIENT
        assert challenged(with_protocol, *spoofed, before=header())[0] == "http://inner:5000/"
        assert source_of(with_protocol, "/client/2", *spoofed, before=header("10.9.9.9")) == "203.0.113.1"

    def test_spoofed(self, with_protocol):
        """From an address that is not trusted it is no header, and no request."""
        for before in (header(), b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"):
            connection = RawConnection(with_protocol.host, source="127.0.0.1")
            answer = connection.exchange(before + head("GET", "/healthz", [("Host", "localhost")]))
            assert answer.status == 400
        assert source_of(with_protocol, "/spoofed/1", source="127.0.0.1") == "127.0.0.1"

    @pytest.mark.parametrize(
        "before",
        [
            b"",
            SIGNATURE[:11],
            header()[:20],
            header(family=0x12),
            header(command=0x31),
            header(values=b"\x20\xff\xff"),
            SIGNATURE + b"\x21\x11\xff\xff" + bytes(70000),
            b"PROXY TCP4 999.0.0.1 10.0.0.2 1 2\r\n",
            b"PROXY " + b"x" * 200,
            b"PROXY TCP4 192.0.2.7 10.0.0.2 01 2\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.2 1 +2\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.2 1 2 3\r\n",
            b"PROXY TCP6 fe80::1%1 ::1 1 2\r\n",
        ],
        ids=[
            "none",
            "signature",
            "half",
            "UDP",
            "version 3",
            "values",
            "long",
            "address",
            "line",
            "leading zero",
            "sign",
            "more",
            "zone",
        ],
    )
    def test_garbage(self, with_protocol, before):
        """The connection ends; no request on it is answered."""
        connection = RawConnection(with_protocol.host, source=PROXY_ADDRESS)
        connection.send(before + head("GET", "/healthz", [("Host", "localhost")]))
        with contextlib.suppress(Dropped, OSError):
            connection.finish_sending()
            assert connection.answer().status == 400
        assert RawConnection(with_protocol.host).exchange(head("GET", "/healthz", [("Host", "a")])).status == 200

    def test_needs_trusted_proxies(self, tmp_path):
        server = Wharf(tmp_path, config="proxy_protocol = true\n")
        with pytest.raises(AssertionError):
            server.start()
        assert "trusted_proxies" in server.log_text()


def test_locations(trusting):
    """Where an upload goes on, for a client behind the proxy."""
    repository = new_repository(trusting)
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "registry.example.com", "Content-Length": "0"}
    fields = [("Host", "inner"), ("Authorization", trusting.authorization), *headers.items()]
    connection = RawConnection(trusting.host, source=PROXY_ADDRESS)
    answer = connection.exchange(head("POST", repository.uploads, fields), "POST").expect(202)
    location = answer.header("Location")
    assert location.startswith(("/v2/", "https://registry.example.com/v2/")), location
    RegistryClient(trusting.host, trusting.authorization).get(location).expect(204)
