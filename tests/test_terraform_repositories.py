"""Terraform with the AWS provider makes, changes and destroys repositories, and reads them and their images."""

import pytest

from harness.api_push import push_image
from harness.images import image
from harness.terraform import Terraform

CONFIGURATION = """
resource "aws_ecr_repository" "app" {
  name                 = "tf/app"
  image_tag_mutability = "@mutability@"
  force_delete         = true

  image_scanning_configuration {
    scan_on_push = @scan@
  }

  encryption_configuration {
    encryption_type = "AES256"
  }

  tags = @tags@
}

resource "aws_ecr_repository" "plain" {
  name = "tf/plain"
}
"""

READING = """
data "aws_ecr_repository" "app" {
  name = "tf/app"
}

data "aws_ecr_repositories" "all" {
  depends_on = [aws_ecr_repository.plain]
}

data "aws_ecr_authorization_token" "token" {}

data "aws_ecr_image" "latest" {
  repository_name = "tf/app"
  most_recent     = true
}

data "aws_ecr_image" "by_tag" {
  repository_name = "tf/app"
  image_tag       = "v1"
}

data "aws_ecr_lifecycle_policy_document" "document" {
  rule {
    priority = 1
    selection {
      tag_status   = "untagged"
      count_type   = "imageCountMoreThan"
      count_number = 3
    }
  }
}

output "uri"      { value = data.aws_ecr_repository.app.repository_url }
output "recent"   { value = data.aws_ecr_repository.app.most_recent_image_tags }
output "names"    { value = sort(data.aws_ecr_repositories.all.names) }
output "user"     {
  value     = data.aws_ecr_authorization_token.token.user_name
  sensitive = true
}
output "latest"   { value = data.aws_ecr_image.latest.image_digest }
output "by_tag"   { value = data.aws_ecr_image.by_tag.image_uri }
output "document" { value = data.aws_ecr_lifecycle_policy_document.document.json }
"""


def configuration(mutability, scan, tags):
    return CONFIGURATION.replace("@mutability@", mutability).replace("@scan@", scan).replace("@tags@", tags)


@pytest.mark.timeout(1800)
def test_repositories_with_terraform(fresh_wharf, tmp_path):
    """Apply, an empty plan, a change, an empty plan, the data sources, destroy."""
    terraform = Terraform(fresh_wharf, tmp_path / "terraform", ("ecr", "sts"))
    ecr = fresh_wharf.client()
    terraform.apply(configuration("IMMUTABLE", "true", '{ team = "a", gone = "x" }'))
    app = described(ecr, "tf/app")
    assert app["imageTagMutability"] == "IMMUTABLE"
    assert app["imageScanningConfiguration"] == {"scanOnPush": True}
    changed = configuration("MUTABLE", "false", '{ team = "b" }')
    terraform.apply(changed)
    app = described(ecr, "tf/app")
    assert app["imageTagMutability"] == "MUTABLE"
    assert app["imageScanningConfiguration"] == {"scanOnPush": False}
    assert ecr.list_tags_for_resource(resourceArn=app["repositoryArn"])["tags"] == [{"Key": "team", "Value": "b"}]
    pushed = image("terraform")
    push_image(ecr, "tf/app", pushed, "v1")
    outputs = terraform.apply(changed + READING)
    assert outputs["uri"] == app["repositoryUri"]
    assert outputs["recent"] == ["v1"]
    assert outputs["names"] == ["tf/app", "tf/plain"]
    assert outputs["user"] == "AWS"
    assert outputs["latest"] == pushed.digest
    assert outputs["by_tag"] == f"{app['repositoryUri']}@{pushed.digest}"
    assert "imageCountMoreThan" in outputs["document"]
    terraform.destroy()
    assert ecr.describe_repositories()["repositories"] == []


def described(ecr, name):
    return ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
