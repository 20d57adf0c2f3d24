"""What `wharf operations` lists: operations that AWS's models have, all of ECR's but those that the README says are not there yet."""

import re

import pytest

from harness import model_check
from harness.commands import run
from harness.server import ROOT, binary

MODELS = {
    "ECR": "ecr",
    "IAM": "iam",
    "STS": "sts",
    "KMS": "kms",
    "Secrets Manager": "secretsmanager",
    "CloudTrail": "cloudtrail",
}


@pytest.fixture(scope="module")
def operations():
    """Every service with the names of its operations."""
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", run(binary(), "operations").stdout, re.MULTILINE)
    return {service: names.split(", ") for service, names in rows if service != "API"}


def test_every_service_is_there(operations):
    assert set(operations) == {*MODELS, "Wharf's own"}
    assert all(names == sorted(set(names)) and names for names in operations.values())


@pytest.mark.parametrize("service", MODELS)
def test_names_are_those_of_the_model(operations, service):
    assert set(operations[service]) <= set(model_check.model(MODELS[service]).operation_names)


def test_the_readme_says_what_is_not_there_yet(operations):
    readme = (ROOT / "README.md").read_text()
    missing = re.search(r"^\| ECR: not yet \| (.+) \|$", readme, re.MULTILINE)
    named = missing[1].split(", ") if missing else []
    assert named == sorted(set(model_check.model().operation_names) - set(operations["ECR"]))
