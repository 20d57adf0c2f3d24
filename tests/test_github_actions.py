"""GitHub's actions that log in to ECR, configure-aws-credentials and amazon-ecr-login: their bundles where they can be had, and
what they ask for by the SDK that they are made with."""

import base64
import json
from pathlib import Path

import pytest

from conftest import configuration, environment_of
from harness.commands import program, run
from harness.github_actions import Step
from harness.oidc import GITHUB, FileIssuer
from harness.server import Wharf
from test_sts import ACCOUNT, ROOT_KEYS, Cloud

JAVASCRIPT = Path(__file__).parent / "javascript"
# The action's session is tagged, so whoever assumes the role must be let tag it, too.
ASSUME = ["sts:AssumeRole", "sts:TagSession"]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    return FileIssuer(tmp_path_factory.mktemp("oidc"))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory, default_database, issuer):
    config = configuration(ROOT_KEYS) + issuer.config
    server = Wharf(tmp_path_factory.mktemp("actions"), environment=environment_of(default_database), config=config)
    yield Cloud(server.start())
    server.finish()


@pytest.fixture(scope="module")
def job(cloud):
    """A user whose key the workflow has as a secret, and roles that it assumes: by the key, and by a token of GitHub."""
    iam = cloud.client("iam", ROOT_KEYS[ACCOUNT])
    provider = iam.create_open_id_connect_provider(Url=GITHUB, ClientIDList=["sts.amazonaws.com"])
    principals = {
        "by-key": ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, ASSUME),
        "by-token": ({"Federated": provider["OpenIDConnectProviderArn"]}, ["sts:AssumeRoleWithWebIdentity"]),
    }
    for name, (principal, actions) in principals.items():
        trust = {"Effect": "Allow", "Principal": principal, "Action": actions}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
        power = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser"
        iam.attach_role_policy(RoleName=name, PolicyArn=power)
    iam.create_user(UserName="workflow")
    allowed = {"Effect": "Allow", "Action": ASSUME, "Resource": f"arn:aws:iam::{ACCOUNT}:role/by-key"}
    iam.put_user_policy(UserName="workflow", PolicyName="assume", PolicyDocument=document(allowed))
    key = iam.create_access_key(UserName="workflow")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def document(statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def role(name):
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def session(name):
    return f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/GitHubActions"


def works(cloud, authorization):
    """Whether a registry's token lets somebody in."""
    user, _, password = base64.b64decode(authorization).decode().partition(":")
    response = run(
        "curl", "--silent", "--user", f"{user}:{password}", "--write-out", "%{http_code}", f"{cloud.server.url}/v2/"
    )
    return response.stdout.endswith("200")


def without_keys(cloud):
    keys = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SESSION_TOKEN": None}
    # Node before version 20 tries the first address of a name alone, and that of localhost may be ::1.
    endpoint = {"AWS_ENDPOINT_URL": f"http://{cloud.server.listen}"}
    return {**cloud.server.aws_environment(), **keys, **endpoint}


@pytest.mark.parametrize("way", ["by-key", "by-token"])
def test_the_sdk_of_the_actions_gets_keys_with_empty_lists_and_logs_in(cloud, job, issuer, way):
    environment = without_keys(cloud)
    wanted = {"roleArn": role(way), "registryIds": [ACCOUNT]}
    if way == "by-token":
        wanted["webIdentityToken"] = issuer.token()
    else:
        environment |= {"AWS_ACCESS_KEY_ID": job[0], "AWS_SECRET_ACCESS_KEY": job[1]}
    command = (program("node"), JAVASCRIPT / "assume_role.js", json.dumps(wanted))
    got = json.loads(run(*command, environment=environment, cwd=JAVASCRIPT).stdout)
    assert got["arn"] == session(way)
    assert works(cloud, got["authorizationToken"])


@pytest.mark.parametrize("way", ["by-key", "by-token"])
def test_the_actions_assume_a_role_with_default_tags_and_log_in(cloud, job, issuer, tmp_path, way):
    environment = without_keys(cloud)
    inputs = {"aws_region": cloud.server.region, "role_to_assume": role(way), "retry_max_attempts": "1"}
    if way == "by-token":
        (tmp_path / "token").write_text(issuer.token())
        inputs["web_identity_token_file"] = "token"
    else:
        inputs |= {"aws_access_key_id": job[0], "aws_secret_access_key": job[1]}
    configured = Step("configure-aws-credentials", tmp_path, environment, **inputs)
    assert configured.outputs["authenticated-arn"] == session(way)
    login_folder = tmp_path / "login"
    login_folder.mkdir()
    # docker is not the action's part: what it calls is seen here.
    docker = login_folder / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@" > {login_folder}/arguments\n')
    docker.chmod(0o755)
    path = f"{login_folder}:{Path(program('node')).parent}:/usr/bin:/bin"
    login = Step(
        "amazon-ecr-login", login_folder, {**environment, **configured.exported, "PATH": path}, mask_password="false"
    )
    assert login.outputs["registry"] in (login_folder / "arguments").read_text()
    password = next(value for name, value in login.outputs.items() if name.startswith("docker_password"))
    assert works(cloud, base64.b64encode(f"AWS:{password}".encode()).decode())
