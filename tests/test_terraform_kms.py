"""Terraform with the AWS provider makes, changes and destroys KMS keys, aliases and repositories that they encrypt."""

import pytest

from harness.api_push import push_image
from harness.images import image
from harness.terraform import Terraform

CONFIGURATION = """
data "aws_caller_identity" "me" {}

resource "aws_kms_key" "images" {
  description             = "@description@"
  deletion_window_in_days = 7
  enable_key_rotation     = @rotation@
  tags                    = @tags@
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "@sid@"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_kms_key" "other" {}

resource "aws_kms_alias" "images" {
  name          = "alias/images"
  target_key_id = aws_kms_key.@target@.key_id
}

resource "aws_ecr_repository" "app" {
  name         = "kms/app"
  force_delete = true

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = aws_kms_key.images.arn
  }
}

resource "aws_ecr_repository" "managed" {
  name = "kms/managed"

  encryption_configuration {
    encryption_type = "KMS"
  }
}

data "aws_kms_alias" "images" {
  name       = aws_kms_alias.images.name
  depends_on = [aws_kms_alias.images]
}

output "key"   { value = aws_kms_key.images.arn }
output "other" { value = aws_kms_key.other.arn }
output "alias" { value = data.aws_kms_alias.images.target_key_arn }
output "used"  { value = aws_ecr_repository.app.encryption_configuration[0].kms_key }
"""


def configuration(**values):
    text = CONFIGURATION
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


@pytest.mark.timeout(1800)
def test_keys_with_terraform(fresh_wharf, tmp_path):
    """Apply, an empty plan, a change, an empty plan, destroy."""
    terraform = Terraform(fresh_wharf, tmp_path / "terraform", ("ecr", "kms", "sts"))
    ecr, kms = fresh_wharf.client(), fresh_wharf.client("kms")
    first = {"description": "images", "rotation": "true", "tags": '{ team = "a" }', "sid": "one", "target": "images"}
    made = terraform.apply(configuration(**first))
    assert made["used"] == made["alias"] == made["key"]
    assert kms.get_key_rotation_status(KeyId=made["key"])["KeyRotationEnabled"]
    push_image(ecr, "kms/app", image("terraform"), "v1")
    changed = {
        "description": "new",
        "rotation": "false",
        "tags": '{ team = "b", x = "y" }',
        "sid": "two",
        "target": "other",
    }
    again = terraform.apply(configuration(**changed))
    assert (again["key"], again["alias"]) == (made["key"], made["other"])
    assert kms.describe_key(KeyId=made["key"])["KeyMetadata"]["Description"] == "new"
    assert not kms.get_key_rotation_status(KeyId=made["key"])["KeyRotationEnabled"]
    assert '"two"' in kms.get_key_policy(KeyId=made["key"])["Policy"]
    assert len(kms.list_resource_tags(KeyId=made["key"])["Tags"]) == 2
    terraform.destroy()
    assert ecr.describe_repositories()["repositories"] == []
    assert kms.describe_key(KeyId=made["key"])["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert kms.list_grants(KeyId=made["key"])["Grants"] == []
