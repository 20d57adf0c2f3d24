"""Terraform with the AWS provider makes, changes and destroys repository and registry policies."""

import json

import pytest

from harness.terraform import Terraform

CONFIGURATION = """
data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "repository" {
  statement {
    sid     = "new policy"
    actions = @actions@
    principals {
      type        = "AWS"
      identifiers = [aws_iam_user.puller.arn]
    }
  }
}

data "aws_iam_policy_document" "registry" {
  statement {
    sid       = "Replication"
    actions   = ["ecr:ReplicateImage", "ecr:CreateRepository"]
    resources = ["arn:aws:ecr:us-east-1:${data.aws_caller_identity.current.account_id}:repository/@prefix@/*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }
}

resource "aws_iam_user" "puller" {
  name = "tf-puller"
}

resource "aws_ecr_repository" "app" {
  name                 = "tf/app"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = true
  tags                 = { team = "a" }
}

resource "aws_ecr_repository_policy" "app" {
  repository = aws_ecr_repository.app.name
  policy     = data.aws_iam_policy_document.repository.json
}

resource "aws_ecr_registry_policy" "all" {
  policy = data.aws_iam_policy_document.registry.json
}
"""


def configuration(actions, prefix):
    return CONFIGURATION.replace("@actions@", json.dumps(actions)).replace("@prefix@", prefix)


@pytest.mark.timeout(1800)
def test_policies_with_terraform(fresh_wharf, tmp_path):
    """Apply, an empty plan, a change, an empty plan, destroy."""
    terraform = Terraform(fresh_wharf, tmp_path / "terraform", ("ecr", "iam", "sts"))
    ecr = fresh_wharf.client()
    terraform.apply(configuration(["ecr:BatchGetImage"], "first"))
    policy = json.loads(ecr.get_repository_policy(repositoryName="tf/app")["policyText"])
    assert policy["Statement"][0]["Action"] == "ecr:BatchGetImage"
    assert "repository/first/*" in ecr.get_registry_policy()["policyText"]
    terraform.apply(configuration(["ecr:BatchGetImage", "ecr:ListImages"], "second"))
    policy = json.loads(ecr.get_repository_policy(repositoryName="tf/app")["policyText"])
    assert sorted(policy["Statement"][0]["Action"]) == ["ecr:BatchGetImage", "ecr:ListImages"]
    assert "repository/second/*" in ecr.get_registry_policy()["policyText"]
    terraform.destroy()
    assert ecr.describe_repositories()["repositories"] == []
    with pytest.raises(ecr.exceptions.RegistryPolicyNotFoundException):
        ecr.get_registry_policy()
