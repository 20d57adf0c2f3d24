"""KMS's API with every answer held against the model."""

import base64
import uuid

from harness import model_check
from harness.aws_api import AwsApi

SERVICE = "kms"
# Errors that every operation of AWS can have, and no model lists.
COMMON = {"ValidationException", "AccessDeniedException"}


class Kms:
    """The keys of one account in one region."""

    def __init__(self, wharf, signing=None):
        self.api = AwsApi(wharf, signing)
        self.account = wharf.account
        self.region = wharf.region
        self.succeeded = set()

    def call(self, operation, **parameters):
        """A call that succeeds; its answer is checked against the output shape."""
        answer = self.api.kms(operation, parameters)
        model_check.expect_success(operation, answer, SERVICE)
        self.succeeded.add(operation)
        return answer.json()

    def refuse(self, operation, error, message=None, **parameters):
        """A call that fails with an error that the model lists; `message`, where given, is the exact text."""
        answer = self.api.kms(operation, parameters)
        if error in COMMON:
            assert (answer.status, model_check.error_name(answer)) == (400, error), answer
            text = answer.json()["message"]
        else:
            text = model_check.expect_error(operation, answer, error, service=SERVICE)
        assert message is None or text == message, f"expected {message!r}, got {text!r}: {answer!r}"
        return answer.json()

    def key(self, **parameters):
        """The metadata of a new key."""
        return self.call("CreateKey", **parameters)["KeyMetadata"]

    def alias(self, key_id):
        name = f"alias/contract/{uuid.uuid4().hex}"
        self.call("CreateAlias", AliasName=name, TargetKeyId=key_id)
        return name

    def encrypt(self, key_id, plaintext=b"geheim", **parameters):
        encoded = base64.b64encode(plaintext).decode()
        return self.call("Encrypt", KeyId=key_id, Plaintext=encoded, **parameters)["CiphertextBlob"]

    def decrypt(self, ciphertext, **parameters):
        return base64.b64decode(self.call("Decrypt", CiphertextBlob=ciphertext, **parameters)["Plaintext"])
