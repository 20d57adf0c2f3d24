"""Keys for a while: roles that users, root, other accounts and CI jobs assume, and what the keys may then do."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from conftest import configuration, environment_of
from harness.oidc import GITHUB, FileIssuer, Issuer
from harness.registry_client import RegistryClient
from harness.server import SESSION, Wharf
from test_access import PUSH_SET
from test_docker import pushed_digest, small_image

ACCOUNT, OTHER = "123456789012", "210987654321"
ROOT_KEYS = {ACCOUNT: ("AKIAROOT000000000001", "root-secret-1"), OTHER: ("AKIAROOT000000000002", "root-secret-2")}
NOT_AUTHORIZED = "Not authorized to perform sts:AssumeRoleWithWebIdentity"


@pytest.fixture(scope="module")
def github(tmp_path_factory):
    return FileIssuer(tmp_path_factory.mktemp("oidc"))


@pytest.fixture(scope="module")
def live_issuer():
    """An issuer whose keys the server fetches."""
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory, default_database, github):
    """Two accounts, and issuers on this machine are allowed."""
    config = configuration(ROOT_KEYS) + "[oidc]\nallow_private_networks = true\n" + github.config
    server = Wharf(tmp_path_factory.mktemp("sts"), environment=environment_of(default_database), config=config)
    yield server.start()
    server.finish()


class Cloud:
    """What the tests do with one server."""

    def __init__(self, server):
        self.server = server

    def client(self, service, keys):
        """A client with an access key: (id, secret) or the `Credentials` of STS; None signs nothing."""
        if isinstance(keys, dict):
            keys = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        named = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        given = dict(zip(named, keys or (), strict=False))
        extra = {} if keys else {"signature_version": UNSIGNED}
        config = Config(retries={"total_max_attempts": 1}, **extra)
        url = self.server.url
        return SESSION.client(service, endpoint_url=url, region_name="us-east-1", config=config, **given)

    def root(self, service, account=ACCOUNT):
        return self.client(service, ROOT_KEYS[account])

    def user(self, *allowed, account=ACCOUNT):
        """A new user that may do these actions everywhere: its ARN and its keys."""
        iam, name = self.root("iam", account), f"user-{uuid.uuid4().hex[:12]}"
        arn = iam.create_user(UserName=name)["User"]["Arn"]
        if allowed:
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=allow(*allowed))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return arn, (key["AccessKeyId"], key["SecretAccessKey"])

    def role(self, trust, *allowed, **parameters):
        """A new role with that trust policy: its ARN."""
        iam, name = self.root("iam"), f"role-{uuid.uuid4().hex[:12]}"
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust), **parameters)["Role"]
        if allowed:
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=allow(*allowed))
        return role["Arn"]

    def assume(self, keys, role, **parameters):
        return self.client("sts", keys).assume_role(RoleArn=role, RoleSessionName="job", **parameters)

    def exchange(self, token, role, **parameters):
        sts = self.client("sts", None)
        return sts.assume_role_with_web_identity(
            RoleArn=role, RoleSessionName="GitHubActions", WebIdentityToken=token, **parameters
        )

    def provider(self, issuer, audience="sts.amazonaws.com"):
        iam = self.root("iam")
        url, thumbprint = f"https://{issuer.name}", "0" * 40
        created = iam.create_open_id_connect_provider(Url=url, ClientIDList=[audience], ThumbprintList=[thumbprint])
        return created["OpenIDConnectProviderArn"]


@pytest.fixture(scope="module")
def cloud(server):
    return Cloud(server)


@pytest.fixture(scope="module")
def provider(cloud, github):
    return cloud.provider(github)


def allow(*actions):
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trusting(principal, *actions, condition=None):
    principal = principal if isinstance(principal, dict) else {"AWS": principal}
    statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions) or ["sts:AssumeRole"]}
    return {"Version": "2012-10-17", "Statement": [{**statement, **({"Condition": condition} if condition else {})}]}


def refused(code, call, *arguments, message=None, **parameters):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    assert message is None or error["Message"] == message, error
    return error["Message"]


def denied_text(who, role, action="sts:AssumeRole"):
    return f"User: {who} is not authorized to perform: {action} on resource: {role}"


@pytest.mark.every_store
class TestAssumeRole:
    def test_user(self, cloud):
        arn, keys = cloud.user()
        role = cloud.role(trusting(arn), "ecr:DescribeRepositories")
        answer = cloud.assume(keys, role, DurationSeconds=900)
        name = role.rpartition("/")[2]
        assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/job"
        assert answer["AssumedRoleUser"]["AssumedRoleId"].startswith("AROA")
        assert answer["AssumedRoleUser"]["AssumedRoleId"].endswith(":job")
        credentials = answer["Credentials"]
        assert credentials["AccessKeyId"].startswith("ASIA") and len(credentials["AccessKeyId"]) == 20
        left = credentials["Expiration"] - datetime.now(UTC)
        assert timedelta(seconds=880) < left <= timedelta(seconds=900), left
        identity = cloud.client("sts", credentials).get_caller_identity()
        assert identity["Arn"] == answer["AssumedRoleUser"]["Arn"]
        assert identity["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
        ecr = cloud.client("ecr", credentials)
        ecr.describe_repositories()
        refused("AccessDeniedException", ecr.create_repository, repositoryName="no")

    def test_keys_without_their_token(self, cloud):
        arn, keys = cloud.user()
        credentials = cloud.assume(keys, cloud.role(trusting(arn)))["Credentials"]
        half = (credentials["AccessKeyId"], credentials["SecretAccessKey"])
        refused("InvalidClientTokenId", cloud.client("sts", half).get_caller_identity)
        other = {**credentials, "SessionToken": credentials["SessionToken"][:-8] + "AAAAAAA="}
        refused("InvalidClientTokenId", cloud.client("sts", other).get_caller_identity)

    def test_registry(self, cloud):
        """Registry tokens can be made with a role's keys, also with the longest that a session may carry."""
        arn, keys = cloud.user("sts:TagSession")
        role = cloud.role(trusting(arn, "sts:AssumeRole", "sts:TagSession"), "ecr:*")
        tags = [{"Key": f"key-{n}", "Value": "v" * 150} for n in range(30)]
        credentials = cloud.assume(keys, role, Tags=tags)["Credentials"]
        (data,) = cloud.client("ecr", credentials).get_authorization_token()["authorizationData"]
        answer = RegistryClient(cloud.server.host).request(
            "GET", "/v2/", None, {"Authorization": f"Basic {data['authorizationToken']}"}
        )
        assert answer.status == 200, repr(answer)

    def test_root(self, cloud):
        trusted, closed = cloud.role(trusting(ACCOUNT)), cloud.role(trusting(cloud.user()[0]))
        cloud.assume(ROOT_KEYS[ACCOUNT], trusted)
        who = f"arn:aws:iam::{ACCOUNT}:root"
        refused("AccessDenied", cloud.assume, ROOT_KEYS[ACCOUNT], closed, message=denied_text(who, closed))

    def test_unknown_role(self, cloud):
        """Nobody learns which roles exist."""
        arn, keys = cloud.user("sts:*")
        closed, absent = cloud.role(trusting(cloud.user()[0])), f"arn:aws:iam::{ACCOUNT}:role/absent"
        for role in (closed, absent):
            refused("AccessDenied", cloud.assume, keys, role, message=denied_text(arn, role))

    def test_other_account(self, cloud):
        """Both sides must allow."""
        allowed, allowed_keys = cloud.user("sts:AssumeRole", account=OTHER)
        silent, silent_keys = cloud.user(account=OTHER)
        role = cloud.role(trusting([allowed, silent]), "ecr:DescribeRepositories")
        credentials = cloud.assume(allowed_keys, role)["Credentials"]
        assert cloud.client("sts", credentials).get_caller_identity()["Account"] == ACCOUNT
        refused("AccessDenied", cloud.assume, silent_keys, role, message=denied_text(silent, role))

    def test_external_id(self, cloud):
        arn, keys = cloud.user()
        role = cloud.role(trusting(arn, condition={"StringEquals": {"sts:ExternalId": "7-secret"}}))
        cloud.assume(keys, role, ExternalId="7-secret")
        refused("AccessDenied", cloud.assume, keys, role, message=denied_text(arn, role))
        refused("AccessDenied", cloud.assume, keys, role, ExternalId="8-secret")

    def test_session_policy(self, cloud):
        arn, keys = cloud.user()
        role = cloud.role(trusting(arn), "ecr:*")
        answer = cloud.assume(keys, role, Policy=allow("ecr:DescribeRepositories"))
        assert 0 < answer["PackedPolicySize"] <= 100
        ecr = cloud.client("ecr", answer["Credentials"])
        ecr.describe_repositories()
        text = refused("AccessDeniedException", ecr.create_repository, repositoryName="no")
        assert text.endswith("because no session policy allows the ecr:CreateRepository action"), text
        refused("MalformedPolicyDocument", cloud.assume, keys, role, Policy="{}")
        missing = [{"arn": "arn:aws:iam::aws:policy/Absent"}]
        refused("ValidationError", cloud.assume, keys, role, PolicyArns=missing)

    def test_tags(self, cloud):
        arn, keys = cloud.user()
        role = cloud.role(trusting(arn, "sts:AssumeRole", "sts:TagSession"))
        document = {"Effect": "Allow", "Action": "ecr:DescribeRepositories", "Resource": "*"}
        document["Condition"] = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [document]})
        cloud.root("iam").put_role_policy(
            RoleName=role.rpartition("/")[2], PolicyName="tagged", PolicyDocument=document
        )
        for team, is_allowed in (("blue", True), ("red", False)):
            credentials = cloud.assume(keys, role, Tags=[{"Key": "team", "Value": team}])["Credentials"]
            ecr = cloud.client("ecr", credentials)
            if is_allowed:
                ecr.describe_repositories()
            else:
                refused("AccessDeniedException", ecr.describe_repositories)
        untagged = cloud.role(trusting(arn))
        message = denied_text(arn, untagged, "sts:TagSession")
        tags = [{"Key": "team", "Value": "blue"}]
        refused("AccessDenied", cloud.assume, keys, untagged, Tags=tags, message=message)

    def test_durations(self, cloud):
        arn, keys = cloud.user()
        role = cloud.role(trusting(arn), MaxSessionDuration=7200)
        cloud.assume(keys, role, DurationSeconds=7200)
        message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        refused("ValidationError", cloud.assume, keys, role, DurationSeconds=7201, message=message)

    def test_revocation(self, cloud):
        """As the console of AWS revokes sessions: a Deny on keys made before now."""
        arn, keys = cloud.user()
        role = cloud.role(trusting(arn), "ecr:DescribeRepositories")
        ecr = cloud.client("ecr", cloud.assume(keys, role)["Credentials"])
        ecr.describe_repositories()
        soon = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
        deny = {"Effect": "Deny", "Action": "*", "Resource": "*"}
        deny["Condition"] = {"DateLessThan": {"aws:TokenIssueTime": soon}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
        name = role.rpartition("/")[2]
        cloud.root("iam").put_role_policy(RoleName=name, PolicyName="revoked", PolicyDocument=document)
        refused("AccessDeniedException", ecr.describe_repositories)


@pytest.mark.every_store
class TestSessionToken:
    def test_user(self, cloud):
        arn, keys = cloud.user("ecr:DescribeRepositories")
        credentials = cloud.client("sts", keys).get_session_token(DurationSeconds=900)["Credentials"]
        sts = cloud.client("sts", credentials)
        assert sts.get_caller_identity()["Arn"] == arn
        cloud.client("ecr", credentials).describe_repositories()
        refused("AccessDeniedException", cloud.client("ecr", credentials).create_repository, repositoryName="no")
        message = "Cannot call GetSessionToken with session credentials"
        refused("AccessDenied", sts.get_session_token, message=message)

    def test_access_key_info(self, cloud):
        _, keys = cloud.user(account=OTHER)
        assert cloud.root("sts").get_access_key_info(AccessKeyId=keys[0])["Account"] == OTHER


class TestWebIdentity:
    @pytest.fixture
    def role(self, cloud, github, provider):
        """As GitHub's documentation has it: one branch of one repository."""
        condition = {
            "StringEquals": {f"{github.name}:aud": "sts.amazonaws.com"},
            "StringLike": {f"{github.name}:sub": "repo:org/app:ref:refs/heads/main"},
        }
        trust = trusting({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", condition=condition)
        return cloud.role(trust, "ecr:DescribeRepositories")

    @pytest.mark.every_store("AssumeRoleWithWebIdentity")
    def test_exchange(self, cloud, github, provider, role):
        answer = cloud.exchange(github.token(), role, DurationSeconds=900)
        assert answer["SubjectFromWebIdentityToken"] == "repo:org/app:ref:refs/heads/main"
        assert (answer["Audience"], answer["Provider"]) == ("sts.amazonaws.com", provider)
        assert answer["AssumedRoleUser"]["Arn"].endswith("/GitHubActions")
        cloud.client("ecr", answer["Credentials"]).describe_repositories()

    @pytest.mark.parametrize(
        ("changes", "code", "message"),
        [
            ({"sub": "repo:org/app:ref:refs/heads/dev"}, "AccessDenied", NOT_AUTHORIZED),
            ({"sub": "repo:org/app:pull_request"}, "AccessDenied", NOT_AUTHORIZED),
            ({"aud": "other"}, "InvalidIdentityToken", "Incorrect token audience"),
            (
                {"iss": "https://elsewhere.example"},
                "InvalidIdentityToken",
                "No OpenIDConnect provider found in your account for https://elsewhere.example",
            ),
            ({"exp": 1_700_000_000}, "ExpiredTokenException", None),
            ({"nbf": 4_000_000_000}, "InvalidIdentityToken", None),
            ({"sub": None}, "InvalidIdentityToken", "Missing a required claim: sub"),
            ({"header": {"alg": "none"}}, "InvalidIdentityToken", None),
            ({"header": {"alg": "HS256"}}, "InvalidIdentityToken", None),
            ({"header": {"kid": "other"}}, "InvalidIdentityToken", None),
        ],
    )
    def test_refused(self, cloud, github, role, changes, code, message):
        refused(code, cloud.exchange, github.token(**changes), role, message=message)

    @pytest.mark.parametrize(
        ("changes", "parts"),
        [
            (
                {"sub": "repo:org/app:ref:refs/heads/dev"},
                ["may not assume", "trust policy", "refs/heads/dev", "sts.amazonaws.com"],
            ),
            ({"aud": "other"}, ["none of the audiences of", "audience=other"]),
        ],
    )
    def test_the_log_says_why(self, cloud, github, role, changes, parts):
        """The answer tells a stranger nothing; who has the log learns which claim it was."""
        before = cloud.server.log_size
        with pytest.raises(ClientError):
            cloud.exchange(github.token(**changes), role)
        log = cloud.server.log_text(before)
        assert all(part in log for part in parts), log
        role_that_is_not_there = role + "-absent"
        before = cloud.server.log_size
        refused("AccessDenied", cloud.exchange, github.token(), role_that_is_not_there, message=NOT_AUTHORIZED)
        assert "there is no such role" in cloud.server.log_text(before)

    def test_push_with_docker(self, cloud, github, provider, docker, tmp_path):
        """A CI job that proves its branch takes a role, and docker pushes with the role's registry token."""
        condition = {"StringEquals": {f"{github.name}:sub": "repo:org/app:ref:refs/heads/main"}}
        trust = trusting({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", condition=condition)
        role = cloud.role(trust, *PUSH_SET)
        name = f"ci/{uuid.uuid4().hex}"
        cloud.root("ecr").create_repository(repositoryName=name)
        ecr = cloud.client("ecr", cloud.exchange(github.token(), role)["Credentials"])
        (data,) = ecr.get_authorization_token()["authorizationData"]
        password = base64.b64decode(data["authorizationToken"]).decode().partition(":")[2]
        docker("login", "--username", "AWS", "--password-stdin", cloud.server.host, stdin=password)
        image = small_image(docker, tmp_path, f"{cloud.server.host}/{name}:main")
        digest = pushed_digest(docker("push", image))
        assert cloud.root("ecr").list_images(repositoryName=name)["imageIds"] == [
            {"imageDigest": digest, "imageTag": "main"}
        ]

    def test_forged(self, cloud, github, role):
        """Signed by somebody else, and changed after it was signed."""
        refused("InvalidIdentityToken", cloud.exchange, Issuer(GITHUB).token(), role)
        header, _, signature = github.token().split(".")
        _, claims, _ = github.token(sub="repo:org/app:ref:refs/heads/main", repository="evil").split(".")
        refused("InvalidIdentityToken", cloud.exchange, f"{header}.{claims}.{signature}", role)

    def test_unknown_role(self, cloud, github, provider):
        absent = f"arn:aws:iam::{ACCOUNT}:role/absent"
        refused("AccessDenied", cloud.exchange, github.token(), absent, message=NOT_AUTHORIZED)

    def test_fetched_keys(self, cloud, live_issuer):
        provider = cloud.provider(live_issuer)
        role = cloud.role(trusting({"Federated": provider}, "sts:AssumeRoleWithWebIdentity"))
        for _ in range(3):
            cloud.exchange(live_issuer.token(), role)
        assert live_issuer.hits == ["/.well-known/openid-configuration", "/jwks"]

    def test_private_networks(self, cloud, live_issuer, fresh_wharf):
        """Without the setting nothing on this machine is asked."""
        other = Cloud(fresh_wharf)
        other.root = lambda service, account=ACCOUNT: fresh_wharf.client(service)
        role = other.role(trusting({"Federated": other.provider(live_issuer)}, "sts:AssumeRoleWithWebIdentity"))
        hits = len(live_issuer.hits)
        text = refused("IDPCommunicationError", other.exchange, live_issuer.token(), role)
        assert text.endswith("the host is in a private network"), text
        assert len(live_issuer.hits) == hits
