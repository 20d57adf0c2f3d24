"""Terraform makes, changes and destroys a service-linked role, and is told why a secret cannot be rotated."""

import pytest
from botocore.exceptions import ClientError

from harness.terraform import Terraform

ROLE = """
resource "aws_iam_service_linked_role" "replication" {
  aws_service_name = "replication.ecr.amazonaws.com"
  description      = "%s"
}

output "arn" { value = aws_iam_service_linked_role.replication.arn }
"""
ROTATION = """
resource "aws_secretsmanager_secret" "token" {
  name                    = "tf/rotated"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_rotation" "token" {
  secret_id           = aws_secretsmanager_secret.token.id
  rotation_lambda_arn = "arn:aws:lambda:us-east-1:123456789012:function:rotate"
  rotation_rules { automatically_after_days = 30 }
}
"""


def test_service_linked_role(fresh_wharf, tmp_path):
    terraform = Terraform(fresh_wharf, tmp_path)
    iam = fresh_wharf.client("iam")
    for description in ("copies", "copies images"):
        outputs = terraform.apply(ROLE % description)
        role = iam.get_role(RoleName="AWSServiceRoleForECRReplication")["Role"]
        assert (role["Description"], role["Arn"]) == (description, outputs["arn"])
    terraform.destroy()
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_role(RoleName="AWSServiceRoleForECRReplication")


def test_rotation(fresh_wharf, tmp_path):
    """The refusal is an error of the configuration, and not something that Terraform waits for."""
    terraform = Terraform(fresh_wharf, tmp_path, services=("secretsmanager", "sts"))
    (terraform.folder / "main.tf").write_text(ROTATION)
    with pytest.raises(AssertionError, match="This server has no Lambda"):
        terraform("apply", "-auto-approve")
    terraform.destroy()
