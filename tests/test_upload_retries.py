"""A client whose connection broke in the middle of an upload comes again at once, before the server can have noticed."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.ecr_client import Ecr
from harness.raw_http import RawConnection, head
from harness.registry_client import RegistryClient, Repository, digest_of, path_of, random_content, with_query

pytestmark = pytest.mark.every_store

SIZE = 3 * 1024 * 1024
SENT = SIZE // 2


@pytest.fixture
def repository(wharf):
    name = Ecr(wharf).repository("retries")
    return Repository(RegistryClient(wharf.own_host, wharf.authorization), name)


def begin_patch(connection, client, location, content, first, announced):
    """A PATCH of which `content` is sent, and no more. The server has begun to receive it before it is sent, and so before any
    other request comes."""
    headers = [
        ("Host", client.host),
        ("Authorization", client.authorization),
        ("Content-Type", "application/octet-stream"),
        ("Content-Range", f"{first}-{first + announced - 1}"),
        ("Content-Length", announced),
        ("Expect", "100-continue"),
    ]
    connection.send(head("PATCH", path_of(location), headers))
    connection.expect_continue()
    connection.send(content)


def received(client, location):
    """How many bytes the server has acknowledged."""
    answer = client.get(location).expect(204)
    last = int(answer.header("Range").partition("-")[2])
    return last + 1 if last else 0


def finish(repository, location, content):
    client = repository.client
    client.put(with_query(location, digest=digest_of(content)), content_length="0").expect(201)
    assert client.get(repository.blob(digest_of(content))).expect(200).body == content


@pytest.mark.parametrize("ending", ["silence", "goodbye", "reset"])
@pytest.mark.parametrize("before", [0, 1024 * 1024])
def test_a_cut_patch_is_sent_again_at_once(repository, ending, before):
    """The first connection goes silent as when the network is gone, says goodbye, or is reset: the retry is taken, from
    what was acknowledged, and what was sent before it counts for nothing."""
    client, content = repository.client, random_content(SIZE)
    location = repository.start_upload()
    if before:
        location = (
            client.request("PATCH", location, content[:before], {"Content-Range": f"0-{before - 1}"})
            .expect(202)
            .header("Location")
        )
    first = RawConnection(client.host)
    begin_patch(first, client, location, content[before:SENT], before, announced=SIZE - before)
    if ending == "goodbye":
        first.finish_sending()
    elif ending == "reset":
        first.abort()
    answer = client.request("PATCH", location, content[before:], {"Content-Range": f"{before}-{SIZE - 1}"})
    assert answer.expect(202).header("Range") == f"0-{SIZE - 1}"
    finish(repository, answer.header("Location"), content)
    first.close()


def test_what_was_acknowledged_is_told_while_another_request_is_silent(repository):
    client, content = repository.client, random_content(SIZE)
    location = repository.start_upload()
    client.request("PATCH", location, content[:SENT], {"Content-Range": f"0-{SENT - 1}"}).expect(202)
    silent = RawConnection(client.host)
    begin_patch(silent, client, location, content[SENT : SENT + 1000], SENT, announced=SIZE - SENT)
    assert received(client, location) == SENT
    wrong = client.request("PATCH", location, content, {"Content-Range": f"0-{SIZE - 1}"})
    assert wrong.expect(416).header("Range") == f"0-{SENT - 1}"
    client.request("PATCH", location, content[SENT:], {"Content-Range": f"{SENT}-{SIZE - 1}"}).expect(202)
    finish(repository, location, content)
    silent.close()


def test_the_last_request_may_also_complete_or_cancel(repository):
    client, content = repository.client, random_content(SIZE)
    location = repository.start_upload()
    silent = RawConnection(client.host)
    begin_patch(silent, client, location, content[:SENT], 0, announced=SIZE)
    client.put(with_query(location, digest=digest_of(content)), content).expect(201)
    assert client.get(repository.blob(digest_of(content))).expect(200).body == content
    silent.close()

    location = repository.start_upload()
    silent = RawConnection(client.host)
    begin_patch(silent, client, location, content[:SENT], 0, announced=SIZE)
    client.delete(location).expect(204)
    client.get(location).expect_error(404, "BLOB_UPLOAD_UNKNOWN")
    silent.close()


def test_the_request_that_was_overtaken_is_told(repository):
    client, content = repository.client, random_content(SIZE)
    location = repository.start_upload()
    first = RawConnection(client.host)
    begin_patch(first, client, location, content[:SENT], 0, announced=SIZE)
    client.request("PATCH", location, content, {"Content-Range": f"0-{SIZE - 1}"}).expect(202)
    first.send(content[SENT:])
    first.answer("PATCH").expect_error((404, 409, 416), "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN")
    finish(repository, location, content)
    first.close()


@pytest.mark.parametrize("ending", ["goodbye", "reset"])
@pytest.mark.parametrize("clients", [1, 8])
def test_a_retry_is_taken_in_whatever_order_the_server_comes_to_them(repository, ending, clients):
    """Nothing is waited for: under load the server may begin with the retry, and come to the first request after it."""

    def push(rounds):
        client, content = RegistryClient(repository.client.host, repository.client.authorization), random_content(SIZE)
        place = Repository(client, repository.name)
        for _ in range(rounds):
            location = place.start_upload()
            first = RawConnection(client.host)
            headers = [
                ("Host", client.host),
                ("Authorization", client.authorization),
                ("Content-Range", f"0-{SIZE - 1}"),
                ("Content-Length", SIZE),
            ]
            first.send(head("PATCH", path_of(location), headers) + content[: SENT // 4])
            if ending == "goodbye":
                first.finish_sending()
            else:
                first.abort()
            client.request("PATCH", location, content, {"Content-Range": f"0-{SIZE - 1}"}).expect(202)
            finish(place, location, content)
            first.close()

    with ThreadPoolExecutor(clients) as pool:
        for pushed in [pool.submit(push, 24 // clients) for _ in range(clients)]:
            pushed.result()


def test_what_a_retry_has_stored_is_not_touched_by_the_request_before(repository):
    """All bytes but the last one have come when the connection is cut, and are on their way to the disk when the retry has ended."""
    authorization, host = repository.client.authorization, repository.client.host

    def push(rounds):
        client = RegistryClient(host, authorization)
        place = Repository(client, repository.name)
        for at in range(rounds):
            content = random_content(1_000_000)
            target = with_query(place.start_upload(), digest=digest_of(content))
            first = RawConnection(host)
            headers = [("Host", host), ("Authorization", authorization), ("Content-Length", len(content))]
            first.send(head("PUT", path_of(target), headers) + content[:-1])
            if at % 2:
                first.finish_sending()
            else:
                first.abort()
            client.put(target, content).expect(201)
            assert client.get(place.blob(digest_of(content))).expect(200).body == content
            first.close()

    with ThreadPoolExecutor(12) as pool:
        for pushed in [pool.submit(push, 10) for _ in range(12)]:
            pushed.result()
