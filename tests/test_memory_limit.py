"""A small container, and whoever sends what it likes without being known: the server goes on.

Each load does a number of rounds, and all of them together go on for WHARF_TEST_LOAD_SECONDS, if that is set. How long an
answer takes is nobody's promise here: that there is one is.
"""

import contextlib
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from harness.aws_api import AwsApi
from harness.memory_group import MemoryGroup, NoMemoryGroup
from harness.raw_http import RawConnection, head
from harness.raw_http2 import END_STREAM, HEADERS, INITIAL_WINDOW, Http2Connection
from harness.scrape import scrape
from harness.server import Wharf, wait_for

MIB = 1024 * 1024
LIMIT = 256 * MIB
SCRIPT = Path(__file__).parent / "harness/hostile_load.py"
SECONDS = os.environ.get("WHARF_TEST_LOAD_SECONDS", "0")
ATTACKER = "127.0.0.2"
GET_HEALTH = head("GET", "/healthz", [("Host", "localhost")])
# What is run side by side, with the rounds of each: so many that the server ended on each of them alone once, or would
# without a limit. A round is a connection at least.
SIDE_BY_SIDE = {
    "bodies, signed or not": {"forms": 1000, "false_signatures": 8, "unknown_keys": 40, "chunked_aws": 1000},
    "policies of sessions that nobody may have": {"policies": 120},
    "heads": {"heads": 600, "blocks": 1500, "trailers": 600, "continuations": 300},
    "streams": {"streams": 150, "bodies": 300, "closed_windows": 300},
    "answers that are not read": {"closed_windows": 150, "unread_answers": 200, "control_frames": 50, "resets": 50},
    "connections that were busy once": {"once_busy": 3000},
    "answers of which one byte is taken": {"small_windows": 300},
    "guesses": {"guesses": 150, "slow_guesses": 1000},
    "all": {
        "forms": 300,
        "false_signatures": 4,
        "unknown_keys": 20,
        "heads": 200,
        "blocks": 500,
        "streams": 50,
        "closed_windows": 100,
        "guesses": 50,
    },
}
# An attacker holds so many connections: more than there is memory for, and fewer than there are places.
HELD = 3000
TOKEN = "a-token-of-the-tests"
METRICS = f"""
[metrics]
on_main_listener = true
token = "{TOKEN}"
"""
# At a time on one connection of HTTP/2.
STREAMS = 128
# Each gets half of what the one before has left. On a slow machine the first give way before the last has come.
SOURCES = 40


@pytest.fixture
def small_server(tmp_path):
    """Starts a server that the kernel ends when it needs more than 256 MiB."""
    try:
        group = MemoryGroup(LIMIT)
    except NoMemoryGroup as problem:
        pytest.skip(f"the memory of a process cannot be limited here: {problem}")
    started = []

    def start(config=None, arguments=()):
        # Guesses are held back, as they are by default.
        patience = {"WHARF_AUTHENTICATION_FAILURES_PER_MINUTE": "10"}
        server = Wharf(tmp_path / "wharf", config=config, arguments=arguments, environment=patience)
        server.prefix = group.prefix
        started.append((server, group))
        return server.start()

    yield start
    with contextlib.ExitStack() as stack:
        stack.callback(group.close)
        for server, _ in started:
            assert group.kills == 0, f"the kernel ended the server for want of memory:\n{server.tail()}"
            server.finish()


def attacked(server, loads, context=None):
    """Runs the loads side by side, and asks from elsewhere all the while whether the server lives."""
    key_id = server.credentials["AWS_ACCESS_KEY_ID"]
    running = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), name, server.host, ATTACKER, key_id, str(rounds), SECONDS, str(HELD)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, rounds in loads.items()
    ]
    asked = 0
    try:
        while any(load.poll() is None for load in running):
            assert server.is_running, server.tail()
            connection = RawConnection(server.host, timeout=60, source="127.0.0.3", context=context)
            assert connection.exchange(GET_HEALTH).status == 200
            connection.close()
            asked += 1
    finally:
        for load in running:
            if load.poll() is None:
                load.kill()
        said = [load.communicate()[0].strip() for load in running]
    assert all(load.returncode == 0 for load in running), said
    print(*said, f"asked {asked} times, peak memory {server.peak_memory / MIB:.0f} MiB", sep="\n")
    assert server.peak_memory < LIMIT


@pytest.mark.parametrize("loads", SIDE_BY_SIDE.values(), ids=SIDE_BY_SIDE)
def test_strangers(small_server, loads):
    server = small_server()
    attacked(server, loads)
    assert AwsApi(server).ecr("DescribeRegistry").status == 200


def test_handshakes(small_server):
    """Those of TLS that do not end."""
    server = small_server(arguments=["--tls", "self-signed"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    attacked(server, {"handshakes": 1500}, context)


def test_proxy_heads(small_server):
    """Heads of the PROXY protocol that do not end."""
    server = small_server(config=f'trusted_proxies = ["{ATTACKER}"]\nproxy_protocol = true\n')
    attacked(server, {"proxy_heads": 1500})


def fill_with_streams(server, source):
    """Streams whose answers are not taken, as many as the source gets. Returns their connections.

    A request that is being answered holds more than its answer, so they come in small groups, and at last one by one.
    """
    connections = []
    for at_once in (16, 1):
        refused = 0
        while not refused:
            connection = Http2Connection(server.host, source=source, settings=[(INITIAL_WINDOW, 0)])
            connections.append(connection)
            for _ in range(STREAMS // at_once):
                for _ in range(at_once):
                    connection.request("/v2/")
                for _ in range(at_once):
                    frame = connection.read_until(HEADERS)
                    assert frame is not None, "ended before anybody needed what it holds"
                    # What has no room has no body either.
                    refused += frame.flags & END_STREAM
                if refused:
                    break
    return connections


def test_who_comes_after_those_who_take_nothing(small_server):
    """Sources one after the other hold what each leaves free, until nothing is left: the greediest ones' connections make
    room, and whoever asks whether the server is ready needs none."""
    server = small_server(config=METRICS)
    get = {path: head("GET", path, [("Host", "localhost")]) for path in ("/v2/", "/readyz")}
    held = []
    try:
        with contextlib.closing(RawConnection(server.host, source="127.0.0.3")) as connection:
            for source in range(1, SOURCES):
                held += fill_with_streams(server, f"127.0.1.{source}")
                if connection.exchange(get["/v2/"]).status == 503:
                    break
            assert connection.exchange(get["/readyz"]).status == 200
            wait_for(lambda: connection.exchange(get["/v2/"]).status == 401, "room for a request")
            assert scrape(server.url, TOKEN).value("wharf_request_connections_given_up_total", pool="buffers") > 0
        assert AwsApi(server).ecr("DescribeRegistry").status == 200
    finally:
        for connection in held:
            connection.close()
