"""Several accounts and regions on one server: names choose the registry, tokens are for one registry, nothing leaks."""

import base64
import re
from xml.etree import ElementTree

import pytest

from harness import model_check
from harness.aws_api import AwsApi, Signing
from harness.commands import run
from harness.ecr_client import Ecr
from harness.registry_client import RegistryClient, Repository
from harness.server import AWS

FIRST, SECOND = "123456789012", "210987654321"
REGIONS = ["us-east-1", "eu-west-1"]
DOMAIN = "registry.example.com"
KEYS = {
    FIRST: ("AKIAFIRSTACCOUNT0001", "first-secret-of-the-tests-0000000000000001"),
    SECOND: ("AKIASECONDACCOUNT002", "second-secret-of-the-tests-000000000000002"),
}


class Account:
    """What the checked client needs to know of a server: here, one account in one region of it."""

    def __init__(self, server, account, region="us-east-1"):
        self.host = server.host
        self.account = account
        self.region = region
        key, secret = KEYS[account]
        self.signing = Signing(key, secret, region)
        self.ecr = Ecr(self, self.signing)

    def name(self, domain="amazonaws.com"):
        return f"{self.account}.dkr.ecr.{self.region}.{domain}"

    def authorization(self, host_header=None):
        headers = {"Host": host_header} if host_header else {}
        answer = self.ecr.api.ecr("GetAuthorizationToken", {}, headers=headers)
        assert answer.status == 200, repr(answer)
        return "Basic " + answer.json()["authorizationData"][0]["authorizationToken"]

    def registry(self, name, host_header=None, authorization=None):
        value = authorization or self.authorization()
        return Repository(RegistryClient(self.host, value, host_header), name)


@pytest.fixture(scope="module")
def server(start_wharf):
    """A server of two accounts in two regions, with a domain of its own."""
    return start_wharf(accounts=KEYS, regions=REGIONS, domains=[DOMAIN])


@pytest.fixture
def first(server):
    return Account(server, FIRST)


@pytest.fixture
def second(server):
    return Account(server, SECOND)


def same_repository(*accounts):
    """A repository of one name in each account, with an image of its own under the same tag."""
    name = accounts[0].ecr.repository("shared-name")
    for account in accounts[1:]:
        account.ecr.call("CreateRepository", repositoryName=name)
    return name, [account.ecr.image(name, "v1") for account in accounts]


class TestHostsChooseTheRegistry:
    FORMS = {
        "AWS": "{account}.dkr.ecr.{region}.amazonaws.com",
        "with a port": "{account}.dkr.ecr.{region}.amazonaws.com:5000",
        "upper case": "{account}.DKR.ECR.{region}.AmazonAWS.com",
        "FIPS": "{account}.dkr.ecr-fips.{region}.amazonaws.com",
        "dual stack": "{account}.dkr-ecr.{region}.on.aws",
        "dual stack, FIPS": "{account}.dkr-ecr-fips.{region}.on.aws",
        "configured domain": "{account}.dkr.ecr.{region}." + DOMAIN,
    }

    @pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
    def test_names(self, first, second, form):
        """A name that looks like a registry's chooses account and region."""
        name, images = same_repository(first, second)
        for account, image in zip((first, second), images, strict=True):
            host = form.format(account=account.account, region=account.region)
            assert account.registry(name, host).pull("v1").expect(200).body == image.body

    def test_plain_names(self, first, second):
        """On a name that says nothing the token's registry is used."""
        name, images = same_repository(first, second)
        for account, image in zip((first, second), images, strict=True):
            assert account.registry(name).pull("v1").expect(200).body == image.body

    def test_regions(self, server, first):
        """reference/repositories-images.md 1: a registry is an account in a region: another region is another registry."""
        abroad = Account(server, FIRST, "eu-west-1")
        name, (here, there) = same_repository(first, abroad)
        assert first.registry(name, first.name()).pull("v1").expect(200).body == here.body
        assert abroad.registry(name, abroad.name()).pull("v1").expect(200).body == there.body
        assert abroad.registry(name).pull("v1").expect(200).body == there.body
        only_here = first.ecr.repository()
        abroad.ecr.refuse("DescribeRepositories", "RepositoryNotFoundException", repositoryNames=[only_here])

    def test_challenge_names_the_registry(self, server):
        """reference/access.md 7: the realm is that of the registry that was asked."""
        host = f"{SECOND}.dkr.ecr.eu-west-1.{DOMAIN}"
        answer = RegistryClient(server.host, host_header=host).get("/v2/").expect(401)
        realm = re.search(r'realm="([^"]*)"', answer.header("Www-Authenticate")).group(1)
        assert host in realm

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            ("api.ecr.us-east-1.amazonaws.com", "{account}.dkr.ecr.us-east-1.amazonaws.com"),
            (f"api.ecr.us-east-1.{DOMAIN}", "{account}.dkr.ecr.us-east-1." + DOMAIN),
            ("ecr.us-east-1.api.aws", "{account}.dkr-ecr.us-east-1.on.aws"),
            ("ecr-fips.us-east-1.api.aws:8443", "{account}.dkr-ecr.us-east-1.on.aws:8443"),
            (None, "{host}"),
        ],
        ids=["AWS", "configured domain", "dual stack", "dual stack, FIPS", "plain"],
    )
    def test_addresses_that_docker_can_use(self, first, second, asked, told):
        """reference/wire.md 2: repositoryUri and proxyEndpoint lead back to this registry by a name that works."""
        for account in (first, second):
            name = account.ecr.repository()
            expected = told.format(account=account.account, host=account.host)
            headers = {"Host": asked} if asked else {}
            answer = account.ecr.api.ecr("DescribeRepositories", {"repositoryNames": [name]}, headers=headers)
            assert answer.json()["repositories"][0]["repositoryUri"] == f"{expected}/{name}", repr(answer)
            answer = account.ecr.api.ecr("GetAuthorizationToken", {}, headers=headers)
            endpoint = answer.json()["authorizationData"][0]["proxyEndpoint"]
            assert re.fullmatch(r"https?://(.*)", endpoint).group(1) == expected

    @pytest.mark.parametrize("host", ["api.ecr.eu-west-1.amazonaws.com", "ecr.eu-west-1.api.aws"])
    def test_region_of_the_api_name(self, first, host):
        """reference/wire.md 3: the region of the scope is that of the name that was asked."""
        answer = first.ecr.api.ecr("DescribeRegistry", {}, headers={"Host": host})
        assert model_check.error_name(answer) == "InvalidSignatureException", repr(answer)
        assert f"The host {host} is of eu-west-1" in answer.json()["message"]


class TestRegionsThatAreNotServed:
    """A tutorial's region is another than this server's: the refusal says which there are, and how to add one."""

    SAYS = (
        "This server serves us-east-1, eu-west-1, not 'us-west-2': set the client's region to that (AWS_REGION), or add "
        "this one to the server's (WHARF_REGIONS, or 'regions' in its configuration)"
    )

    def signed(self, server):
        return AwsApi(server, Signing(*KEYS[FIRST], "us-west-2"))

    @pytest.mark.parametrize("host", [None, "api.ecr.us-west-2.amazonaws.com"])
    def test_json(self, server, host):
        """ECR, by whatever name."""
        answer = self.signed(server).ecr("DescribeRegistry", headers={"Host": host} if host else {})
        assert model_check.error_name(answer) == "InvalidSignatureException", repr(answer)
        assert answer.json()["message"] == f"Credential should be scoped to a valid Region. {self.SAYS}"

    def test_query(self, server):
        """STS, in its own XML."""
        answer = self.signed(server).sts()
        answer.expect(403)
        text = ElementTree.fromstring(answer.body)
        found = {element.tag.split("}")[-1]: element.text for element in text.iter()}
        assert (found["Code"], found["Message"]) == (
            "SignatureDoesNotMatch",
            f"Credential should be scoped to a valid Region. {self.SAYS}",
        )

    def test_registry(self, first):
        """docker prints it after 'denied'."""
        name, _ = same_repository(first)
        answer = first.registry(name, f"{FIRST}.dkr.ecr.us-west-2.{DOMAIN}").pull("v1").expect_error(403, "DENIED")
        assert answer.messages == [self.SAYS]

    def test_aws_cli(self, server):
        """The AWS CLI shows it."""
        environment = {
            "AWS_ACCESS_KEY_ID": KEYS[FIRST][0],
            "AWS_SECRET_ACCESS_KEY": KEYS[FIRST][1],
            "AWS_DEFAULT_REGION": "us-west-2",
            "AWS_ENDPOINT_URL": server.url,
            "AWS_MAX_ATTEMPTS": "1",
        }
        shown = run(AWS, "ecr", "describe-repositories", expect=255, environment=environment)
        assert self.SAYS in shown.stderr


class TestAccountsAreApart:
    def test_api(self, first, second):
        """Another account's registry is neither seen nor touched."""
        name = second.ecr.repository()
        second.ecr.image(name, "v1")
        for operation, parameters in {
            "DescribeRepositories": {"repositoryNames": [name]},
            "ListImages": {"repositoryName": name},
            "BatchGetImage": {"repositoryName": name, "imageIds": [{"imageTag": "v1"}]},
            "DeleteRepository": {"repositoryName": name, "force": True},
            "InitiateLayerUpload": {"repositoryName": name},
            "CreateRepository": {"repositoryName": f"{name}/new"},
        }.items():
            answer = first.ecr.api.ecr(operation, {**parameters, "registryId": SECOND})
            assert answer.status in (400, 403), repr(answer)
            assert model_check.error_name(answer) in ("AccessDeniedException", "RepositoryNotFoundException"), repr(
                answer
            )
        for operation in ("TagResource", "ListTagsForResource"):
            tags = {"tags": [{"Key": "k", "Value": "v"}]} if operation == "TagResource" else {}
            answer = first.ecr.api.ecr(operation, {"resourceArn": second.ecr.arn(name), **tags})
            assert answer.status in (400, 403), repr(answer)
        assert len(second.ecr.image_ids(name)) == 1
        assert second.ecr.call("ListTagsForResource", resourceArn=second.ecr.arn(name)) == {"tags": []}

    def test_denied_text(self, first):
        """reference/access.md 5: who, what and on which resource."""
        answer = first.ecr.api.ecr("ListImages", {"repositoryName": "some/name", "registryId": SECOND})
        if model_check.error_name(answer) == "AccessDeniedException":
            assert answer.json()["message"].startswith(
                f"User: arn:aws:iam::{FIRST}:root is not authorized to perform: ecr:ListImages on resource: "
                f"arn:aws:ecr:us-east-1:{SECOND}:repository/some/name"
            ), repr(answer)

    def test_lists(self, first, second):
        """Lists tell of one's own registry only."""
        mine, theirs = first.ecr.repository(), second.ecr.repository()
        found = first.ecr.call("DescribeRepositories", maxResults=1000)["repositories"]
        names = {entry["repositoryName"] for entry in found}
        assert mine in names and theirs not in names
        listed = first.registry(mine).client.get("/v2/_catalog?n=1000").expect(200).json()["repositories"]
        assert mine in listed and theirs not in listed

    @pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
    def test_token_on_another_accounts_host(self, first, second, method):
        """Issue: a token is for its principal, account and region: on another account's host it is refused."""
        name, _ = same_repository(first, second)
        stranger = first.registry(name, second.name())
        path = stranger.uploads if method == "POST" else stranger.manifest("v1")
        body = b"{}" if method == "PUT" else None
        stranger.client.request(method, path, body).expect_error((400, 403), "DENIED")
        assert len(second.ecr.image_ids(name)) == 1

    def test_absent_and_present_look_alike_to_a_stranger(self, first, second):
        """reference/access.md 7 (order): who is not let in is not told what exists."""
        name = second.ecr.repository()
        stranger = first.registry(name, second.name())
        present = stranger.client.get(stranger.tags)
        absent = stranger.client.get("/v2/no-such/repository/tags/list")
        assert (present.status, present.codes) == (absent.status, absent.codes)

    def test_token_on_another_regions_host(self, server, first):
        """Issue: a token of one region is refused in another."""
        abroad = Account(server, FIRST, "eu-west-1")
        name, _ = same_repository(first, abroad)
        stranger = first.registry(name, abroad.name())
        stranger.pull("v1").expect_error((400, 403), "DENIED")

    @pytest.mark.parametrize(
        "host", [f"999999999999.dkr.ecr.us-east-1.{DOMAIN}", f"{FIRST}.dkr.ecr.us-west-2.{DOMAIN}"]
    )
    def test_host_of_a_registry_that_is_not_here(self, first, host):
        """A name that chooses a registry nobody has is refused, and not answered from another."""
        name, _ = same_repository(first)
        stranger = first.registry(name, host)
        assert 400 <= stranger.pull("v1").status < 500

    def test_key_of_one_secret_of_the_other(self, server):
        """A key id goes with its own secret."""
        signing = Signing(KEYS[FIRST][0], KEYS[SECOND][1], "us-east-1")
        answer = AwsApi(server, signing).ecr("DescribeRegistry")
        assert model_check.error_name(answer) == "InvalidSignatureException"

    def test_every_account_is_itself(self, first, second):
        """GetCallerIdentity and DescribeRegistry name the account of the key."""
        for account in (first, second):
            assert account.ecr.call("DescribeRegistry")["registryId"] == account.account
            assert f"<Account>{account.account}</Account>".encode() in account.ecr.api.sts().body

    def test_blobs_of_another_account(self, first, second):
        """One stored copy, but each account sees its own blobs only."""
        mine, theirs = first.ecr.repository(), second.ecr.repository()
        digest = second.ecr.layer(theirs)
        registry = first.registry(mine)
        registry.client.head(registry.blob(digest)).expect(404)
        first.ecr.call("PutAccountSetting", name="BLOB_MOUNTING", value="ENABLED")
        answer = registry.client.post(f"{registry.uploads}?mount={digest}&from={theirs}").expect(202)
        assert answer.header("Location")
        registry.client.head(registry.blob(digest)).expect(404)


class TestTokens:
    def test_shape(self, first):
        """reference/access.md 6: base64 of AWS:password without whitespace, good for 12 hours."""
        answer = first.ecr.call("GetAuthorizationToken")["authorizationData"][0]
        user, _, password = base64.b64decode(answer["authorizationToken"]).decode().partition(":")
        assert user == "AWS" and re.fullmatch(r"[!-~]+", password)

    def test_several_registries(self, first):
        """reference/access.md 6: one entry for each id, in their order."""
        answer = first.ecr.api.ecr("GetAuthorizationToken", {"registryIds": [FIRST, FIRST]})
        assert len(answer.json()["authorizationData"]) == 2, repr(answer)

    def test_expired(self, start_wharf):
        """reference/access.md 7: after 12 hours the token is expired, and the text says what to do."""
        server = start_wharf(accounts=KEYS, regions=REGIONS, domains=[])
        account = Account(server, FIRST)
        name = account.ecr.repository()
        authorization = account.authorization()
        RegistryClient(server.host, authorization).get(f"/v2/{name}/tags/list").expect(200)
        for shift, statuses in (("+11h50m", None), ("+12h10m", (401, 403))):
            server.restart(clock=shift)
            client = RegistryClient(server.host, authorization)
            if statuses is None:
                client.get(f"/v2/{name}/tags/list").expect(200)
            else:
                answer = client.get(f"/v2/{name}/tags/list").expect_error(statuses, "DENIED")
                assert answer.messages == ["Your authorization token has expired. Reauthenticate and try again."]
