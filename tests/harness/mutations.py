"""Seeded mutations of valid requests to the API and the registry: well-framed HTTP that says anything."""

import base64
import json
import random
import string
import uuid
from dataclasses import dataclass, field

from harness.aws_api import ECR_TARGET, JSON_TYPE
from harness.raw_http import head
from harness.registry_client import ANY_MANIFEST, OCI_INDEX, OCI_MANIFEST, digest_of, index_manifest

NASTY_TEXT = [
    "", "a", "..", "../..", "/", "//", "%2f", "%00", "\0", "\n", "\r\n", "'", '"', "\\", "${x}", "{{x}}", "%s%n", "\u00e9", "\u202e",
    "\U0001f433", "a" * 129, "A" * 300, "x" * 5000, "null", "-1", "0", "*", "sha256:", "sha256:" + "0" * 64, "sha256:" + "g" * 64,
    "sha512:" + "0" * 128, "md5:0", "arn:aws:ecr:us-east-1:123456789012:repository/x", "999999999999", "true", "' OR 1=1 --", ":", "@",
    "\ud800",
]  # fmt: skip
NASTY_VALUES = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**30, 1.5, 1e308, [], {}, [[]], [None], {"a": None}, [{}] * 3, ["x"] * 101,
]  # fmt: skip
NASTY_JSON = [
    b"", b"{", b"}", b"null", b"[]", b'""', b"0", b"{}{}", b"[" * 3000, b'{"a":' * 3000, b"\xff\xfe", b'{"repositoryName":"\xff"}',
    b'{"repositoryName":1e999}', b'{"maxResults":' + b"9" * 400 + b"}", b"\xef\xbb\xbf{}", b"{'a':1}", b'{"a":NaN}', b'{"a":"\x00"}',
    b'{"a":1,"a":2}', b" " * 2000 + b"{}",
]  # fmt: skip
HEADERS = [
    (
        "Range",
        ["bytes=0-0", "bytes=-1", "bytes=9-1", "bytes=0-18446744073709551616", "bytes=,", "x", "bytes=0-1,2-3,4-5"],
    ),
    ("Content-Range", ["0-0", "5-9", "a-b", "0-99999999999999999999", "bytes 0-1/2", "-", "0-18446744073709551615"]),
    ("Accept", ["", "*/*", "text/html", ";;;", ANY_MANIFEST, "a/b;q=9", "," * 500]),
    ("If-None-Match", ["*", '"x"', "W/", '"', ","]),
    ("If-Range", ['"x"', "Wed, 21 Oct 2015 07:28:00 GMT", ""]),
    (
        "Content-Type",
        ["", "text/plain", OCI_INDEX, OCI_MANIFEST + ";" * 50, "application/json", "multipart/form-data", "/", "a"],
    ),
    ("Content-Encoding", ["gzip", "br", ""]),
    ("Accept-Encoding", ["gzip", "identity;q=0", "*;q=0"]),
    ("Transfer-Encoding-X", ["chunked"]),
    ("Cookie", ["a=b", "=" * 100]),
    ("X-Amz-Security-Token", ["x", "A" * 3000]),
    ("X-Amz-Content-Sha256", ["UNSIGNED-PAYLOAD", "0", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"]),
    ("Origin", ["null", "https://example.com"]),
    ("X-HTTP-Method-Override", ["DELETE"]),
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]


@dataclass
class Request:
    """One request, still open to change; Content-Length is added when it becomes bytes."""

    method: str
    target: str
    headers: list = field(default_factory=list)
    body: bytes = b""

    def wire(self, host):
        length = [("Content-Length", len(self.body))] if self.body or self.method in ("POST", "PUT", "PATCH") else []
        return (
            head(self.method, self.target.encode(errors="replace"), [("Host", host), *self.headers, *length])
            + self.body
        )


class Generator:
    """Endless requests. The same seed and the same repository give the same requests, but for signatures and ids."""

    def __init__(self, seed, signing, authorization, host, repository, image, subject_tag="v1"):
        self.random = random.Random(seed)
        self.signing = signing
        self.authorization = authorization
        self.host = host
        self.repository = repository
        self.image = image
        self.tag = subject_tag
        self.layer = json.loads(image.body)["layers"][0]["digest"]

    def next(self):
        return self.api() if self.random.random() < 0.5 else self.registry()

    # --- API

    def operations(self):
        name, digest, arn = (
            self.repository,
            self.image.digest,
            f"arn:aws:ecr:us-east-1:123456789012:repository/{self.repository}",
        )
        upload = str(uuid.UUID(int=self.random.getrandbits(128)))
        part = base64.b64encode(self.random.randbytes(9)).decode()
        here = {"repositoryName": name}
        return {
            "GetAuthorizationToken": {},
            "CreateRepository": {
                "repositoryName": f"fuzz/{self.random.getrandbits(40):x}",
                "tags": [{"Key": "k", "Value": "v"}],
                "imageTagMutability": "MUTABLE_WITH_EXCLUSION",
                "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "a*"}],
                "encryptionConfiguration": {"encryptionType": "AES256"},
            },
            "DescribeRepositories": self.random.choice([{"repositoryNames": [name]}, {"maxResults": 3}]),
            "DeleteRepository": {"repositoryName": f"fuzz/{self.random.getrandbits(40):x}", "force": True},
            "PutImage": {**here, "imageManifest": index_manifest([]).decode(), "imageTag": "fuzz", "imageManifestMediaType": OCI_INDEX},
            "BatchGetImage": {**here, "imageIds": [{"imageTag": self.tag}, {"imageDigest": digest}], "acceptedMediaTypes": [OCI_MANIFEST]},
            "BatchDeleteImage": {**here, "imageIds": [{"imageTag": "fuzz"}]},
            "ListImages": {**here, "maxResults": 2, "filter": {"tagStatus": "ANY"}},
            "DescribeImages": {**here, "imageIds": [{"imageTag": self.tag}]},
            "ListImageReferrers": {**here, "subjectId": {"imageDigest": digest}, "filter": {"artifactTypes": ["a/b"]}},
            "BatchCheckLayerAvailability": {**here, "layerDigests": [self.layer]},
            "InitiateLayerUpload": here,
            "UploadLayerPart": {**here, "uploadId": upload, "partFirstByte": 0, "partLastByte": 8, "layerPartBlob": part},
            "CompleteLayerUpload": {**here, "uploadId": upload, "layerDigests": [digest_of(b"x")]},
            "GetDownloadUrlForLayer": {**here, "layerDigest": self.layer},
            "PutImageTagMutability": {"repositoryName": f"fuzz/{self.random.getrandbits(40):x}", "imageTagMutability": "MUTABLE"},
            "TagResource": {"resourceArn": arn, "tags": [{"Key": "k", "Value": "v"}]},
            "UntagResource": {"resourceArn": arn, "tagKeys": ["k"]},
            "ListTagsForResource": {"resourceArn": arn},
            "DescribeRegistry": {},
            "GetAccountSetting": {"name": "BLOB_MOUNTING"},
            "RegisterPullTimeUpdateExclusion": {"principalArn": "arn:aws:iam::123456789012:role/fuzz"},
            "DeregisterPullTimeUpdateExclusion": {"principalArn": "arn:aws:iam::123456789012:role/fuzz"},
            "ListPullTimeUpdateExclusions": {"maxResults": 2},
            "PutAccountSetting": {"name": "BASIC_SCAN_TYPE_VERSION", "value": "AWS_NATIVE"},
        }  # fmt: skip

    def api(self):
        pick = self.random
        operations = self.operations()
        operation = pick.choice(list(operations))
        parameters = operations[operation]
        for _ in range(pick.choice([0, 1, 1, 1, 2, 3])):
            parameters = self.mutate_value(parameters)
        body = json.dumps(parameters).encode(errors="replace")
        if pick.random() < 0.1:
            body = pick.choice(NASTY_JSON)
        elif pick.random() < 0.15:
            body = self.mutate_bytes(body)
        target = f"{ECR_TARGET}.{operation}"
        if pick.random() < 0.03:
            target = pick.choice(
                [operation, "", ".", f"{ECR_TARGET}.", f"X.{operation}", f"{target}.{operation}", target.lower()]
            )
        headers = {"Content-Type": JSON_TYPE, "X-Amz-Target": target}
        if pick.random() < 0.05:
            name, values = pick.choice(HEADERS)
            headers[name] = pick.choice(values)
        headers = self.signing.sign("POST", f"http://{self.host}/", headers, body)
        if pick.random() < 0.1:
            name = pick.choice(list(headers))
            headers[name] = self.mutate_header(headers[name])
        return Request("POST", "/", list(headers.items()), body)

    def mutate_value(self, value):
        """A JSON value with one place changed."""
        pick = self.random
        if isinstance(value, dict) and value and pick.random() < 0.85:
            key = pick.choice(list(value))
            changed = dict(value)
            kind = pick.random()
            if kind < 0.12:
                del changed[key]
            elif kind < 0.2:
                changed[pick.choice(["registryId", "nextToken", "maxResults", "filter", "unknown", ""])] = self.nasty()
            else:
                changed[key] = self.mutate_value(value[key])
            return changed
        if isinstance(value, list) and value and pick.random() < 0.7:
            changed = list(value)
            place = pick.randrange(len(changed))
            changed[place] = self.mutate_value(changed[place])
            return changed * pick.choice([1, 1, 1, 2, 101])
        if isinstance(value, str) and value and pick.random() < 0.4:
            place = pick.randrange(len(value))
            return (
                value[:place] + pick.choice([*NASTY_TEXT, *string.punctuation]) + value[place + pick.choice([0, 1]) :]
            )
        return self.nasty()

    def nasty(self):
        return self.random.choice(NASTY_TEXT if self.random.random() < 0.5 else NASTY_VALUES)

    def mutate_bytes(self, body):
        pick, changed = self.random, bytearray(body)
        for _ in range(pick.choice([1, 1, 2, 8])):
            place = pick.randrange(len(changed) + 1)
            action = pick.random()
            if action < 0.4 and place < len(changed):
                changed[place] ^= 1 << pick.randrange(8)
            elif action < 0.7:
                changed[place:place] = pick.randbytes(pick.choice([1, 1, 4, 30]))
            else:
                del changed[place : place + pick.choice([1, 2, 20])]
        return bytes(changed)

    def mutate_header(self, value):
        """Another value that is still one line of a header."""
        value = str(value)
        place = self.random.randrange(len(value) + 1)
        nasty = self.random.choice(NASTY_TEXT).encode(errors="replace")
        clean = bytes(byte for byte in nasty if byte >= 0x20 and byte != 0x7F)
        return value[:place].encode() + clean + value[place + 1 :].encode()

    # --- registry

    def registry(self):
        pick = self.random
        base, digest = f"/v2/{self.repository}", self.image.digest
        upload = uuid.UUID(int=pick.getrandbits(128))
        requests = [
            Request("GET", "/v2/"),
            Request("GET", "/v2/_catalog?n=3"),
            Request("GET", f"{base}/tags/list?n=2&last=a"),
            Request("GET", f"{base}/manifests/{self.tag}", [("Accept", ANY_MANIFEST)]),
            Request("HEAD", f"{base}/manifests/{digest}"),
            Request("GET", f"{base}/blobs/{self.layer}"),
            Request("HEAD", f"{base}/blobs/{self.layer}"),
            Request("GET", f"{base}/referrers/{digest}?artifactType=a/b"),
            Request("POST", f"{base}/blobs/uploads/"),
            Request("POST", f"{base}/blobs/uploads/?digest={digest_of(b'fuzz')}", body=b"fuzz"),
            Request("POST", f"{base}/blobs/uploads/?mount={self.layer}&from={self.repository}"),
            Request("PATCH", f"{base}/blobs/uploads/{upload}", [("Content-Range", "0-3")], b"fuzz"),
            Request("PUT", f"{base}/blobs/uploads/{upload}?digest={digest_of(b'fuzz')}", body=b"fuzz"),
            Request("GET", f"{base}/blobs/uploads/{upload}"),
            Request("DELETE", f"{base}/blobs/uploads/{upload}"),
            Request("PUT", f"{base}/manifests/fuzz", [("Content-Type", OCI_INDEX)], index_manifest([])),
            Request("PUT", f"{base}/manifests/fuzz2", [("Content-Type", OCI_MANIFEST)], self.image.body),
            Request("DELETE", f"{base}/manifests/fuzz"),
            Request("DELETE", f"{base}/blobs/{digest}"),
        ]
        request = pick.choice(requests)
        for _ in range(pick.choice([0, 1, 1, 1, 2, 3])):
            self.mutate_request(request)
        if pick.random() < 0.95:
            request.headers.append(("Authorization", self.authorization))
        elif pick.random() < 0.8:
            request.headers.append(("Authorization", self.mutate_header(self.authorization)))
        return request

    def mutate_request(self, request):
        pick = self.random
        kind = pick.random()
        if kind < 0.55:
            request.target = self.mutate_target(request.target)
        elif kind < 0.7:
            name, values = pick.choice(HEADERS)
            request.headers = [pair for pair in request.headers if pair[0] != name or pick.random() < 0.2]
            request.headers.append((name, pick.choice(values)))
        elif kind < 0.9 and request.body:
            if pick.random() < 0.5:
                request.body = self.mutate_bytes(request.body)
            else:
                try:
                    request.body = json.dumps(self.mutate_value(json.loads(request.body))).encode(errors="replace")
                except (ValueError, RecursionError):
                    request.body = pick.choice(NASTY_JSON)
        else:
            request.method = pick.choice(METHODS)

    def mutate_target(self, target):
        """Another target; what HTTP does not allow in one is percent-encoded, most of the time."""
        pick = self.random
        path, mark, query = target.partition("?")
        nasty = pick.choice(NASTY_TEXT)
        if query and pick.random() < 0.5:
            pairs = query.split("&")
            place = pick.randrange(len(pairs))
            name = pairs[place].split("=")[0]
            pairs[place] = pick.choice(
                [f"{name}={encode(nasty)}", name, f"{name}=", f"={encode(nasty)}", f"{name}=%zz"]
            )
            pairs += pick.choice([[], [pairs[place]], ["n=-1"], ["last="], ["digest=x"], ["n=99999999999999999999"]])
            return f"{path}?{'&'.join(pairs)}"
        parts = path.split("/")
        place = pick.randrange(1, len(parts)) if len(parts) > 1 else 0
        action = pick.random()
        if action < 0.6:
            parts[place] = encode(nasty)
        elif action < 0.75:
            parts.insert(place, encode(nasty))
        elif action < 0.9:
            del parts[place]
        else:
            parts[place] = f"{parts[place]}%{pick.choice(['00', '2f', '2e%2e', 'ff', 'zz', ''])}"
        changed = "/".join(parts) or "/"
        changed = changed if changed.startswith("/") else f"/{changed}"
        return changed + mark + query


def encode(text):
    """Percent-encodes what would end a request line; slashes and dots stay."""
    return "".join(
        char
        if "!" <= char <= "~" and char not in "#?"
        else "".join(f"%{byte:02x}" for byte in char.encode(errors="replace"))
        for char in text
    )
