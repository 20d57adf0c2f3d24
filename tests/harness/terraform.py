"""Terraform with the AWS provider, as this machine has it, against the server under test."""

import json
import os
import shutil
from pathlib import Path

from harness.commands import run

PROVIDER = "registry.terraform.io/hashicorp/aws"
# Folders in Terraform's layout of mirrors in which the provider is looked for; Terraform's own places are among them.
MIRRORS = [
    *filter(None, [os.environ.get("WHARF_TEST_TERRAFORM_MIRROR")]),
    "~/.terraform.d/plugins",
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
    "/opt/tf-plugins",
]
SECONDS = 600


class Terraform:
    """One working folder; `services` are those whose endpoint is the server's."""

    def __init__(self, wharf, folder, services=("iam", "sts")):
        self.terraform = shutil.which("terraform")
        assert self.terraform, "terraform is not on the path"
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder / "terraformrc"
        # Without a mirror Terraform fetches the provider from its registry.
        found = mirror()
        settings.write_text(mirror_settings(found) if found else "")
        endpoints = "\n".join(f'    {service} = "{wharf.url}"' for service in services)
        (self.folder / "provider.tf").write_text(
            f'terraform {{\n  required_providers {{\n    aws = {{ source = "hashicorp/aws" }}\n  }}\n}}\n'
            f'provider "aws" {{\n  region = "{wharf.region}"\n  endpoints {{\n{endpoints}\n  }}\n}}\n'
        )
        self.environment = {
            **wharf.aws_environment(),
            "TF_CLI_CONFIG_FILE": str(settings),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "AWS_ENDPOINT_URL": None,
            # The provider's schema is large: collecting garbage as often as Go does takes a third of the time of a command.
            "GOGC": "400",
        }
        self("init")

    def __call__(self, *arguments, expect=0):
        """Runs a command of Terraform; returns what it printed."""
        command = [self.terraform, arguments[0], "-no-color", "-input=false", *arguments[1:]]
        if arguments[0] == "output":
            command.remove("-input=false")
        finished = run(*command, expect=expect, environment=self.environment, cwd=self.folder, timeout=SECONDS)
        return finished.stdout

    def apply(self, configuration):
        """Makes everything as a configuration says, after which nothing is left to do."""
        (self.folder / "main.tf").write_text(configuration)
        self("apply", "-auto-approve")
        # With -detailed-exitcode 0 means that the plan is empty, and 2 that it is not.
        self("plan", "-detailed-exitcode")
        return {name: output["value"] for name, output in json.loads(self("output", "-json")).items()}

    def destroy(self):
        self("destroy", "-auto-approve")


def mirror():
    """The first of the folders that has the provider, or None."""
    folders = map(Path, map(os.path.expanduser, MIRRORS))
    return next((folder for folder in folders if (folder / PROVIDER).is_dir()), None)


def mirror_settings(folder):
    return f'provider_installation {{\n  filesystem_mirror {{\n    path = "{folder}"\n  }}\n}}\n'
