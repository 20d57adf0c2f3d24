"""Each operation has a test that also runs with the metadata on PostgreSQL and the blobs in a bucket (`every_store`)."""

import json
import re
import sys
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from harness.commands import run
from harness.every_store import SELECTED
from harness.identities import Identities

TESTS = Path(__file__).parent
SERVICES = ("ecr", "iam", "sts", "kms", "secretsmanager", "cloudtrail")
NOT_THERE = ("UnknownOperationException", "InvalidAction")
NAME = re.compile(r'const NAME: &\'static str = "(\w+)";')


@pytest.fixture(scope="module")
def words():
    """All that is named in those tests."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "harness.every_store"]
    told = run(*command, "--collect-only", "--quiet", "-m", SELECTED, TESTS, environment={"PYTHONPATH": str(TESTS)})
    lines = [line for line in told.stdout.splitlines() if line.startswith("[")]
    assert lines, told.stdout
    return {word for line in lines for word in json.loads(line)}


def unnamed(operations, words):
    return sorted(name for name in operations if not {name, xform_name(name)} & words)


@pytest.mark.parametrize("service", SERVICES)
def test_operations_of_aws(wharf, words, service):
    """Those of the service's model that the server has, as somebody finds who may do nothing."""
    client = Identities(wharf).user().client(service, config=Config(parameter_validation=False))
    there = set()
    for method, name in client.meta.method_to_api_mapping.items():
        try:
            getattr(client, method)()
        except ClientError as refused:
            if refused.response["Error"]["Code"] in NOT_THERE:
                continue
        there.add(name)
    assert there
    assert unnamed(there, words) == []


def test_operations_of_wharf(words):
    sources = [path.read_text() for path in (TESTS.parent / "crates").glob("*/src/**/*.rs")]
    operations = {name for source in sources if "Operation for" in source for name in NAME.findall(source)}
    assert {"RestoreImage", "ListTokens"} <= operations
    assert unnamed(operations, words) == []
