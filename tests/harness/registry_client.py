"""A raw client of the registry protocol: every answer is shown exactly as it came over the wire.

It never retries, never follows a redirect and never changes a header, so that a test judges the server and not a library.
"""

import hashlib
import http.client
import json
import re
import uuid
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
ANY_MANIFEST = ", ".join([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST, "*/*"])

EMPTY_JSON = b"{}"
EMPTY_JSON_TYPE = "application/vnd.oci.empty.v1+json"

UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")

# Section "Error Codes" of the distribution specification, and TAG_INVALID, which it allows as a legacy code.
ERROR_CODES = {
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
    "TAG_INVALID",
}


def digest_of(content, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def random_content(size=64):
    """Bytes that no other test has pushed."""
    seed = uuid.uuid4().bytes
    return (seed * (size // len(seed) + 1))[:size]


@dataclass(frozen=True)
class Answer:
    """One answer, and the request that it answers, for failure messages."""

    request: str
    status: int
    headers: list
    body: bytes

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        """The only value of a header; None when it is absent; a repeated header fails the test."""
        values = self.all(name)
        assert len(values) <= 1, f"header {name} is repeated: {self!r}"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)

    @property
    def codes(self):
        """The error codes of a JSON error body, in order."""
        if not (self.header("Content-Type") or "").startswith("application/json"):
            return []
        return [error["code"] for error in self.json()["errors"]]

    @property
    def messages(self):
        return [error.get("message") for error in self.json()["errors"]]

    def expect(self, *statuses):
        assert self.status in statuses, f"expected {' or '.join(map(str, statuses))}: {self!r}"
        return self

    def expect_error(self, status, *codes):
        """The status (or one of a tuple of statuses) with a JSON error body whose first code is one of `codes`."""
        self.expect(*(status if isinstance(status, tuple) else (status,)))
        assert self.codes and self.codes[0] in codes, f"expected code {' or '.join(codes)}: {self!r}"
        return self

    def __repr__(self):
        headers = "".join(f"\n    {name}: {value}" for name, value in self.headers)
        shown = self.body if len(self.body) <= 1000 else self.body[:1000] + b"... (%d bytes)" % len(self.body)
        return f"\n  {self.request}\n  answered {self.status}{headers}\n    {shown!r}"


class RegistryClient:
    """Requests to one registry over one kept-alive connection. `authorization` is sent as it is, or not at all when None."""

    def __init__(self, host, authorization=None, host_header=None, timeout=60, is_gateway=False):
        self.host = host
        self.authorization = authorization
        self.host_header = host_header
        self.timeout = timeout
        # Behind a gateway 502 and 503 speak of others, and are no faults of the server.
        self.is_gateway = is_gateway
        self._connection = None

    def close(self):
        if self._connection:
            self._connection.close()
        self._connection = None

    def request(self, method, target, body=None, headers=None, authorization=...):
        """One request. `target` is sent as it is; an absolute URL is used for its path and query.

        `body` is bytes, or an iterable of chunks that is sent with chunked transfer encoding.
        """
        target = path_of(target)
        sent = {"Host": self.host_header or self.host, **(headers or {})}
        value = self.authorization if authorization is ... else authorization
        if value is not None:
            sent["Authorization"] = value
        chunked = body is not None and not isinstance(body, bytes)
        if chunked:
            sent["Transfer-Encoding"] = "chunked"
        elif "Content-Length" not in sent and (body is not None or method in ("POST", "PUT", "PATCH")):
            sent["Content-Length"] = str(len(body or b""))

        connection = self._connection or http.client.HTTPConnection(self.host, timeout=self.timeout)
        self._connection = connection
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, text in sent.items():
                connection.putheader(name, text)
            try:
                connection.endheaders(body, encode_chunked=chunked)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before the whole body was read: the answer is still to be read
            response = connection.getresponse()
            content = response.read()
        except BaseException:
            self.close()
            raise
        if response.will_close:
            self.close()
        hidden = {name: "..." if name == "Authorization" else text for name, text in sent.items()}
        answer = Answer(f"{method} {target} {hidden}", response.status, response.getheaders(), content)
        if not (self.is_gateway and answer.status in (502, 503)):
            check_every_answer(method, target, answer)
        return answer

    def get(self, target, **headers):
        return self.request("GET", target, headers=spell(headers))

    def head(self, target, **headers):
        return self.request("HEAD", target, headers=spell(headers))

    def post(self, target, body=None, **headers):
        return self.request("POST", target, body, spell(headers))

    def put(self, target, body=None, **headers):
        return self.request("PUT", target, body, spell(headers))

    def patch(self, target, body=None, **headers):
        return self.request("PATCH", target, body, spell(headers))

    def delete(self, target, **headers):
        return self.request("DELETE", target, headers=spell(headers))


def spell(headers):
    """`content_type` is the keyword for the header `Content-Type`."""
    return {name.replace("_", "-").title(): value for name, value in headers.items()}


def path_of(location):
    """The request target of a Location, absolute or relative."""
    if location.startswith("/"):
        return location
    parts = urlsplit(location)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def with_query(location, **query):
    """A Location may carry a query of its own that has to be kept."""
    added = "&".join(f"{name.replace('_', '-')}={quote(str(value), safe=':')}" for name, value in query.items())
    return f"{location}{'&' if '?' in location else '?'}{added}"


def check_every_answer(method, target, answer):
    """What holds for every answer under /v2/, whatever was asked."""
    if not target.startswith("/v2/"):
        return
    assert answer.header("Docker-Distribution-Api-Version") == "registry/2.0", f"no API version: {answer!r}"
    assert answer.status < 500, f"server error: {answer!r}"
    if method == "HEAD" or answer.status in (204, 304):
        assert not answer.body, f"a body where none may be: {answer!r}"
        return
    for warning in answer.all("Warning"):
        assert warning.startswith('299 - "'), f"Warnings: {answer!r}"
    content_type = answer.header("Content-Type") or ""
    if answer.status >= 400 and content_type.startswith("application/json"):
        check_error_body(answer)


def check_error_body(answer):
    """Section "Error Codes": a JSON body of a 4xx answer has exactly this form."""
    body = answer.json()
    assert set(body) == {"errors"} and body["errors"], f"errors envelope: {answer!r}"
    for error in body["errors"]:
        assert set(error) <= {"code", "message", "detail"}, f"unknown member: {answer!r}"
        assert error["code"] in ERROR_CODES, f"unknown code: {answer!r}"
        assert isinstance(error.get("message", ""), str), f"message is no text: {answer!r}"


@dataclass(frozen=True)
class Pushed:
    """A manifest as pushed."""

    body: bytes
    media_type: str
    tag: str | None = None

    @property
    def digest(self):
        return digest_of(self.body)

    @property
    def descriptor(self):
        return descriptor(self.media_type, self.body)


def descriptor(media_type, content, **extra):
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **extra}


def image_manifest(config, layers, media_type=OCI_MANIFEST, config_type=None, layer_type=None, **extra):
    docker = media_type == DOCKER_MANIFEST
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(config_type or (DOCKER_CONFIG if docker else OCI_CONFIG), config),
        "layers": [descriptor(layer_type or (DOCKER_LAYER if docker else OCI_LAYER), layer) for layer in layers],
        **extra,
    }
    return json.dumps(document, indent=1).encode()


def index_manifest(children, media_type=OCI_INDEX, **extra):
    return json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": children, **extra}, indent=1).encode()


class Repository:
    """A repository of the registry, spoken to over the registry protocol."""

    def __init__(self, client, name):
        self.client = client
        self.name = name
        self.base = f"/v2/{name}"

    def blob(self, digest):
        return f"{self.base}/blobs/{digest}"

    def manifest(self, reference):
        return f"{self.base}/manifests/{reference}"

    @property
    def uploads(self):
        return f"{self.base}/blobs/uploads/"

    @property
    def tags(self):
        return f"{self.base}/tags/list"

    def referrers(self, digest):
        return f"{self.base}/referrers/{digest}"

    def pull(self, reference, **headers):
        """GET of a manifest by a client that takes every type, unless it says otherwise."""
        return self.client.get(self.manifest(reference), **{"accept": ANY_MANIFEST, **headers})

    def start_upload(self, **query):
        target = with_query(self.uploads, **query) if query else self.uploads
        answer = self.client.post(target, content_length="0").expect(202)
        assert answer.header("Location"), f"no Location: {answer!r}"
        return answer.header("Location")

    def push_blob(self, content, algorithm="sha256"):
        """POST then PUT; returns the digest."""
        digest = digest_of(content, algorithm)
        location = self.start_upload(**({} if algorithm == "sha256" else {"digest_algorithm": algorithm}))
        target = with_query(location, digest=digest)
        self.client.put(target, content, content_type="application/octet-stream").expect(201)
        return digest

    def push_manifest(self, body, reference=None, media_type=OCI_MANIFEST):
        """By tag, or by its own digest without a reference; the answer must be 201."""
        answer = self.client.put(self.manifest(reference or digest_of(body)), body, content_type=media_type)
        answer.expect(201)
        return answer

    def push_image(self, tag=None, media_type=OCI_MANIFEST, layer_count=1, **extra):
        """A new image whose config and layers no other image has."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "unique": uuid.uuid4().hex}).encode()
        layers = [random_content() for _ in range(layer_count)]
        for content in [config, *layers]:
            self.push_blob(content)
        body = image_manifest(config, layers, media_type, **extra)
        self.push_manifest(body, tag, media_type)
        return Pushed(body, media_type, tag)

    def push_index(self, children, tag=None, media_type=OCI_INDEX, **extra):
        body = index_manifest([child.descriptor for child in children], media_type, **extra)
        self.push_manifest(body, tag, media_type)
        return Pushed(body, media_type, tag)

    def push_artifact(self, subject=None, artifact_type=None, config_type=EMPTY_JSON_TYPE, annotations=None, tag=None):
        """An OCI artifact manifest: an image manifest whose config says what it is."""
        self.push_blob(EMPTY_JSON)
        extra = {"annotations": {"unique": uuid.uuid4().hex, **(annotations or {})}}
        if subject is not None:
            extra["subject"] = subject
        if artifact_type is not None:
            extra["artifactType"] = artifact_type
        body = image_manifest(EMPTY_JSON, [EMPTY_JSON], config_type=config_type, layer_type=EMPTY_JSON_TYPE, **extra)
        self.push_manifest(body, tag)
        return Pushed(body, OCI_MANIFEST, tag)


def new_repository(wharf, prefix="conformance", client=None):
    """A new empty repository of the server under test, made through the ECR API, and a client with a token for it."""
    name = f"{prefix}/{uuid.uuid4().hex}"
    wharf.client("ecr").create_repository(repositoryName=name)
    return Repository(client or RegistryClient(wharf.host, wharf.authorization), name)
