"""No record holds what AWS's models call sensitive, of any operation that they have, in whatever form a request gives it."""

import json
import urllib.parse

import boto3
import pytest

from harness.aws_api import FORM_TYPE, JSON_TYPE, AwsApi

SERVICES = ["ecr", "iam", "sts", "kms", "secretsmanager", "cloudtrail"]
MARKER = "s3cr3t-of-the-tests"
# The models do not say it of these, by which somebody is let in.
SECRETS = {"WebIdentityToken", "SAMLAssertion", "TokenCode", "AuthenticationCode1", "AuthenticationCode2", "Password"}
# A key's id, which records name on purpose.
SHOWN = {"AccessKeyId"}
FORMS = [
    MARKER,
    [MARKER],
    {"id": MARKER, "name": [MARKER], "arn": {"ids": MARKER}},
    [{"id": MARKER}, {"Name": {"Arn": MARKER}}],
]


@pytest.fixture
def recording(tmp_path, make_server):
    server = make_server(tmp_path / "wharf", f'[audit]\nfile = "{tmp_path / "audit.log"}"\nrecord_reads = true\n')
    yield server.start()
    server.finish()


def sensitive(model, shape, path=()):
    """The paths of the members of an input that are sensitive, without those of shapes within themselves."""
    if shape is None or shape.name in path[::2]:
        return
    if shape.type_name == "list":
        yield from sensitive(model, shape.member, path)
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            is_sensitive = model._service_description["shapes"][member.name].get("sensitive", False)
            if (is_sensitive or name in SECRETS) and name not in SHOWN:
                yield (*path, shape.name, name)[1::2]
            yield from sensitive(model, member, (*path, shape.name, name))


def nested(path, value):
    for name in reversed(path):
        value = {name: value}
    return value


def flat(name, value):
    """As a form says it."""
    if isinstance(value, dict):
        return [pair for key, part in value.items() for pair in flat(f"{name}.{key}" if name else key, part)]
    if isinstance(value, list):
        return [pair for at, part in enumerate(value) for pair in flat(f"{name}.member.{at + 1}", part)]
    return [(name, value)]


def post(api, model, operation, parameters):
    service = model.metadata.get("signingName", model.metadata["endpointPrefix"])
    service = {"api.ecr": "ecr"}.get(service, service)
    signing = api.signing.but(service=service)
    if model.metadata["protocol"] == "query":
        form = [("Action", operation), ("Version", model.metadata["apiVersion"]), *flat("", parameters)]
        return api.post(urllib.parse.urlencode(form).encode(), {"Content-Type": FORM_TYPE}, signing)
    target = f"{model.metadata['targetPrefix']}.{operation}"
    return api.post(json.dumps(parameters).encode(), {"Content-Type": JSON_TYPE, "X-Amz-Target": target}, signing)


def test_sensitive_members(recording, tmp_path):
    server, api, seen = recording, AwsApi(recording), set()
    session = boto3.Session()._session
    for service in SERVICES:
        model = session.get_service_model(service)
        for operation in model.operation_names:
            for path in sensitive(model, model.operation_model(operation).input_shape):
                for form in FORMS:
                    answer = post(api, model, operation, nested(path, form))
                    assert answer.status >= 400 or MARKER not in answer.body.decode(), answer
                seen.add((operation, path[-1]))
    assert {
        ("AssumeRoleWithSAML", "SAMLAssertion"),
        ("AssumeRoleWithWebIdentity", "WebIdentityToken"),
        ("CreateSecret", "SecretString"),
        ("PutSecretValue", "SecretBinary"),
        ("Encrypt", "Plaintext"),
        ("CreateLoginProfile", "Password"),
        ("UploadServerCertificate", "PrivateKey"),
        ("Sign", "Message"),
    } <= seen
    assert len(seen) > 20, seen
    server.stop()
    recorded = (tmp_path / "audit.log").read_text()
    for operation in ("CreateSecret", "PutSecretValue", "AssumeRoleWithSAML", "Encrypt"):
        assert f'"eventName":"{operation}"' in recorded
    found = [line for line in recorded.splitlines() if MARKER in line]
    assert not found, found[:3]
    assert MARKER not in server.log_text()
