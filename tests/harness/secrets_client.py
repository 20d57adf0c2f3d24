"""Secrets Manager's API with every answer held against the model."""

import base64
import uuid

from harness import model_check
from harness.aws_api import AwsApi

SERVICE = "secretsmanager"


class Secrets:
    """The secrets of one account in one region."""

    def __init__(self, wharf, signing=None):
        self.api = AwsApi(wharf, signing)
        self.account = wharf.account
        self.region = wharf.region
        self.succeeded = set()

    def call(self, operation, **parameters):
        """A call that succeeds; its answer is checked against the output shape."""
        answer = self.api.secrets(operation, parameters)
        model_check.expect_success(operation, answer, SERVICE)
        self.succeeded.add(operation)
        return answer.json()

    def refuse(self, operation, error, message=None, **parameters):
        """A call that fails with an error that the model lists; `message`, where given, is the exact text."""
        answer = self.api.secrets(operation, parameters)
        text = model_check.expect_error(operation, answer, error, service=SERVICE)
        assert message is None or text == message, f"expected {message!r}, got {text!r}: {answer!r}"
        return answer.json()

    def secret(self, value="geheim", **parameters):
        """A new secret; returns what CreateSecret answered."""
        values = {} if value is None else {"SecretString": value}
        return self.call("CreateSecret", **{"Name": f"contract/{uuid.uuid4().hex}", **values, **parameters})

    def value(self, secret, **parameters):
        """The text of a secret, or its bytes."""
        found = self.call("GetSecretValue", SecretId=secret, **parameters)
        return found["SecretString"] if "SecretString" in found else base64.b64decode(found["SecretBinary"])

    def stages(self, secret):
        """The stages of the versions that have any."""
        return {
            version: sorted(stages)
            for version, stages in self.call("DescribeSecret", SecretId=secret).get("VersionIdsToStages", {}).items()
        }
