"""The first minutes with Wharf: starting it, finding the credentials, and asking whether it is well."""

import json
import os
import re
import shutil
import socket
import subprocess
import urllib.request

import pytest

from harness import postgres
from harness.commands import refused, run
from harness.files import paths_under
from harness.server import AWS, ROOT, Wharf, binary


@pytest.fixture
def new_server(tmp_path):
    """A server that has not been started."""
    server = Wharf(tmp_path / "wharf")
    yield server
    server.finish()


def credentials(server, output):
    command = [binary(), "credentials", "--data-dir", server.data_dir, "--output", output]
    return run(*command, environment=server.environment).stdout


def serve(server):
    return [binary(), "serve", "--data-dir", server.data_dir, "--listen", "127.0.0.1:0"]


def config_check(server):
    return [binary(), "config", "check", "--data-dir", server.data_dir]


class TestFirstStart:
    def test_what_it_says(self, fresh_wharf):
        """Where it listens, who it is, where its data is, how to get credentials, and what to type next."""
        said = fresh_wharf.log_text()
        for expected in (
            fresh_wharf.url,
            fresh_wharf.account,
            fresh_wharf.region,
            str(fresh_wharf.data_dir),
            f"credentials --data-dir {fresh_wharf.data_dir}",
            "create-repository",
            "get-login-password",
            "docker push",
        ):
            assert expected in said, f"{expected} is missing in:\n{said}"

    def test_no_secret_is_said(self, fresh_wharf):
        fresh_wharf.client("sts").get_caller_identity()
        assert fresh_wharf.credentials["AWS_SECRET_ACCESS_KEY"] not in fresh_wharf.log_text()
        fresh_wharf.client().describe_repositories()
        assert fresh_wharf.password not in fresh_wharf.log_text()

    def test_data_folder(self, fresh_wharf):
        """Nobody else may look into it."""
        assert fresh_wharf.data_dir.stat().st_mode & 0o777 == 0o700

    def test_files(self, tmp_path):
        """Nor into its files; a folder that was open to others, and files in it, are closed at the start."""
        server = Wharf(tmp_path / "wharf")
        server.data_dir.mkdir(mode=0o755)
        server.start()
        assert server.data_dir.stat().st_mode & 0o777 == 0o700
        assert server.stop() == 0
        server.data_dir.chmod(0o755)
        (server.data_dir / "wharf.db").chmod(0o644)
        server.start()
        server.client().create_repository(repositoryName="private")
        found = {server.data_dir: server.data_dir.stat(), **paths_under(server.data_dir)}
        assert {path for path, stat in found.items() if stat.st_mode & 0o077} == set()
        server.finish()

    def test_folder_is_a_file(self, tmp_path):
        (tmp_path / "file").touch()
        said = refused(binary(), "serve", "--data-dir", tmp_path / "file", "--listen", "127.0.0.1:0", timeout=20)
        assert f"{tmp_path}/file is a file" in said, said

    def test_default_data_folder(self, tmp_path):
        """`wharf serve` alone keeps its data in the user's folder for data, and nothing where it is started."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("WHARF_", "XDG_"))}
        home = tmp_path / "home"
        process = subprocess.Popen(
            [binary(), "serve", "--listen", "127.0.0.1:0"],
            cwd=tmp_path,
            env={**environment, "HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            said = next(line for line in process.stdout if re.search(r"http://(localhost|127\.0\.0\.1):\d+", line))
        finally:
            process.terminate()
            process.communicate(timeout=60)
        assert said and process.returncode == 0, process.returncode
        assert (home / ".local/share/wharf/service.key").exists()
        assert [path.name for path in tmp_path.iterdir()] == ["home"]


class TestCredentials:
    def test_forms_agree(self, fresh_wharf):
        """Text, JSON and environment tell the same key."""
        (told,) = json.loads(credentials(fresh_wharf, "json"))
        found = fresh_wharf.credentials
        assert set(found) >= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"}
        assert found["AWS_REGION"] == "us-east-1"
        assert found["AWS_ENDPOINT_URL"] == fresh_wharf.url
        text = credentials(fresh_wharf, "text")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            assert found[name] in text
        assert found["AWS_ACCESS_KEY_ID"] == told["accessKeyId"]
        assert found["AWS_SECRET_ACCESS_KEY"] == told["secretAccessKey"]
        assert (told["accountId"], told["region"]) == ("123456789012", "us-east-1")

    def test_shell(self, fresh_wharf):
        """`eval "$(wharf credentials --output env)"` is all that the AWS CLI needs."""
        script = f'eval "$({binary()} credentials --data-dir {fresh_wharf.data_dir} --output env)"; aws sts get-caller-identity'
        environment = {**fresh_wharf.aws_environment(), "PATH": f"{AWS.parent}:{os.environ['PATH']}"}
        for name in (
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ENDPOINT_URL",
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
        ):
            environment[name] = None
        assert '"Account": "123456789012"' in run("bash", "-euc", script, environment=environment).stdout

    def test_kept(self, fresh_wharf):
        """A restart changes neither the key nor what it opens."""
        before = credentials(fresh_wharf, "env")
        fresh_wharf.client().create_repository(repositoryName="kept")
        fresh_wharf.restart()
        assert credentials(fresh_wharf, "env") == before
        assert fresh_wharf.client().describe_repositories()["repositories"][0]["repositoryName"] == "kept"

    def test_without_a_server(self, tmp_path):
        """A folder that is no data folder is named, and nothing is made there."""
        said = refused(binary(), "credentials", "--data-dir", tmp_path / "nothing", "--output", "env")
        assert "nothing" in said
        assert not (tmp_path / "nothing").exists()

    def test_given(self, new_server):
        """The environment gives account, region and key, as CI wants it."""
        new_server.environment = {
            "WHARF_ACCESS_KEY_ID": "AKIAGIVENBYTHETESTS1",
            "WHARF_SECRET_ACCESS_KEY": "given-by-the-tests-given-by-the-tests-00",
            "WHARF_ACCOUNT_ID": "555566667777",
            "WHARF_REGION": "eu-central-1",
        }
        new_server.region = "eu-central-1"
        new_server.start()
        assert new_server.credentials["AWS_ACCESS_KEY_ID"] == "AKIAGIVENBYTHETESTS1"
        identity = new_server.client("sts").get_caller_identity()
        assert identity["Account"] == "555566667777"
        made = new_server.client().create_repository(repositoryName="given")["repository"]
        assert made["repositoryArn"] == "arn:aws:ecr:eu-central-1:555566667777:repository/given"


class TestCredentialsOfARunningServer:
    """`wharf credentials` needs only the data folder, however the server was configured."""

    def test_configured(self, tmp_path):
        server = Wharf(tmp_path / "data of $me")
        one, two = ("111111111111", "AKIAGIVENBYTHETESTS1"), ("222222222222", "AKIAGIVENBYTHETESTS2")
        server.config = "regions = ['eu-west-1', 'eu-west-2']\npublic_url = 'https://registry.example.org'\n" + "".join(
            f"[[accounts]]\nid = '{account}'\naccess_key_id = '{key}'\nsecret_access_key = 'given-by-the-tests'\n"
            for account, key in (one, two)
        )
        server.start()
        assert server.credentials["AWS_ACCESS_KEY_ID"] == one[1]
        assert server.credentials["AWS_REGION"] == "eu-west-1"
        assert server.credentials["AWS_ENDPOINT_URL"] == "https://registry.example.org"
        command = [binary(), "credentials", "--data-dir", server.data_dir, "--output", "env"]
        chosen = run(*command, "--account", two[0], "--region", "eu-west-2").stdout
        assert two[1] in chosen and "eu-west-2" in chosen
        assert one[0] in refused(*command, "--account", "333333333333")
        assert "eu-west-1" in refused(*command, "--region", "us-east-1")
        said = server.log_text()
        assert "docker push registry.example.org/my-app:v1" in said
        printed = re.search(r'eval "\$\((.*)\)"', said)[1]
        assert one[1] in run("bash", "-euc", printed).stdout
        assert (server.data_dir / "server.json").stat().st_mode & 0o777 == 0o600
        server.finish()

    def test_certificate(self, tmp_path):
        server = Wharf(tmp_path / "wharf", arguments=["--tls", "self-signed"]).start()
        certificate = server.data_dir / "tls-certificate.pem"
        assert server.credentials["AWS_CA_BUNDLE"] == str(certificate)
        said = server.log_text()
        assert str(certificate) in said and f"/etc/docker/certs.d/{server.host}/ca.crt" in said
        server.finish()

    def test_closed_output(self, fresh_wharf):
        script = f"{binary()} credentials --data-dir {fresh_wharf.data_dir} | true; exit ${{PIPESTATUS[0]}}"
        assert run("bash", "-c", script).stderr == ""


class TestServiceKey:
    """All that is stored is encrypted with the service key: it is never replaced, and a wrong one never used."""

    def test_lost(self, fresh_wharf):
        key = fresh_wharf.data_dir / "service.key"
        kept = key.read_text()
        fresh_wharf.client().create_repository(repositoryName="kept")
        assert fresh_wharf.stop() == 0
        key.unlink()
        said = refused(*serve(fresh_wharf), environment=fresh_wharf.environment, timeout=60)
        assert str(key) in said and "missing" in said and "WHARF_SERVICE_KEY" in said, said
        assert not key.exists()
        environment = fresh_wharf.environment
        fresh_wharf.environment = {**environment, "WHARF_SERVICE_KEY": kept.strip()}
        fresh_wharf.start()
        assert fresh_wharf.client().describe_repositories()["repositories"]
        assert fresh_wharf.stop() == 0
        key.write_text(kept)
        key.chmod(0o600)
        fresh_wharf.environment = environment
        fresh_wharf.start()

    def test_everybodys(self, fresh_wharf, tmp_path):
        """A key that every user of the machine may read is none, wherever it lies; the group's is told."""
        assert fresh_wharf.stop() == 0
        environment = fresh_wharf.environment
        inside, outside = fresh_wharf.data_dir / "service.key", tmp_path / "key"
        shutil.copy(inside, outside)
        for key, given in ((inside, {}), (outside, {"WHARF_SERVICE_KEY_FILE": str(outside)})):
            fresh_wharf.environment = {**environment, **given}
            for mode in (0o644, 0o604, 0o602):
                key.chmod(mode)
                for command in (serve(fresh_wharf), config_check(fresh_wharf)):
                    said = refused(*command, environment=fresh_wharf.environment, timeout=60)
                    assert f"chmod 600 {key}" in said and f"{mode:04o}" in said, said
            key.chmod(0o440)
            start = fresh_wharf.log_size
            fresh_wharf.start()
            said = fresh_wharf.log_text(start)
            assert "WARN" in said and "its group may read the service key" in said, said
            assert fresh_wharf.stop() == 0
            key.chmod(0o600)
            start = fresh_wharf.log_size
            fresh_wharf.start()
            assert "may read" not in fresh_wharf.log_text(start)
            assert fresh_wharf.stop() == 0

    def test_wrong(self, fresh_wharf):
        assert fresh_wharf.stop() == 0
        wrong = {**fresh_wharf.environment, "WHARF_SERVICE_KEY": "ab" * 32}
        said = refused(*serve(fresh_wharf), environment=wrong, timeout=60)
        assert "WHARF_SERVICE_KEY" in said and "is not the one" in said, said
        key = fresh_wharf.data_dir / "service.key"
        kept = key.read_text()
        key.write_text("cd" * 32)
        assert str(key) in refused(*serve(fresh_wharf), environment=fresh_wharf.environment, timeout=60)
        key.write_text(kept)
        fresh_wharf.start()

    def test_second_node(self, tmp_path):
        """A node with a folder of its own needs the key of the others, and makes none."""
        environment = {"WHARF_DATABASE_URL": postgres.new_database()}
        first = Wharf(tmp_path / "first", environment=environment).start()
        second = Wharf(tmp_path / "second", environment=environment)
        said = refused(*serve(second), environment=environment, timeout=60)
        assert "service.key" in said and "another node" in said, said
        assert not (second.data_dir / "service.key").exists()
        assert not (second.data_dir / "credentials.json").exists()
        key = (first.data_dir / "service.key").read_text().strip()
        second.environment = {**environment, "WHARF_SERVICE_KEY": key}
        second.start().finish()
        first.finish()


class TestHealth:
    @pytest.mark.parametrize("path", ["healthz", "readyz"])
    def test_open_to_all(self, wharf, path):
        with urllib.request.urlopen(f"{wharf.url}/{path}") as answer:
            assert answer.status == 200


class TestConfiguration:
    def test_unknown_key(self, new_server):
        """A key that does not exist ends the start, and is named."""
        new_server.folder.mkdir(exist_ok=True)
        (new_server.folder / "wharf.toml").write_text("lissten = '127.0.0.1:0'\n")
        command = [binary(), "serve", "--data-dir", new_server.data_dir, "--config", new_server.folder / "wharf.toml"]
        assert "lissten" in refused(*command, timeout=20)

    def test_check(self, tmp_path):
        """`wharf config check` prints what is in force without its secrets, and names everything that is wrong."""
        file = tmp_path / "wharf.toml"
        file.write_text(
            "regions = ['eu-west-1']\naccess_key_id = 'AKIAIOSFODNN7EXAMPLE'\nsecret_access_key = 'open-sesame'\n"
        )
        good = subprocess.run(
            [binary(), "config", "check", "--config", file], capture_output=True, text=True, timeout=20
        )
        assert good.returncode == 0, good.stderr
        assert "eu-west-1" in good.stdout and "127.0.0.1:5000" in good.stdout
        assert "sesame" not in good.stdout + good.stderr
        file.write_text("regions = ['No']\naccess_key_id = 'AKIAIOSFODNN7EXAMPLE'\n[tls]\nkey = 'absent.pem'\n")
        problems = refused(binary(), "config", "check", "--config", file, timeout=20)
        for part in ("'No'", "secret_access_key", "tls.certificate", "absent.pem"):
            assert part in problems, part

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("WHARF_LISEN", "x", "WHARF_LISTEN"),
            ("WHARF_LOG", "inof", "'inof'"),
            ("WHARF_PUBLIC_URL", "x y", "public_url"),
        ],
    )
    def test_wrong_variable(self, tmp_path, name, value, said):
        command = [binary(), "serve", "--data-dir", tmp_path / "data", "--listen", "127.0.0.1:0"]
        assert said in refused(*command, environment={name: value}, timeout=20)

    def test_other_account(self, fresh_wharf):
        """A folder that was set up for one account is not taken over for another."""
        assert fresh_wharf.stop() == 0
        other = {**fresh_wharf.environment, "WHARF_ACCOUNT_ID": "999999999999"}
        said = refused(*serve(fresh_wharf), environment=other, timeout=20)
        assert "999999999999" in said and "123456789012" in said, said
        fresh_wharf.start()

    def test_database_out_of_reach(self, tmp_path):
        """The log names the server that is waited for, and not the password."""
        process = subprocess.Popen(
            [binary(), "serve", "--data-dir", tmp_path / "data", "--listen", "127.0.0.1:0"],
            env={**os.environ, "WHARF_DATABASE_URL": "postgres://me:sesame@127.0.0.1:9/absent"},
            stderr=subprocess.PIPE,
            text=True,
        )
        line = process.stderr.readline()
        process.kill()
        process.communicate()
        assert "127.0.0.1:9" in line and "trying again" in line and "sesame" not in line, line

    def test_port_in_use(self, fresh_wharf, tmp_path):
        """A second server on the same port says which address is taken."""
        command = [binary(), "serve", "--data-dir", tmp_path / "second", "--listen", f"127.0.0.1:{fresh_wharf.port}"]
        assert str(fresh_wharf.port) in refused(*command, timeout=20)

    def test_data_folder_in_use(self, fresh_wharf):
        """Two servers never share an embedded data folder."""
        command = [binary(), "serve", "--data-dir", fresh_wharf.data_dir, "--listen", "127.0.0.1:0"]
        assert str(fresh_wharf.data_dir) in refused(*command, timeout=20)
        fresh_wharf.client().describe_repositories()


def test_end_with_half_a_head(tmp_path):
    """A client that never finishes its request does not hold up the end, however long requests in flight may take."""
    server = Wharf(tmp_path, environment={"WHARF_SHUTDOWN_DEADLINE_SECONDS": "3600"}).start()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: loc")
        server.client().describe_repositories()
        assert server.stop() == 0


def test_self_signed(tmp_path):
    """`--tls self-signed` makes a certificate that clients can be told to trust, and keeps it."""
    server = Wharf(tmp_path / "wharf", arguments=["--tls", "self-signed"])
    server.certificate = server.data_dir / "tls-certificate.pem"
    server.start()
    assert server.url.startswith("https://")
    before = server.certificate.read_bytes()
    made = json.loads(server.aws("ecr", "create-repository", "--repository-name", "secure", "--output", "json"))
    assert made["repository"]["repositoryUri"] == f"{server.host}/secure"
    server.restart()
    assert server.certificate.read_bytes() == before
    server.aws("ecr", "describe-repositories")
    assert "certificate" in refused(
        "curl", "--verbose", "--noproxy", "*", f"{server.url}/healthz", environment={"CURL_CA_BUNDLE": None}
    )
    server.finish()


def test_self_signed_for_new_names(tmp_path):
    """The certificate has the names of whatever is configured, and clients trust it without being told anew."""
    server = Wharf(tmp_path / "wharf", arguments=["--tls", "self-signed"])
    server.certificate = server.data_dir / "tls-certificate.pem"
    server.start()
    before = server.certificate.read_bytes()
    for name in (
        "123456789012.dkr.ecr.us-east-1.amazonaws.com.cn",
        "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com",
        "123456789012.dkr-ecr.us-east-1.on.aws",
        "api.ecr.us-east-1.amazonaws.com",
        "ecr.us-east-1.api.aws",
        "sts.us-east-1.amazonaws.com",
        "iam.amazonaws.com",
        "kms.us-east-1.amazonaws.com",
        "secretsmanager.us-east-1.amazonaws.com",
        "cloudtrail.us-east-1.amazonaws.com",
        socket.gethostname(),
        "127.0.0.1",
    ):
        assert good_for(server, name), name
    assert not good_for(server, "ecr.example.org")
    server.environment = {"WHARF_DOMAINS": "ecr.example.org"}
    server.restart()
    assert server.certificate.read_bytes() == before
    for name in ("ecr.example.org", "123456789012.dkr.ecr.us-east-1.ecr.example.org"):
        assert good_for(server, name), name
    server.aws("ecr", "describe-repositories")
    server.finish()


def good_for(server, name):
    """Whether a client that calls the server by this name takes its certificate."""
    kind = "-verify_ip" if name[0].isdigit() and name.count(".") == 3 else "-verify_hostname"
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", server.certificate]
    return "Verify return code: 0 (ok)" in run(*command, kind, name, stdin="").stdout


def test_first_command_of_the_readme():
    """The command that a newcomer runs first starts this program, without naming it."""
    readme = (ROOT / "README.md").read_text()
    command = re.search(r"^cargo run .* serve$", readme, re.MULTILINE)[0]
    help_of_it = run(*command.split(), "--help", cwd=ROOT, timeout=600).stdout
    assert "--data-dir" in help_of_it
