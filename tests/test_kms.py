"""What KMS keys do to repositories: who may use them, what a key that is disabled or gone means, and what is stored."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from conftest import environment_of
from harness.api_push import push_image as push_by_api
from harness.commands import run
from harness.ecr_client import Ecr
from harness.identities import Identities, allow, deny, document
from harness.images import image
from harness.registry_client import RegistryClient, Repository, digest_of, new_repository
from harness.server import Wharf, binary, shifted, wait_for
from test_root_keys import expect_all, push, service_key, status, wait_until_resealed

ALL_ECR = allow("ecr:*")
# A policy that allows nothing here.
NOTHING = document(allow("sts:GetCallerIdentity"))


@pytest.fixture
def kms(wharf):
    return wharf.client("kms")


@pytest.fixture
def ecr(wharf):
    return wharf.client()


@pytest.fixture(scope="module")
def identities(wharf):
    return Identities(wharf)


def new_key(kms, **parameters):
    return kms.create_key(**parameters)["KeyMetadata"]


def encrypted(wharf, key=None, kind="KMS", ecr=None):
    """A new repository as /v2 shows it, encrypted by a key."""
    name = f"kms/{uuid.uuid4().hex}"
    configuration = {"encryptionType": kind, **({"kmsKey": key} if key else {})}
    (ecr or wharf.client()).create_repository(repositoryName=name, encryptionConfiguration=configuration)
    return Repository(RegistryClient(wharf.host, wharf.authorization), name)


def described(ecr, repository):
    return ecr.describe_repositories(repositoryNames=[repository.name])["repositories"][0]["encryptionConfiguration"]


def kms_error(call, *arguments, **parameters):
    """KMS's error in the KmsException of a call."""
    with pytest.raises(ClientError) as failure:
        call(*arguments, **parameters)
    error = failure.value.response
    assert error["Error"]["Code"] == "KmsException", error
    return error["kmsError"]


def code_of(call, **parameters):
    with pytest.raises(ClientError) as failure:
        call(**parameters)
    return failure.value.response["Error"]["Code"]


def expect_no_use(wharf, repository, pushed, kms_code):
    """Neither /v2 nor the API lets anybody push or pull, and both say why."""
    ecr, (name, tag, _, blobs) = wharf.client(), pushed
    for answer in (
        repository.pull(tag),
        *(repository.client.get(repository.blob(digest)) for digest in blobs),
        repository.client.post(repository.uploads),
    ):
        answer.expect_error(403, "DENIED")
        assert "key/" in answer.messages[0], answer
    got = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": tag}])
    assert [failure["failureCode"] for failure in got["failures"]] == ["KmsError"] and not got["images"]
    assert kms_error(ecr.initiate_layer_upload, repositoryName=name) == kms_code
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []})
    assert kms_error(ecr.put_image, repositoryName=name, imageManifest=manifest) == kms_code
    assert kms_error(ecr.get_download_url_for_layer, repositoryName=name, layerDigest=next(iter(blobs))) == kms_code


class TestCreation:
    def test_key_by_every_name(self, wharf, kms, ecr):
        key = new_key(kms)
        alias = f"alias/{uuid.uuid4().hex}"
        kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
        for name in (key["KeyId"], key["Arn"], alias, key["Arn"].replace(f"key/{key['KeyId']}", alias)):
            for kind in ("KMS", "KMS_DSSE"):
                repository = encrypted(wharf, name, kind)
                assert described(ecr, repository) == {"encryptionType": kind, "kmsKey": key["Arn"]}

    def test_without_a_key(self, wharf, kms, ecr):
        """It is the key behind alias/aws/ecr, which is made for that and which nobody can change."""
        first, second = encrypted(wharf), encrypted(wharf)
        arn = kms.describe_key(KeyId="alias/aws/ecr")["KeyMetadata"]["Arn"]
        assert described(ecr, first) == described(ecr, second) == {"encryptionType": "KMS", "kmsKey": arn}
        found = kms.describe_key(KeyId=arn)["KeyMetadata"]
        assert found["KeyManager"] == "AWS"
        assert code_of(kms.disable_key, KeyId=arn) == "AccessDeniedException"
        assert code_of(kms.encrypt, KeyId=arn, Plaintext=b"x") == "AccessDeniedException"
        push(first, "v1", b"content")

    def test_key_that_cannot_be_used(self, wharf, kms, ecr):
        disabled, pending = new_key(kms), new_key(kms)
        kms.disable_key(KeyId=disabled["KeyId"])
        kms.schedule_key_deletion(KeyId=pending["KeyId"])
        cases = {
            disabled["Arn"]: "DisabledException",
            pending["Arn"]: "KMSInvalidStateException",
            str(uuid.uuid4()): "NotFoundException",
            "alias/absent": "NotFoundException",
            disabled["Arn"].replace(wharf.region, "eu-north-1"): "InvalidArnException",
        }
        for key, expected in cases.items():
            configuration = {"encryptionType": "KMS", "kmsKey": key}
            call = {"repositoryName": f"kms/{uuid.uuid4().hex}", "encryptionConfiguration": configuration}
            assert kms_error(ecr.create_repository, **call) == expected, key
            assert code_of(ecr.describe_repositories, repositoryNames=[call["repositoryName"]]) == (
                "RepositoryNotFoundException"
            )

    def test_grants(self, wharf, kms, ecr):
        """Two grants for the repository alone, which go with it; a revoked one ends its use."""
        key = new_key(kms)
        repository, other = encrypted(wharf, key["Arn"]), encrypted(wharf, key["Arn"])
        arn = ecr.describe_repositories(repositoryNames=[repository.name])["repositories"][0]["repositoryArn"]
        grants = kms.list_grants(KeyId=key["KeyId"])["Grants"]
        assert len(grants) == 4
        own = [grant for grant in grants if grant["Constraints"]["EncryptionContextSubset"] == {"aws:ecr:arn": arn}]
        assert sorted(grant["Operations"][0] for grant in own) == ["Decrypt", "GenerateDataKey"]
        pushed, pushed_other = push(repository, "v1", b"1"), push(other, "v1", b"2")
        for grant in own:
            kms.revoke_grant(KeyId=key["KeyId"], GrantId=grant["GrantId"])
        expect_no_use(wharf, repository, pushed, "AccessDeniedException")
        expect_all(other.client, [pushed_other])
        ecr.delete_repository(repositoryName=repository.name, force=True)
        ecr.delete_repository(repositoryName=other.name, force=True)
        assert kms.list_grants(KeyId=key["KeyId"])["Grants"] == []

    def test_rights(self, wharf, kms, ecr, identities):
        """Whoever has a repository encrypted by a key needs rights on it; who only pushes and pulls needs none."""
        key = new_key(kms)["Arn"]
        for rights, is_allowed in (
            ([], False),
            ([allow("kms:DescribeKey", on=key)], False),
            ([allow("kms:CreateGrant", on=key)], False),
            ([allow("kms:DescribeKey", "kms:CreateGrant", on=key)], True),
            (
                [
                    allow("kms:DescribeKey", on=key),
                    through("kms:CreateGrant", key, f"ecr.{wharf.region}.amazonaws.com"),
                ],
                True,
            ),
            ([allow("kms:DescribeKey", on=key), through("kms:CreateGrant", key, "s3.amazonaws.com")], False),
        ):
            user = identities.user(document(ALL_ECR, *rights))
            if is_allowed:
                encrypted(wharf, key, ecr=user.client())
                continue
            call = {"repositoryName": "kms/denied", "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": key}}
            assert kms_error(user.client().create_repository, **call) == "AccessDeniedException"
        repository = encrypted(wharf, key)
        user = identities.user(document(ALL_ECR))
        as_user = Repository(user.registry(), repository.name)
        expect_all(as_user.client, [push(as_user, "v1", b"by somebody without rights on the key")])
        # With no key named it is enough to be in the account.
        encrypted(wharf, ecr=user.client())

    def test_templates(self, wharf, kms, ecr):
        key = new_key(kms)["Arn"]
        for configuration in ({"encryptionType": "KMS", "kmsKey": key}, {"encryptionType": "KMS"}):
            prefix = f"t{uuid.uuid4().hex}"
            ecr.create_repository_creation_template(
                prefix=prefix, appliedFor=["CREATE_ON_PUSH"], encryptionConfiguration=configuration
            )
            repository = Repository(RegistryClient(wharf.host, wharf.authorization), f"{prefix}/app")
            expect_all(repository.client, [push(repository, "v1", b"made by a template")])
            arn = configuration.get("kmsKey") or kms.describe_key(KeyId="alias/aws/ecr")["KeyMetadata"]["Arn"]
            assert described(ecr, repository) == {"encryptionType": "KMS", "kmsKey": arn}


def through(action, key, service):
    return allow(action, on=key, Condition={"StringEquals": {"kms:ViaService": service}})


@pytest.mark.parametrize("kind", ["KMS", "KMS_DSSE"])
class TestKeyStates:
    def test_disabled_and_enabled(self, wharf, kms, ecr, kind):
        key = new_key(kms)
        repository = encrypted(wharf, key["Arn"], kind)
        pushed = push(repository, "v1", b"x" * 200_000)
        location = repository.start_upload()
        kms.disable_key(KeyId=key["KeyId"])
        expect_no_use(wharf, repository, pushed, "DisabledException")
        repository.client.patch(location, b"more").expect_error(403, "DENIED")
        # What needs no content works: lists, settings, deletion.
        assert ecr.describe_images(repositoryName=repository.name)["imageDetails"]
        kms.enable_key(KeyId=key["KeyId"])
        expect_all(repository.client, [pushed, push(repository, "v2", b"again")])
        assert repository.client.patch(location, b"more").expect(202)

    def test_to_be_deleted(self, wharf, kms, kind):
        key = new_key(kms)
        repository = encrypted(wharf, key["Arn"], kind)
        pushed = push(repository, "v1", b"content")
        kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
        expect_no_use(wharf, repository, pushed, "KMSInvalidStateException")
        kms.cancel_key_deletion(KeyId=key["KeyId"])
        expect_no_use(wharf, repository, pushed, "DisabledException")
        kms.enable_key(KeyId=key["KeyId"])
        expect_all(repository.client, [pushed])

    def test_rotated(self, wharf, kms, kind):
        """What the old material encrypted stays readable."""
        key = new_key(kms)
        repository = encrypted(wharf, key["Arn"], kind)
        pushed = [push(repository, "v0", b"0")]
        for number in range(1, 4):
            kms.rotate_key_on_demand(KeyId=key["KeyId"])
            pushed.append(push(repository, f"v{number}", b"%d" % number))
            expect_all(repository.client, pushed)

    def test_mounts_and_shares_within_one_key(self, wharf, kms, ecr, kind):
        """Layers are shared by repositories of one key and type, and mounted between no others."""
        key, other = new_key(kms)["Arn"], new_key(kms)["Arn"]
        source = encrypted(wharf, key, kind)
        pushed = push(source, "v1", b"shared" * 1_000)
        ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
        try:
            (digest, *_) = pushed[3]
            for target, status_code in ((encrypted(wharf, key, kind), 201), (encrypted(wharf, other, kind), 202)):
                answer = target.client.post(f"{target.uploads}?mount={digest}&from={source.name}")
                answer.expect(status_code)
                if status_code == 201:
                    assert target.client.get(target.blob(digest)).expect(200).body == pushed[3][digest]
            plain = new_repository(wharf, "plain")
            plain.client.post(f"{plain.uploads}?mount={digest}&from={source.name}").expect(202)
        finally:
            ecr.put_account_setting(name="BLOB_MOUNTING", value="DISABLED")


class TestPolicies:
    """A key's policy decides first; identity policies count where it gives the account the power."""

    def test_who_may_use_a_key(self, wharf, kms, identities):
        root = f"arn:aws:iam::{wharf.account}:root"
        named, other = identities.user(NOTHING), identities.user(document(allow("kms:*")))
        admin = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}
        for_named = {
            "Effect": "Allow",
            "Principal": {"AWS": named.arn},
            "Action": ["kms:Encrypt", "kms:Decrypt"],
            "Resource": "*",
        }
        narrow = {**admin, "Action": ["kms:PutKeyPolicy", "kms:Describe*", "kms:Get*", "kms:EnableKey"]}

        def policy(*statements):
            return json.dumps({"Version": "2012-10-17", "Statement": statements})

        key_id = new_key(kms, Policy=policy(admin))["KeyId"]
        assert code_of(named.client("kms").encrypt, KeyId=key_id, Plaintext=b"x") == "AccessDeniedException"
        other.client("kms").encrypt(KeyId=key_id, Plaintext=b"x")
        kms.put_key_policy(KeyId=key_id, Policy=policy(narrow, for_named))
        sealed = named.client("kms").encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
        assert named.client("kms").decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
        # The key gives the account no power over that any more: neither its users nor even its root.
        assert code_of(other.client("kms").encrypt, KeyId=key_id, Plaintext=b"x") == "AccessDeniedException"
        assert code_of(kms.decrypt, CiphertextBlob=sealed) == "AccessDeniedException"
        denied = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
        kms.put_key_policy(KeyId=key_id, Policy=policy(narrow, for_named, denied))
        assert code_of(named.client("kms").decrypt, CiphertextBlob=sealed) == "AccessDeniedException"

    def test_encryption_context(self, wharf, kms, identities):
        key = new_key(kms)
        condition = {"StringEquals": {"kms:EncryptionContext:project": "a"}}
        user = identities.user(document(allow("kms:Encrypt", on=key["Arn"], Condition=condition))).client("kms")
        user.encrypt(KeyId=key["KeyId"], Plaintext=b"x", EncryptionContext={"project": "a", "more": "x"})
        for context in ({}, {"project": "b"}):
            call = {"KeyId": key["KeyId"], "Plaintext": b"x", "EncryptionContext": context}
            assert code_of(user.encrypt, **call) == "AccessDeniedException"

    def test_grants(self, wharf, kms, identities):
        key = new_key(kms)
        user = identities.user(NOTHING)
        client = user.client("kms")
        sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x", EncryptionContext={"a": "1", "b": "2"})[
            "CiphertextBlob"
        ]

        def decrypt():
            return client.decrypt(CiphertextBlob=sealed, EncryptionContext={"a": "1", "b": "2"})["Plaintext"]

        for constraints, is_allowed in (
            ({"EncryptionContextSubset": {"a": "1"}}, True),
            ({"EncryptionContextEquals": {"a": "1", "b": "2"}}, True),
            ({"EncryptionContextSubset": {"a": "2"}}, False),
            ({"EncryptionContextEquals": {"a": "1"}}, False),
            ({"EncryptionContextEquals": {"a": "1", "b": "2", "c": "3"}}, False),
        ):
            made = kms.create_grant(
                KeyId=key["KeyId"], GranteePrincipal=user.arn, Operations=["Decrypt"], Constraints=constraints
            )
            if is_allowed:
                assert decrypt() == b"x"
            else:
                assert code_of(decrypt) == "AccessDeniedException", constraints
            assert code_of(client.encrypt, KeyId=key["KeyId"], Plaintext=b"x") == "AccessDeniedException"
            kms.revoke_grant(KeyId=key["KeyId"], GrantId=made["GrantId"])
            assert code_of(decrypt) == "AccessDeniedException"
        denied = identities.user(document(deny("kms:Decrypt")))
        kms.create_grant(KeyId=key["KeyId"], GranteePrincipal=denied.arn, Operations=["Decrypt"])
        call = {"CiphertextBlob": sealed, "EncryptionContext": {"a": "1", "b": "2"}}
        assert code_of(denied.client("kms").decrypt, **call) == "AccessDeniedException"


class TestStorage:
    def test_root_keys_alone_open_nothing(self, fresh_wharf):
        """Manifests and data keys of a KMS repository are sealed anew with the material's root key alone, and stay whole."""
        kms = fresh_wharf.client("kms")
        key = new_key(kms)
        repositories = [encrypted(fresh_wharf, key["Arn"], kind) for kind in ("KMS", "KMS_DSSE")]
        pushed = [push(repository, "v1", b"layer" * 10_000) for repository in repositories]
        service_key(fresh_wharf, "rotate")
        wait_until_resealed(fresh_wharf, 2)
        fresh_wharf.restart()
        expect_all(RegistryClient(fresh_wharf.host, fresh_wharf.authorization), pushed)
        kms.disable_key(KeyId=key["KeyId"])
        fresh_wharf.restart()
        client = RegistryClient(fresh_wharf.host, fresh_wharf.authorization)
        for name, tag, *_ in pushed:
            Repository(client, name).pull(tag).expect_error(403, "DENIED")

    def test_deleted_for_good(self, fresh_wharf):
        """When the days of waiting are over the key goes, and with it all that it encrypted; nothing else does."""
        kms, ecr = fresh_wharf.client("kms"), fresh_wharf.client()
        key = new_key(kms)
        repository, plain = encrypted(fresh_wharf, key["Arn"]), new_repository(fresh_wharf, "plain")
        pushed, kept = push(repository, "v1", b"content"), push(plain, "v1", b"content")
        kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
        fresh_wharf.stop()
        fresh_wharf.start(clock="+169h")
        # Requests must be signed at the server's time.
        wait_for(lambda: key["KeyId"] not in jobs(fresh_wharf, shifted("+169h")), "the key to be deleted")
        fresh_wharf.stop()
        fresh_wharf.start()
        assert code_of(kms.describe_key, KeyId=key["KeyId"]) == "NotFoundException"
        client = RegistryClient(fresh_wharf.host, fresh_wharf.authorization)
        Repository(client, repository.name).pull("v1").expect_error(403, "DENIED")
        expect_all(client, [kept])
        assert pushed and ecr.delete_repository(repositoryName=repository.name, force=True)

    def test_archive_and_restore(self, wharf, kms, ecr):
        """A layer keeps its key on the way into the archive and back, and a deleted image comes back readable."""
        repository = encrypted(wharf, new_key(kms)["Arn"])
        made = image("archived", size=300_000)
        push_by_api(ecr, repository.name, made, "v1")
        for target in ("ARCHIVE", "STANDARD"):
            ecr.update_image_storage_class(
                repositoryName=repository.name, imageId={"imageTag": "v1"}, targetStorageClass=target
            )
            wait_for(lambda: "move blob" not in jobs(wharf), "layers to be moved", 60)

        def is_active():
            pages = ecr.describe_images(repositoryName=repository.name, filter={"imageStatus": "ANY"})
            return pages["imageDetails"][0]["imageStatus"] == "ACTIVE"

        wait_for(is_active, "the image to be active", 60)
        ecr.batch_delete_image(repositoryName=repository.name, imageIds=[{"imageTag": "v1"}])
        command = [binary(), "image", "restore", f"{repository.name}:v1", "--data-dir", wharf.data_dir]
        run(*command)
        assert repository.pull("v1").expect(200).body == made.manifest
        for digest, content in ((digest_of(content), content) for content in made.blobs):
            assert repository.client.get(repository.blob(digest)).expect(200).body == content

    def test_kms_of_another_wharf(self, wharf, tmp_path, default_database):
        """The service key can be a key of a KMS: then nothing in the data folder opens anything without it."""
        kms = wharf.client("kms")
        key = new_key(kms)
        section = "WHARF_SERVICE_KEY_KMS_"
        environment = {
            **environment_of(default_database),
            f"{section}KEY_ID": key["Arn"],
            f"{section}ENDPOINT": wharf.url,
            f"{section}REGION": wharf.region,
            f"{section}ACCESS_KEY_ID": wharf.credentials["AWS_ACCESS_KEY_ID"],
            f"{section}SECRET_ACCESS_KEY": wharf.credentials["AWS_SECRET_ACCESS_KEY"],
        }
        server = Wharf(tmp_path / "wharf", environment=environment).start()
        assert not (server.data_dir / "service.key").exists()
        pushed = [push(new_repository(server, "own"), "v1", b"content")]
        assert key["Arn"] in status(server)["serviceKey"]
        service_key(server, "rotate")
        kms.rotate_key_on_demand(KeyId=key["KeyId"])
        assert service_key(server, "rewrap")["rewrapped"] == 2
        server.restart()
        expect_all(RegistryClient(server.host, server.authorization), pushed)
        server.stop()
        kms.disable_key(KeyId=key["KeyId"])
        with pytest.raises(AssertionError):
            server.start()
        kms.enable_key(KeyId=key["KeyId"])
        # Back to a key of its own, while the old one is still there.
        previous = {name.replace("SERVICE_KEY", "PREVIOUS_SERVICE_KEY"): value for name, value in environment.items()}
        server.environment = {**previous, "WHARF_SERVICE_KEY": "ef" * 32}
        server.start()
        server.stop()
        server.environment = {**environment_less(environment, section), "WHARF_SERVICE_KEY": "ef" * 32}
        server.start()
        expect_all(RegistryClient(server.host, server.authorization), pushed)
        server.finish()


def environment_less(environment, prefix):
    return {name: value for name, value in environment.items() if not name.startswith(prefix)}


def jobs(wharf, environment=None):
    return run(binary(), "jobs", "list", "--data-dir", wharf.data_dir, environment=environment).stdout


def test_error_of_the_model(wharf, kms):
    """KmsException carries KMS's own code, as the model says."""
    key = new_key(kms)
    repository = encrypted(wharf, key["Arn"])
    kms.disable_key(KeyId=key["KeyId"])
    answer = Ecr(wharf).refuse("InitiateLayerUpload", "KmsException", repositoryName=repository.name)
    assert (answer["kmsError"], answer["message"]) == ("DisabledException", f"{key['Arn']} is disabled.")
