"""What commands say to whoever tries them for the first time: named servers, exit codes, numbers, dates, and what to do."""

import json
import uuid

import pytest

from harness.commands import WITHOUT_AWS, refused, run
from harness.registry_client import new_repository
from harness.server import Wharf, binary
from harness.storage import wharf_command
from test_command_line import home  # noqa: F401

ALLOW_PUSH = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"},
        {
            "Sid": "NoProd",
            "Effect": "Deny",
            "Action": "ecr:PutImage",
            "Resource": "*",
            "Condition": {"StringLike": {"ecr:ImageTag": "prod-*"}},
        },
    ],
}


@pytest.fixture
def held(wharf, tmp_path):
    """A user with an inline policy of the name `push`."""
    name = f"words-{uuid.uuid4().hex[:8]}"
    document = tmp_path / "push.json"
    document.write_text(json.dumps(ALLOW_PUSH))
    wharf_command(wharf, "user", "create", name)
    wharf_command(wharf, "policy", "put", "--name", "push", "--document", document, "--user", name)
    yield name
    wharf_command(wharf, "user", "delete", name, "--force")


class TestHealth:
    def test_a_named_server_that_is_not_there(self, wharf, home, tmp_path):  # noqa: F811
        """No other server is asked in its place, whatever answers at the usual address or AWS_ENDPOINT_URL."""
        environment = {**home, "AWS_ENDPOINT_URL": wharf.url}
        typo, empty, config = tmp_path / "typo", tmp_path / "empty", tmp_path / "wharf.toml"
        empty.mkdir()
        config.write_text(f'data_dir = "{typo}"\nlisten = "{wharf.url.partition("://")[2]}"\n')
        gone = f"the data folder {typo}, which "
        for arguments, more, expected in (
            (["--data-dir", typo], {}, gone + "--data-dir names, is not there"),
            (["--config", config], {}, gone + "--config names, is not there"),
            (["--config", tmp_path / "typo.toml"], {}, "typo.toml: No such file"),
            ([], {"WHARF_DATA_DIR": str(typo)}, gone + "WHARF_DATA_DIR names, is not there"),
            (["--data-dir", empty], {}, f"no server has run on the data folder {empty}, which --data-dir names"),
        ):
            for output in ([], ["--output", "json"]):
                said = refused(binary(), "health", *arguments, *output, environment={**environment, **more})
                assert expected in said and "ready" not in said, said
        # What goes before the folder is asked as ever.
        told = run(binary(), "health", "--data-dir", typo, "--endpoint", wharf.url, environment=environment).stdout
        assert told == "ready\n"

    def test_json(self, wharf, home):  # noqa: F811
        for question, arguments in (("ready", []), ("alive", ["--live"])):
            told = json.loads(wharf_command(wharf, "health", *arguments, "--output", "json"))
            assert told == {"endpoint": f"{wharf.url}/", "question": question, "isOk": True}
        nowhere = ["--endpoint", "http://127.0.0.1:1", "--output", "json"]
        told = json.loads(run(binary(), "health", *nowhere, environment=home, expect=1).stdout)
        assert not told["isOk"] and "refused" in told["reason"], told


class TestNumbersAndTimes:
    @pytest.mark.parametrize(
        ("command", "expected"),
        [
            (["jobs", "retry", "abc"], "a whole number of at least 1 is needed"),
            (["service-key", "retire", "abc"], "a whole number of at least 1 is needed"),
            (["health", "--timeout", "abc"], "a whole number from 1 to 600 is needed"),
            (["audit", "list", "--limit", "0"], "a whole number of at least 1 is needed"),
            (["events", "tail", "--limit", "0"], "a whole number of at least 1 is needed"),
            (["fsck", "--orphan-grace", "0"], "a whole number from 1 to 87600 is needed"),
            (["fsck", "--sample", "-5"], "a number from 0 to 100 is needed"),
            (["fsck", "--orphan-grace", "-1"], "a whole number from 1 to 87600 is needed"),
            (["jobs", "retry", "-1"], "a whole number of at least 1 is needed"),
            (["audit", "list", "--limit", "-1"], "a whole number of at least 1 is needed"),
            (["import", "folder", "/", "--retries", "-1"], "a whole number of at least 0 is needed"),
            (
                ["repository", "set", "app", "--restore-window", "-1"],
                "invalid value '-1' for '--restore-window <DAYS>'",
            ),
            (["import", "folder", "/", "--retries", "x"], "a whole number of at least 0 is needed"),
            (["role", "create", "r", "--trust", "-", "--max-session", "15h"], "a session lasts 1h to 12h"),
            (
                ["token", "create", "--repository", "UP*", "--actions", "pull", "--expires", "1h"],
                "names of repositories have no upper case: write up*",
            ),
            (["serve", "--listen", ":5875"], "write 127.0.0.1:5875 or 0.0.0.0:5875"),
            (["audit", "list", "--since", "yesterday"], "write 2h or 3d (ago), 2026-11-21, or 2026-11-21T08:00:00Z"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else None,
    )
    def test_refused(self, command, expected):
        finished = run(binary(), *command, expect=2)
        assert expected in finished.stderr and "digit" not in finished.stderr, finished.stderr

    def test_dates(self, wharf, held):
        """Everywhere a time is taken, a date is."""
        for since in ("24h", "2026-01-01", "2026-01-01T08:00:00Z"):
            assert "CreateUser" in wharf_command(wharf, "audit", "list", "--since", since, "--event", "CreateUser")
            wharf_command(wharf, "image", "list-deleted", "--since", since)
        assert "There are no events." in wharf_command(wharf, "audit", "list", "--since", "2999-01-01")
        status = wharf_command(wharf, "service-key", "status")
        assert " UTC" in status and "T" not in status.partition("made ")[2].partition(" UTC")[0], status


class TestInlinePolicies:
    def test_shown(self, wharf, held):
        told = wharf_command(wharf, "user", "policy", "show", held, "push")
        assert f"Inline in  user {held}" in told and "NoProd" in told, told
        told = json.loads(wharf_command(wharf, "user", "policy", "show", held, "push", "--output", "json"))
        assert told == {"policyName": "push", "document": ALLOW_PUSH}
        assert "push  inline  -" in wharf_command(wharf, "user", "policy", "list", held)

    def test_hints(self, wharf, held):
        environment = {**wharf.environment, **WITHOUT_AWS}
        options = ["--data-dir", wharf.data_dir]
        said = refused(binary(), "policy", "show", "push", *options, environment=environment)
        assert "`wharf role policy show ROLE push`" in said, said
        read_only = "AmazonEC2ContainerRegistryReadOnly"
        wharf_command(wharf, "policy", "attach", read_only, "--user", held)
        said = refused(binary(), "user", "policy", "show", held, read_only, *options, environment=environment)
        assert f"`wharf policy show {read_only}` shows it" in said, said


def test_a_deny_that_depends_on_what_was_not_said(wharf, held):
    question = ["access", "explain", "--principal", held, "--action", "ecr:PutImage", "--resource", "*"]
    told = wharf_command(wharf, *question)
    assert told.startswith("allowed, as far as is known"), told
    assert "statement 2 (NoProd)" in told and "depends on ecr:ImageTag: give --context ecr:ImageTag=VALUE" in told, told
    assert "allowed by an identity-based policy" in told, told
    told = wharf_command(wharf, *question, "--context", "ecr:ImageTag=v1")
    assert told.startswith("allowed\n") and "Not known" not in told, told
    told = json.loads(wharf_command(wharf, *question, "--context", "ecr:ImageTag=prod-1", "--output", "json", expect=1))
    assert told["decision"] == "explicitDeny" and "openDenies" not in told, told
    told = json.loads(wharf_command(wharf, *question, "--output", "json"))
    assert [one["conditionKeys"] for one in told["openDenies"]] == [["ecr:ImageTag"]], told


def test_the_source_of_an_import_is_no_wharf_to_start(wharf):
    """Of a source that cannot be reached nothing is said that holds of a Wharf on this machine."""
    environment = {
        **wharf.environment,
        **WITHOUT_AWS,
        "AWS_ACCESS_KEY_ID": "AKIAGIVENBYTHETESTS1",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    source = ["--source-region", "eu-west-1", "--source-endpoint", "http://127.0.0.1:1", "--retries", "0"]
    said = refused(binary(), "import", "ecr", *source, "--data-dir", wharf.data_dir, environment=environment)
    assert "http://127.0.0.1:1 cannot be reached" in said and "--source-endpoint" in said, said
    assert "wharf serve" not in said and "--endpoint)" not in said, said


def test_a_repository_without_a_lifecycle_policy(wharf):
    repository = new_repository(wharf, "no-policy")
    environment = {**wharf.environment, **WITHOUT_AWS}
    command = ["lifecycle", "run", repository.name, "--dry-run", "--data-dir", wharf.data_dir]
    said = refused(binary(), *command, environment=environment)
    assert "`aws ecr put-lifecycle-policy`" in said, said


def test_names_of_a_wrong_length(wharf):
    """A name that the pattern fits is not said to miss it."""
    registry = new_repository(wharf, "lengths").client
    for name, expected in (
        ("a", "must be at least 2 characters long"),
        ("a" * 257, "must be at most 256 characters long"),
    ):
        answer = registry.get(f"/v2/{name}/tags/list").expect_error(400, "NAME_INVALID")
        assert expected in answer.body.decode() and "regular expression" not in answer.body.decode(), (
            answer.body.decode()
        )


def test_an_issuer_without_tls(wharf):
    said = refused(
        binary(), "oidc-provider", "create", "http://x", "--data-dir", wharf.data_dir,
        environment={**wharf.environment, **WITHOUT_AWS},
    )  # fmt: skip
    assert "an issuer must be one of https://" in said, said


def test_both_configurations_of_a_move(tmp_path):
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text("lisen = 1\n")
    two.write_text("regoins = 1\n")
    finished = run(binary(), "migrate", "--from", one, "--to", two, expect=1)
    assert "did you mean 'listen'?" in finished.stderr and "did you mean 'regions'?" in finished.stderr


def test_a_log_filter(tmp_path):
    for command in (["config", "check"], ["serve"]):
        said = refused(
            binary(), *command, "--data-dir", tmp_path / "data", environment={"WHARF_LOG": "banana=x=y"}, timeout=60
        )
        assert "WHARF_LOG: 'banana=x=y' is no log filter" in said and said.count("error parsing level filter") == 1, (
            said
        )


def test_counts_and_forms(tmp_path):
    server = Wharf(tmp_path, config='regions = ["us-east-1", "us-west-2"]\n')
    try:
        server.start()
        assert "  regions      us-east-1, us-west-2\n" in server.log_text()
        assert "Freed ever 0 bytes of 0 objects" in " ".join(wharf_command(server, "gc", "--status").split())
        assert "Removed before 0 bytes of 0 objects" in " ".join(wharf_command(server, "gc", "--dry-run").split())
        said = refused(binary(), "credentials", "--data-dir", server.data_dir, "--region", "x", environment=WITHOUT_AWS)
        assert "there are us-east-1, us-west-2" in said, said
    finally:
        server.finish()


def test_a_policy_that_is_the_first_one_already(tmp_path):
    server = Wharf(tmp_path)
    try:
        server.start()
        key = server.client("kms").create_key()["KeyMetadata"]["KeyId"]
        server.stop()
        told = wharf_command(server, "policy", "reset", "key", key)
        assert "is its first one already" in told and told.count('"Statement"') == 1, told
    finally:
        server.finish()


class TestImports:
    @pytest.fixture
    def folder(self, tmp_path):
        """The storage of a docker-registry with one repository, which has no tags."""
        (tmp_path / "docker/registry/v2/repositories/team/app/_manifests/tags").mkdir(parents=True)
        return tmp_path

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (["--repository", "nosuch/*"], {"repository": "nosuch/*", "reason": "no repository of the source fits"}),
            (
                ["--repository", "nosuch/*", "--repository", "team/*"],
                {"repository": "nosuch/*", "reason": "no repository of the source fits"},
            ),
            (["--repository", "nosuch"], {"repository": "nosuch", "reason": "the source has no such repository"}),
            (
                ["--tags", "nosuch*"],
                {
                    "repository": "",
                    "image": "--tags",
                    "reason": "no image of the wanted repositories has a tag that fits",
                },
            ),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else None,
    )
    def test_what_fits_nothing(self, wharf, folder, options, expected):
        options = [*options, "--dry-run", "--state", folder / "state", "--output", "json"]
        report = json.loads(wharf_command(wharf, "import", "folder", folder, *options, expect=1))
        assert report["failures"] == [expected], report

    def test_a_time_since_which_nothing_happened(self, wharf, folder):
        options = ["--tags", "v*", "--since", "1h", "--dry-run", "--state", folder / "state"]
        wharf_command(wharf, "import", "folder", folder, *options)

    def test_a_wrong_password(self, wharf, tmp_path):
        host = wharf.url.partition("://")[2]
        more = {**WITHOUT_AWS, "WHARF_SOURCE_USERNAME": "AWS", "WHARF_SOURCE_PASSWORD": "wrong", "HOME": str(tmp_path)}
        finished = run(
            binary(), "import", "registry", host, "--data-dir", wharf.data_dir,
            environment={**wharf.environment, **more}, expect=2,
        )  # fmt: skip
        said = finished.stderr
        assert "is the login right" in said and "catalog" not in said and ".;" not in said, said
