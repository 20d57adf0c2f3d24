"""The command line for people and scripts: every command, as the built program runs it against a server."""

import base64
import json
import os
import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from harness.commands import WITHOUT_AWS, run
from harness.registry_client import RegistryClient
from harness.server import SESSION, Wharf, binary

READ_ONLY = "AmazonEC2ContainerRegistryReadOnly"
READ_ONLY_ARN = f"arn:aws:iam::aws:policy/{READ_ONLY}"
DATE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


class Program:
    """`wharf` with the root's credentials of the server's data folder, or with those of a variable each."""

    def __init__(self, server, **variables):
        self.server = server
        self.environment = {**server.environment, **WITHOUT_AWS, **variables}
        # A data folder that is named goes before keys of the environment.
        self.place = ["--data-dir", server.data_dir]
        if "AWS_ACCESS_KEY_ID" in variables:
            self.place = ["--endpoint", server.url or "http://127.0.0.1:1", "--region", server.region]

    def run(self, *arguments, expect=0, stdin=None):
        given = [] if "--endpoint" in arguments and "--endpoint" in self.place else self.place
        command = [binary(), *arguments, *given]
        return run(*command, expect=expect, stdin=stdin, environment=self.environment)

    def __call__(self, *arguments, stdin=None):
        """What a command prints."""
        return self.run(*arguments, stdin=stdin).stdout

    def json(self, *arguments, expect=0, stdin=None):
        return json.loads(self.run(*arguments, "--output", "json", expect=expect, stdin=stdin).stdout)

    def refused(self, *arguments, stdin=None):
        """What a command says that must fail; it prints nothing on standard output."""
        finished = self.run(*arguments, expect=2, stdin=stdin)
        assert finished.stdout == ""
        return finished.stderr


@pytest.fixture(scope="module")
def cli(wharf):
    return Program(wharf)


def unique(kind):
    return f"{kind}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def user(cli):
    name = unique("user")
    cli("user", "create", name)
    yield name
    cli.run("user", "delete", name, "--force", expect=None)


@pytest.fixture
def group(cli):
    name = unique("group")
    cli("group", "create", name)
    yield name
    cli.run("group", "delete", name, "--force", expect=None)


@pytest.fixture
def role(cli, wharf):
    name = unique("role")
    cli("role", "create", name, "--trust", "-", stdin=json.dumps(trust(wharf)))
    yield name
    cli.run("role", "delete", name, "--force", expect=None)


@pytest.fixture
def policy(cli):
    name = unique("policy")
    cli("policy", "create", name, "--document", "-", stdin=json.dumps(allowing("ecr:DescribeRepositories")))
    yield name
    cli.run("policy", "delete", name, "--force", expect=None)


def allowing(*actions, effect="Allow", resource="*"):
    statement = {"Effect": effect, "Action": list(actions), "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


def trust(server):
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{server.account}:root"},
        "Action": "sts:AssumeRole",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def row(table, first):
    """The cells of the row that begins with this one."""
    (line,) = [line for line in table.splitlines() if re.split(r" {2,}", line)[0] == first]
    return re.split(r" {2,}", line)


def fields(text):
    """Labels and values of what is told about one thing; a value of several lines as it is."""
    found, label = {}, None
    for line in text.split("\n\n")[0].splitlines():
        if line.startswith(" "):
            found[label] += "\n" + line.strip()
        else:
            label, _, value = line.partition("  ")
            found[label] = value.strip()
    return found


def client_of(server, key, service="ecr"):
    """A boto3 client with a key that `wharf key create` made."""
    return SESSION.client(
        service,
        endpoint_url=server.url,
        region_name=server.region,
        aws_access_key_id=key["accessKeyId"],
        aws_secret_access_key=key["secretAccessKey"],
    )


def basic(user, password):
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


class TestUsers:
    def test_create_and_show(self, cli, wharf):
        name = unique("user")
        made = fields(cli("user", "create", name, "--path", "/bots/"))
        assert made["User"] == name
        assert made["ARN"] == f"arn:aws:iam::{wharf.account}:user/bots/{name}"
        assert re.fullmatch(r"AIDA[A-Z0-9]{16,}", made["Id"]), made
        assert re.fullmatch(DATE, made["Created"]), made
        shown = fields(cli("user", "show", name))
        assert shown == {**made, "Groups": "-", "Keys": "-", "Policies": "-"}
        assert cli("user", "delete", name) == f"Deleted user {name}\n"

    def test_list(self, cli, user, wharf):
        name, arn, created = row(cli("user", "list"), user)
        assert arn == f"arn:aws:iam::{wharf.account}:user/{user}"
        assert re.fullmatch(DATE, created)
        (told,) = [entry for entry in cli.json("user", "list") if entry["userName"] == user]
        assert (told["arn"], told["path"]) == (arn, "/")
        assert told["createDate"].endswith("Z")

    def test_many(self, fresh_wharf):
        """More than IAM gives on one page."""
        cli = Program(fresh_wharf)
        iam = fresh_wharf.client("iam")
        names = [f"user-{number:03}" for number in range(120)]
        for name in names:
            iam.create_user(UserName=name)
        assert [entry["userName"] for entry in cli.json("user", "list")] == names

    def test_force(self, cli, user, group, policy):
        """A user with a key, a group and policies goes only when told to."""
        cli("key", "create", "--user", user)
        cli("group", "add-user", group, user)
        cli("policy", "attach", policy, "--user", user)
        cli("policy", "put", "--name", "own", "--document", "-", "--user", user, stdin=json.dumps(allowing("ecr:*")))
        shown = cli.json("user", "show", user)
        assert shown["groups"] == [group]
        assert [attached["policyName"] for attached in shown["attachedPolicies"]] == [policy]
        assert shown["inlinePolicies"] == ["own"]
        assert [key["status"] for key in shown["accessKeys"]] == ["Active"]
        said = cli.refused("user", "delete", user)
        assert "DeleteConflict" in said and "--force" in said, said
        assert cli.json("user", "delete", user, "--force") == {"userName": user}
        assert "NoSuchEntity" in cli.refused("user", "show", user)
        assert cli.json("group", "show", group)["users"] == []

    def test_refusals(self, cli, user):
        """The server's words, the error's name, and the request's id."""
        said = cli.refused("user", "create", user)
        assert re.match(r"error: .+ \(EntityAlreadyExists, request [0-9a-f-]{36}\)\n", said), said
        assert "NoSuchEntity" in cli.refused("user", "delete", unique("absent"))
        assert "ValidationError" in cli.refused("user", "create", "no spaces, please!")


class TestKeys:
    def test_life(self, cli, user, wharf):
        """A new key signs, an inactive one does not, an activated one does again, a deleted one never."""
        made = cli.json("key", "create", "--user", user)
        key = made["accessKeyId"]
        identity = client_of(wharf, made, "sts")
        assert identity.get_caller_identity()["Arn"].endswith(f":user/{user}")

        assert cli("key", "deactivate", key, "--user", user) == f"Deactivated access key {key} of user {user}\n"
        assert row(cli("key", "list", "--user", user), key)[2] == "inactive"
        with pytest.raises(identity.exceptions.ClientError, match="InvalidClientTokenId"):
            identity.get_caller_identity()
        assert cli("key", "activate", key, "--user", user) == f"Activated access key {key} of user {user}\n"
        assert row(cli("key", "list", "--user", user), key)[1:3] == [user, "active"]
        assert identity.get_caller_identity()["Account"] == wharf.account

        assert cli("key", "delete", key, "--user", user) == f"Deleted access key {key} of user {user}\n"
        assert cli.json("key", "list", "--user", user) == []
        assert cli("key", "list", "--user", user) == "There are no access keys.\n"
        with pytest.raises(identity.exceptions.ClientError, match="InvalidClientTokenId"):
            identity.get_caller_identity()

    def test_text(self, cli, user):
        """The secret is shown, and that it is not shown again."""
        printed = cli("key", "create", "--user", user)
        told = fields(printed)
        assert told["User"] == user
        assert re.fullmatch(r"AKIA[A-Z0-9]{16}", told["Access key id"])
        assert len(told["Secret access key"]) == 40
        assert "shown this once" in printed
        assert told["Secret access key"] not in cli("key", "list") + cli("user", "show", user)

    def test_all_users(self, cli, user):
        made = cli.json("key", "create", "--user", user)
        (told,) = [key for key in cli.json("key", "list") if key["accessKeyId"] == made["accessKeyId"]]
        assert (told["userName"], told["status"]) == (user, "Active")

    def test_limit(self, cli, user):
        """The third key of a user is refused."""
        for _ in range(2):
            cli("key", "create", "--user", user)
        assert "LimitExceeded" in cli.refused("key", "create", "--user", user)


class TestGroups:
    def test_members(self, cli, user, group, wharf):
        assert row(cli("group", "list"), group)[1] == f"arn:aws:iam::{wharf.account}:group/{group}"
        assert cli("group", "add-user", group, user) == f"User {user} is in group {group}\n"
        cli("policy", "attach", READ_ONLY, "--group", group)
        shown = fields(cli("group", "show", group))
        assert (shown["Group"], shown["Users"], shown["Policies"]) == (group, user, READ_ONLY)
        assert fields(cli("user", "show", user))["Groups"] == group

        # What the group may do, its users may do.
        client = client_of(wharf, cli.json("key", "create", "--user", user))
        client.describe_repositories()
        assert cli("group", "remove-user", group, user) == f"User {user} is no longer in group {group}\n"
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            client.describe_repositories()

    def test_delete(self, cli, user, group):
        cli("group", "add-user", group, user)
        said = cli.refused("group", "delete", group)
        assert "DeleteConflict" in said and "--force" in said, said
        assert cli("group", "delete", group, "--force") == f"Deleted group {group}\n"
        assert "NoSuchEntity" in cli.refused("group", "show", group)


class TestRoles:
    def test_life(self, cli, wharf, tmp_path):
        name = unique("role")
        document = tmp_path / "trust.json"
        document.write_text(json.dumps(trust(wharf), indent=2))
        made = fields(
            cli("role", "create", name, "--trust", document, "--max-session", "2h", "--description", "Deploys")
        )
        assert made["ARN"] == f"arn:aws:iam::{wharf.account}:role/{name}"
        assert (made["Description"], made["Longest session"]) == ("Deploys", "2h")
        assert row(cli("role", "list"), name)[2] == "2h"

        shown = cli("role", "show", name)
        assert fields(shown) == {**made, "Policies": "-"}
        # The lines as they were written: `wharf access explain` names them.
        assert document.read_text() in shown
        told = cli.json("role", "show", name)
        assert (told["maxSessionSeconds"], told["trustPolicy"]) == (7200, trust(wharf))

        changed = trust(wharf)
        changed["Statement"][0]["Sid"] = "Changed"
        document.write_text(json.dumps(changed))
        assert cli("role", "trust", name, "--set", document) == f"Set the trust policy of role {name}\n"
        assert json.loads(cli("role", "trust", name)) == changed

        cli("policy", "attach", READ_ONLY, "--role", name)
        assert "DeleteConflict" in cli.refused("role", "delete", name)
        assert cli("role", "delete", name, "--force") == f"Deleted role {name}\n"
        assert "NoSuchEntity" in cli.refused("role", "show", name)

    def test_assume(self, cli, user, role, wharf):
        """A role that the command line made can be taken on, and the program works with its session."""
        reading = json.dumps(allowing("iam:List*"))
        cli("policy", "put", "--name", "read", "--document", "-", "--role", role, stdin=reading)
        assuming = json.dumps(allowing("sts:AssumeRole"))
        cli("policy", "put", "--name", "assume", "--document", "-", "--user", user, stdin=assuming)
        arn = cli.json("role", "show", role)["arn"]
        # The root cannot take on roles.
        sts = client_of(wharf, cli.json("key", "create", "--user", user), "sts")
        session = sts.assume_role(RoleArn=arn, RoleSessionName="tests")["Credentials"]
        temporary = Program(
            wharf,
            AWS_ACCESS_KEY_ID=session["AccessKeyId"],
            AWS_SECRET_ACCESS_KEY=session["SecretAccessKey"],
            AWS_SESSION_TOKEN=session["SessionToken"],
        )
        assert role in temporary("role", "list")
        said = temporary.refused("user", "create", unique("user"))
        assert "AccessDenied" in said and session["AccessKeyId"] in said, said

    def test_bad_documents(self, cli, tmp_path):
        broken = tmp_path / "broken.json"
        broken.write_text('{\n  "Version": \n}\n')
        said = cli.refused("role", "create", unique("role"), "--trust", broken)
        assert "broken.json: not JSON:" in said and "line 3" in said, said
        assert "absent.json" in cli.refused("role", "create", unique("role"), "--trust", tmp_path / "absent.json")
        assert "MalformedPolicyDocument" in cli.refused("role", "create", unique("role"), "--trust", "-", stdin="{}")


class TestPolicies:
    def test_life(self, cli, wharf, tmp_path):
        name = unique("policy")
        document = tmp_path / "policy.json"
        document.write_text(json.dumps(allowing("ecr:*"), indent=4))
        made = fields(cli("policy", "create", name, "--document", document, "--description", "All of ECR"))
        arn = f"arn:aws:iam::{wharf.account}:policy/{name}"
        assert (made["Policy"], made["ARN"], made["Version"]) == (name, arn, "v1")
        assert row(cli("policy", "list"), name)[1:] == ["account", "0", arn]
        for given in (name, arn):
            shown = cli("policy", "show", given)
            assert fields(shown) == {**made, "Attached to": "-"}
            assert document.read_text() in shown
        assert cli.json("policy", "show", name)["document"] == allowing("ecr:*")
        assert cli("policy", "delete", name) == f"Deleted policy {arn}\n"
        assert "no policy is called" in cli.refused("policy", "show", name)
        assert "NoSuchEntity" in cli.refused("policy", "show", arn)

    def test_of_aws(self, cli):
        """AWS's policies are there from the start, and are listed on request."""
        assert READ_ONLY not in cli("policy", "list")
        name, owner, _, arn = row(cli("policy", "list", "--all"), READ_ONLY)
        assert (owner, arn) == ("aws", READ_ONLY_ARN)
        statements = cli.json("policy", "show", READ_ONLY)["document"]["Statement"]
        assert "ecr:BatchGetImage" in statements[0]["Action"]

    def test_attach(self, cli, user, role, group, policy):
        arn = cli.json("policy", "show", policy)["arn"]
        for kind, name in (("user", user), ("role", role), ("group", group)):
            assert cli("policy", "attach", policy, f"--{kind}", name) == f"Attached {arn} to {kind} {name}\n"
        shown = cli("policy", "show", policy)
        assert fields(shown)["Attached to"] == f"user {user}\nrole {role}\ngroup {group}"
        told = cli.json("policy", "show", policy)
        assert (told["users"], told["roles"], told["groups"]) == ([user], [role], [group])
        assert cli("policy", "detach", policy, "--user", user) == f"Detached {arn} from user {user}\n"
        assert cli.json("user", "show", user)["attachedPolicies"] == []
        said = cli.refused("policy", "delete", policy)
        assert "DeleteConflict" in said and "--force" in said, said
        cli("policy", "delete", policy, "--force")
        assert cli.json("role", "show", role)["attachedPolicies"] == []

    def test_old_versions(self, cli, policy, wharf):
        """`show` shows the version in force, and `--force` removes the others."""
        arn = cli.json("policy", "show", policy)["arn"]
        document = json.dumps(allowing("ecr:ListImages"))
        wharf.client("iam").create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
        told = cli.json("policy", "show", policy)
        assert (told["defaultVersionId"], told["document"]) == ("v2", allowing("ecr:ListImages"))
        assert "DeleteConflict" in cli.refused("policy", "delete", policy)
        cli("policy", "delete", policy, "--force")

    @pytest.mark.parametrize("kind", ["user", "role", "group"])
    def test_inline(self, cli, kind, request):
        name = request.getfixturevalue(kind)
        holder = [f"--{kind}", name]
        put = ["policy", "put", "--name", "own", "--document", "-", *holder]
        assert cli(*put, stdin=json.dumps(allowing("ecr:*"))) == f"Put inline policy own into {kind} {name}\n"
        assert fields(cli(kind, "show", name))["Policies"] == "own (inline)"
        removed = cli("policy", "remove", "--name", "own", *holder)
        assert removed == f"Removed inline policy own from {kind} {name}\n"
        assert cli.json(kind, "show", name)["inlinePolicies"] == []
        assert "MalformedPolicyDocument" in cli.refused(*put, stdin='{"Version": "2012-10-17"}')

    def test_unknown_name(self, cli, user):
        """What was perhaps meant is named."""
        said = cli.refused("policy", "attach", READ_ONLY.lower(), "--user", user)
        assert f"did you mean {READ_ONLY}?" in said, said

    def test_holder(self, cli, user, group):
        """One of --user, --role and --group."""
        assert "--user <NAME>" in cli.refused("policy", "attach", READ_ONLY)
        assert "cannot be used with" in cli.refused("policy", "attach", READ_ONLY, "--user", user, "--group", group)


@pytest.mark.every_store("CreateToken", "ListTokens", "RevokeToken")
class TestTokens:
    @pytest.fixture
    def token(self, cli):
        """A token for repositories of one test, and their prefix."""
        prefix = unique("ci")
        made = cli.json(
            *("token", "create", "--repository", f"{prefix}/*", "--actions", "pull,push", "--expires", "12h"),
            *("--name", prefix),
        )
        yield made, prefix
        cli.run("token", "revoke", prefix, expect=None)

    def test_made(self, token, cli, wharf):
        made, prefix = token
        told = made["token"]
        assert (told["name"], told["repositories"], sorted(told["actions"])) == (
            prefix,
            [f"{prefix}/*"],
            ["pull", "push"],
        )
        expires = datetime.fromisoformat(told["expiresAt"])
        assert abs(expires - datetime.now(UTC) - timedelta(hours=12)) < timedelta(minutes=2)
        assert made["loginCommand"].endswith(f"| docker login --username AWS --password-stdin {wharf.host}")
        name, repositories, _, expires, used, _ = row(cli("token", "list"), prefix)
        assert (repositories, used) == (f"{prefix}/*", "never")
        assert re.fullmatch(DATE, expires)
        assert made["password"] not in cli("token", "list")

    def test_text(self, cli, wharf):
        """The password is told once, with a line that logs docker in."""
        name = unique("ci")
        arguments = (
            "--repository",
            f"{name}/*",
            "--repository",
            f"{name}-base",
            "--actions",
            "pull",
            "--expires",
            "90d",
        )
        printed = cli("token", "create", *arguments, "--name", name)
        told = fields(printed)
        assert told["Repositories"] == f"{name}/*\n{name}-base"
        assert told["Actions"] == "pull"
        login = f"docker login --username AWS --password-stdin {wharf.host}"
        assert re.search(rf"^  echo '?{re.escape(told['Password'])}'? \| {re.escape(login)}$", printed, re.M), printed
        assert cli("token", "revoke", name) == f"Revoked token {name}\n"
        assert name not in [entry["name"] for entry in cli.json("token", "list")]

    def test_works(self, token, cli, wharf):
        """It opens its repositories and no others, until it is revoked."""
        made, prefix = token
        for name in (f"{prefix}/app", f"other-{prefix}"):
            wharf.client().create_repository(repositoryName=name)

        def status(repository):
            client = RegistryClient(wharf.host)
            return client.request("GET", f"/v2/{repository}/tags/list", headers=basic("AWS", made["password"])).status

        assert status(f"{prefix}/app") == 200
        assert status(f"other-{prefix}") in (401, 403)
        assert cli("token", "revoke", prefix) == f"Revoked token {prefix}\n"
        # As with any password that is none (reference/access.md 6).
        assert status(f"{prefix}/app") == 400

    def test_login_line(self, token, docker):
        """The line works as it stands."""
        made, _ = token
        assert "Login Succeeded" in docker.shell(made["loginCommand"]).stdout

    def test_refusals(self, cli):
        create = ("token", "create", "--repository", "a", "--expires")
        assert "ends without a unit" in cli.refused(*create, "90", "--actions", "pull")
        assert "possible values: pull, push, delete" in cli.refused(*create, "90d", "--actions", "fly")
        said = cli.refused("token", "revoke", unique("absent"))
        assert re.match(r"error: .+ \(\w+Exception, request [0-9a-f-]{36}\)\n", said), said


@pytest.mark.every_store("ExplainAccess")
class TestAccess:
    def explain(self, cli, principal, action, resource, *more, expect):
        arguments = ("--principal", principal, "--action", action, "--resource", resource, *more)
        return cli.run("access", "explain", *arguments, expect=expect).stdout

    @pytest.fixture
    def repository(self, wharf):
        made = wharf.client().create_repository(repositoryName=unique("app"))
        return made["repository"]["repositoryArn"]

    def test_allowed(self, cli, user, repository, wharf):
        arn = f"arn:aws:iam::{wharf.account}:user/{user}"
        document = '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {"Sid": "Push", "Effect": "Allow",\n      "Action": "ecr:PutImage", "Resource": "*"}\n  ]\n}'
        cli("policy", "put", "--name", "own", "--document", "-", "--user", user, stdin=document)
        said = self.explain(cli, arn, "ecr:PutImage", repository, expect=0)
        assert said.startswith("allowed\nPrincipal "), said
        assert "identity policy own, statement 1 (Push), line 4" in said, said
        assert "\x1b" not in said

    def test_nothing_allows(self, cli, user, repository, wharf):
        arn = f"arn:aws:iam::{wharf.account}:user/{user}"
        said = self.explain(cli, arn, "ecr:PutImage", repository, expect=1)
        assert said.startswith("denied, as nothing allows it\n"), said
        assert "To change it" in said, said
        arguments = ("--principal", arn, "--action", "ecr:PutImage", "--resource", repository)
        told = cli.json("access", "explain", *arguments, expect=1)
        assert told["decision"] == "implicitDeny" and told["advice"], told

    def test_explicit_deny(self, cli, user, repository, wharf):
        arn = f"arn:aws:iam::{wharf.account}:user/{user}"
        cli("policy", "attach", "AmazonEC2ContainerRegistryFullAccess", "--user", user)
        document = json.dumps(allowing("ecr:PutImage", effect="Deny"))
        cli("policy", "put", "--name", "stop", "--document", "-", "--user", user, stdin=document)
        said = self.explain(cli, arn, "ecr:PutImage", repository, expect=1)
        assert said.startswith("denied, by a statement that denies it\n"), said
        assert "Deny: identity policy stop, statement 1" in said, said

    def test_context(self, cli, user, repository, wharf):
        """A condition holds or not by what --context says."""
        arn = f"arn:aws:iam::{wharf.account}:user/{user}"
        document = allowing("ecr:PutImage")
        document["Statement"][0]["Condition"] = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
        cli("policy", "put", "--name", "own", "--document", "-", "--user", user, stdin=json.dumps(document))
        for address, code in (("10.1.2.3", 0), ("192.0.2.1", 1)):
            self.explain(cli, arn, "ecr:PutImage", repository, "--context", f"aws:SourceIp={address}", expect=code)

    def test_errors(self, cli, repository):
        """An error is neither yes nor no."""
        arguments = ("--action", "ecr:PutImage", "--resource", repository)
        said = cli.refused("access", "explain", "--principal", "nonsense", *arguments)
        assert "your account has no user nonsense" in said
        said = cli.refused("access", "explain", "--principal", "x", *arguments, "--context", "novalue")
        assert "key=value" in said


class TestConnection:
    def test_not_running(self, tmp_path):
        """An unreachable server is named, and what to do."""
        server = Wharf(tmp_path / "wharf")
        key = {"AWS_ACCESS_KEY_ID": "AKIAGIVENBYTHETESTS1", "AWS_SECRET_ACCESS_KEY": "given-by-the-tests"}
        said = Program(server, **key).refused("user", "list", "--endpoint", "http://127.0.0.1:1")
        assert "http://127.0.0.1:1 cannot be reached: Connection refused" in said, said
        assert "wharf serve" in said

    def test_no_credentials(self, tmp_path):
        said = Program(Wharf(tmp_path / "wharf")).refused("user", "list")
        assert "which --data-dir names, is not there" in said, said
        assert not (tmp_path / "wharf" / "data").exists()

    def test_wrong_secret(self, wharf):
        """Where the credentials came from is told, but not what they are."""
        key = {
            "AWS_ACCESS_KEY_ID": wharf.credentials["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_ACCESS_KEY": "wrong-wrong-wrong",
        }
        said = Program(wharf, **key).refused("user", "list")
        assert "SignatureDoesNotMatch" in said and "from the environment" in said, said
        assert "wrong-wrong-wrong" not in said

    def test_environment(self, wharf, tmp_path):
        """Without a data folder, as on another machine."""
        environment = {**WITHOUT_AWS, **wharf.credentials, "HOME": str(tmp_path), "XDG_DATA_HOME": None}
        finished = run(binary(), "user", "list", "--output", "json", environment=environment, cwd=tmp_path)
        assert isinstance(json.loads(finished.stdout), list)

    def test_self_signed(self, tmp_path):
        """The certificate of the data folder is trusted for its own server; elsewhere --ca-bundle names it."""
        server = Wharf(tmp_path / "wharf", arguments=["--tls", "self-signed"])
        server.start()
        try:
            assert server.url.startswith("https://")
            Program(server)("user", "list")
            certificate = tmp_path / "certificate.pem"
            (server.data_dir / "tls-certificate.pem").rename(certificate)
            said = Program(server).refused("user", "list")
            assert "certificate" in said and "--ca-bundle" in said, said
            Program(server)("user", "list", "--ca-bundle", certificate)
            Program(server, AWS_CA_BUNDLE=str(certificate))("user", "list")
            plain = server.url.replace("https://", "http://")
            said = Program(server).refused("user", "list", "--endpoint", plain)
            assert "it speaks https" in said and "write https://" in said, said
        finally:
            server.finish()

    def test_no_tls_there(self, wharf):
        said = Program(wharf).refused("user", "list", "--endpoint", wharf.url.replace("http://", "https://"))
        assert "write http://" in said, said

    def test_another_loopback_address(self, tmp_path):
        """The server is called by the address that it listens at, which its certificate has."""
        server = Wharf(tmp_path / "wharf", listen="127.0.0.2:0", arguments=["--tls", "self-signed"])
        server.start()
        try:
            Program(server)("user", "list")
        finally:
            server.finish()

    def test_not_wharf(self, wharf):
        """Help for whoever writes a path behind the host."""
        assert "nothing may follow" in Program(wharf).refused("user", "list", "--endpoint", f"{wharf.url}/v2/")

    def test_closed_pipe(self, wharf):
        """`wharf … | head` is no error."""
        script = f'set -o pipefail; "{binary()}" policy list --all --data-dir "{wharf.data_dir}" | true'
        environment = {**wharf.environment, **WITHOUT_AWS, "PATH": os.environ["PATH"]}
        assert run("bash", "-c", script, environment=environment).stderr == ""
