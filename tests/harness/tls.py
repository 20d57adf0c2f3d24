"""A certificate authority of the tests' own and a server certificate, made with openssl."""

from pathlib import Path

from harness.commands import run


def make_certificate(folder, names, addresses=("127.0.0.1", "::1")):
    """Returns the paths of the authority's certificate, the server's certificate and its key."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    authority, authority_key = folder / "authority.pem", folder / "authority-key.pem"
    certificate, key, request = folder / "server.pem", folder / "server-key.pem", folder / "server.csr"
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    constraints = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
    subject = ["-subj", "/CN=Authority of the Wharf tests"]
    run(
        "openssl",
        "req",
        "-x509",
        *new_key,
        *subject,
        *constraints,
        "-days",
        "2",
        "-keyout",
        authority_key,
        "-out",
        authority,
    )
    run("openssl", "req", *new_key, "-subj", "/CN=wharf", "-keyout", key, "-out", request)
    extensions = folder / "extensions"
    entries = [f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses]
    extensions.write_text(
        f"subjectAltName={','.join(entries)}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n"
    )
    signing = ["-CA", authority, "-CAkey", authority_key, "-CAcreateserial", "-days", "2", "-extfile", extensions]
    run("openssl", "x509", "-req", "-in", request, *signing, "-out", certificate)
    return authority, certificate, key
