"""A user or role that is deleted and made again is another one: what named the first by its ARN means nobody any more."""

import json
import re
import sqlite3
import uuid

import pytest
from botocore.exceptions import ClientError

from harness.identities import Identities, allow, document, name_of

NOTHING = document(allow("sts:GetCallerIdentity"))
ACCOUNT = "123456789012"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
UNIQUE_ID = re.compile(r"A(IDA|ROA)[A-Z0-9]{16}")


@pytest.fixture(scope="module")
def identities(wharf):
    return Identities(wharf)


def policy(action, *principals):
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*"}
        for principal in principals
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def is_refused(call, **parameters):
    try:
        call(**parameters)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException", error
        return True
    return False


def delete_user(iam, user):
    name = name_of(user.arn)
    iam.delete_access_key(UserName=name, AccessKeyId=user.access_key_id)
    for inline in iam.list_user_policies(UserName=name)["PolicyNames"]:
        iam.delete_user_policy(UserName=name, PolicyName=inline)
    iam.delete_user(UserName=name)


def delete_role(iam, arn):
    name = name_of(arn)
    for inline in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=inline)
    iam.delete_role(RoleName=name)


class Named:
    """Everything that can name a principal, naming these."""

    def __init__(self, wharf, *principals):
        self.kms, self.secrets, self.ecr = (wharf.client(name) for name in ("kms", "secretsmanager", "ecr"))
        unique = uuid.uuid4().hex
        self.key = self.kms.create_key(Policy=policy("kms:*", ROOT, *principals))["KeyMetadata"]["KeyId"]
        self.granted = self.kms.create_key()["KeyMetadata"]["KeyId"]
        for principal in principals:
            self.kms.create_grant(
                KeyId=self.granted,
                GranteePrincipal=principal,
                RetiringPrincipal=principal,
                Operations=["Encrypt", "Decrypt"],
            )
        self.secret = self.secrets.create_secret(Name=unique, SecretString="s")["Name"]
        self.secrets.put_resource_policy(
            SecretId=self.secret, ResourcePolicy=policy("secretsmanager:GetSecretValue", *principals)
        )
        statement = json.loads(policy("ecr:*", *principals))
        for part in statement["Statement"]:
            del part["Resource"]
        self.text = json.dumps(statement)
        self.repository = f"names/{unique}"
        self.ecr.create_repository(repositoryName=self.repository)
        self.ecr.set_repository_policy(repositoryName=self.repository, policyText=self.text)
        self.prefix = f"t{unique}"
        self.ecr.create_repository_creation_template(
            prefix=self.prefix, appliedFor=["CREATE_ON_PUSH"], repositoryPolicy=self.text
        )

    def calls(self, principal):
        """What the principal may do because it is named."""
        kms, secrets, ecr = (principal.client(name) for name in ("kms", "secretsmanager", "ecr"))
        return [
            (kms.encrypt, {"KeyId": self.key, "Plaintext": b"x"}),
            (kms.encrypt, {"KeyId": self.granted, "Plaintext": b"x"}),
            (secrets.get_secret_value, {"SecretId": self.secret}),
            (ecr.list_images, {"repositoryName": self.repository}),
        ]

    def shown(self):
        """The texts that name principals, as readers get them."""
        (template,) = self.ecr.describe_repository_creation_templates(prefixes=[self.prefix])[
            "repositoryCreationTemplates"
        ]
        grants = self.kms.list_grants(KeyId=self.granted)["Grants"]
        return {
            "key policy": self.kms.get_key_policy(KeyId=self.key)["Policy"],
            "grantee": " ".join(grant["GranteePrincipal"] for grant in grants),
            "retiring": " ".join(grant["RetiringPrincipal"] for grant in grants),
            "secret": self.secrets.get_resource_policy(SecretId=self.secret)["ResourcePolicy"],
            "repository": self.ecr.get_repository_policy(repositoryName=self.repository)["policyText"],
            "template": template["repositoryPolicy"],
        }

    def expect(self, principal, is_allowed):
        for call, parameters in self.calls(principal):
            assert is_refused(call, **parameters) is not is_allowed, (call, parameters)


def test_user(wharf_on_each_database):
    wharf = wharf_on_each_database
    identities = Identities(wharf)
    iam = identities.iam
    first = identities.user(NOTHING)
    user_id = iam.get_user(UserName=name_of(first.arn))["User"]["UserId"]
    named = Named(wharf, first.arn)
    named.expect(first, is_allowed=True)
    for where, text in named.shown().items():
        assert first.arn in text, where
        assert user_id not in text, where
    delete_user(iam, first)
    for where, text in named.shown().items():
        assert first.arn not in text, where
        assert user_id in text, where
    second = identities.user(NOTHING, name=name_of(first.arn))
    assert second.arn == first.arn
    named.expect(second, is_allowed=False)
    assert wharf.client("kms").list_retirable_grants(RetiringPrincipal=second.arn)["Grants"] == []


def test_role_and_its_session(wharf, identities):
    trust = document({"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"})
    first = identities.role(trust, NOTHING)
    role_id = identities.iam.get_role(RoleName=name_of(first))["Role"]["RoleId"]
    session_arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name_of(first)}/build"
    of_role, of_session = Named(wharf, first), Named(wharf, session_arn)
    session = identities.assume(first, name="build")
    of_role.expect(session, is_allowed=True)
    of_session.expect(session, is_allowed=True)
    of_session.expect(identities.assume(first, name="other"), is_allowed=False)
    delete_role(identities.iam, first)
    for where, text in of_session.shown().items():
        assert f"{role_id}:build" in text, where
    second = identities.role(trust, NOTHING, name=name_of(first))
    assert second == first
    session = identities.assume(second, name="build")
    of_role.expect(session, is_allowed=False)
    of_session.expect(session, is_allowed=False)
    # What is shown can be stored again.
    shown = of_session.shown()
    wharf.client("secretsmanager").put_resource_policy(SecretId=of_session.secret, ResourcePolicy=shown["secret"])
    wharf.client("kms").put_key_policy(KeyId=of_session.key, Policy=shown["key policy"])


def test_renamed_user(wharf, identities):
    """A user keeps what it has under another name; its old one means nobody."""
    user = identities.user(NOTHING)
    named = Named(wharf, user.arn)
    new_name = f"renamed-{uuid.uuid4().hex[:8]}"
    identities.iam.update_user(UserName=name_of(user.arn), NewUserName=new_name)
    named.expect(user, is_allowed=True)
    for where, text in named.shown().items():
        assert f":user/{new_name}" in text, where
    named.expect(identities.user(NOTHING, name=name_of(user.arn)), is_allowed=False)


@pytest.mark.parametrize("how", ["made", "renamed"])
def test_names_of_before(fresh_wharf, how):
    """Where only the ARN of a user was kept that is deleted, as once, whoever takes its name gets nothing."""
    if "WHARF_DATABASE_URL" in fresh_wharf.environment:
        pytest.skip("the rows of before are written into an embedded database")
    identities = Identities(fresh_wharf)
    first = identities.user(NOTHING)
    named = Named(fresh_wharf, first.arn)
    user_id = identities.iam.get_user(UserName=name_of(first.arn))["User"]["UserId"]
    delete_user(identities.iam, first)
    fresh_wharf.stop()
    with sqlite3.connect(fresh_wharf.data_dir / "wharf.db") as database:
        for table, column in (
            ("kms_keys", "policy"),
            ("kms_grants", "grantee"),
            ("kms_grants", "retiring"),
            ("secrets", "policy"),
            ("creation_templates", "repository_policy"),
        ):
            done = database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (user_id, first.arn))
            assert done.rowcount > 0, table
    database.close()
    fresh_wharf.start()
    if how == "made":
        second = identities.user(NOTHING, name=name_of(first.arn))
    else:
        second = identities.user(NOTHING)
        identities.iam.update_user(UserName=name_of(second.arn), NewUserName=name_of(first.arn))
    for call, parameters in named.calls(second):
        assert is_refused(call, **parameters), call
    named = named.shown()
    assert first.arn not in " ".join(named.values())
    for where, text in named.items():
        assert UNIQUE_ID.search(text), where
