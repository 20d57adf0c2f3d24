"""Errors of the Query protocol before an operation runs: each is in the namespace of the service that is meant, and quotes
what was sent."""

import xml.etree.ElementTree as ElementTree

import pytest

from harness.aws_api import FORM_TYPE, AwsApi

NAMESPACES = {
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
}
VERSIONS = {"sts": "2011-06-15", "iam": "2010-05-08"}
ACTIONS = {"sts": "GetSessionToken", "iam": "ListUsers"}


@pytest.fixture(scope="module")
def api(wharf):
    return AwsApi(wharf)


def error_of(answer):
    """The namespace, code and text of an error."""
    root = ElementTree.fromstring(answer.body)
    namespace, _, name = root.tag.removeprefix("{").partition("}")
    assert name == "ErrorResponse", answer.body
    found = {element.tag.split("}")[-1]: element.text for element in root.iter()}
    assert found["Type"] == "Sender" or answer.status >= 500
    return namespace, found["Code"], found["Message"]


def post(api, service, form, signing=None):
    return api.post(form.encode(), {"Content-Type": FORM_TYPE}, signing or api.signing.but(service=service))


@pytest.mark.parametrize("service", NAMESPACES)
class TestNamespaces:
    def test_forms(self, api, service):
        version = VERSIONS[service]
        for form, code in [
            (f"Action={ACTIONS[service]}&Version={version}&Path=/a/&Path=/b/", "MalformedQueryString"),
            (f"Action={ACTIONS[service]}&Version={version}&X=%ff", "MalformedQueryString"),
            (f"Action={ACTIONS[service]}&Version={version}" + "&a" * 2000, "MalformedQueryString"),
            (f"Action={ACTIONS[service]}&Version={version}&{'a.' * 20}=1", "MalformedInput"),
            (f"Version={version}", "MissingAction"),
            ("", "MissingAction"),
            (f"Action=NoSuchAction&Version={version}", "InvalidAction"),
            (f"Action={ACTIONS[service]}&Version=1999-01-01", "InvalidAction"),
            (f"Action={ACTIONS[service]}&Version=1999-01-01&Version={version}", "MalformedQueryString"),
            (f"Action={ACTIONS[service]}&Version={version}&{'x' * (1024 * 1024)}=1", "RequestEntityTooLargeException"),
        ]:
            namespace, found, _ = error_of(post(api, service, form))
            assert (namespace, found) == (NAMESPACES[service], code), form[:200]

    def test_without_a_version(self, api, service):
        """The signature says which service is meant."""
        assert (
            post(api, service, f"Action={ACTIONS[service]}")
            .expect(200)
            .body.startswith(f'<{ACTIONS[service]}Response xmlns="{NAMESPACES[service]}"'.encode())
        )

    def test_signatures(self, api, service):
        form = f"Action={ACTIONS[service]}&Version={VERSIONS[service]}"
        good = api.signing.but(service=service)
        for signing in [
            good.but(secret_key="wrong"),
            good.but(access_key="AKIAIOSFODNN7EXAMPLE"),
            good.but(scope_date="20200101"),
            good.but(terminator="aws5_request"),
        ]:
            assert error_of(post(api, service, form, signing))[0] == NAMESPACES[service]
            assert error_of(post(api, service, form + "&x=1" * 3, signing))[0] == NAMESPACES[service]

    def test_nobody(self, api, service):
        """Without a signature the form's version says it, or the host."""
        send = api.client.request
        headers = {"Content-Type": FORM_TYPE}
        form = f"Action={ACTIONS[service]}&Version={VERSIONS[service]}".encode()
        for body in [form, form + b"&Version=x", form + b"&x=%ff"]:
            assert error_of(send("POST", "/", body, headers))[0] == NAMESPACES[service], body
        query = f"/?Action={ACTIONS[service]}&Version={VERSIONS[service]}"
        assert error_of(send("GET", query, None, {}))[0] == NAMESPACES[service]
        at_its_host = {**headers, "Host": f"{service}.amazonaws.com"}
        assert error_of(send("POST", "/", b"Action=%ff", at_its_host))[0] == NAMESPACES[service]
        too_large = send("POST", "/", form + b"&x=" + b"1" * 100_000, at_its_host)
        assert error_of(too_large)[0] == NAMESPACES[service]


@pytest.mark.parametrize(
    "number", ["9223372036854775808", "18446744073709551616", "-9223372036854775809", "1" + "0" * 80]
)
def test_numbers_are_quoted_as_they_were_sent(api, number):
    """However large: 2^63 and more are out of every member's range."""
    bound = "greater than or equal to" if number.startswith("-") else "less than or equal to"
    for service, form, member in [
        ("iam", "Action=ListUsers&Version=2010-05-08&MaxItems=", "maxItems"),
        ("iam", "Action=UpdateRole&Version=2010-05-08&RoleName=nobody&MaxSessionDuration=", "maxSessionDuration"),
        ("sts", "Action=GetSessionToken&Version=2011-06-15&DurationSeconds=", "durationSeconds"),
    ]:
        answer = post(api, service, form + number)
        namespace, code, text = error_of(answer)
        assert (namespace, code) == (NAMESPACES[service], "ValidationError")
        assert f"Value '{number}' at '{member}'" in text and bound in text
