"""Wharf as people run it: the built program in a process of its own, on a data folder of its own."""

import base64
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from harness import postgres
from harness.commands import run

ROOT = Path(__file__).resolve().parents[2]
# One for all clients, as each would read the service models anew.
SESSION = boto3.session.Session()
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
# The AWS CLI that requirements.txt pins.
AWS = Path(sys.executable).with_name("aws")
START_SECONDS = 30
# More than the server gives to requests in flight when it is told to end.
STOP_SECONDS = 60


def binary():
    """The program under test: WHARF_BINARY, else the release build, else the debug build."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    named = os.environ.get("WHARF_BINARY")
    for path in [Path(named)] if named else [target / "release/wharf", target / "debug/wharf"]:
        if path.exists():
            return path
    raise AssertionError("wharf is not built: run `cargo build --release`")


class Wharf:
    """One server. `folder` takes the data folder and the log; `config` is the text of a wharf.toml.

    `name` is a host name of the server that only programs in a private view of /etc know; `named_url` has it, `url` has not.
    """

    running = []

    def __init__(self, folder, listen="127.0.0.1:0", arguments=(), environment=None, config=None, name=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data_dir = self.folder / "data"
        self.log = self.folder / "wharf.log"
        self.listen = listen
        self.arguments = list(arguments)
        self.environment = environment or {}
        self.config = config
        self.name = name
        self.certificate = None
        self.start_seconds = START_SECONDS
        # What stands before the program on its command line, and the program, if it is not the one under test.
        self.prefix = []
        self.program = None
        self.account = "123456789012"
        self.region = "us-east-1"
        self.url = None
        self.named_url = None
        self.process = None
        self.launched_at = 0
        self._credentials = None
        self._authorization = None

    # --- The process ----------------------------------------------------------------------------------------------

    def start(self, clock=None):
        """Starts and waits until it listens; what does not is no longer there. After the first time it keeps its port.

        `clock`, such as "+12h10m", makes the server's clock run ahead or behind; that is the database's, if it has one.
        """
        self.launch(clock)
        try:
            wait_for(self._listens, f"wharf to listen; {self.log}", self.start_seconds)
        except AssertionError:
            if self.is_running:
                self.kill()
            raise
        return self

    def launch(self, clock=None):
        """Starts and waits for nothing."""
        self._endpoint.unlink(missing_ok=True)
        command = [
            *self.prefix,
            self.program or binary(),
            "serve",
            "--data-dir",
            self.data_dir,
            "--listen",
            self.listen,
            *self.arguments,
        ]
        if self.config is not None:
            (self.folder / "wharf.toml").write_text(self.config)
            command += ["--config", self.folder / "wharf.toml"]
        # Tests fail to authenticate on purpose, all from one address.
        # Many servers share the disk, and each would keep much of it back.
        patient = {"WHARF_AUTHENTICATION_FAILURES_PER_MINUTE": "1000000", "WHARF_BALLAST_MIB": "1"}
        environment = {**os.environ, **patient, **self.environment}
        if database := self.environment.get("WHARF_DATABASE_URL"):
            postgres.set_clock(database, seconds_of(clock) if clock else 0)
        elif clock:
            environment |= shifted(clock)
        self.launched_at = self.log_size
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self.folder,
            )
        Wharf.running.append(self)

    @property
    def _endpoint(self):
        return self.data_dir / "endpoint"

    def _endpoint_of_log(self):
        """Where it says that it listens, once it has said all that it says at its start; "" before.

        The file that tells of it is there a moment earlier, and is not there at all where there is no room for it.
        """
        log = self.log_text(self.launched_at)
        listens = re.search(r"^Wharf is listening at (\S+)[\s\S]+^  docker push", log, re.MULTILINE)
        return listens[1] if listens else ""

    def _listens(self):
        if self.process.poll() is not None:
            Wharf.running.remove(self)
            raise AssertionError(f"wharf ended with {self.process.returncode} at its start:\n{self.tail()}")
        said = self._endpoint_of_log()
        if not said:
            return False
        told = self._endpoint.read_text().strip() if self._endpoint.exists() else said
        parts = urlsplit(told)
        address = self.listen.rpartition(":")[0]
        self.listen = f"{address}:{parts.port}"
        self.url = f"{parts.scheme}://{self.listen if self.name else parts.netloc}"
        self.named_url = f"{parts.scheme}://{self.name}:{parts.port}" if self.name else self.url
        return True

    def stop(self):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        """Waits for the end; returns the exit code."""
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"wharf did not end within {STOP_SECONDS} s:\n{self.tail()}") from None
        finally:
            Wharf.running.remove(self)

    def kill(self):
        """SIGKILL: nothing of the server runs any further."""
        self.process.kill()
        self.process.wait()
        Wharf.running.remove(self)

    def restart(self, clock=None):
        assert self.stop() == 0, self.tail()
        return self.start(clock)

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def finish(self):
        """The end of a test: a server that still runs ends cleanly, and none has panicked."""
        if self.is_running:
            assert self.stop() == 0, self.tail()
        assert "panicked" not in self.log_text(), self.tail()

    # --- What it says and uses ------------------------------------------------------------------------------------

    def log_text(self, start=0):
        """The log, from a byte position on."""
        return self.log.read_bytes()[start:].decode(errors="replace") if self.log.exists() else ""

    @property
    def log_size(self):
        return self.log.stat().st_size if self.log.exists() else 0

    def tail(self, lines=40):
        return "\n".join(self.log_text().splitlines()[-lines:])

    @property
    def peak_memory(self):
        """The most resident memory that the process ever had, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    # --- Identity -------------------------------------------------------------------------------------------------

    @property
    def host(self):
        """Host and port, as they stand in an image's name."""
        return urlsplit(self.url).netloc

    @property
    def own_host(self):
        """Host and port at which nothing stands before the server."""
        return self.host

    @property
    def port(self):
        return urlsplit(self.url).port

    @property
    def credentials(self):
        """What `wharf credentials --output env` says, by name."""
        if self._credentials is None:
            command = [binary(), "credentials", "--data-dir", self.data_dir, "--output", "env"]
            lines = run(*command, environment=self.environment).stdout.splitlines()
            words = [line.removeprefix("export ") for line in lines if "=" in line and not line.startswith("#")]
            self._credentials = dict("".join(shlex.split(word)).split("=", 1) for word in words)
        return self._credentials

    def client(self, service="ecr", **extra):
        """A boto3 client of the account's root. It never retries, so that no failure is hidden."""
        return SESSION.client(
            service,
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=self.credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.credentials["AWS_SECRET_ACCESS_KEY"],
            verify=str(self.certificate) if self.certificate else True,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=120, **extra),
        )

    @property
    def authorization(self):
        """The Authorization header of /v2 with a registry token."""
        if self._authorization is None:
            (data,) = self.client().get_authorization_token()["authorizationData"]
            self._authorization = f"Basic {data['authorizationToken']}"
        return self._authorization

    @property
    def password(self):
        """The token as the password of the user AWS."""
        return base64.b64decode(self.authorization.removeprefix("Basic ")).decode().partition(":")[2]

    def aws_environment(self):
        """The environment of the AWS CLI, free of the machine's own settings; None stands for a variable to remove."""
        return {
            "AWS_ACCESS_KEY_ID": self.credentials["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_ACCESS_KEY": self.credentials["AWS_SECRET_ACCESS_KEY"],
            "AWS_SESSION_TOKEN": None,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.named_url,
            "AWS_CA_BUNDLE": str(self.certificate) if self.certificate else None,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_PAGER": "",
        }

    def aws(self, *arguments, expect=0, prefix=()):
        """The AWS CLI; returns what it printed on standard output."""
        command = [*prefix, AWS, *arguments]
        return run(*command, expect=expect, environment=self.aws_environment()).stdout


def seconds_of(clock):
    """The seconds that a text such as "+12h10m" says."""
    sign, units = clock[0], dict((unit, int(number)) for number, unit in re.findall(r"(\d+)([hms])", clock))
    seconds = units.get("h", 0) * 3600 + units.get("m", 0) * 60 + units.get("s", 0)
    assert sign in "+-" and seconds, f"clock {clock}"
    return -seconds if sign == "-" else seconds


def shifted(clock):
    """The environment that shifts a program's clock, but not the timers that it waits with."""
    assert Path(FAKETIME).exists(), FAKETIME
    return {
        "LD_PRELOAD": FAKETIME,
        "FAKETIME": f"{seconds_of(clock):+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def wait_for(condition, what, seconds=30):
    """Asks until the condition holds; past the deadline the test fails."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.005)
