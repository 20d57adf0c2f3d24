"""AWS requests signed by botocore and sent as raw HTTP: a test may sign wrongly, send any bytes, and sees the whole answer."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness.registry_client import Answer, RegistryClient, path_of

JSON_TYPE = "application/x-amz-json-1.1"
FORM_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
ECR_TARGET = "AmazonEC2ContainerRegistry_V20150921"
WHARF_TARGET = "Wharf_20261121"


@dataclass(frozen=True)
class Signing:
    """How a request is signed; `when` and `scope_date` stand for now when they are None."""

    access_key: str
    secret_key: str
    region: str
    service: str = "ecr"
    token: str | None = None
    when: datetime | None = None
    scope_date: str | None = None
    terminator: str = "aws4_request"

    def but(self, **changes):
        return replace(self, **changes)

    def sign(self, method, url, headers, body):
        """The headers of the request with those of the signature."""
        return self.sign_with(HeaderSigner, method, url, headers, body)

    def sign_with(self, signer, method, url, headers, body):
        """As `sign`, by a signer that does something of its own."""
        return dict(self._signed(signer, method, url, headers, body).headers.items())

    def presign(self, method, url, headers=None, expires=900, body=b""):
        """The URL with the signature in its query."""
        return self._signed(QuerySigner, method, url, headers or {}, b"", expires=expires, content=body).url

    def _signed(self, signer, method, url, headers, body, **extra):
        request = AWSRequest(method=method, url=url, headers=headers, data=body)
        credentials = Credentials(self.access_key, self.secret_key, self.token)
        instance = signer(credentials, self.service, self.region, **extra)
        instance.signing = self
        instance.add_auth(request)
        return request


class FixedScope:
    """botocore's signer with a clock and a credential scope that the test chooses."""

    signing: Signing

    def add_auth(self, request):
        when = self.signing.when or datetime.now(UTC)
        request.context["timestamp"] = when.strftime("%Y%m%dT%H%M%SZ")
        self._modify_request_before_signing(request)
        to_sign = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(to_sign, request))

    def _parts(self, request):
        date = self.signing.scope_date or request.context["timestamp"][:8]
        return [date, self._region_name, self._service_name, self.signing.terminator]

    def credential_scope(self, request):
        return "/".join(self._parts(request))

    def scope(self, request):
        return f"{self.credentials.access_key}/{self.credential_scope(request)}"

    def signature(self, string_to_sign, request):
        key = f"AWS4{self.credentials.secret_key}".encode()
        for part in self._parts(request):
            key = self._sign(key, part)
        return self._sign(key, string_to_sign, hex=True)


class HeaderSigner(FixedScope, SigV4Auth):
    """The signature in the Authorization header."""


class QuerySigner(FixedScope, SigV4QueryAuth):
    """The signature in the query, for a request with this body."""

    def __init__(self, *arguments, content=b"", **options):
        super().__init__(*arguments, **options)
        self.content = content

    def payload(self, request):
        return hashlib.sha256(self.content).hexdigest()


def signing_of(wharf, **changes):
    """The root credentials of the server under test, for its region."""
    credentials = wharf.client("ecr")._request_signer._credentials
    return Signing(credentials.access_key, credentials.secret_key, wharf.region).but(**changes)


class AwsApi:
    """One server over one kept-alive connection."""

    def __init__(self, wharf, signing=None):
        self.host = wharf.host
        self.signing = signing or signing_of(wharf)
        self.client = RegistryClient(wharf.host)

    def ecr(self, operation, parameters=None, signing=None, headers=None) -> Answer:
        """An ECR request with JSON parameters, or with a body of any bytes."""
        body = parameters if isinstance(parameters, bytes) else json.dumps(parameters or {}).encode()
        sent = {"Content-Type": JSON_TYPE, "X-Amz-Target": f"{ECR_TARGET}.{operation}", **(headers or {})}
        return self.post(body, sent, signing)

    def secrets(self, operation, parameters=None, signing=None) -> Answer:
        """A Secrets Manager request with JSON parameters, or with a body of any bytes."""
        body = parameters if isinstance(parameters, bytes) else json.dumps(parameters or {}).encode()
        signing = signing or self.signing.but(service="secretsmanager")
        return self.post(body, {"Content-Type": JSON_TYPE, "X-Amz-Target": f"secretsmanager.{operation}"}, signing)

    def kms(self, operation, parameters=None, signing=None) -> Answer:
        """A KMS request with JSON parameters, or with a body of any bytes."""
        body = parameters if isinstance(parameters, bytes) else json.dumps(parameters or {}).encode()
        signing = signing or self.signing.but(service="kms")
        return self.post(body, {"Content-Type": JSON_TYPE, "X-Amz-Target": f"TrentService.{operation}"}, signing)

    def wharf(self, operation, parameters=None) -> Answer:
        """A request to Wharf's own API."""
        body = json.dumps(parameters or {}).encode()
        headers = {"Content-Type": JSON_TYPE, "X-Amz-Target": f"{WHARF_TARGET}.{operation}"}
        return self.post(body, headers, self.signing.but(service="wharf"))

    def sts(self, form="Action=GetCallerIdentity&Version=2011-06-15", signing=None) -> Answer:
        signing = signing or self.signing.but(service="sts")
        return self.post(form.encode(), {"Content-Type": FORM_TYPE}, signing)

    def post(self, body, headers, signing=None, path="/") -> Answer:
        """A signed POST; the body is any bytes."""
        signed = (signing or self.signing).sign("POST", f"http://{self.host}{path}", headers, body)
        return self.client.request("POST", path, body, signed)

    def send(self, method, url, headers=None, body=None) -> Answer:
        """A request as it is, without a signature of ours."""
        return self.client.request(method, path_of(url), body, headers)
