"""Secrets in use: who may read them, where they do not show, and Terraform's resources for them."""

import base64
import json
import uuid

import pytest
from botocore.exceptions import ClientError

from conftest import environment_of
from harness.aws_api import AwsApi
from harness.files import contents_under
from harness.identities import Identities, Principal, allow, deny, document
from harness.server import Wharf
from harness.terraform import Terraform

NEEDLE = "the-secret-of-the-tests"


@pytest.fixture(scope="module")
def root(wharf):
    return wharf.client("secretsmanager")


@pytest.fixture(scope="module")
def identities(wharf):
    return Identities(wharf)


def make(client, value="geheim", **members):
    return client.create_secret(Name=f"use/{uuid.uuid4().hex}", SecretString=value, **members)


def expect_denied(call, *words):
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    assert error["Code"] == "AccessDeniedException", error
    for word in words:
        assert word in error["Message"], error


class TestAccess:
    def test_identity_policies(self, root, identities):
        """The right for one secret is none for another; the message names what was asked and of which secret, as it was asked."""
        mine, other = make(root), make(root)
        user = identities.user(document(allow("secretsmanager:GetSecretValue", on=mine["ARN"]))).client(
            "secretsmanager"
        )
        for secret_id in (mine["Name"], mine["ARN"], mine["ARN"][:-7]):
            assert user.get_secret_value(SecretId=secret_id)["SecretString"] == "geheim"
        for secret_id in (other["Name"], other["ARN"], other["ARN"][:-7]):
            expect_denied(
                lambda name=secret_id: user.get_secret_value(SecretId=name),
                f"secretsmanager:GetSecretValue on resource: {secret_id} because",
            )
        expect_denied(lambda: user.put_secret_value(SecretId=mine["Name"], SecretString="x"), "PutSecretValue")
        # Whoever may not ask learns nothing of what is there.
        expect_denied(lambda: user.get_secret_value(SecretId="use/absent"), "use/absent")
        expect_denied(lambda: user.describe_secret(SecretId="use/absent"))

    def test_patterns_for_new_secrets(self, root, wharf, identities):
        """A policy for a name and six unknown characters lets a secret of this name be made, and no other."""
        name = f"use/{uuid.uuid4().hex}"
        arn = f"arn:aws:secretsmanager:us-east-1:{wharf.account}:secret:{name}-??????"
        user = identities.user(document(allow("secretsmanager:*", on=arn))).client("secretsmanager")
        user.create_secret(Name=name, SecretString="geheim")
        assert user.get_secret_value(SecretId=name)["SecretString"] == "geheim"
        expect_denied(lambda: user.create_secret(Name=f"{name}-longer", SecretString="x"))

    def test_tags(self, root, wharf, identities):
        """Conditions on a secret's tags, on those of the request, and on the stage."""
        ours = make(root, Tags=[{"Key": "team", "Value": "a"}])
        theirs = make(root, Tags=[{"Key": "team", "Value": "b"}])
        for key in ("aws:ResourceTag/team", "secretsmanager:ResourceTag/team"):
            statement = allow("secretsmanager:GetSecretValue", Condition={"StringEquals": {key: "a"}})
            user = identities.user(document(statement)).client("secretsmanager")
            assert user.get_secret_value(SecretId=ours["Name"])["SecretString"] == "geheim"
            expect_denied(lambda user=user: user.get_secret_value(SecretId=theirs["Name"]))
        of_team = {"StringEquals": {"aws:RequestTag/team": "a"}}
        maker = identities.user(
            document(allow("secretsmanager:CreateSecret", "secretsmanager:TagResource", Condition=of_team))
        ).client("secretsmanager")
        make(maker, Tags=[{"Key": "team", "Value": "a"}])
        expect_denied(lambda: make(maker, Tags=[{"Key": "team", "Value": "b"}]))
        without_tagging = identities.user(document(allow("secretsmanager:CreateSecret"))).client("secretsmanager")
        make(without_tagging)
        expect_denied(lambda: make(without_tagging, Tags=[{"Key": "k", "Value": "v"}]), "secretsmanager:TagResource")
        current = {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}
        reader = identities.user(document(allow("secretsmanager:GetSecretValue", Condition=current)))
        assert reader.client("secretsmanager").get_secret_value(SecretId=ours["Name"])
        expect_denied(
            lambda: reader.client("secretsmanager").get_secret_value(SecretId=ours["Name"], VersionStage="AWSPREVIOUS")
        )

    def test_resource_policies(self, root, identities):
        """A secret's own policy lets a user in that has no other right, and keeps one out that has them all."""
        secret = make(root)
        guest = identities.user()
        admin = identities.user(document(allow("secretsmanager:*")))
        policy = document(
            {**allow("secretsmanager:GetSecretValue"), "Principal": {"AWS": guest.arn}},
            {**deny("secretsmanager:DeleteSecret"), "Principal": "*"},
        )
        expect_denied(lambda: guest.client("secretsmanager").get_secret_value(SecretId=secret["ARN"]))
        admin.client("secretsmanager").put_resource_policy(SecretId=secret["Name"], ResourcePolicy=policy)
        assert guest.client("secretsmanager").get_secret_value(SecretId=secret["ARN"])["SecretString"] == "geheim"
        expect_denied(lambda: guest.client("secretsmanager").describe_secret(SecretId=secret["ARN"]))
        expect_denied(lambda: admin.client("secretsmanager").delete_secret(SecretId=secret["ARN"]), "explicit deny")
        root.delete_resource_policy(SecretId=secret["ARN"])
        expect_denied(lambda: guest.client("secretsmanager").get_secret_value(SecretId=secret["ARN"]))
        admin.client("secretsmanager").delete_secret(SecretId=secret["ARN"])

    def test_batches(self, root, identities):
        """Each value of a batch needs its own right; the one that is refused is named, the others come."""
        mine, other = make(root), make(root)
        rights = [allow("secretsmanager:BatchGetSecretValue"), allow("secretsmanager:GetSecretValue", on=mine["ARN"])]
        user = identities.user(document(*rights)).client("secretsmanager")
        found = user.batch_get_secret_value(SecretIdList=[mine["Name"], other["Name"]])
        assert [value["ARN"] for value in found["SecretValues"]] == [mine["ARN"]]
        assert [error["ErrorCode"] for error in found["Errors"]] == ["AccessDeniedException"]
        assert "geheim" not in json.dumps(found["Errors"])
        only_values = identities.user(document(rights[1])).client("secretsmanager")
        expect_denied(lambda: only_values.batch_get_secret_value(SecretIdList=[mine["Name"]]))

    def test_other_accounts(self, start_wharf):
        """Another account's secret needs both: the caller's own policies and the secret's."""
        accounts = {
            "123456789012": ("AKIAIOSFODNN7EXAMPLE", "a" * 40),
            "210987654321": ("AKIAI44QH8DHBEXAMPLE", "b" * 40),
        }
        server = start_wharf(accounts, ["us-east-1"])
        owner, other = (
            Principal(server, f"arn:aws:iam::{account}:root", *keys).client("secretsmanager")
            for account, keys in accounts.items()
        )
        secret = make(owner)
        expect_denied(lambda: other.get_secret_value(SecretId=secret["ARN"]))
        policy = document(
            {**allow("secretsmanager:GetSecretValue"), "Principal": {"AWS": "arn:aws:iam::210987654321:root"}}
        )
        owner.put_resource_policy(SecretId=secret["Name"], ResourcePolicy=policy)
        assert other.get_secret_value(SecretId=secret["ARN"])["SecretString"] == "geheim"
        # A name is one of the caller's own account.
        with pytest.raises(other.exceptions.ResourceNotFoundException):
            other.get_secret_value(SecretId=secret["Name"])


def test_regions_have_their_own(start_wharf):
    server = start_wharf({"123456789012": ("AKIAIOSFODNN7EXAMPLE", "a" * 40)}, ["us-east-1", "eu-west-1"])
    keys = ("AKIAIOSFODNN7EXAMPLE", "a" * 40)
    here, there = (
        Principal(server, "arn:aws:iam::123456789012:root", *keys, region=region).client("secretsmanager")
        for region in ("us-east-1", "eu-west-1")
    )
    secret = here.create_secret(Name="one", SecretString="here")
    with pytest.raises(there.exceptions.ResourceNotFoundException):
        there.get_secret_value(SecretId="one")
    with pytest.raises(there.exceptions.InvalidParameterException):
        there.get_secret_value(SecretId=secret["ARN"])
    there.create_secret(Name="one", SecretString="there")
    assert here.get_secret_value(SecretId="one")["SecretString"] == "here"


def test_nothing_shows(tmp_path, default_database):
    """No file of the data folder and no line of the log holds a secret, whatever is asked, at the most talkative level."""
    environment = {**environment_of(default_database), "WHARF_LOG": "trace"}
    server = Wharf(tmp_path / "wharf", environment=environment).start()
    client = server.client("secretsmanager")
    made = make(client, f'{{"username": "u", "accessToken": "{NEEDLE}"}}')
    client.put_secret_value(SecretId=made["Name"], SecretString=f"{NEEDLE} again")
    client.update_secret(SecretId=made["Name"], SecretBinary=f"{NEEDLE} in bytes".encode())
    assert client.get_secret_value(SecretId=made["Name"])["SecretBinary"] == f"{NEEDLE} in bytes".encode()
    client.batch_get_secret_value(SecretIdList=[made["Name"]])
    api = AwsApi(server)
    for members in (
        {"SecretString": NEEDLE, "ClientRequestToken": "short"},
        {"SecretString": NEEDLE, "ClientRequestToken": made["VersionId"]},
        {"SecretString": NEEDLE * 10_000},
        {"SecretString": NEEDLE, "SecretBinary": "AA=="},
        {"SecretBinary": NEEDLE},
        *({member: value} for member in ("SecretString", "SecretBinary") for value in ({"pin": NEEDLE}, [NEEDLE])),
    ):
        answer = api.secrets("PutSecretValue", {"SecretId": made["Name"], **members})
        assert answer.status == 400 and NEEDLE.encode() not in answer.body, repr(answer)
    server.restart()
    needles = [NEEDLE.encode(), base64.b64encode(NEEDLE.encode())[:-4]]
    contents = contents_under(server.data_dir)
    assert len(contents) > 3
    for path, content in contents.items():
        assert not any(needle in content for needle in needles), path
    log = server.log_text().encode()
    assert not any(needle in log for needle in needles)
    assert "DEBUG" in server.log_text(), "refusals are told at this level"
    server.finish()


CONFIGURATION = """
resource "aws_secretsmanager_secret" "login" {
  name                    = "ecr-pullthroughcache/tf"
  description             = "@description@"
  recovery_window_in_days = @window@
  tags                    = { team = "@description@" }
}

resource "aws_secretsmanager_secret_version" "login" {
  secret_id     = aws_secretsmanager_secret.login.id
  secret_string = jsonencode({ username = "u", accessToken = "@value@" })
}

resource "aws_secretsmanager_secret_policy" "login" {
  secret_arn = aws_secretsmanager_secret.login.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow", Principal = { AWS = "arn:aws:iam::123456789012:root" }
      Action = "secretsmanager:GetSecretValue", Resource = "*"
    }]
  })
}

data "aws_secretsmanager_secret_version" "login" {
  secret_id  = aws_secretsmanager_secret.login.id
  depends_on = [aws_secretsmanager_secret_version.login]
}

output "token" {
  value = nonsensitive(jsondecode(data.aws_secretsmanager_secret_version.login.secret_string).accessToken)
}
"""


def configuration(**values):
    text = CONFIGURATION
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


@pytest.mark.timeout(1800)
def test_terraform(fresh_wharf, tmp_path):
    """Apply, an empty plan, a change, an empty plan, destroy."""
    terraform = Terraform(fresh_wharf, tmp_path / "terraform", ("secretsmanager", "iam", "sts"))
    client = fresh_wharf.client("secretsmanager")
    assert terraform.apply(configuration(description="first", window="7", value="one")) == {"token": "one"}
    assert terraform.apply(configuration(description="second", window="0", value="two")) == {"token": "two"}
    found = client.describe_secret(SecretId="ecr-pullthroughcache/tf")
    assert (found["Description"], found["Tags"]) == ("second", [{"Key": "team", "Value": "second"}])
    terraform.destroy()
    assert client.list_secrets(IncludePlannedDeletion=True)["SecretList"] == []
