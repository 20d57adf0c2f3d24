"""No secret lies in clear in the data folder, and the root's keys are told to whoever may have them, by the running server."""

import base64
import json
import os
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from harness import postgres
from harness.commands import refused, run
from harness.files import contents_under
from harness.server import Wharf, binary

ROOT_KEY = ("AKIAGIVENBYTHETESTS1", "given-by-the-tests-given-by-the-tests-00")
NOBODY = 65534


def command(server, *arguments):
    return [binary(), *arguments, "--data-dir", server.data_dir]


def credentials(server, environment=None, output="json"):
    """What `wharf credentials` prints, and what it notes beside that."""
    finished = run(*command(server, "credentials", "--output", output), environment=environment)
    return finished.stdout, finished.stderr


def secret_of(server, environment=None):
    (told,) = json.loads(credentials(server, environment)[0])
    return told["secretAccessKey"]


def holders(server, secrets):
    """The files of the data folder in which a secret can be read, as it is or in the forms that JSON and HTTP give it."""
    forms = {}
    for name, secret in secrets.items():
        basic = base64.b64encode(f"AWS:{secret}".encode())
        forms[name] = {secret.encode(), base64.b64encode(secret.encode()), json.dumps(secret).encode()[1:-1], basic}
    contents = contents_under(server.data_dir)
    assert len(contents) > 2
    return [
        (name, path.name)
        for path, content in contents.items()
        for name, known in forms.items()
        if any(form in content for form in known)
    ]


def given_by(how, tmp_path):
    """The configuration that gives the root's key, as arguments of Wharf."""
    key_id, secret = ROOT_KEY
    if how == "generated":
        return {}
    if how == "environment":
        return {"environment": {"WHARF_ACCESS_KEY_ID": key_id, "WHARF_SECRET_ACCESS_KEY": secret}}
    if how == "files":
        for name, value in (("id", key_id), ("secret", secret)):
            path = tmp_path / name
            path.write_text(f"{value}\n")
            path.chmod(0o400)
        files = {"WHARF_ACCESS_KEY_ID_FILE": tmp_path / "id", "WHARF_SECRET_ACCESS_KEY_FILE": tmp_path / "secret"}
        return {"environment": {name: str(path) for name, path in files.items()}}
    account = f"[[accounts]]\nid = '111111111111'\naccess_key_id = '{key_id}'\nsecret_access_key = '{secret}'\n"
    return {"config": account}


WAYS = ["generated", "environment", "files", "accounts"]


@pytest.mark.parametrize("how", WAYS)
def test_no_secret_lies_in_clear(tmp_path, how):
    """Of all that is given to the server or made by it: while it runs, after it was killed, and after it has ended."""
    given = given_by(how, tmp_path)
    hook, token = "the-secret-of-a-webhook", "the-token-of-the-metrics"
    given["config"] = given.get("config", "") + (
        f"[metrics]\non_main_listener = true\ntoken = '{token}'\n"
        f"[[events.webhooks]]\nurl = 'http://127.0.0.1:9/hook'\nsecret = '{hook}'\nheaders = {{X-Token = 'header-{hook}'}}\n"
    )
    server = Wharf(tmp_path / "wharf", arguments=["--tls", "self-signed"], **given)
    server.certificate = server.data_dir / "tls-certificate.pem"
    server.start()
    secrets = {"webhook": hook, "metrics": token, "root": server.credentials["AWS_SECRET_ACCESS_KEY"]}
    if how != "generated":
        assert secrets["root"] == ROOT_KEY[1]
    iam = server.client("iam")
    iam.create_user(UserName="ci")
    secrets["user"] = iam.create_access_key(UserName="ci")["AccessKey"]["SecretAccessKey"]
    options = ["--actions", "pull,push", "--expires", "30d", "--output", "json"]
    made = run(*command(server, "token", "create", "--name", "ci", "--repository", "*", *options)).stdout
    secrets["robot token"] = json.loads(made)["password"]
    secrets["registry token"] = server.password
    store = server.client("secretsmanager")
    secrets["value"] = "the value of a secret of the tests"
    upstream = {"username": "me", "accessToken": "the-token-of-an-upstream"}
    store.create_secret(Name="app", SecretString=secrets["value"])
    store.create_secret(Name="ecr-pullthroughcache/hub", SecretString=json.dumps(upstream))
    secrets["upstream"] = upstream["accessToken"]
    assert holders(server, secrets) == []
    # The commands have what they need all the same.
    run(*command(server, "status"))
    assert secret_of(server) == secrets["root"]
    server.kill()
    assert holders(server, secrets) == []
    server.start()
    assert secret_of(server) == secrets["root"]
    server.finish()
    assert holders(server, secrets) == []


class TestWithoutAServer:
    def test_what_the_folder_keeps(self, tmp_path):
        """The folder's own keys open it, and it is said that no server runs."""
        server = Wharf(tmp_path / "wharf").start()
        secret, (_, note) = secret_of(server), credentials(server)
        assert note == ""
        for end in (server.kill, server.stop):
            end()
            assert secret_of(server) == secret
            printed, note = credentials(server, output="env")
            assert "no server is running" in note and shlex.quote(secret) in printed
            server.start()
        server.stop()
        key = server.data_dir / "service.key"
        kept = key.read_text()
        key.unlink()
        said = refused(*command(server, "credentials"))
        assert "no server is running" in said and str(key) in said and secret not in said, said
        assert secret_of(server, {"WHARF_SERVICE_KEY": kept.strip()}) == secret

    def test_what_only_the_configuration_has(self, tmp_path):
        environment = given_by("environment", tmp_path)["environment"]
        server = Wharf(tmp_path / "wharf", environment=environment).start()
        assert secret_of(server) == ROOT_KEY[1]
        server.stop()
        said = refused(*command(server, "credentials"))
        assert "no server is running" in said and "not kept there" in said, said
        assert "no server is running" in refused(*command(server, "user", "list"), environment=NO_KEYS)
        assert secret_of(server, environment) == ROOT_KEY[1]


NO_KEYS = dict.fromkeys(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"])


class TestAnEarlierVersionsFolder:
    def test_secrets_are_sealed_at_the_first_start(self, tmp_path):
        server = Wharf(tmp_path / "wharf").start()
        key_id, secret = server.credentials["AWS_ACCESS_KEY_ID"], server.credentials["AWS_SECRET_ACCESS_KEY"]
        url = server.url
        server.client().create_repository(repositoryName="kept")
        server.stop()
        # As the version before left it.
        clear = {"account_id": server.account, "access_key_id": key_id, "secret_access_key": secret}
        running = {"url": url, "regions": ["us-east-1"], "certificate": None, "accounts": [clear]}
        (server.data_dir / "credentials.json").write_text(json.dumps(clear))
        (server.data_dir / "server.json").write_text(json.dumps(running))
        assert len(holders(server, {"root": secret})) == 2
        assert secret_of(server) == secret, "the commands read what is there"
        server.start()
        assert holders(server, {"root": secret}) == []
        assert secret_of(server) == secret
        assert server.client().describe_repositories()["repositories"]
        server.finish()

    def test_the_service_key_changes(self, tmp_path):
        first, second = "ab" * 32, "cd" * 32
        server = Wharf(tmp_path / "wharf", environment={"WHARF_SERVICE_KEY": first}).start()
        secret = secret_of(server)
        server.environment = {"WHARF_SERVICE_KEY": second, "WHARF_PREVIOUS_SERVICE_KEY": first}
        server.restart()
        server.environment = {"WHARF_SERVICE_KEY": second}
        server.restart()
        assert secret_of(server) == secret
        server.stop()
        assert secret_of(server, {"WHARF_SERVICE_KEY": second}) == secret
        said = refused(*command(server, "credentials"), environment={"WHARF_SERVICE_KEY": first})
        assert "another service key" in said and "WHARF_PREVIOUS_SERVICE_KEY" in said, said


class TestWhoIsTold:
    @pytest.fixture
    def server(self):
        """A server whose folder lies where other users get."""
        folder = Path(tempfile.mkdtemp(prefix="wharf-test-", dir="/tmp"))
        folder.chmod(0o755)
        server = Wharf(folder).start()
        yield server
        server.finish()
        shutil.rmtree(folder)

    def test_its_own_user_and_root(self, server):
        sock = server.data_dir / "wharf.sock"
        assert stat.S_ISSOCK(sock.stat().st_mode) and sock.stat().st_mode & 0o777 == 0o600
        asked = json.loads(ask(sock, user=os.geteuid()))
        assert asked["accounts"][0]["secret_access_key"] == server.credentials["AWS_SECRET_ACCESS_KEY"]

    def test_nobody_else(self, server):
        """Neither by the modes, nor when somebody has opened them."""
        sock, secret = server.data_dir / "wharf.sock", server.credentials["AWS_SECRET_ACCESS_KEY"]
        assert "Permission denied" in ask(sock, user=NOBODY)
        server.data_dir.chmod(0o755)
        sock.chmod(0o666)
        told = ask(sock, user=NOBODY)
        assert "refused" in json.loads(told) and secret not in told, told
        assert f"user {NOBODY} of this machine asked for the root's keys" in server.log_text()
        assert secret_of(server) == secret, "who may is told as ever"

    def test_silent_ones_hold_up_nobody(self, server):
        idle = []
        for _ in range(100):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(server.data_dir / "wharf.sock"))
            idle.append(connection)
        assert secret_of(server)
        for connection in idle:
            connection.close()

    def test_a_server_that_does_not_answer(self, server):
        """The command ends and names it."""
        server.process.send_signal(signal.SIGSTOP)
        try:
            said = refused(*command(server, "credentials"), timeout=60)
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert "did not answer" in said and "wharf.sock" in said, said


def ask(sock, user):
    """What another user is told at the socket, or why not."""
    script = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\nprint(s.makefile().read())"
    asked = subprocess.run(
        ["/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable, "-c", script, str(sock)],
        user=user,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return asked.stdout + asked.stderr


def test_a_long_path(tmp_path):
    """The path of a socket has at most 107 bytes; that of a data folder may be longer."""
    server = Wharf(tmp_path / ("long" * 30) / ("longer" * 30)).start()
    assert len(str(server.data_dir)) > 300
    assert secret_of(server) == server.credentials["AWS_SECRET_ACCESS_KEY"]
    run(*command(server, "status"))
    server.finish()
    assert not (server.data_dir / "wharf.sock").exists()


def test_nodes(tmp_path):
    """A node of a database and a bucket keeps nothing, and its commands work."""
    environment = {
        "WHARF_DATABASE_URL": postgres.new_database(),
        "WHARF_SERVICE_KEY": "ab" * 32,
        **given_by("environment", tmp_path)["environment"],
    }
    nodes = [Wharf(tmp_path / name, environment=environment).start() for name in ("one", "two")]
    for node in nodes:
        assert secret_of(node, dict.fromkeys(environment)) == ROOT_KEY[1]
        assert holders(node, {"root": ROOT_KEY[1], "key": "ab" * 32}) == []
        assert not (node.data_dir / "credentials.json").exists()
        node.finish()
