"""Two pushes at once of different images to one immutable tag: exactly one wins, every time, on every database.

Five hundred times in the long form (`harness.soak`), and a hundred times else.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from harness.registry_client import (
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    digest_of,
    image_manifest,
    random_content,
)
from harness.soak import rounds
from harness.verify import listed_images

ROUNDS = rounds(500, 100)
CONTENDERS = 2
TIMEOUT = 30


@pytest.fixture
def ecr(wharf_on_each_database):
    return wharf_on_each_database.client()


@pytest.fixture
def contenders(wharf_on_each_database, ecr):
    """Clients of one immutable repository, each on a connection of its own, and blobs for any image."""
    wharf = wharf_on_each_database
    ecr.create_repository(repositoryName="race", imageTagMutability="IMMUTABLE")
    return [Repository(RegistryClient(wharf.host, wharf.authorization), "race") for _ in range(CONTENDERS)]


@pytest.fixture
def make_manifest(contenders):
    """Makes manifests that differ in an annotation; their blobs are all there."""
    config, layer = b"{}", random_content()
    for content in (config, layer):
        contenders[0].push_blob(content)
    return lambda text: image_manifest(config, [layer], annotations={"who": text})


def at_once(actions):
    """Runs the actions at the same moment; returns what they return, in their order."""
    barrier = threading.Barrier(len(actions))

    def run(action):
        barrier.wait(TIMEOUT)
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def test_docker_face(contenders, make_manifest, ecr):
    winners = {}
    for number in range(ROUNDS):
        tag = f"round-{number}"
        bodies = [make_manifest(f"{number} {each}") for each in range(CONTENDERS)]

        def push(repository, body, tag=tag):
            return lambda: repository.client.put(repository.manifest(tag), body, content_type=OCI_MANIFEST)

        answers = at_once([push(repository, body) for repository, body in zip(contenders, bodies, strict=True)])
        assert sorted(answer.status for answer in answers) == [201, 400], answers
        (winner,) = [digest_of(body) for body, answer in zip(bodies, answers, strict=True) if answer.status == 201]
        (loser,) = [answer for answer in answers if answer.status == 400]
        loser.expect_error(400, "TAG_INVALID")
        assert contenders[0].pull(tag).expect(200).header("Docker-Content-Digest") == winner
        winners[tag] = winner
    assert {(digest, tag) for digest, tag in listed_images(ecr, "race") if tag} == {(d, t) for t, d in winners.items()}


def test_api_face(contenders, make_manifest, ecr):
    """PutImage against PutImage, and against a docker push."""
    for number in range(ROUNDS // 5):
        tag = f"round-{number}"
        bodies = [make_manifest(f"{number} {each}") for each in range(CONTENDERS)]
        by_docker = number % 2 == 0

        def put_image(body, tag=tag):
            def put():
                try:
                    ecr.put_image(repositoryName="race", imageManifest=body.decode(), imageTag=tag)
                except ClientError as refused:
                    return refused.response["Error"]["Code"]
                return "won"

            return put

        def push(body, tag=tag):
            def put():
                answer = contenders[0].client.put(contenders[0].manifest(tag), body, content_type=OCI_MANIFEST)
                return "won" if answer.status == 201 else answer.codes[0]

            return put

        results = at_once([put_image(bodies[0]), (push if by_docker else put_image)(bodies[1])])
        assert results.count("won") == 1, results
        assert set(results) - {"won"} <= {"ImageTagAlreadyExistsException", "TAG_INVALID"}, results
        winner = digest_of(bodies[results.index("won")])
        assert contenders[1].pull(tag).expect(200).header("Docker-Content-Digest") == winner


def test_one_image_from_everywhere(contenders, make_manifest, ecr):
    """Pushes at once of the same new image to a mutable tag all succeed, and there is one image."""
    ecr.create_repository(repositoryName="same")
    repositories = [Repository(contender.client, "same") for contender in contenders]
    content = random_content(10_000)
    for number in range(20):
        config = b"{}"
        body = image_manifest(config, [content], annotations={"round": str(number)})

        def push(repository, body=body, number=number):
            def put():
                for blob in (b"{}", content):
                    repository.push_blob(blob)
                return repository.push_manifest(body, f"tag-{number}").status

            return put

        assert at_once([push(repository) for repository in repositories]) == [201] * CONTENDERS
    assert len(listed_images(ecr, "same")) == 20
