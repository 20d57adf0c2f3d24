"""What was acknowledged survives the end of the server, however it ends; what was not is never half visible."""

import random
import re
import select
import signal
import socket

import pytest

from harness.interrupted import BYTES, Pusher, resume
from harness.raw_http import RawConnection, head
from harness.registry_client import (
    RegistryClient,
    Repository,
    digest_of,
    new_repository,
    path_of,
    random_content,
    with_query,
)
from harness.seeds import fresh_seed
from harness.server import wait_for
from harness.soak import rounds
from harness.verify import expect_blob, expect_whole_repository

ROUNDS = {"sqlite": rounds(200, 40), "postgres": rounds(40, 10)}
# Few rounds may happen to leave no upload to resume: up to so many more are for that.
MORE_ROUNDS = 30
PUSHERS = 2
MIB = 1024 * 1024


@pytest.mark.timeout(1200)
def test_kill_during_pushes(wharf_on_each_database, request):
    """`kill -9` at random moments during pushes: everything acknowledged is there, and a restart needs no repair.

    200 and 40 times in the long form (`harness.soak`), and 40 and 10 times else.
    """
    wharf = wharf_on_each_database
    seed = fresh_seed()
    chance = random.Random(seed)
    ecr, authorization = wharf.client(), wharf.authorization
    acknowledged = resumed = 0
    repositories = []
    wanted = ROUNDS[request.node.callspec.params["wharf_on_each_database"]]
    for number in range(wanted + MORE_ROUNDS):
        if number >= wanted and acknowledged > number and resumed > 0:
            break
        name = f"killed/{number}"
        ecr.create_repository(repositoryName=name)
        seeds = [f"{seed} {number} {each}" for each in range(PUSHERS)]
        pushers = [Pusher(wharf.host, authorization, name, each, seed) for each, seed in enumerate(seeds)]
        for pusher in pushers:
            pusher.start()
        for pusher in pushers:
            pusher.started_pushing.wait(20)
        # The moment is the subject of this test: any instant within the first pushes.
        pushers[0].join(chance.uniform(0, 0.15))
        wharf.kill()
        for pusher in pushers:
            pusher.join(30)
            assert not pusher.is_alive() and pusher.failure is None, pusher.failure

        log_start = wharf.log_size
        wharf.start()
        repository = Repository(RegistryClient(wharf.host, authorization), name)
        for pusher in pushers:
            acknowledged += expect_acknowledged(repository, pusher.ledger)
            for upload in pusher.ledger.resumable:
                expect_blob(repository, resume(repository, upload))
                resumed += 1
        listed = expect_whole_repository(ecr, repository)
        expect_tags(listed, [pusher.ledger for pusher in pushers])
        complaints = [line for line in wharf.log_text(log_start).splitlines() if re.search("ERROR|WARN", line)]
        assert not complaints, complaints
        repository.client.close()
        repositories.append((repository, listed))

    for repository, listed in repositories:
        assert expect_whole_repository(ecr, repository) == listed, "later rounds left earlier ones alone"
    # The rounds really did something: on the whole there were several pushes to lose in each.
    assert acknowledged > len(repositories) and resumed > 0, (acknowledged, resumed)


def expect_acknowledged(repository, ledger):
    """Every blob and image that the client was told of is there; returns their number."""
    for digest in ledger.blobs:
        expect_blob(repository, digest)
    for digest, body in ledger.images.items():
        assert repository.pull(digest).expect(200).body == body
    return len(ledger.blobs) + len(ledger.images)


def expect_tags(listed, ledgers):
    """Each tag is where it was last acknowledged to be, or where the push that was cut off would have put it."""
    tags = {tag: digest for digest, tag in listed if tag}
    allowed = {}
    for ledger in ledgers:
        for tag, digest in ledger.tried.items():
            allowed[tag] = {ledger.tags.get(tag), digest}
    for tag, values in allowed.items():
        assert tags.get(tag) in values, f"{tag} is at {tags.get(tag)}, not {values}"
    assert set(tags) <= set(allowed), "no tag appears that nobody pushed"


def test_resumed_upload(fresh_wharf):
    """An upload goes on after a clean restart and after a kill, from where it was acknowledged."""
    repository = new_repository(fresh_wharf)
    content = random_content(3 * MIB)
    location = repository.start_upload()
    for number, end in enumerate([fresh_wharf.restart, lambda: (fresh_wharf.kill(), fresh_wharf.start())]):
        first = number * MIB
        chunk = content[first : first + MIB]
        span = f"{first}-{first + MIB - 1}"
        sent = repository.client.patch(location, chunk, content_type=BYTES, content_range=span).expect(202)
        location = sent.header("Location")
        repository.client.close()
        end()
        status = repository.client.get(location).expect(204)
        assert status.header("Range") == f"0-{first + MIB - 1}"
    target = with_query(location, digest=digest_of(content))
    repository.client.put(target, content[2 * MIB :], content_type=BYTES).expect(201)
    expect_blob(repository, digest_of(content))


def test_resumed_upload_by_api(fresh_wharf):
    """The same for the parts of the ECR API."""
    name = new_repository(fresh_wharf).name
    ecr = fresh_wharf.client()
    content = random_content(12 * MIB)
    upload = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
    for first, last in ((0, 6 * MIB - 1), (6 * MIB, 12 * MIB - 1)):
        ecr.upload_layer_part(
            repositoryName=name,
            uploadId=upload,
            partFirstByte=first,
            partLastByte=last,
            layerPartBlob=content[first : last + 1],
        )
        fresh_wharf.kill()
        fresh_wharf.start()
    done = ecr.complete_layer_upload(repositoryName=name, uploadId=upload, layerDigests=[digest_of(content)])
    assert done["layerDigest"] == digest_of(content)


class TestTerminate:
    """SIGTERM ends listening, finishes what is in flight, and the exit code is 0."""

    def test_slow_push(self, fresh_wharf):
        repository = new_repository(fresh_wharf)
        content = random_content(MIB)
        digest = digest_of(content)
        connection = RawConnection(fresh_wharf.host)
        send_half_a_push(fresh_wharf, repository, connection, content)
        terminate(fresh_wharf)
        connection.send(content[MIB // 2 :])
        assert connection.answer("PUT").status == 201
        assert fresh_wharf.wait() == 0
        fresh_wharf.start()
        repository.client.close()
        expect_blob(repository, digest)

    def test_slow_pull(self, fresh_wharf):
        repository = new_repository(fresh_wharf)
        content = random_content(40 * MIB)
        digest = repository.push_blob(content)
        connection = RawConnection(fresh_wharf.host)
        headers = [("Host", fresh_wharf.host), ("Authorization", fresh_wharf.authorization)]
        connection.send(head("GET", repository.blob(digest), headers))
        # The answer is far larger than what the two sockets hold, so it is in flight until it is read.
        wait_for(lambda: fresh_wharf.is_running and readable(connection), "the answer to begin")
        terminate(fresh_wharf)
        answer = connection.answer("GET")
        assert (answer.status, digest_of(answer.body)) == (200, digest)
        assert fresh_wharf.wait() == 0

    def test_idle_connections(self, fresh_wharf):
        """Connections that only wait do not hold up the end."""
        clients = [RegistryClient(fresh_wharf.host, fresh_wharf.authorization) for _ in range(20)]
        for client in clients:
            client.get("/v2/").expect(200)
        assert fresh_wharf.stop() == 0

    def test_cut_push(self, fresh_wharf):
        """A client that went away in the middle of a push does not hold up the end either; nothing of it is visible."""
        repository = new_repository(fresh_wharf)
        content = random_content(MIB)
        connection = RawConnection(fresh_wharf.host)
        send_half_a_push(fresh_wharf, repository, connection, content)
        terminate(fresh_wharf)
        connection.abort()
        assert fresh_wharf.wait() == 0
        fresh_wharf.start()
        repository.client.close()
        repository.client.get(repository.blob(digest_of(content))).expect_error(404, "BLOB_UNKNOWN")


def send_half_a_push(wharf, repository, connection, content):
    """The head of a PUT and half of its body; the server has taken the head when an upload in hand shows it."""
    location = path_of(repository.start_upload())
    target = with_query(location, digest=digest_of(content))
    headers = [
        ("Host", wharf.host),
        ("Authorization", wharf.authorization),
        ("Content-Type", BYTES),
        ("Content-Length", len(content)),
        ("Expect", "100-continue"),
    ]
    connection.send(head("PUT", target, headers))
    # The interim answer comes when the server begins to read the body: from then on the push is in flight.
    assert connection.socket.recv(1024).startswith(b"HTTP/1.1 100 ")
    connection.send(content[: len(content) // 2])


def readable(connection):
    return bool(select.select([connection.socket], [], [], 0)[0])


def terminate(wharf):
    """SIGTERM; returns when the server no longer listens."""
    wharf.process.send_signal(signal.SIGTERM)
    address = wharf.host.rpartition(":")[0], wharf.port

    def refuses():
        try:
            socket.create_connection(address, timeout=1).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            # It came in while the listener was being closed.
            return False
        return False

    wait_for(refuses, "the server to stop listening")
