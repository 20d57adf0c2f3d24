"""TLS with certificates of Wharf's own and of files: clients trust one authority per data folder, and what is in force changes
while the server runs."""

import json
import re
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from conftest import DOMAIN, REGISTRY, configuration
from harness.commands import run
from harness.files import contents_under
from harness.server import FAKETIME, Wharf, wait_for
from harness.tls import make_certificate

YEARS = timedelta(days=365)


def self_signed(folder, **options):
    server = Wharf(folder, arguments=["--tls", "self-signed"], **options)
    server.certificate = server.data_dir / "tls-certificate.pem"
    return server


def served(server):
    """The certificate that connections are answered with."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    pem = ssl.get_server_certificate(("127.0.0.1", server.port), timeout=30)
    return x509.load_pem_x509_certificate(pem.encode())


def authority(server):
    return x509.load_pem_x509_certificate(server.certificate.read_bytes())


def extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind)


@pytest.fixture
def two(tmp_path):
    servers = [self_signed(tmp_path / name).start() for name in ("one", "two")]
    yield servers
    for server in servers:
        server.finish()


class TestAuthority:
    def test_one_bundle_reaches_two_servers(self, two, tmp_path):
        """Each certificate leads to its own authority, so that OpenSSL finds the right one among several."""
        bundle = tmp_path / "bundle.pem"
        for order in (two, list(reversed(two))):
            bundle.write_bytes(b"".join(server.certificate.read_bytes() for server in order))
            for server in two:
                host = f"localhost:{server.port}"
                verified = ["-verify_return_error", "-verify_hostname", "localhost", "-x509_strict"]
                said = run("openssl", "s_client", "-connect", host, "-CAfile", bundle, *verified, stdin="").stdout
                assert "Verify return code: 0 (ok)" in said, said
                told = run("curl", "--silent", "--noproxy", "*", "--cacert", bundle, f"https://{host}/healthz").stdout
                assert "ok" in told or told, told
                context = ssl.create_default_context(cafile=bundle)
                context.verify_flags |= ssl.VERIFY_X509_STRICT
                with urllib.request.urlopen(f"https://{host}/healthz", context=context, timeout=30) as answer:
                    assert answer.status == 200
                own, server.certificate = server.certificate, bundle
                assert json.loads(server.aws("sts", "get-caller-identity", "--output", "json"))["Account"]
                server.client().describe_repositories()
                server.certificate = own
        for server, other in (two, list(reversed(two))):
            own, server.certificate = server.certificate, other.certificate
            assert "certificate" in run_refused(server)
            server.certificate = own

    def test_what_the_certificates_say(self, two):
        one, other = (authority(server) for server in two)
        assert one.subject != other.subject and one.public_key() != other.public_key()
        for server in two:
            ca, leaf = authority(server), served(server)
            assert 9 * YEARS < ca.not_valid_after_utc - ca.not_valid_before_utc < 11 * YEARS
            assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=397)
            assert extension(ca, x509.BasicConstraints).value.ca and not extension(leaf, x509.BasicConstraints).value.ca
            identifier = extension(ca, x509.SubjectKeyIdentifier).value.digest
            assert extension(leaf, x509.AuthorityKeyIdentifier).value.key_identifier == identifier
            assert list(extension(leaf, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
            assert leaf.issuer == ca.subject
            ca.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(leaf.signature_hash_algorithm))

    def test_nothing_that_signs_lies_in_clear(self, two):
        contents = contents_under(two[0].data_dir)
        assert two[0].data_dir / "tls-authority.json" in contents
        assert [path for path, content in contents.items() if b"PRIVATE KEY" in content] == []
        assert (two[0].data_dir / "tls-authority.json").stat().st_mode & 0o777 == 0o600

    def test_a_restart_changes_nothing_for_clients(self, tmp_path):
        """Also years later, and when somebody has moved the authority's certificate to where clients look."""
        server = self_signed(tmp_path / "wharf").start()
        before, first = server.certificate.read_bytes(), served(server)
        server.certificate.rename(tmp_path / "moved.pem")
        server.restart(clock=f"+{24 * 365 * 2}h")
        assert server.certificate.read_bytes() == before
        second = served(server)
        assert second.serial_number != first.serial_number
        assert second.not_valid_before_utc > first.not_valid_after_utc
        assert server.stop() == 0
        # Past its end there is another one, and that is said.
        server.start(clock=f"+{24 * 365 * 11}h")
        assert server.certificate.read_bytes() != before
        assert "must be told to trust" in server.log_text()
        server.finish()

    def test_a_certificate_is_followed_while_the_server_runs(self, tmp_path):
        clock = tmp_path / "clock"
        clock.write_text("+0\n")
        environment = {
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        server = self_signed(tmp_path / "wharf", environment=environment).start()
        before, first = server.certificate.read_bytes(), served(server)
        # Not at two thirds of its life yet; then past that, and before its end.
        for days, is_same in ((250, True), (300, False)):
            clock.write_text(f"+{days}d\n")
            if not is_same:
                wait_for(lambda: served(server).serial_number != first.serial_number, "another certificate", 60)
            assert (served(server).serial_number == first.serial_number) == is_same
        assert "a new certificate is in force" in server.log_text()
        now = first.not_valid_before_utc + timedelta(days=301)
        assert served(server).not_valid_before_utc <= now < served(server).not_valid_after_utc
        assert server.certificate.read_bytes() == before
        server.finish()

    def test_a_folder_of_an_earlier_version(self, tmp_path):
        """Its certificate, whose key lay in clear, goes, and the log says what to do."""
        server = self_signed(tmp_path / "wharf")
        server.data_dir.mkdir(mode=0o700)
        key = server.data_dir / "tls-key.pem"
        made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=rcgen self signed cert"]
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1", "-days", "3650"]
        run("openssl", "req", "-x509", *made, *names, "-keyout", key, "-out", server.certificate)
        before = server.certificate.read_bytes()
        server.start()
        assert server.certificate.read_bytes() != before and not key.exists()
        said = server.log_text()
        assert str(server.certificate) in said and "clients must be told to trust it" in said
        server.client().describe_repositories()
        now = server.certificate.read_bytes()
        server.restart()
        assert server.certificate.read_bytes() == now
        server.finish()

    def test_the_service_key_opens_it(self, tmp_path):
        """It follows a change of the service key, and is not made anew behind people's backs."""
        keys = ["ab" * 32, "cd" * 32, "ef" * 32]
        server = self_signed(tmp_path / "wharf", environment={"WHARF_SERVICE_KEY": keys[0]}).start()
        before = server.certificate.read_bytes()
        server.environment = {"WHARF_SERVICE_KEY": keys[1], "WHARF_PREVIOUS_SERVICE_KEY": keys[0]}
        server.restart()
        server.environment = {"WHARF_SERVICE_KEY": keys[1]}
        server.restart()
        assert server.certificate.read_bytes() == before
        server.client().describe_repositories()
        server.finish()

    def test_docker_trusts_it(self, docker, private_names, tmp_path):
        """With `ca.crt`, at a name of which docker takes no other certificate."""
        server = self_signed(
            tmp_path / "wharf", listen="[::1]:0", environment={"WHARF_DOMAINS": DOMAIN}, name=DOMAIN
        ).start()
        try:
            host = f"{REGISTRY}:{server.port}"
            server.client().create_repository(repositoryName="tls")
            logging_in = ["login", "--username", "AWS", "--password-stdin", host]
            assert "certificate" in docker.run(*logging_in, stdin=server.password, expect=1).stderr
            private_names.trust(host, server.certificate)
            assert "Login Succeeded" in docker.run(*logging_in, stdin=server.password).stdout
            # What docker trusts is the authority: the certificate of the next start is another one.
            server.restart()
            assert "Login Succeeded" in docker.run(*logging_in, stdin=server.password).stdout
        finally:
            server.finish()


def run_refused(server):
    finished = run(
        "curl", "--verbose", "--noproxy", "*", "--cacert", server.certificate, f"{server.url}/healthz", expect=60
    )
    return finished.stdout + finished.stderr


class TestFiles:
    @pytest.fixture
    def server(self, tmp_path):
        _, certificate, key = make_certificate(tmp_path / "first", ["localhost"])
        files = tmp_path / "certificate.pem", tmp_path / "key.pem"
        for source, target in zip((certificate, key), files, strict=True):
            shutil.copy(source, target)
        server = Wharf(tmp_path / "wharf", config=configuration(tls=files))
        server.files = files
        yield server.start()
        server.finish()

    def install(self, server, folder):
        _, *pair = make_certificate(folder, ["localhost"])
        for source, target in zip(pair, server.files, strict=True):
            shutil.copy(source, target)
        return x509.load_pem_x509_certificate(pair[0].read_bytes()).serial_number

    def test_renewed_files_take_over(self, server, tmp_path):
        """As certbot and cert-manager renew them: connections that are open go on, new ones get the new certificate."""
        first = served(server).serial_number
        context = ssl.create_default_context(cafile=tmp_path / "first/authority.pem")
        with subprocess.Popen(
            ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{server.port}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as open_one:
            request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
            open_one.stdin.write(request)
            open_one.stdin.flush()
            assert b"200" in open_one.stdout.readline()
            second = self.install(server, tmp_path / "second")
            wait_for(lambda: served(server).serial_number == second, "the new certificate", 60)
            open_one.stdin.write(request)
            open_one.stdin.flush()
            wait_for(lambda: b"200" in open_one.stdout.readline(), "the second answer")
            open_one.kill()
        assert second != first and "is in force" in server.log_text()
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"https://localhost:{server.port}/healthz", context=context, timeout=30)

    @pytest.mark.parametrize("damage", ["garbage", "other key", "missing"])
    def test_a_bad_pair_changes_nothing(self, server, tmp_path, damage):
        first = served(server).serial_number
        certificate, key = server.files
        if damage == "garbage":
            certificate.write_text("no certificate\n")
        elif damage == "other key":
            _, _, other = make_certificate(tmp_path / "other", ["localhost"])
            shutil.copy(other, key)
        else:
            key.unlink()
        wait_for(lambda: "stays in force" in server.log_text(), "the log to say so", 60)
        line = next(line for line in server.log_text().splitlines() if "stays in force" in line)
        assert "ERROR" in line and re.search(r"certificate\.pem|key\.pem", line)
        assert served(server).serial_number == first
        good = self.install(server, tmp_path / "good")
        wait_for(lambda: served(server).serial_number == good, "a good pair", 60)
