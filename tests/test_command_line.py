"""What commands take for granted: which server they call and as whom, what they say of the wrong scheme, and of what is
left out."""

import json
import re

import pytest

from harness.commands import WITHOUT_AWS, refused, run
from harness.registry_client import new_repository
from harness.server import Wharf, binary

KEY = {"AWS_ACCESS_KEY_ID": "AKIAGIVENBYTHETESTS1", "AWS_SECRET_ACCESS_KEY": "given-by-the-tests"}
ELSEWHERE = {**KEY, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "eu-west-1"}


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    server = Wharf(tmp_path_factory.mktemp("tls"), arguments=["--tls", "self-signed"])
    yield server.start()
    server.finish()


@pytest.fixture
def home(tmp_path):
    """An environment without a data folder of its own and without AWS's variables and files."""
    return {**WITHOUT_AWS, "HOME": str(tmp_path), "XDG_DATA_HOME": None, "WHARF_DATA_DIR": None}


class TestPrecedence:
    def test_a_folder_that_is_named(self, wharf, home, tmp_path):
        """--data-dir, --config and WHARF_DATA_DIR go before AWS's variables, for who is called and as whom."""
        config = tmp_path / "wharf.toml"
        config.write_text(f'data_dir = "{wharf.data_dir}"\n')
        environment = {**wharf.environment, **home, **ELSEWHERE}
        for arguments, more in (
            (["--data-dir", wharf.data_dir], {}),
            (["--config", config], {}),
            ([], {"WHARF_DATA_DIR": str(wharf.data_dir)}),
        ):
            for command in (["user", "list"], ["status"], ["health"]):
                run(binary(), *command, *arguments, environment={**environment, **more})
        # An explicit option goes before that.
        said = refused(
            binary(), "user", "list", "--data-dir", wharf.data_dir, "--endpoint", "http://127.0.0.1:2",
            environment=environment,
        )  # fmt: skip
        assert "127.0.0.1:2" in said, said

    def test_the_environment_without_one(self, wharf, home):
        """Without, the environment decides, for `wharf health` as for the others."""
        environment = {**home, **ELSEWHERE}
        for command in (["user", "list"], ["status"], ["health"]):
            said = refused(binary(), *command, environment=environment)
            assert "127.0.0.1:1" in said, said
        assert "this one is from AWS_ENDPOINT_URL" in refused(binary(), "status", environment=environment)
        environment = {**home, **wharf.credentials, "AWS_ENDPOINT_URL": wharf.url}
        assert run(binary(), "health", environment=environment).stdout == "ready\n"
        run(binary(), "user", "list", environment=environment)

    def test_errors_name_what_gave_each_value(self, wharf, home, tmp_path):
        environment = {**home, **ELSEWHERE, "AWS_ENDPOINT_URL": wharf.url}
        said = refused(binary(), "user", "list", environment=environment)
        for part in (KEY["AWS_ACCESS_KEY_ID"], "from the environment", "from AWS_ENDPOINT_URL", "from AWS_REGION"):
            assert part in said, said
        typo = tmp_path / "typo"
        said = refused(binary(), "user", "list", "--data-dir", typo, environment=environment)
        assert f"{typo}, which --data-dir names, is not there" in said and "leave --data-dir out" in said, said
        said = refused(binary(), "user", "list", environment={**environment, "AWS_REGION": "Us West"})
        assert "region 'Us West', from AWS_REGION" in said, said

    def test_help_says_so(self):
        told = run(binary(), "user", "list", "--help").stdout
        told = " ".join(told.split())
        assert "goes before $AWS_ENDPOINT_URL, $AWS_ACCESS_KEY_ID and $AWS_REGION" in told, told


COMMANDS = [["user", "list"], ["status"], ["jobs", "list"], ["audit", "list"], ["gc", "--status"], ["health"]]


class TestScheme:
    """Whoever writes http for https, or the other way round, is told what to write, and nothing else."""

    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    def test_every_command(self, wharf, tls, command):
        for server in (wharf, tls):
            right, wrong = ("http", "https") if server is wharf else ("https", "http")
            url = server.url.replace(f"{right}://", f"{wrong}://")
            environment = {**server.environment, **WITHOUT_AWS}
            said = refused(
                binary(), *command, "--data-dir", server.data_dir, "--endpoint", url, environment=environment
            )
            assert f"it speaks {right}" in said and f"write {right}:// in the URL" in said, said
            assert f"write {wrong}://" not in said and f"use {wrong}://" not in said and "Wharf server?" not in said
            environment = {**environment, **server.credentials, "AWS_ENDPOINT_URL": url}
            said = refused(binary(), *command, environment={**environment, "WHARF_DATA_DIR": None})
            assert f"write {right}:// in the URL (it is from AWS_ENDPOINT_URL)" in said, said

    def test_an_import(self, wharf, tls):
        for server, right, wrong in ((wharf, "http", "https"), (tls, "https", "http")):
            url = server.url.replace(f"{right}://", f"{wrong}://")
            said = refused(
                binary(), "import", "registry", url, "--data-dir", wharf.data_dir,
                environment={**wharf.environment, **WITHOUT_AWS},
            )  # fmt: skip
            assert f"it speaks {right}: write {right}:// in the URL" in said and "catalog" not in said, said


class TestLeftOut:
    @pytest.mark.parametrize(
        ("command", "way"),
        [
            (["protect"], "--list (list what is protected"),
            (["unprotect"], "`wharf protect --list`"),
            (["jobs", "retry"], "--all (all jobs that were given up); `wharf jobs list`"),
            (["lifecycle", "run"], "--all (all repositories that have a policy); `wharf lifecycle status`"),
            (["lifecycle", "set"], "`wharf lifecycle status`"),
            (["image", "restore"], "`wharf image list-deleted`"),
            (["user", "delete"], "`wharf user list`"),
            (["key", "create"], "`wharf user list`"),
            (["policy", "attach"], "`wharf policy list`"),
            (["token", "revoke"], "`wharf token list`"),
            (["access", "explain"], "`wharf role list`"),
        ],
        ids=lambda part: " ".join(part) if isinstance(part, list) else "",
    )
    def test_the_way(self, command, way):
        """What a command needs is told, and what shows what there is."""
        finished = run(binary(), *command, expect=2)
        assert "Usage: wharf" in finished.stderr and way in finished.stderr, finished.stderr
        assert finished.stdout == ""


class TestExplain:
    def test_names(self, wharf):
        """A user is known by its name, a role by role/NAME; what is neither is told how to write it."""

        def wharf_command(*arguments, expect=0):
            command = [binary(), *arguments, "--data-dir", wharf.data_dir]
            finished = run(*command, expect=expect, environment={**wharf.environment, **WITHOUT_AWS})
            return finished.stdout + finished.stderr

        def explain(principal, resource="*", expect=1):
            asked = ("--principal", principal, "--action", "ecr:PutImage", "--resource", resource)
            return wharf_command("access", "explain", *asked, expect=expect)

        user = f"explained-{new_repository(wharf, 'explained').name.replace('/', '-')}"
        wharf_command("user", "create", user, "--path", "/machines/")
        arn = json.loads(wharf_command("user", "show", user, "--output", "json"))["arn"]
        assert ":user/machines/" in arn
        for name in (user, f"user/{user}", arn):
            assert f"Principal     {arn}" in explain(name)
        said = explain("nobody", expect=2)
        assert "no user nobody" in said and "role/NAME" in said and "`wharf user list`" in said, said
        said = explain("role/nobody", expect=2)
        assert "no role nobody" in said and "`wharf role list`" in said, said
        said = explain(user, resource="team/app", expect=2)
        assert f":{wharf.account}:repository/team/app" in said, said


@pytest.mark.every_store("DescribeServer")
def test_counts_agree(fresh_wharf):
    """The status and the check count the same blobs, and the check tells apart what lies in the stores."""
    repository = new_repository(fresh_wharf, "counted")
    for tag in ("v1", "v2"):
        repository.push_image(tag)
    fresh_wharf.restart()
    environment = {**fresh_wharf.environment, **WITHOUT_AWS}
    place = ["--data-dir", fresh_wharf.data_dir]
    checked = run(binary(), "fsck", *place, environment=environment).stdout
    blobs, stored = re.search(r"(\d+) blobs? .*; (\d+) objects? in the stores", checked).groups()
    status = json.loads(run(binary(), "status", *place, "--output", "json", environment=environment).stdout)
    assert status["store"]["standard"]["blobs"] == int(blobs) >= int(stored)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", status["store"]["measuredAt"])
    told = run(binary(), "status", *place, environment=environment).stdout
    assert f" in {blobs} blobs" in told and re.search(r"Measured +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", told), told


class TestImportKeys:
    """Of the two keys that an import from ECR needs, the message says which is missing, and what to set."""

    COMMAND = ("import", "ecr", "--source-region", "us-east-1")

    def said(self, environment, *arguments):
        return refused(binary(), *self.COMMAND, *arguments, environment=environment)

    def test_both(self, home):
        said = self.said(home)
        for part in ("for the target", "--target-profile", "for the source", "AWS_ACCESS_KEY_ID", "--source-profile"):
            assert part in said, said

    def test_the_target(self, home):
        """The environment's key is the source's."""
        said = self.said({**home, **KEY})
        assert "no credentials for the target" in said and "for the source" not in said, said
        assert "--data-dir" in said and "AWS_ACCESS_KEY_ID is the source's here" in said, said
        said = self.said({**home, **KEY}, "--target-profile", "absent")
        assert "no profile absent, which --target-profile names" in said, said

    def test_the_source(self, wharf, home):
        environment = {**wharf.environment, **home}
        said = self.said(environment, "--data-dir", wharf.data_dir)
        assert "no credentials for the source" in said and "target" not in said, said
        half = {**environment, "AWS_ACCESS_KEY_ID": KEY["AWS_ACCESS_KEY_ID"]}
        said = self.said(half, "--data-dir", wharf.data_dir)
        assert "the source's key: AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not" in said, said
