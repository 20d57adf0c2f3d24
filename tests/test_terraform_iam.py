"""Terraform with the AWS provider makes, changes and destroys everything of IAM that registries are used with."""

import pytest
from botocore.exceptions import ClientError

from harness.server import SESSION
from harness.terraform import Terraform

CONFIGURATION = """
data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = [aws_iam_user.builder.arn]
    }
  }
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.ci.arn]
    }
    condition {
      test     = "StringLike"
      variable = "token.example.com:sub"
      values   = ["repo:org/*"]
    }
  }
}

data "aws_iam_policy_document" "push" {
  statement {
    actions   = @actions@
    resources = ["arn:aws:ecr:us-east-1:${data.aws_caller_identity.current.account_id}:repository/app"]
  }
}

resource "aws_iam_openid_connect_provider" "ci" {
  url             = "https://token.example.com"
  client_id_list  = @audiences@
  thumbprint_list = ["0123456789abcdef0123456789abcdef01234567"]
  tags            = { team = "@team@" }
}

resource "aws_iam_user" "builder" {
  name          = "tf-builder"
  path          = "@path@"
  force_destroy = true
  tags          = { team = "@team@" }
}

resource "aws_iam_access_key" "builder" {
  user   = aws_iam_user.builder.name
  status = "@status@"
}

resource "aws_iam_policy" "push" {
  name        = "tf-push"
  path        = "/tf/"
  description = "pushes"
  policy      = data.aws_iam_policy_document.push.json
  tags        = { team = "@team@" }
}

resource "aws_iam_user_policy_attachment" "push" {
  user       = aws_iam_user.builder.name
  policy_arn = aws_iam_policy.push.arn
}

resource "aws_iam_role" "ci" {
  name                 = "tf-ci"
  description          = "@description@"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = @duration@
  permissions_boundary = aws_iam_policy.push.arn
  tags                 = { team = "@team@" }
}

resource "aws_iam_role_policy" "inline" {
  name   = "inline"
  role   = aws_iam_role.ci.name
  policy = data.aws_iam_policy_document.push.json
}

resource "aws_iam_role_policy_attachment" "managed" {
  role       = aws_iam_role.ci.name
  policy_arn = "arn:aws:iam::aws:policy/@managed@"
}

output "account" { value = data.aws_caller_identity.current.account_id }
output "role" { value = aws_iam_role.ci.arn }
output "key" { value = aws_iam_access_key.builder.id }
output "secret" {
  value     = aws_iam_access_key.builder.secret
  sensitive = true
}
"""

FIRST = {
    "actions": '["ecr:PutImage"]',
    "audiences": '["sts.amazonaws.com"]',
    "team": "a",
    "path": "/",
    "status": "Active",
    "description": "first",
    "duration": "3600",
    "managed": "AmazonEC2ContainerRegistryReadOnly",
}
SECOND = {
    "actions": '["ecr:PutImage", "ecr:BatchGetImage"]',
    "audiences": '["sts.amazonaws.com", "other"]',
    "team": "b",
    "path": "/moved/",
    "status": "Inactive",
    "description": "second",
    "duration": "7200",
    "managed": "AmazonEC2ContainerRegistryPowerUser",
}


def configuration(values):
    text = CONFIGURATION
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def identity(wharf, outputs):
    sts = SESSION.client(
        "sts",
        endpoint_url=wharf.url,
        region_name=wharf.region,
        aws_access_key_id=outputs["key"],
        aws_secret_access_key=outputs["secret"],
    )
    return sts.get_caller_identity()["Arn"]


@pytest.mark.timeout(1800)
def test_iam_with_terraform(fresh_wharf, tmp_path):
    terraform = Terraform(fresh_wharf, tmp_path / "terraform")
    outputs = terraform.apply(configuration(FIRST))
    assert outputs["account"] == fresh_wharf.account
    assert identity(fresh_wharf, outputs) == f"arn:aws:iam::{fresh_wharf.account}:user/tf-builder"
    iam = fresh_wharf.client("iam")
    role = iam.get_role(RoleName="tf-ci")["Role"]
    assert role["Arn"] == outputs["role"] and role["Description"] == "first"

    changed = terraform.apply(configuration(SECOND))
    assert changed["key"] == outputs["key"]
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        identity(fresh_wharf, changed)
    role = iam.get_role(RoleName="tf-ci")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("second", 7200)
    trusted = role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["AWS"]
    assert trusted == f"arn:aws:iam::{fresh_wharf.account}:user/moved/tf-builder"
    # Terraform knows nothing of this key; force_destroy finds it.
    iam.create_access_key(UserName="tf-builder")

    terraform.destroy()
    assert iam.list_users()["Users"] == [] and iam.list_roles()["Roles"] == []
    assert iam.list_policies(Scope="Local")["Policies"] == []
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
