"""Who is let in: signatures of AWS requests in every part, as reference/wire.md 3 tells, and what a refusal says."""

import json
import re
import uuid
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from harness import model_check
from harness.aws_api import ECR_TARGET, FORM_TYPE, JSON_TYPE, AwsApi, HeaderSigner
from harness.ecr_client import Ecr
from harness.registry_client import RegistryClient

pytestmark = pytest.mark.every_store

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
    "signing method. Consult the service documentation for details."
)
INVALID_TOKEN = "The security token included in the request is invalid."
IDENTITY = "Action=GetCallerIdentity&Version=2011-06-15"
STAMP = r"\d{8}T\d{6}Z"


@pytest.fixture(scope="module")
def api(wharf):
    return AwsApi(wharf)


def refused(answer, error, message=None, content_type=JSON_TYPE):
    """An error of the JSON protocol, with a right Date, by which the SDKs set their clocks."""
    assert answer.status in (400, 403), repr(answer)
    model_check.expect_headers(answer, content_type)
    assert model_check.error_name(answer) == error, repr(answer)
    text = answer.json()["message"]
    assert message is None or text == message, f"{text!r} is not {message!r}: {answer!r}"
    return text


def refused_by_query(answer, code, message=None):
    """An error of the query protocol: 403 and XML."""
    assert answer.status == 403, repr(answer)
    assert answer.header("Content-Type").startswith("text/xml"), repr(answer)
    found = {element.tag.split("}")[-1]: element.text for element in ElementTree.fromstring(answer.body).iter()}
    assert (found["Type"], found["Code"]) == ("Sender", code), repr(answer)
    assert message is None or found["Message"] == message, repr(answer)
    return found["Message"]


def signed(api, body=b"{}", operation="DescribeRegistry", signing=None):
    """The headers of a good request, to be spoilt."""
    headers = {"Content-Type": JSON_TYPE, "X-Amz-Target": f"{ECR_TARGET}.{operation}"}
    return (signing or api.signing).sign("POST", f"http://{api.host}/", headers, body)


def send(api, headers, body=b"{}", path="/", method="POST"):
    return api.send(method, path, headers, body)


def authorization(headers):
    """The parts of an Authorization header."""
    return dict(part.split("=", 1) for part in headers["Authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", "))


def with_authorization(headers, parts):
    return {
        **headers,
        "Authorization": "AWS4-HMAC-SHA256 " + ", ".join(f"{key}={value}" for key, value in parts.items()),
    }


class TestGoodSignatures:
    def test_good(self, api):
        """The request that the other tests spoil is answered."""
        assert send(api, signed(api)).status == 200

    @pytest.mark.parametrize("minutes", [-4, 4])
    def test_within_the_window(self, api, minutes):
        """A clock that is less than five minutes off is right enough."""
        signing = api.signing.but(when=datetime.now(UTC) + timedelta(minutes=minutes))
        assert api.ecr("DescribeRegistry", signing=signing).status == 200

    def test_spelling_of_the_header(self, api):
        """Commas with or without spaces, and the parts in any order, as other SDKs write them."""
        headers = signed(api)
        parts = authorization(headers)
        for separator in (",", ",  ", " , "):
            for order in (list(parts), list(reversed(parts))):
                value = "AWS4-HMAC-SHA256 " + separator.join(f"{key}={parts[key]}" for key in order)
                answer = send(api, {**headers, "Authorization": value})
                assert answer.status == 200, repr(answer)

    def test_more_signed_headers(self, api):
        """Whatever list of headers the client signs is what counts: values trimmed, runs of spaces as one."""
        headers = {
            "Content-Type": JSON_TYPE,
            "X-Amz-Target": f"{ECR_TARGET}.DescribeRegistry",
            "Amz-Sdk-Invocation-Id": str(uuid.uuid4()),
            "Amz-Sdk-Request": "attempt=1; max=25",
            "X-Custom": "  a   b  c ",
            "X-Empty": "",
        }
        sent = api.signing.sign("POST", f"http://{api.host}/", headers, b"{}")
        assert "x-custom" in sent["Authorization"]
        answer = send(api, sent)
        assert answer.status == 200, repr(answer)

    def test_a_header_that_is_not_signed_may_change(self, api):
        """Proxies add headers; only what was signed is held to."""
        assert send(api, {**signed(api), "X-Forwarded-For": "192.0.2.1", "Via": "1.1 proxy"}).status == 200

    def test_a_query_is_signed_in_order(self, api):
        """The query is sorted and encoded before it is signed."""
        url = f"http://{api.host}/?b=2&a=%C3%A9%20x&a=1&empty="
        headers = {"Content-Type": JSON_TYPE, "X-Amz-Target": f"{ECR_TARGET}.DescribeRegistry"}
        sent = api.signing.sign("POST", url, headers, b"{}")
        answer = send(api, sent, path="/?b=2&a=%C3%A9%20x&a=1&empty=")
        assert answer.status == 200, repr(answer)


@pytest.mark.refused_before_store
class TestMissingParts:
    def test_unsigned(self, api):
        """No Authorization at all."""
        headers = {"Content-Type": JSON_TYPE, "X-Amz-Target": f"{ECR_TARGET}.DescribeRegistry"}
        refused(send(api, headers), "MissingAuthenticationTokenException", "Missing Authentication Token")

    @pytest.mark.parametrize("operation", sorted(model_check.model().operation_names))
    def test_no_operation_is_open(self, api, operation):
        """Every operation of the model, there or not, is closed to the unsigned."""
        headers = {"Content-Type": JSON_TYPE, "X-Amz-Target": f"{ECR_TARGET}.{operation}"}
        answer = send(api, headers)
        assert answer.status in (400, 403, 404), repr(answer)
        assert model_check.error_name(answer) in ("MissingAuthenticationTokenException", "UnknownOperationException")

    @pytest.mark.parametrize("missing", ["Credential", "SignedHeaders", "Signature"])
    def test_part_of_the_header(self, api, missing):
        """The text lists what is missing, and nothing else."""
        headers = signed(api)
        parts = authorization(headers)
        del parts[missing]
        text = refused(send(api, with_authorization(headers, parts)), "IncompleteSignatureException")
        assert f"Authorization header requires '{missing}' parameter." in text
        for present in parts:
            assert f"requires '{present}' parameter" not in text

    def test_no_date(self, api):
        """A signature without a time."""
        headers = signed(api)
        del headers["X-Amz-Date"]
        text = refused(send(api, headers), "IncompleteSignatureException")
        assert "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header." in text

    def test_no_part_at_all(self, api):
        """Only the name of the algorithm."""
        headers = {**signed(api), "Authorization": "AWS4-HMAC-SHA256"}
        text = refused(send(api, headers), "IncompleteSignatureException")
        for part in ("Credential", "Signature", "SignedHeaders"):
            assert f"Authorization header requires '{part}' parameter." in text

    def test_part_without_equal_sign(self, api):
        """The text quotes the part and the header, but no signature that could be used."""
        headers = signed(api)
        value = "AWS4-HMAC-SHA256 Credential, SignedHeaders=host, Signature=abc"
        text = refused(send(api, {**headers, "Authorization": value}), "IncompleteSignatureException")
        assert text.startswith("'Credential' not a valid key=value pair (missing equal-sign) in Authorization header")

    GARBAGE = {
        "empty": "",
        "another scheme": "Basic QVdTOng=",
        "another algorithm": "AWS4-ECDSA-P256-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=00",
        "short scope": "AWS4-HMAC-SHA256 Credential=AKIA/20240101, SignedHeaders=host, Signature=00",
        "empty parts": "AWS4-HMAC-SHA256 Credential=, SignedHeaders=, Signature=",
        "commas": "AWS4-HMAC-SHA256 ,,,,",
        "long": "AWS4-HMAC-SHA256 Credential=" + "A" * 8000,
        "latin": "AWS4-HMAC-SHA256 Credential=\xe9/\xe9",
    }

    @pytest.mark.parametrize("value", GARBAGE.values(), ids=GARBAGE.keys())
    def test_garbage(self, api, value):
        """Whatever stands there, the answer is a clean refusal."""
        answer = send(api, {**signed(api), "Authorization": value})
        assert 400 <= answer.status < 500, repr(answer)
        assert model_check.error_name(answer) in (
            "IncompleteSignatureException",
            "MissingAuthenticationTokenException",
            "UnrecognizedClientException",
        )

    @pytest.mark.parametrize(
        "date", ["", "yesterday", "20240101", "2024-01-01T00:00:00Z", "99999999T999999Z", "20240230T000000Z"]
    )
    def test_date_that_is_none(self, api, date):
        """A time that cannot be read is no time."""
        answer = send(api, {**signed(api), "X-Amz-Date": date})
        assert 400 <= answer.status < 500, repr(answer)
        assert model_check.error_name(answer) in ("IncompleteSignatureException", "InvalidSignatureException")


@pytest.mark.refused_before_store
class TestUnsignedHeaders:
    """The Signature Version 4 documents: `host` and every `x-amz-*` header of the request must be signed."""

    @pytest.mark.parametrize("name", ["X-Amz-Target", "X-Amz-Date", "X-Amz-Security-Token", "x-amz-other"])
    @pytest.mark.parametrize("service", ["ecr", "sts"])
    def test_left_out_of_the_list(self, api, service, name):
        """Signed without it, and sent with it: whoever stands between could have put it there."""
        body = IDENTITY.encode() if service == "sts" else b"{}"
        headers = {"Content-Type": FORM_TYPE if service == "sts" else JSON_TYPE}
        if name != "X-Amz-Target" and service == "ecr":
            headers["X-Amz-Target"] = f"{ECR_TARGET}.DescribeRegistry"
        sent = api.signing.but(service=service).sign("POST", f"http://{api.host}/", headers, body)
        if name == "X-Amz-Date":
            parts = authorization(sent)
            parts["SignedHeaders"] = parts["SignedHeaders"].replace(";x-amz-date", "")
            sent = with_authorization(sent, parts)
        elif name == "X-Amz-Target":
            sent[name] = f"{ECR_TARGET}.DescribeRegistry"
        else:
            sent[name] = "x"
        message = f"'{name.lower()}' must be a 'SignedHeader' in the AWS Authorization."
        if service == "ecr" or name == "X-Amz-Target":
            refused(send(api, sent, body), "InvalidSignatureException", message)
        else:
            refused_by_query(send(api, sent, body), "SignatureDoesNotMatch", message)

    def test_presigned(self, api):
        url = api.signing.but(service="sts").presign("GET", f"http://{api.host}/?{IDENTITY}")
        assert api.send("GET", url).status == 200
        text = refused_by_query(api.send("GET", url, {"X-Amz-Other": "x"}), "SignatureDoesNotMatch")
        assert "'x-amz-other' must be a 'SignedHeader'" in text

    def test_what_may_be_left_out(self, api):
        """SDKs leave it unsigned in presigned requests, as they leave `User-Agent`."""
        assert send(api, {**signed(api), "X-Amz-User-Agent": "sdk", "X-Amzn-Trace-Id": "Root=1"}).status == 200


@pytest.mark.refused_before_store
class TestUnknownOperations:
    """reference/wire.md 1: what is not there is told only to who has signed, and in the protocol that was asked in."""

    TARGETS = [None, "", "x", f"{ECR_TARGET}.NoSuchOperation", "DynamoDB_20120810.ListTables", ECR_TARGET]

    @pytest.mark.parametrize(
        "content_type", ["application/x-amz-json-1.0", "application/x-amz-json-1.1; charset=utf-8"]
    )
    @pytest.mark.parametrize("target", TARGETS)
    def test_target(self, api, target, content_type):
        headers = {"Content-Type": content_type, **({} if target is None else {"X-Amz-Target": target})}
        spoken = {"content_type": content_type.partition(";")[0]}
        refused(send(api, headers), "MissingAuthenticationTokenException", **spoken)
        refused(api.post(b"{}", headers), "UnknownOperationException", **spoken)
        bad = api.post(b"{}", headers, api.signing.but(secret_key="wrong"))
        refused(bad, "InvalidSignatureException", **spoken)

    def test_service_that_is_not_there(self, api):
        """Its clients sign for a name that only they know."""
        headers = {"Content-Type": JSON_TYPE, "X-Amz-Target": "AWSInsightsIndexService.GetCostAndUsage"}
        refused(api.post(b"{}", headers, api.signing.but(service="ce")), "UnknownOperationException")

    def test_query(self, api):
        """A query signed for another service keeps the error of its signature."""
        answer = api.sts(signing=api.signing.but(service="ecr"))
        refused_by_query(answer, "SignatureDoesNotMatch")


@pytest.mark.refused_before_store
class TestWrongSignatures:
    def test_unknown_key(self, api):
        """A key id that is nobody's."""
        signing = api.signing.but(access_key="AKIA" + "Z" * 16)
        answer = api.ecr("DescribeRegistry", signing=signing)
        refused(answer, "UnrecognizedClientException", INVALID_TOKEN)

    def test_temporary_key_without_token(self, api):
        """A key id of the temporary kind that nobody holds."""
        answer = api.ecr("DescribeRegistry", signing=api.signing.but(access_key="ASIA" + "Z" * 16))
        refused(answer, "UnrecognizedClientException", INVALID_TOKEN)

    def test_wrong_secret(self, api):
        """The right key id with another secret."""
        answer = api.ecr("DescribeRegistry", signing=api.signing.but(secret_key="x" * 40))
        refused(answer, "InvalidSignatureException", MISMATCH)

    SCOPES = {
        "service": ({"service": "s3"}, "Credential should be scoped to correct service: 'ecr'."),
        "service of another kind": ({"service": "sts"}, "Credential should be scoped to correct service: 'ecr'."),
        "region": ({"region": "xx-nowhere-1"}, "Credential should be scoped to a valid Region."),
        "terminator": (
            {"terminator": "aws5_request"},
            "Credential should be scoped with a valid terminator: 'aws4_request'.",
        ),
    }

    @pytest.mark.parametrize(("changes", "text"), SCOPES.values(), ids=SCOPES.keys())
    def test_wrong_scope(self, api, changes, text):
        """A signature is for one service in one region."""
        signing = api.signing.but(**changes)
        assert text in refused(api.ecr("DescribeRegistry", signing=signing), "InvalidSignatureException")

    def test_wrong_date_of_the_scope(self, api):
        """The day of the scope is the day of the request."""
        when = datetime.now(UTC)
        signing = api.signing.but(when=when, scope_date="20200101")
        stamp = when.strftime("%Y%m%dT%H%M%SZ")
        text = refused(api.ecr("DescribeRegistry", signing=signing), "InvalidSignatureException")
        assert text == (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'20200101' != '{stamp[:8]}', from '{stamp}'."
        )

    @pytest.mark.parametrize("minutes", [6, 60, 60 * 24 * 400])
    def test_old(self, api, minutes):
        """Older than five minutes; the text tells the three times."""
        when = datetime.now(UTC) - timedelta(minutes=minutes)
        text = refused(api.ecr("DescribeRegistry", signing=api.signing.but(when=when)), "InvalidSignatureException")
        stamp = when.strftime("%Y%m%dT%H%M%SZ")
        assert re.fullmatch(rf"Signature expired: {stamp} is now earlier than {STAMP} \({STAMP} - 5 min\.\)", text), (
            text
        )

    @pytest.mark.parametrize("minutes", [6, 60, 60 * 24 * 400])
    def test_from_the_future(self, api, minutes):
        """Ahead more than five minutes."""
        when = datetime.now(UTC) + timedelta(minutes=minutes)
        text = refused(api.ecr("DescribeRegistry", signing=api.signing.but(when=when)), "InvalidSignatureException")
        stamp = when.strftime("%Y%m%dT%H%M%SZ")
        pattern = rf"Signature not yet current: {stamp} is still later than {STAMP} \({STAMP} \+ 5 min\.\)"
        assert re.fullmatch(pattern, text), text

    def test_the_sdk_corrects_its_clock(self, api):
        """The Date of the answer is right, so that a client with a wrong clock can try again."""
        answer = api.ecr("DescribeRegistry", signing=api.signing.but(when=datetime(2020, 1, 1, tzinfo=UTC)))
        told = parsedate_to_datetime(answer.header("Date"))
        assert abs((told - datetime.now(UTC)).total_seconds()) < 60

    def test_wrong_in_every_way(self, api):
        """The order of checks: an unknown key is told before anything about scope or time."""
        signing = api.signing.but(
            access_key="AKIA" + "Z" * 16, region="xx-nowhere-1", when=datetime(2020, 1, 1, tzinfo=UTC)
        )
        refused(api.ecr("DescribeRegistry", signing=signing), "UnrecognizedClientException", INVALID_TOKEN)


@pytest.mark.refused_before_store
class TestTampering:
    def created(self, api, name):
        answer = api.ecr("DescribeRepositories", {"repositoryNames": [name]})
        return answer.status == 200

    def test_body(self, api):
        """Another body than the signed one does nothing."""
        name = f"tampered/{uuid.uuid4().hex}"
        headers = signed(api, b'{"repositoryName":"other/name"}', "CreateRepository")
        body = json.dumps({"repositoryName": name}).encode()
        refused(send(api, headers, body), "InvalidSignatureException", MISMATCH)
        assert not self.created(api, name)

    @pytest.mark.parametrize(
        ("header", "value"),
        [
            ("X-Amz-Target", f"{ECR_TARGET}.DescribeRepositories"),
            ("Content-Type", "application/json"),
            ("Host", "registry.example.com"),
        ],
    )
    def test_signed_header(self, api, header, value):
        """A signed header that changed on the way."""
        refused(send(api, {**signed(api), header: value}), "InvalidSignatureException", MISMATCH)

    def test_time(self, api):
        """The time is part of what is signed."""
        when = datetime.now(UTC)
        headers = signed(api, signing=api.signing.but(when=when))
        later = (when + timedelta(seconds=1)).strftime("%Y%m%dT%H%M%SZ")
        if later[:8] == when.strftime("%Y%m%d"):
            refused(send(api, {**headers, "X-Amz-Date": later}), "InvalidSignatureException", MISMATCH)

    @pytest.mark.parametrize("path", ["/?a=1", "/other"])
    def test_path_and_query(self, api, path):
        """Another target than the signed one is refused."""
        answer = send(api, signed(api), path=path)
        assert 400 <= answer.status < 500, repr(answer)

    def test_method(self, api):
        """Another method than the signed one is refused."""
        answer = send(api, signed(api), method="PUT")
        assert 400 <= answer.status < 500, repr(answer)

    @pytest.mark.parametrize("position", [0, 31, 63])
    def test_signature(self, api, position):
        """Every digit of the signature counts."""
        headers = signed(api)
        parts = authorization(headers)
        digit = "0" if parts["Signature"][position] != "0" else "1"
        parts["Signature"] = parts["Signature"][:position] + digit + parts["Signature"][position + 1 :]
        refused(send(api, with_authorization(headers, parts)), "InvalidSignatureException", MISMATCH)

    @pytest.mark.parametrize("signature", ["", "0", "z" * 64, "0" * 63, "0" * 65, "0" * 4000])
    def test_signature_of_another_form(self, api, signature):
        """What is no signature matches none."""
        headers = signed(api)
        parts = {**authorization(headers), "Signature": signature}
        answer = send(api, with_authorization(headers, parts))
        assert model_check.error_name(answer) in ("InvalidSignatureException", "IncompleteSignatureException"), repr(
            answer
        )

    def test_a_header_dropped_from_the_list(self, api):
        """The list of signed headers is itself signed."""
        headers = signed(api)
        unsigned = "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization."
        for dropped, message in (("content-type", MISMATCH), ("x-amz-target", unsigned)):
            parts = authorization(headers)
            parts["SignedHeaders"] = ";".join(name for name in parts["SignedHeaders"].split(";") if name != dropped)
            refused(send(api, with_authorization(headers, parts)), "InvalidSignatureException", message)

    def test_a_signed_header_that_does_not_come(self, api):
        """A header that was signed and then removed."""
        headers = signed(api)
        del headers["Content-Type"]
        answer = send(api, headers)
        assert 400 <= answer.status < 500, repr(answer)

    def test_the_host_has_to_be_signed(self, api):
        """A signature that leaves out the host would be good anywhere."""

        class WithoutHost(HeaderSigner):
            def headers_to_sign(self, request):
                headers = super().headers_to_sign(request)
                del headers["host"]
                return headers

        headers = {"Content-Type": JSON_TYPE, "X-Amz-Target": f"{ECR_TARGET}.DescribeRegistry"}
        sent = api.signing.sign_with(WithoutHost, "POST", f"http://{api.host}/", headers, b"{}")
        assert "host" not in authorization(sent)["SignedHeaders"].split(";")
        answer = send(api, sent)
        assert answer.status in (400, 403), repr(answer)
        assert model_check.error_name(answer) in ("InvalidSignatureException", "IncompleteSignatureException"), repr(
            answer
        )

    def test_unsigned_payload_is_not_taken(self, api):
        """The body is always hashed: saying that it is not signed does not help."""

        class WithoutBody(HeaderSigner):
            def payload(self, request):
                return "UNSIGNED-PAYLOAD"

        name = f"unsigned/{uuid.uuid4().hex}"
        headers = {
            "Content-Type": JSON_TYPE,
            "X-Amz-Target": f"{ECR_TARGET}.CreateRepository",
            "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD",
        }
        body = json.dumps({"repositoryName": name}).encode()
        sent = api.signing.sign_with(WithoutBody, "POST", f"http://{api.host}/", headers, body)
        refused(send(api, sent, body), "InvalidSignatureException")
        assert not self.created(api, name)

    def test_two_authorization_headers(self, api):
        """A request that says two things about itself is refused."""
        headers = signed(api)
        good = headers["Authorization"]
        answer = send(api, {**headers, "authorization": good.replace("Credential=", "Credential=X")})
        assert 400 <= answer.status < 500, repr(answer)


@pytest.mark.refused_before_store
class TestQueryProtocol:
    """STS: the same checks with the names of the query services, 403 and XML."""

    def test_unsigned(self, api):
        answer = api.send("POST", "/", {"Content-Type": FORM_TYPE}, IDENTITY.encode())
        refused_by_query(answer, "MissingAuthenticationToken")

    def test_unknown_key(self, api):
        signing = api.signing.but(service="sts", access_key="AKIA" + "Z" * 16)
        refused_by_query(api.sts(signing=signing), "InvalidClientTokenId", INVALID_TOKEN)

    def test_wrong_secret(self, api):
        signing = api.signing.but(service="sts", secret_key="x" * 40)
        refused_by_query(api.sts(signing=signing), "SignatureDoesNotMatch", MISMATCH)

    def test_wrong_service(self, api):
        text = refused_by_query(api.sts(signing=api.signing), "SignatureDoesNotMatch")
        assert "Credential should be scoped to correct service: 'sts'." in text

    def test_old(self, api):
        signing = api.signing.but(service="sts", when=datetime.now(UTC) - timedelta(minutes=6))
        assert refused_by_query(api.sts(signing=signing), "SignatureDoesNotMatch").startswith("Signature expired: ")

    def test_tampered_body(self, api):
        """The form is the body that was signed."""
        headers = api.signing.but(service="sts").sign(
            "POST", f"http://{api.host}/", {"Content-Type": FORM_TYPE}, b"Action=Other"
        )
        refused_by_query(api.send("POST", "/", headers, IDENTITY.encode()), "SignatureDoesNotMatch", MISMATCH)


class TestPresigned:
    """GetCallerIdentity with the signature in the query, as identity checks of other programs use it."""

    def url(self, api, **changes):
        expires = changes.pop("expires", 900)
        headers = changes.pop("headers", None)
        signing = api.signing.but(service="sts", **changes)
        return signing.presign("GET", f"http://{api.host}/?{IDENTITY}", headers, expires)

    def test_good(self, api):
        answer = api.send("GET", self.url(api))
        assert answer.status == 200 and api.signing.access_key not in answer.body.decode(), repr(answer)

    def test_signed_header(self, api):
        """A header that binds the URL to a purpose has to come along."""
        url = self.url(api, headers={"x-k8s-aws-id": "cluster"})
        assert api.send("GET", url, {"x-k8s-aws-id": "cluster"}).status == 200
        refused_by_query(api.send("GET", url, {"x-k8s-aws-id": "another"}), "SignatureDoesNotMatch")
        assert api.send("GET", url).status in (400, 403)

    def test_older_than_five_minutes_and_still_good(self, api):
        """The query tells how long it is good."""
        assert api.send("GET", self.url(api, when=datetime.now(UTC) - timedelta(minutes=10))).status == 200

    def test_expired(self, api):
        answer = api.send("GET", self.url(api, when=datetime.now(UTC) - timedelta(minutes=20)))
        refused_by_query(answer, "SignatureDoesNotMatch")

    def test_from_the_future(self, api):
        answer = api.send("GET", self.url(api, when=datetime.now(UTC) + timedelta(minutes=20)))
        refused_by_query(answer, "SignatureDoesNotMatch")

    @pytest.mark.refused_before_store
    @pytest.mark.parametrize("expires", ["604801", "-1", "x", "", "99999999999999999999"])
    def test_expiry_out_of_range(self, api, expires):
        """1 to 604800 seconds."""
        answer = api.send("GET", self.url(api, expires=expires))
        assert answer.status in (400, 403), repr(answer)

    @pytest.mark.refused_before_store
    @pytest.mark.parametrize(
        "change",
        [
            ("GetCallerIdentity", "GetSessionToken"),
            ("Version=2011-06-15", "Version=2011-06-16"),
            ("X-Amz-Expires=900", "X-Amz-Expires=90000"),
            ("X-Amz-Signature=", "X-Amz-Signature=0"),
            ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=host%3Bdate"),
            ("sts%2Faws4_request", "ecr%2Faws4_request"),
        ],
        ids=lambda change: change[0],
    )
    def test_tampered(self, api, change):
        url = self.url(api)
        assert change[0] in url
        answer = api.send("GET", url.replace(*change))
        assert answer.status in (400, 403), repr(answer)

    @pytest.mark.refused_before_store
    @pytest.mark.parametrize("part", ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"])
    def test_without_a_part(self, api, part):
        url = re.sub(rf"&X-Amz-{part}=[^&]*", "", self.url(api))
        answer = api.send("GET", url)
        assert answer.status in (400, 403), repr(answer)

    def test_another_method(self, api):
        answer = api.send("POST", self.url(api), body=b"")
        assert answer.status in (400, 403), repr(answer)

    def test_not_for_the_registry(self, api, wharf):
        """A presigned identity is no token."""
        query = self.url(api).split("?", 1)[1]
        RegistryClient(wharf.host).get(f"/v2/?{query}").expect(401)


class TestRequestIds:
    def test_unique(self, wharf):
        """Every answer has an id of its own, by which it can be found again."""
        ecr = Ecr(wharf)
        ids = {ecr.api.ecr("DescribeRegistry").header("x-amzn-RequestId") for _ in range(20)}
        assert len(ids) == 20
