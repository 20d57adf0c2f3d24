"""Whose secrets pull through cache rules send where: who may give one to a rule, and which upstreams it is bound to."""

import base64
import json
import uuid

import pytest
from botocore.exceptions import ClientError

from harness.identities import Identities, allow, deny, document
from harness.images import image
from harness.registry_client import RegistryClient, Repository
from harness.server import Wharf
from harness.upstream import PASSWORD, USER, FakeUpstream

RULES = ["ecr:CreatePullThroughCacheRule", "ecr:UpdatePullThroughCacheRule", "ecr:DescribePullThroughCacheRules"]
LOGIN = {"username": USER, "accessToken": PASSWORD}
ROLE = "arn:aws:iam::123456789012:role/puller"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    config = "[pull_through_cache]\nallow_any_upstream = true\nallow_http = true\nallow_private_networks = true\n"
    server = Wharf(tmp_path_factory.mktemp("wharf"), config=config).start()
    yield server
    server.finish()


@pytest.fixture
def upstream():
    upstream = FakeUpstream()
    yield upstream
    upstream.close()


def new_prefix():
    return "p" + uuid.uuid4().hex[:12]


def new_secret(server, value=LOGIN):
    text = value if isinstance(value, str) else json.dumps(value)
    secrets = server.client("secretsmanager")
    return secrets.create_secret(Name=f"ecr-pullthroughcache/{uuid.uuid4().hex}", SecretString=text)["ARN"]


def code_of(call, **parameters):
    """The error's code and text; none of both if there is none."""
    try:
        call(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return None, None


def both(server, ecr, **more):
    """What creating a rule and changing one answer; the rule that is changed is the root user's."""
    made = server.client().create_pull_through_cache_rule(
        ecrRepositoryPrefix=new_prefix(), upstreamRegistryUrl="evil.azurecr.io"
    )
    created = code_of(
        ecr.create_pull_through_cache_rule,
        ecrRepositoryPrefix=new_prefix(),
        upstreamRegistryUrl="evil.azurecr.io",
        **more,
    )
    updated = code_of(ecr.update_pull_through_cache_rule, ecrRepositoryPrefix=made["ecrRepositoryPrefix"], **more)
    return [created, updated]


def test_a_secret_is_given_by_who_may_read_it(server):
    arn = new_secret(server)
    identities = Identities(server)
    reads = allow("secretsmanager:GetSecretValue", on=arn)
    blind = identities.user(document(allow(*RULES)))
    for code, text in both(server, blind.client(), credentialArn=arn):
        assert code == "AccessDeniedException"
        assert f"{blind.arn} is not authorized to perform: secretsmanager:GetSecretValue on resource: {arn}" in text
        assert "because no identity-based policy allows the secretsmanager:GetSecretValue action" in text
    describes = identities.user(document(allow(*RULES, "secretsmanager:DescribeSecret", "secretsmanager:ListSecrets")))
    assert [code for code, _ in both(server, describes.client(), credentialArn=arn)] == ["AccessDeniedException"] * 2
    elsewhere = identities.user(document(allow(*RULES), allow("secretsmanager:GetSecretValue", on=new_secret(server))))
    assert [code for code, _ in both(server, elsewhere.client(), credentialArn=arn)] == ["AccessDeniedException"] * 2
    reader = identities.user(document(allow(*RULES), reads))
    assert both(server, reader.client(), credentialArn=arn) == [(None, None)] * 2
    current = {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}
    staged = identities.user(document(allow(*RULES), {**reads, "Condition": current}))
    assert both(server, staged.client(), credentialArn=arn) == [(None, None)] * 2


def test_the_secrets_own_policy_counts(server):
    arn = new_secret(server)
    identities, secrets = Identities(server), server.client("secretsmanager")
    named = identities.user(document(allow(*RULES)))
    refused = identities.user(document(allow(*RULES, "secretsmanager:GetSecretValue")))

    def statement(effect, principal):
        return {
            "Effect": effect,
            "Principal": {"AWS": principal.arn},
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "*",
        }

    policy = document(statement("Allow", named), statement("Deny", refused))
    secrets.put_resource_policy(SecretId=arn, ResourcePolicy=policy)
    assert both(server, named.client(), credentialArn=arn) == [(None, None)] * 2
    for code, text in both(server, refused.client(), credentialArn=arn):
        assert code == "AccessDeniedException" and "explicit deny in a resource-based policy" in text


def test_a_rule_without_a_secret_needs_none(server):
    user = Identities(server).user(document(allow(*RULES), deny("secretsmanager:*")))
    user.client().create_pull_through_cache_rule(ecrRepositoryPrefix=new_prefix(), upstreamRegistryUrl="quay.io")


@pytest.mark.parametrize("text", ["test", "{}", "[]", '{"username":"u"}', '{"username":"","accessToken":""}'])
def test_a_placeholder_is_filled_later(server, upstream, text):
    """terraform-provider-aws makes the rule with a secret that holds "test": it is not valid until the secret is."""
    ecr, arn, prefix = server.client(), new_secret(server, text), new_prefix()
    made = image("placeholder")
    upstream.push("app", made, "v1")
    wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def check(request):
        if request.headers.get("Authorization") != wanted:
            return request.answer(401, b"no", **{"Www-Authenticate": 'Basic realm="r"'})
        return None

    upstream.content["/v2/"] = ("application/json", b"{}")
    upstream.fault("", check)
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix=prefix, upstreamRegistryUrl=upstream.url, credentialArn=arn)
    ecr.update_pull_through_cache_rule(ecrRepositoryPrefix=prefix, credentialArn=arn)
    answer = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix=prefix)
    assert answer["isValid"] is False and "username and accessToken" in answer["failure"]
    repository = Repository(RegistryClient(server.host, server.authorization), f"{prefix}/app")
    repository.pull("v1").expect_error(403, "DENIED")
    assert not upstream.requests, "nothing is sent without a login"
    server.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=json.dumps(LOGIN))
    assert ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix=prefix)["isValid"] is True
    assert repository.pull("v1").expect(200).body == made.manifest


def test_a_secret_is_bound_to_registries(server, upstream):
    ecr = server.client()
    arn = new_secret(server, {**LOGIN, "registry": ["docker.io", "other.example.com:5000"]})
    for url in ["quay.io", upstream.url, "evil.azurecr.io", "docker.io.evil.com", "other.example.com"]:
        code, text = code_of(
            ecr.create_pull_through_cache_rule,
            ecrRepositoryPrefix=new_prefix(),
            upstreamRegistryUrl=url,
            credentialArn=arn,
        )
        assert code == "UnableToAccessSecretException" and "binds it to docker.io, other.example.com:5000" in text, url
    for url in ["registry-1.docker.io", "other.example.com:5000"]:
        ecr.create_pull_through_cache_rule(ecrRepositoryPrefix=new_prefix(), upstreamRegistryUrl=url, credentialArn=arn)
    prefix = new_prefix()
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix=prefix, upstreamRegistryUrl=upstream.url)
    code, _ = code_of(ecr.update_pull_through_cache_rule, ecrRepositoryPrefix=prefix, credentialArn=arn)
    assert code == "UnableToAccessSecretException"
    # Bound after the rule was made: nothing is sent from then on.
    later = new_secret(server)
    ecr.update_pull_through_cache_rule(ecrRepositoryPrefix=prefix, credentialArn=later)
    value = json.dumps({**LOGIN, "registry": "quay.io"})
    server.client("secretsmanager").put_secret_value(SecretId=later, SecretString=value)
    answer = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix=prefix)
    assert answer["isValid"] is False and "binds it to quay.io" in answer["failure"]
    upstream.push("app", image("bound"), "v1")
    repository = Repository(RegistryClient(server.host, server.authorization), f"{prefix}/app")
    repository.pull("v1").expect_error(403, "DENIED")
    assert not upstream.requests


def test_custom_roles(wharf):
    ecr = wharf.client()
    other = "210987654321.dkr.ecr.us-west-1.amazonaws.com"

    def create(url=other, **more):
        return code_of(
            ecr.create_pull_through_cache_rule, ecrRepositoryPrefix=new_prefix(), upstreamRegistryUrl=url, **more
        )

    for role in ["garbage", "", "arn:aws:iam::210987654321:role/other", "arn:aws:iam::123456789012:user/puller"]:
        for url in [other, "quay.io"]:
            code, text = create(url, customRoleArn=role)
            assert code == "InvalidParameterException" and "customRoleArn" in text, role
    code, text = create()
    assert code == "InvalidParameterException" and "customRoleArn" in text
    assert create(customRoleArn=ROLE) == (None, None)
    assert create(credentialArn=new_secret(wharf)) == (None, None), "how Wharf logs in there"
    assert create("123456789012.dkr.ecr.us-west-1.amazonaws.com") == (None, None), "the account's own"
    prefix = new_prefix()
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix=prefix, upstreamRegistryUrl="quay.io")
    for role in ["garbage", "", "arn:aws:iam::210987654321:role/other"]:
        code, _ = code_of(ecr.update_pull_through_cache_rule, ecrRepositoryPrefix=prefix, customRoleArn=role)
        assert code == "InvalidParameterException", role


def test_a_role_is_passed_on_by_who_may(server):
    identities = Identities(server)
    may_not = identities.user(document(allow(*RULES)))
    for code, text in both(server, may_not.client(), customRoleArn=ROLE):
        assert code == "AccessDeniedException" and "iam:PassRole" in text
    to_the_cache = {"StringEquals": {"iam:PassedToService": "pullthroughcache.ecr.amazonaws.com"}}
    may = identities.user(document(allow(*RULES), allow("iam:PassRole", on=ROLE, Condition=to_the_cache)))
    assert both(server, may.client(), customRoleArn=ROLE) == [(None, None)] * 2


def test_a_rule_keeps_the_secret_that_was_checked(server, upstream):
    """A rule that was given a secret by its name alone means that secret, and none that is made under the name later."""
    ecr, secrets = server.client(), server.client("secretsmanager")
    arn = new_secret(server)
    name = arn.rpartition("-")[0]
    prefix, other = new_prefix(), new_prefix()
    made = ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix=prefix, upstreamRegistryUrl=upstream.url, credentialArn=name
    )
    assert made["credentialArn"] == arn
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix=other, upstreamRegistryUrl=upstream.url)
    assert ecr.update_pull_through_cache_rule(ecrRepositoryPrefix=other, credentialArn=name)["credentialArn"] == arn
    secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    again = secrets.create_secret(Name=name.partition(":secret:")[2], SecretString=json.dumps(LOGIN))["ARN"]
    assert again != arn
    # Nor one whose name is the whole of what stands in the ARN.
    secrets.create_secret(Name=arn.partition(":secret:")[2], SecretString=json.dumps(LOGIN))
    for one in (prefix, other):
        answer = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix=one)
        assert answer["isValid"] is False and f"was not found: '{arn}'" in answer["failure"]
        repository = Repository(RegistryClient(server.host, server.authorization), f"{one}/app")
        repository.pull("v1").expect_error(403, "DENIED")
        code, text = code_of(ecr.update_pull_through_cache_rule, ecrRepositoryPrefix=one, customRoleArn=ROLE)
        assert code == "SecretNotFoundException", "it does not begin to mean another by a change of something else"
    assert not upstream.requests
    ecr.update_pull_through_cache_rule(ecrRepositoryPrefix=prefix, credentialArn=again)


def test_a_name_is_as_good_as_the_right_to_what_has_it(server):
    """Whoever may read a secret by a pattern of its name alone is asked about the secret itself."""
    arn = new_secret(server)
    name = arn.rpartition("-")[0]
    user = Identities(server).user(document(allow(*RULES), allow("secretsmanager:GetSecretValue", on=f"{name}-??????")))
    assert both(server, user.client(), credentialArn=name) == [(None, None)] * 2
    user = Identities(server).user(document(allow(*RULES), allow("secretsmanager:GetSecretValue", on=name)))
    assert [code for code, _ in both(server, user.client(), credentialArn=name)] == ["AccessDeniedException"] * 2


class TestTokenServers:
    """Where a login goes: the upstream names its token server, and the secret may be bound."""

    @pytest.fixture
    def tokens(self):
        tokens = FakeUpstream()
        tokens.fault("/token", lambda request: request.answer(200, b'{"token": "good"}'))
        yield tokens
        tokens.close()

    @staticmethod
    def asks_for_tokens(upstream, realm):
        def check(request):
            if request.headers.get("Authorization") == "Bearer good":
                return None
            return request.answer(401, b"", **{"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'})

        upstream.content["/v2/"] = ("application/json", b"{}")
        upstream.fault("^/v2/", check)

    @staticmethod
    def validated(server, upstream, registry):
        value = {**LOGIN, "registry": registry} if registry else LOGIN
        prefix = new_prefix()
        server.client().create_pull_through_cache_rule(
            ecrRepositoryPrefix=prefix, upstreamRegistryUrl=upstream.url, credentialArn=new_secret(server, value)
        )
        return server.client().validate_pull_through_cache_rule(ecrRepositoryPrefix=prefix)

    def test_elsewhere(self, server, upstream, tokens):
        """Another host, or another port, is none that a bound secret goes to."""
        self.asks_for_tokens(upstream, f"{tokens.url}/token")
        answer = self.validated(server, upstream, upstream.host)
        assert answer["isValid"] is False and f"does not name its token server {tokens.url}" in answer["failure"]
        assert not tokens.requests
        assert self.validated(server, upstream, [upstream.host, tokens.host])["isValid"] is True
        assert self.validated(server, upstream, None)["isValid"] is True, (
            "one that is not bound goes where the upstream says"
        )
        assert [login for _, _, login in tokens.requests] == [basic()] * 2

    def test_itself(self, server, upstream):
        upstream.fault("/token", lambda request: request.answer(200, b'{"token": "good"}'))
        self.asks_for_tokens(upstream, f"{upstream.url}/token")
        assert self.validated(server, upstream, upstream.host)["isValid"] is True

    def test_redirects(self, server, upstream, tokens):
        """A login goes along with no redirect to another host, not to a bound one either."""
        upstream.fault("/token", upstream.redirect(f"{tokens.url}/token"))
        self.asks_for_tokens(upstream, f"{upstream.url}/token")
        self.validated(server, upstream, [upstream.host, tokens.host])
        assert [login for _, _, login in tokens.requests] == [None]
        upstream.heal()
        tokens.forget()
        upstream.fault("^/v2/", upstream.redirect(f"{tokens.url}/v2/"))
        tokens.fault("^/v2/", lambda request: request.answer(401, b"", **{"WWW-Authenticate": 'Basic realm="r"'}))
        self.validated(server, upstream, None)
        assert {login for _, _, login in tokens.requests} == {None}

    def test_in_clear(self, server):
        """What is bound to a host is not sent there without TLS, but to this machine."""
        value = {**LOGIN, "registry": "registry.example.com"}
        arn = new_secret(server, value)
        for url, expected in [
            ("http://registry.example.com", "UnableToAccessSecretException"),
            ("https://registry.example.com", None),
        ]:
            code, text = code_of(
                server.client().create_pull_through_cache_rule,
                ecrRepositoryPrefix=new_prefix(),
                upstreamRegistryUrl=url,
                credentialArn=arn,
            )
            assert code == expected, text
            assert not code or "cannot be used for http://registry.example.com" in text
        plain = new_secret(server, {**LOGIN, "registry": "http://registry.example.com"})
        server.client().create_pull_through_cache_rule(
            ecrRepositoryPrefix=new_prefix(), upstreamRegistryUrl="http://registry.example.com", credentialArn=plain
        )


def basic():
    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ('"Registry": "quay.io"', "has a 'Registry', which must be written 'registry'"),
        ('"registry": "quay.io", "registry": "evil.azurecr.io"', "has 'registry' more than once"),
        ('"registry": "evil.azurecr.io", "REGISTRY": "quay.io"', "has a 'REGISTRY', which must be written 'registry'"),
        ('"registry": []', "has a 'registry' that names no host"),
    ],
)
def test_a_binding_that_cannot_be_told(server, upstream, more, why):
    """Neither taken by a rule, nor logged in with when a rule that has the secret is used."""
    text = json.dumps(LOGIN)[:-1] + ", " + more + "}"
    ecr, arn = server.client(), new_secret(server, text)
    code, message = code_of(
        ecr.create_pull_through_cache_rule,
        ecrRepositoryPrefix=new_prefix(),
        upstreamRegistryUrl="evil.azurecr.io",
        credentialArn=arn,
    )
    assert code == "UnableToDecryptSecretValueException" and why in message
    prefix, filled = new_prefix(), new_secret(server, "filled later")
    ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix=prefix, upstreamRegistryUrl=upstream.url, credentialArn=filled
    )
    server.client("secretsmanager").put_secret_value(SecretId=filled, SecretString=text)
    answer = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix=prefix)
    assert answer["isValid"] is False and why in answer["failure"]
