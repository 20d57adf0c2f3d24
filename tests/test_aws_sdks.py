"""Programs that are made with AWS's SDKs for Rust and Go and speak HTTP/2 to a server with TLS."""

import json
import os
from pathlib import Path

import pytest

from harness.commands import program, run
from harness.mount_namespace import MountNamespace
from harness.server import ROOT, Wharf
from harness.tls import make_certificate

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
API = "api.ecr.us-east-1.amazonaws.com"
# Nobody else listens at this address of the loopback network.
ADDRESS = "127.0.0.77"


@pytest.fixture(scope="session")
def rust_client():
    """The program in tests/rust-sdk. Building it takes minutes the first time; what was built is kept."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "rust-sdk"
    run(program("cargo"), "build", "--locked", "--target-dir", target, cwd=ROOT / "tests/rust-sdk", timeout=1800)
    return target / "debug/rust-sdk-client"


@pytest.mark.timeout(2000)
def test_rust_sdk(tls_wharf, rust_client):
    """STS and ECR, with the SDK's own signer, connector and choice of protocol."""
    key = [tls_wharf.credentials[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")]
    printed = run(rust_client, tls_wharf.url, tls_wharf.certificate, *key).stdout
    assert printed == f"account {tls_wharf.account}\nrepository rust/sdk\n"


@pytest.fixture
def amazon_wharf(tmp_path):
    """A server at the names that Amazon's has, for programs that know no others. They run with `prefix`."""
    names = MountNamespace(tmp_path / "names", {REGISTRY: ADDRESS, API: ADDRESS})
    authority, certificate, key = make_certificate(tmp_path / "tls", [REGISTRY, API], [ADDRESS])
    config = f'[tls]\ncertificate = "{certificate}"\nkey = "{key}"\n'
    server = Wharf(tmp_path / "wharf", listen=f"{ADDRESS}:443", config=config)
    server.certificate, server.prefix = authority, names.prefix
    yield server.start()
    server.finish()
    names.close()


def test_ecr_credential_helper(amazon_wharf, tmp_path):
    """docker-credential-ecr-login, which docker and podman ask for the password of a registry by its name."""
    environment = {
        **amazon_wharf.aws_environment(),
        "AWS_ENDPOINT_URL": None,
        "SSL_CERT_FILE": str(amazon_wharf.certificate),
        "HOME": str(tmp_path),
    }
    helper = [*amazon_wharf.prefix, program("docker-credential-ecr-login"), "get"]
    given = json.loads(run(*helper, stdin=REGISTRY, environment=environment).stdout)
    assert given["Username"] == "AWS" and given["Secret"]
    login = ["-u", f"AWS:{given['Secret']}", "--cacert", amazon_wharf.certificate, "--http2"]
    shown = run(
        *amazon_wharf.prefix, "curl", "-sS", "-w", "%{http_code} %{http_version}", *login, f"https://{REGISTRY}/v2/"
    )
    assert shown.stdout == "{}200 2"
