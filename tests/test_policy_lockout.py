"""Nobody can lock an account out of what it owns: its root user reads, sets and deletes policies whatever they say, and
whoever has the data folder resets them."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from harness.commands import refused, run
from harness.identities import Identities, Principal, allow, document
from harness.server import binary

ACCOUNT = "123456789012"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def denied(service):
    """A policy that denies everything of a service to everybody."""
    return policy({"Effect": "Deny", "Principal": "*", "Action": f"{service}:*", "Resource": "*"})


NOBODY = policy({"Effect": "Deny", "Principal": "*", "Action": "ecr:*"})


def error_of(call, **parameters):
    with pytest.raises(ClientError) as failure:
        call(**parameters)
    return failure.value.response["Error"]


def code_of(call, **parameters):
    return error_of(call, **parameters)["Code"]


@pytest.fixture(scope="module")
def administrator(wharf):
    return Identities(wharf).user(document(allow("*")))


class TestRoot:
    def test_repository(self, wharf, administrator):
        ecr, theirs = wharf.client(), administrator.client()
        named = {"repositoryName": f"locked/{uuid.uuid4().hex}"}
        ecr.create_repository(**named)
        assert code_of(ecr.set_repository_policy, **named, policyText=NOBODY) == "InvalidParameterException"
        ecr.set_repository_policy(**named, policyText=NOBODY, force=True)
        assert code_of(ecr.list_images, **named) == "AccessDeniedException"
        for call in (theirs.get_repository_policy, theirs.delete_repository_policy):
            assert code_of(call, **named) == "AccessDeniedException"
        assert ecr.get_repository_policy(**named)["policyText"] == NOBODY
        allowing = policy({"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "ecr:*"})
        ecr.set_repository_policy(**named, policyText=allowing)
        ecr.list_images(**named)
        ecr.set_repository_policy(**named, policyText=NOBODY, force=True)
        ecr.delete_repository_policy(**named)
        ecr.list_images(**named)

    def test_session_of_root(self, wharf):
        """Temporary keys of the root user are its own, too."""
        ecr = wharf.client()
        named = {"repositoryName": f"locked/{uuid.uuid4().hex}"}
        ecr.create_repository(**named)
        ecr.set_repository_policy(**named, policyText=NOBODY, force=True)
        keys = wharf.client("sts").get_session_token()["Credentials"]
        session = Principal(wharf, ROOT, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        session.client().delete_repository_policy(**named)

    def test_registry(self, fresh_wharf):
        ecr = fresh_wharf.client()
        administrator = Identities(fresh_wharf).user(document(allow("*"))).client()
        ecr.put_account_setting(name="REGISTRY_POLICY_SCOPE", value="V2")
        for client in (ecr, administrator):
            error = error_of(client.put_registry_policy, policyText=denied("ecr"))
            assert error["Code"] == "InvalidParameterException", error
            assert "keep you from putting another one" in error["Message"]
        others = {"StringNotEquals": {"aws:PrincipalArn": ROOT}}
        for_root = json.loads(denied("ecr"))
        for_root["Statement"][0]["Condition"] = others
        ecr.put_registry_policy(policyText=json.dumps(for_root))
        assert code_of(administrator.get_registry_policy) == "AccessDeniedException"
        # The administrator may do that to root, who undoes it.
        ecr.delete_registry_policy()
        against_root = json.loads(denied("ecr"))
        against_root["Statement"][0]["Condition"] = {"StringEquals": {"aws:PrincipalArn": ROOT}}
        administrator.put_registry_policy(policyText=json.dumps(against_root))
        assert code_of(ecr.describe_repositories) == "AccessDeniedException"
        assert "Deny" in ecr.get_registry_policy()["policyText"]
        ecr.delete_registry_policy()
        ecr.describe_repositories()

    def test_secret(self, wharf, administrator):
        secrets, theirs = wharf.client("secretsmanager"), administrator.client("secretsmanager")
        named = {"SecretId": secrets.create_secret(Name=uuid.uuid4().hex, SecretString="s")["Name"]}
        secrets.put_resource_policy(**named, ResourcePolicy=denied("secretsmanager"))
        assert code_of(secrets.get_secret_value, **named) == "AccessDeniedException"
        for call in (theirs.get_resource_policy, theirs.delete_resource_policy):
            assert code_of(call, **named) == "AccessDeniedException"
        assert "Deny" in secrets.get_resource_policy(**named)["ResourcePolicy"]
        secrets.put_resource_policy(**named, ResourcePolicy=denied("secretsmanager"))
        secrets.delete_resource_policy(**named)
        assert secrets.get_secret_value(**named)["SecretString"] == "s"

    def test_key(self, wharf, administrator):
        kms, theirs = wharf.client("kms"), administrator.client("kms")
        named = {"KeyId": kms.create_key()["KeyMetadata"]["KeyId"]}
        assert code_of(kms.put_key_policy, **named, Policy=denied("kms")) == "MalformedPolicyDocumentException"
        kms.put_key_policy(**named, Policy=denied("kms"), BypassPolicyLockoutSafetyCheck=True)
        assert code_of(kms.describe_key, **named) == "AccessDeniedException"
        assert code_of(theirs.get_key_policy, **named) == "AccessDeniedException"
        assert json.loads(kms.get_key_policy(**named)["Policy"]) == json.loads(denied("kms"))
        assert kms.list_key_policies(**named)["PolicyNames"] == ["default"]
        kms.put_key_policy(
            **named,
            Policy=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"}],
                }
            ),
        )
        kms.describe_key(**named)


class TestOffline:
    """`wharf policy reset`, while the server is stopped."""

    @pytest.fixture
    def locked(self, wharf_on_each_database):
        """A server on which everything is denied to everybody."""
        fresh_wharf = wharf_on_each_database
        ecr, kms, secrets = (fresh_wharf.client(name) for name in ("ecr", "kms", "secretsmanager"))
        ecr.put_account_setting(name="REGISTRY_POLICY_SCOPE", value="V2")
        ecr.create_repository(repositoryName="team/app")
        secrets.create_secret(Name="team/secret", SecretString="s")
        secrets.put_resource_policy(SecretId="team/secret", ResourcePolicy=denied("secretsmanager"))
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName="alias/team", TargetKeyId=key)
        kms.put_key_policy(KeyId=key, Policy=denied("kms"), BypassPolicyLockoutSafetyCheck=True)
        ecr.set_repository_policy(repositoryName="team/app", policyText=NOBODY, force=True)
        against_root = json.loads(denied("ecr"))
        against_root["Statement"][0]["Condition"] = {"StringEquals": {"aws:PrincipalArn": ROOT}}
        administrator = Identities(fresh_wharf).user(document(allow("*")))
        administrator.client().put_registry_policy(policyText=json.dumps(against_root))
        fresh_wharf.key = key
        return fresh_wharf

    def reset(self, wharf, *arguments, run=run, **options):
        database = {name: value for name, value in wharf.environment.items() if name == "WHARF_DATABASE_URL"}
        command = [binary(), "policy", "reset", *arguments, "--data-dir", wharf.data_dir]
        done = run(*command, environment=database, **options)
        return done if isinstance(done, str) else done.stdout

    def test_each(self, locked):
        said = self.reset(locked, "registry", run=refused)
        assert "another server is using the data folder" in said
        locked.stop()
        assert f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/team/app" in self.reset(locked, "repository", "team/app")
        assert "aws:PrincipalArn" in self.reset(locked, "registry")
        told = json.loads(self.reset(locked, "secret", "team/secret", "--output", "json"))
        assert told["oldPolicy"] == denied("secretsmanager")
        assert told["newPolicy"] is None
        told = json.loads(self.reset(locked, "key", "alias/team", "--output", "json"))
        assert told["arn"].endswith(locked.key)
        assert ROOT in told["newPolicy"]
        locked.start()
        ecr, kms, secrets = (locked.client(name) for name in ("ecr", "kms", "secretsmanager"))
        ecr.describe_repositories()
        ecr.list_images(repositoryName="team/app")
        assert code_of(ecr.get_repository_policy, repositoryName="team/app") == "RepositoryPolicyNotFoundException"
        assert code_of(ecr.get_registry_policy) == "RegistryPolicyNotFoundException"
        assert secrets.get_secret_value(SecretId="team/secret")["SecretString"] == "s"
        assert kms.describe_key(KeyId=locked.key)["KeyMetadata"]["Enabled"]

    def test_what_is_not_there(self, locked, tmp_path):
        locked.stop()
        for arguments, problem in (
            (("repository", "team/other"), "there is no repository called team/other"),
            (("repository", "team/app", "--account", "210987654321"), "in account 210987654321"),
            (("secret", "other"), "there is no secret called other"),
            (("key", "alias/other"), "there is no KMS key of the id or alias alias/other"),
            (("registry", "--region", "eu-west-1"), "there is no registry with a policy in eu-west-1"),
        ):
            assert problem in self.reset(locked, *arguments, run=refused)
        self.reset(locked, "registry")
        assert "there is no registry with a policy" in self.reset(locked, "registry", run=refused)
        self.reset(locked, "repository", f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/team/app")
        assert "has no policy" in self.reset(locked, "repository", "team/app", run=refused)
        if "WHARF_DATABASE_URL" not in locked.environment:
            nothing = tmp_path / "typo"
            said = refused(binary(), "policy", "reset", "registry", "--data-dir", nothing)
            assert f"{nothing} is not there, so it holds no registry" in said
            assert not nothing.exists()
