"""What KMS says of the material that it used, and that each region opens its own ciphertexts alone."""

import re

import pytest
from botocore.exceptions import ClientError

from harness.identities import Identities, Principal, allow, document

ACCOUNT, OTHER = "123456789012", "210987654321"
ROOT_KEYS = {ACCOUNT: ("AKIAROOT000000000001", "root-secret-1"), OTHER: ("AKIAROOT000000000002", "root-secret-2")}
ELSEWHERE = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not "
    "allowed to access."
)


@pytest.fixture(scope="module")
def server(start_wharf):
    return start_wharf(ROOT_KEYS, ["us-east-1", "eu-west-1"])


def kms_of(server, region="us-east-1", account=ACCOUNT):
    return Principal(server, f"arn:aws:iam::{account}:root", *ROOT_KEYS[account], region=region).client("kms")


def error_of(call, **parameters):
    with pytest.raises(ClientError) as failure:
        call(**parameters)
    error = failure.value.response["Error"]
    return error["Code"], error["Message"]


class TestRegions:
    def test_decrypt(self, server):
        here, there = kms_of(server), kms_of(server, "eu-west-1")
        sealed = here.encrypt(KeyId=here.create_key()["KeyMetadata"]["KeyId"], Plaintext=b"x")["CiphertextBlob"]
        other = there.create_key()["KeyMetadata"]["KeyId"]
        assert here.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
        assert error_of(there.decrypt, CiphertextBlob=sealed) == ("AccessDeniedException", ELSEWHERE)
        assert error_of(there.decrypt, CiphertextBlob=sealed, KeyId=other)[0] == "IncorrectKeyException"

    def test_re_encrypt(self, server):
        here, there = kms_of(server), kms_of(server, "eu-west-1")
        key = here.create_key()["KeyMetadata"]
        sealed = here.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
        other = there.create_key()["KeyMetadata"]["KeyId"]
        call = {"CiphertextBlob": sealed, "DestinationKeyId": other}
        assert error_of(there.re_encrypt, **call) == ("AccessDeniedException", ELSEWHERE)
        assert error_of(there.re_encrypt, **call, SourceKeyId=other)[0] == "IncorrectKeyException"
        # Nor does a key of another region take anything.
        for operation in (there.re_encrypt, there.encrypt, there.generate_data_key):
            more = {
                "re_encrypt": {"CiphertextBlob": sealed, "DestinationKeyId": key["Arn"]},
                "encrypt": {"KeyId": key["Arn"], "Plaintext": b"x"},
                "generate_data_key": {"KeyId": key["Arn"], "KeySpec": "AES_256"},
            }[operation.__name__]
            assert error_of(operation, **more)[0] == "InvalidArnException"

    def test_other_account(self, server):
        """Its key's policy and the caller's own decide, as for any other operation."""
        here, theirs = kms_of(server), kms_of(server, account=OTHER)
        key = here.create_key()["KeyMetadata"]["KeyId"]
        sealed = here.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        assert error_of(theirs.decrypt, CiphertextBlob=sealed)[0] == "AccessDeniedException"
        statements = [
            {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "kms:*", "Resource": "*"}
            for account in (ACCOUNT, OTHER)
        ]
        here.put_key_policy(KeyId=key, Policy=document(*statements))
        assert theirs.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
        user = Identities(server, Principal(server, "", *ROOT_KEYS[OTHER]).client("iam")).user(
            document(allow("sts:GetCallerIdentity"))
        )
        assert error_of(user.client("kms").decrypt, CiphertextBlob=sealed)[0] == "AccessDeniedException"


class TestMaterial:
    def test_ids(self, server):
        kms = kms_of(server)
        made = kms.create_key()["KeyMetadata"]
        key, first = made["KeyId"], made["CurrentKeyMaterialId"]
        assert re.fullmatch("[a-f0-9]{64}", first)
        old = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        assert kms.decrypt(CiphertextBlob=old)["KeyMaterialId"] == first
        kms.rotate_key_on_demand(KeyId=key)
        second = kms.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"]
        assert second != first
        assert kms.decrypt(CiphertextBlob=old)["KeyMaterialId"] == first
        for answer in (
            kms.generate_data_key(KeyId=key, KeySpec="AES_256"),
            kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256"),
        ):
            assert answer["KeyMaterialId"] == second
            assert kms.decrypt(CiphertextBlob=answer["CiphertextBlob"])["KeyMaterialId"] == second
        moved = kms.re_encrypt(CiphertextBlob=old, DestinationKeyId=key)
        assert (moved["SourceKeyMaterialId"], moved["DestinationKeyMaterialId"]) == (first, second)
        listed = kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
        assert [entry["KeyMaterialId"] for entry in listed] == [first, second]

    def test_names_of_grants(self, server):
        kms = kms_of(server)
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        call = {"KeyId": key, "GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:root", "Operations": ["Decrypt"]}
        kms.create_grant(**call, Name="a:b/c_d-1")
        for name in ("!! x", "a b", "ä", "a.b"):
            code, message = error_of(kms.create_grant, **call, Name=name)
            assert code == "ValidationException"
            assert "^[a-zA-Z0-9:/_-]+$" in message
