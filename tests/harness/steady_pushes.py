"""Clients that push through a balancer again and again, while nodes behind it come and go."""

import contextlib
import threading

from harness.registry_client import (
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    digest_of,
    image_manifest,
    random_content,
    with_query,
)
from harness.server import wait_for


@contextlib.contextmanager
def steady_pushes(cluster, name, clients):
    """So many clients push to a repository meanwhile; gives what waits until so many more pushes have ended. Afterwards none
    has seen a failure that docker would not have tried again, and nothing that was acknowledged is missing."""
    stop, failures, pushed = threading.Event(), [], []

    def work(number):
        repository = Repository(RegistryClient(cluster.host, cluster.authorization, is_gateway=True), name)
        count = 0
        while not stop.is_set():
            count += 1
            try:
                pushed.append(push_patiently(repository, f"w{number}-{count}"))
            except AssertionError as error:
                failures.append(repr(error))
                return

    def more(count):
        target = len(pushed) + count
        wait_for(lambda: len(pushed) >= target or failures, f"{count} more pushes", 60)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for worker in workers:
        worker.start()
    try:
        yield more
    finally:
        stop.set()
        for worker in workers:
            worker.join(60)
    assert not failures
    check = Repository(RegistryClient(cluster.host, cluster.authorization), name)
    for tag, digest in pushed:
        assert check.pull(tag).expect(200).header("Docker-Content-Digest") == digest


def push_patiently(repository, tag, attempts=5):
    """Pushes a small image; tries each blob and the manifest again from the beginning, as docker does."""
    config, layer = random_content(), random_content(200_000)

    def push_blob(content):
        digest = digest_of(content)
        answer = repository.client.post(repository.uploads, content_length="0")
        if answer.status != 202:
            return answer
        location = answer.header("Location")
        return repository.client.put(with_query(location, digest=digest), content)

    def push_manifest():
        return repository.client.put(repository.manifest(tag), body, content_type=OCI_MANIFEST)

    body = image_manifest(config, [layer])
    for act in (lambda: push_blob(config), lambda: push_blob(layer), push_manifest):
        for attempt in range(attempts):
            try:
                answer = act()
            except OSError as error:
                answer = error
            if getattr(answer, "status", 0) == 201:
                break
            assert attempt + 1 < attempts, f"given up: {answer!r}"
    return tag, digest_of(body)
