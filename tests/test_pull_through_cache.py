"""The pull through cache: repositories that are filled from upstream registries when their images are asked for."""

import concurrent.futures
import http.client
import json
import threading
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from harness.images import image, index, noise
from harness.registry_client import ANY_MANIFEST, RegistryClient, Repository, digest_of
from harness.server import Wharf
from harness.tls import make_certificate
from harness.upstream import DockerRegistry, FakeUpstream

OPEN = """
[pull_through_cache]
allow_any_upstream = true
allow_http = true
allow_private_networks = true
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory, default_database):
    """A server whose rules may name anything."""
    from conftest import environment_of

    server = Wharf(tmp_path_factory.mktemp("cache"), environment=environment_of(default_database), config=OPEN)
    yield server.start()
    server.finish()


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    server = DockerRegistry(tmp_path_factory.mktemp("upstream"))
    yield server.start()
    server.stop()


@pytest.fixture
def fake():
    server = FakeUpstream()
    yield server
    server.close()


def new_prefix():
    return f"u{uuid.uuid4().hex[:12]}"


def rule(server, url, prefix=None, **more):
    """A rule for a prefix of its own."""
    prefix = prefix or new_prefix()
    server.client().create_pull_through_cache_rule(ecrRepositoryPrefix=prefix, upstreamRegistryUrl=url, **more)
    return prefix


def repository(server, name, timeout=60):
    return Repository(RegistryClient(server.host, server.authorization, timeout=timeout, is_gateway=True), name)


def images_of(server, name):
    """What the repository shows; nothing if it is not there."""
    try:
        found = server.client().list_images(repositoryName=name)["imageIds"]
    except ClientError as error:
        assert error.response["Error"]["Code"] == "RepositoryNotFoundException"
        return set()
    return {each["imageDigest"] for each in found}


def pull_whole(repo, reference):
    """An image as a client pulls it: every manifest and every blob, each checked."""
    answer = repo.pull(reference).expect(200)
    digest = digest_of(answer.body)
    assert answer.header("Docker-Content-Digest") == digest
    document = answer.json()
    for child in document.get("manifests", []):
        pull_whole(repo, child["digest"])
    for each in [document["config"], *document["layers"]] if "config" in document else []:
        blob = repo.client.get(repo.blob(each["digest"])).expect(200)
        assert digest_of(blob.body) == each["digest"] and len(blob.body) == each["size"]
    return digest


# --- Pulls --------------------------------------------------------------------------------------------------------


def test_first_pull_and_the_next(cache, registry):
    made = image("first pull", size=300_000)
    registry.push("some/app", made, "v1")
    prefix = rule(cache, registry.url)
    repo = repository(cache, f"{prefix}/some/app")
    assert pull_whole(repo, "v1") == made.digest
    described = cache.client().describe_images(repositoryName=repo.name)["imageDetails"]
    assert [(each["imageDigest"], each["imageTags"]) for each in described] == [(made.digest, ["v1"])]
    served = len(registry.served())
    assert pull_whole(repo, "v1") == made.digest
    assert pull_whole(repo, made.digest) == made.digest
    assert len(registry.served()) == served, "what is cached is not fetched again"


def test_an_index_brings_all_its_images(cache, registry):
    made = index("cached index", ["amd64", "arm64", "s390x"])
    registry.push("multi", made, "v1")
    prefix = rule(cache, registry.url)
    repo = repository(cache, f"{prefix}/multi")
    repo.client.head(repo.manifest("v1"), accept=ANY_MANIFEST).expect(200)
    assert images_of(cache, repo.name) == {made.digest, *(child.digest for child in made.images)}
    assert not registry_blobs(registry, "multi"), "layers come when they are asked for"
    assert pull_whole(repo, "v1") == made.digest


def registry_blobs(registry, name):
    return [path for path in registry.served() if path.startswith(f"/v2/{name}/")]


def test_by_digest_alone(cache, fake):
    """Asked by the digest of one image of a list, only that is imported."""
    made = index("by digest")
    fake.push("app", made, "v1")
    repo = repository(cache, f"{rule(cache, fake.url)}/app")
    child = made.images[0]
    assert pull_whole(repo, child.digest) == child.digest
    assert images_of(cache, repo.name) == {child.digest}
    repo.pull("sha256:" + "0" * 64).expect_error(404, "MANIFEST_UNKNOWN")


def test_names_are_mapped(cache, fake):
    made = image("mapped")
    fake.push("team/deep/app", made, "v1")
    url = fake.url
    prefix = rule(cache, url, upstreamRepositoryPrefix="team")
    pull_whole(repository(cache, f"{prefix}/deep/app"), "v1")
    longer = rule(cache, url, prefix=f"{prefix}/x", upstreamRepositoryPrefix="team/deep")
    pull_whole(repository(cache, f"{longer}/app"), "v1")
    assert images_of(cache, f"{longer}/app") == {made.digest}


def test_what_upstream_does_not_have(cache, fake):
    repo = repository(cache, f"{rule(cache, fake.url)}/absent")
    answer = repo.pull("v1").expect_error(404, "MANIFEST_UNKNOWN")
    assert answer.messages == ["Requested image not found"]
    assert images_of(cache, repo.name) == set()
    with pytest.raises(ClientError, match="RepositoryNotFoundException"):
        cache.client().describe_repositories(repositoryNames=[repo.name])


def test_head_and_ranges_of_what_is_upstream(cache, fake):
    made = image("ranges", size=400_000)
    fake.push("app", made, "v1")
    repo = repository(cache, f"{rule(cache, fake.url)}/app")
    repo.pull("v1").expect(200)
    layer = made.layers[0]
    path = repo.blob(digest_of(layer))
    head = repo.client.head(path).expect(200)
    assert head.header("Content-Length") == str(len(layer))
    assert not fake.asked("/blobs/"), "a HEAD fetches nothing"
    part = repo.client.get(path, range=f"bytes=150000-{len(layer) - 1}").expect(206)
    assert part.body == layer[150000:]
    assert repo.client.get(path).expect(200).body == layer
    assert len(fake.asked(digest_of(layer))) == 1


def test_a_blob_is_sent_on_while_it_comes(cache, fake):
    """The client has the beginning of a layer before the upstream has sent its end."""
    made = image("streamed", size=8_000_000, layers=1)
    fake.push("app", made, "v1")
    repo = repository(cache, f"{rule(cache, fake.url)}/app")
    repo.pull("v1").expect(200)
    layer = made.layers[0]
    go_on = threading.Event()

    def in_two_parts(request):
        request.send_response(200)
        request.send_header("Content-Length", str(len(layer)))
        request.end_headers()
        request.wfile.write(layer[:6_000_000])
        request.wfile.flush()
        assert go_on.wait(60)
        request.wfile.write(layer[6_000_000:])
        return True

    fake.fault("/blobs/", in_two_parts)
    connection = http.client.HTTPConnection(cache.host, timeout=60)
    connection.request("GET", repo.blob(digest_of(layer)), headers={"Authorization": cache.authorization})
    answer = connection.getresponse()
    assert answer.status == 200
    first = answer.read(4_000_000)
    go_on.set()
    assert first + answer.read() == layer
    connection.close()


def test_many_clients_cause_one_fetch(cache, fake):
    made = index("crowd", size=2_000_000)
    fake.push("app", made, "v1")
    repo_name = f"{rule(cache, fake.url)}/app"
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        pulls = [pool.submit(pull_whole, repository(cache, repo_name, 120), "v1") for _ in range(40)]
        assert {pull.result() for pull in pulls} == {made.digest}
    asked = fake.asked("/blobs/")
    assert len(asked) == len(set(asked)) == sum(len(child.blobs) for child in made.images)
    manifests = fake.asked("/manifests/")
    assert len(manifests) == len(set(manifests)) == 3


def test_a_slow_client_does_not_hold_others_up(cache, fake):
    made = image("slow client", size=20_000_000, layers=1)
    fake.push("app", made, "v1")
    repo = repository(cache, f"{rule(cache, fake.url)}/app")
    repo.pull("v1").expect(200)
    path = repo.blob(digest_of(made.layers[0]))
    slow = http.client.HTTPConnection(cache.host, timeout=60)
    slow.request("GET", path, headers={"Authorization": cache.authorization})
    answer = slow.getresponse()
    first = answer.read(1000)
    assert repo.client.get(path).expect(200).body == made.layers[0]
    assert first + answer.read() == made.layers[0]
    slow.close()


def test_a_client_that_leaves_does_not_end_the_fetch(cache, fake):
    made = image("leaves", size=5_000_000, layers=1)
    fake.push("app", made, "v1")
    repo = repository(cache, f"{rule(cache, fake.url)}/app")
    repo.pull("v1").expect(200)
    digest = digest_of(made.layers[0])
    gone = http.client.HTTPConnection(cache.host, timeout=60)
    gone.request("GET", repo.blob(digest), headers={"Authorization": cache.authorization})
    gone.getresponse().read(10)
    gone.close()
    assert repo.client.get(repo.blob(digest)).expect(200).body == made.layers[0]
    assert len(fake.asked(digest)) == 1


# --- Faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (FakeUpstream.status(429, **{"Retry-After": "1"}), 429, "TOOMANYREQUESTS"),
        (FakeUpstream.status(401), 403, "DENIED"),
        (FakeUpstream.status(403), 403, "DENIED"),
        (FakeUpstream.status(500), 503, "UNKNOWN"),
        (FakeUpstream.endless, 502, "UNKNOWN"),
        (FakeUpstream.body(b"{}" * 3_000_000), 502, "UNKNOWN"),
        (FakeUpstream.body(b"<html>", **{"Content-Type": "text/html"}), 502, "UNKNOWN"),
        (FakeUpstream.body(b"{}", **{"Docker-Content-Digest": "sha256:" + "0" * 64}), 502, "UNKNOWN"),
        (FakeUpstream.body(b"{}", **{"Docker-Content-Digest": "nonsense"}), 502, "UNKNOWN"),
        (FakeUpstream.redirect("ftp://127.0.0.1/"), 503, "UNKNOWN"),
        (FakeUpstream.redirect("/v2/app/manifests/again"), 503, "UNKNOWN"),
    ],
    ids=["429", "401", "403", "500", "endless", "long", "html", "digest", "no digest", "ftp", "circle"],
)
def test_bad_manifests(cache, fake, fault, status, code):
    fake.push("app", image("faults"), "v1")
    fake.fault("/manifests/", fault)
    repo = repository(cache, f"{rule(cache, fake.url)}/app")
    repo.pull("v1").expect_error(status, code)
    assert images_of(cache, repo.name) == set()
    fake.heal()
    pull_whole(repo, "v1")


LAYER = noise("a bad layer", 3_000_000)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (FakeUpstream.status(429), 429),
        (FakeUpstream.status(401), 403),
        (FakeUpstream.status(404), 404),
        (FakeUpstream.status(500), 503),
        (FakeUpstream.body(LAYER[:1000]), 502),
        (FakeUpstream.body(LAYER + b"x"), 502),
        # These begin well: the connection breaks before the end.
        (FakeUpstream.body(LAYER[:-1] + b"x"), None),
        (FakeUpstream.endless, None),
        (FakeUpstream.cut(LAYER, 2_000_000), None),
    ],
    ids=["429", "401", "404", "500", "short", "long", "wrong digest", "endless", "cut"],
)
def test_bad_layers(cache, fake, fault, status):
    """Whatever comes, nobody gets a whole layer that is not the layer, nothing of it is kept, and the next try works."""
    from harness.images import Image

    made = Image(b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}', (LAYER,))
    fake.push("app", made, "v1")
    repo = repository(cache, f"{rule(cache, fake.url)}/app")
    repo.pull("v1").expect(200)
    path = repo.blob(digest_of(LAYER))
    fake.fault("/blobs/", fault)
    if status:
        repo.client.get(path).expect(status)
    else:
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            tries = [pool.submit(repository(cache, repo.name).client.get, path) for _ in range(5)]
            for each in tries:
                with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                    each.result()
    fake.heal()
    assert repo.client.get(path).expect(200).body == LAYER


def test_a_child_of_another_size_is_refused(cache, fake):
    made = index("another size")
    document = json.loads(made.manifest)
    document["manifests"][0]["size"] += 1
    body = json.dumps(document).encode()
    fake.push("app", made, "v1")
    fake.content["/v2/app/manifests/v1"] = (made.media_type, body)
    repo = repository(cache, f"{rule(cache, fake.url)}/app")
    repo.pull("v1").expect_error(502, "UNKNOWN")
    assert images_of(cache, repo.name) == set()
