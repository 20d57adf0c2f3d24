"""An OpenID Connect issuer on this machine: an RSA key, its documents over HTTP, and tokens signed with it."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import rsa

from harness.commands import run

GITHUB = "https://token.actions.githubusercontent.com"


def encode(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Issuer:
    """`url` is what tokens name; without one it is that of the HTTP server, which then runs."""

    def __init__(self, url=None, key_id="key-1"):
        self.hits = []
        self.server = None if url else self._serve()
        self.url = url or f"http://127.0.0.1:{self.server.server_port}"
        self.rotate(key_id)

    @property
    def name(self):
        """The URL without its scheme: the provider's name, and the prefix of condition keys."""
        return self.url.partition("://")[2]

    def rotate(self, key_id):
        """Another key in place of the one before."""
        self.key_id = key_id
        # The Python package takes minutes to find primes.
        pem = run("openssl", "genrsa", "-traditional", "2048", text=False).stdout
        self.key = rsa.PrivateKey.load_pkcs1(pem)

    def key_set(self):
        key = {"kty": "RSA", "use": "sig", "kid": self.key_id, "n": number(self.key.n), "e": number(self.key.e)}
        return {"keys": [{**key, "alg": "RS256"}]}

    def claims(self, **changes):
        now = int(time.time())
        claims = {"iss": self.url, "sub": "repo:org/app:ref:refs/heads/main", "aud": "sts.amazonaws.com"}
        return {**claims, "iat": now - 5, "exp": now + 300, "repository": "org/app", **changes}

    def token(self, header=None, **changes):
        """A signed token; a change to None takes a claim away."""
        claims = {name: value for name, value in self.claims(**changes).items() if value is not None}
        header = {"alg": "RS256", "typ": "JWT", "kid": self.key_id, **(header or {})}
        signed = f"{encode(header)}.{encode(claims)}"
        signature = rsa.sign(signed.encode(), self.key, "SHA-256") if header["alg"] == "RS256" else b""
        return f"{signed}.{encode(signature)}"

    def close(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()

    def _serve(self):
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.hits.append(self.path)
                documents = {
                    "/.well-known/openid-configuration": {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/jwks"},
                    "/jwks": issuer.key_set(),
                }
                document = json.dumps(documents.get(self.path, {})).encode()
                self.send_response(200 if self.path in documents else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(document)))
                self.end_headers()
                self.wfile.write(document)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


class FileIssuer(Issuer):
    """GitHub's issuer of tokens, which the server does not reach: it has its keys in a file."""

    def __init__(self, folder):
        super().__init__(GITHUB)
        self.file = folder / "jwks.json"
        self.file.write_text(json.dumps(self.key_set()))

    @property
    def config(self):
        """What the server's configuration says of it."""
        return f"[[oidc.issuers]]\nurl = {json.dumps(self.url)}\njwks_file = {json.dumps(str(self.file))}\n"
