"""A root user's secret is changed under the same key id: what was made with the old one, and what lives on."""

import base64

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from conftest import configuration
from harness.aws_api import AwsApi
from harness.identities import SESSION
from harness.registry_client import RegistryClient, digest_of, random_content

ACCOUNT, OTHER = "123456789012", "210987654321"
KEY, OTHER_KEY = "AKIAROOTOFTHETESTS01", "AKIAOTHERROOTTESTS02"
OLD, NEW = "the-secret-that-somebody-knows-0000000001", "the-secret-that-nobody-knows-000000000002"


def client(server, service, key, secret, token=None):
    return SESSION.client(
        service,
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def authorization(ecr):
    (data,) = ecr.get_authorization_token()["authorizationData"]
    assert base64.b64decode(data["authorizationToken"]).startswith(b"AWS:")
    return f"Basic {data['authorizationToken']}"


def status(server, authorization):
    return RegistryClient(server.host, authorization).get("/v2/").status


def test_tokens_end_and_sessions_live_on(tmp_path, make_server):
    accounts = {ACCOUNT: (KEY, OLD), OTHER: (OTHER_KEY, OLD)}
    server = make_server(tmp_path / "wharf", configuration(accounts, ["us-east-1"]))
    try:
        server.start()
        old, other = (authorization(client(server, "ecr", key, OLD)) for key in (KEY, OTHER_KEY))
        iam = client(server, "iam", KEY, OLD)
        iam.create_user(UserName="robot")
        policy = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecr:*","Resource":"*"}}'
        iam.put_user_policy(UserName="robot", PolicyName="all", PolicyDocument=policy)
        made = iam.create_access_key(UserName="robot")["AccessKey"]
        of_user = authorization(client(server, "ecr", made["AccessKeyId"], made["SecretAccessKey"]))
        session = client(server, "sts", KEY, OLD).get_session_token()["Credentials"]
        session = [session[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
        of_session = authorization(client(server, "ecr", *session))
        assert {status(server, each) for each in (old, other, of_user, of_session)} == {200}

        server.restart()
        assert status(server, old) == 200
        server.config = configuration({**accounts, ACCOUNT: (KEY, NEW)}, ["us-east-1"])
        server.restart()
        with pytest.raises(ClientError, match="signature"):
            client(server, "ecr", KEY, OLD).describe_repositories()
        assert status(server, old) == 400
        assert status(server, authorization(client(server, "ecr", KEY, NEW))) == 200
        # Those of other keys are not concerned, nor, as on AWS, are sessions.
        assert {status(server, each) for each in (other, of_user, of_session)} == {200}
        assert client(server, "ecr", *session).describe_repositories()["repositories"] == []
    finally:
        server.finish()


def upload_path(server, secret, content):
    """Where the root user may put a layer as another Wharf does."""
    api = AwsApi(server)
    api = AwsApi(server, api.signing.but(access_key=KEY, secret_key=secret))
    members = {"sourceAccountId": ACCOUNT, "registryId": ACCOUNT, "repositoryName": "app"}
    answer = api.wharf("PrepareReplication", {**members, "layerDigests": [digest_of(content)]}).expect(200)
    return answer.json()["missingLayers"][0]["uploadPath"]


def test_paths_of_layers_end(tmp_path, make_server):
    server = make_server(tmp_path / "wharf", configuration({ACCOUNT: (KEY, OLD)}, ["us-east-1"]))
    try:
        server.start()
        client(server, "ecr", KEY, OLD).create_repository(repositoryName="app")
        first, second = random_content(3_000), random_content(3_000)
        old = [upload_path(server, OLD, content) for content in (first, second)]
        server.restart()
        RegistryClient(server.host).put(old[0], first).expect(201)
        server.config = configuration({ACCOUNT: (KEY, NEW)}, ["us-east-1"])
        server.restart()
        RegistryClient(server.host).put(old[1], second).expect(403)
        RegistryClient(server.host).put(upload_path(server, NEW, second), second).expect(201)
    finally:
        server.finish()
