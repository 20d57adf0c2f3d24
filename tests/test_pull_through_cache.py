"""The pull through cache: repositories that are filled from upstream registries when their images are asked for."""

import base64
import concurrent.futures
import hashlib
import http.client
import json
import threading
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from harness.images import image, index, noise
from harness.registry_client import ANY_MANIFEST, RegistryClient, Repository, digest_of
from harness.server import SESSION, Wharf
from harness.tls import make_certificate
from harness.upstream import PASSWORD, USER, DockerRegistry, FakeUpstream

pytestmark = pytest.mark.every_store

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


# --- Networks -----------------------------------------------------------------------------------------------------

CLOSED = "[pull_through_cache]\nallow_any_upstream = true\nallow_http = true\n"


def test_private_networks_are_closed(tmp_path, fake):
    """Neither by address, nor by a name that leads there, nor by a redirect from an upstream that may be reached."""
    made = image("closed")
    fake.push("app", made, "v1")
    inner = FakeUpstream()
    inner.push("app", made, "v1")
    port = fake.host.rpartition(":")[2]
    config = CLOSED + f'allow = ["localhost:{port}"]\n'
    server = Wharf(tmp_path / "closed", config=config).start()
    for url in [inner.url, f"http://localhost:{inner.host.rpartition(':')[2]}", fake.url]:
        repo = repository(server, f"{rule(server, url)}/app")
        answer = repo.pull("v1").expect_error(503, "UNKNOWN")
        assert "private network" in answer.messages[0], answer
    repo = repository(server, f"{rule(server, f'http://localhost:{port}')}/app")
    assert pull_whole(repo, "v1") == made.digest, "what is allowed by name is reached"
    fake.fault("/manifests/", FakeUpstream.redirect(f"{inner.url}/v2/app/manifests/v1"))
    repo = repository(server, f"{rule(server, f'http://localhost:{port}')}/app")
    answer = repo.pull("v1").expect_error(503, "UNKNOWN")
    assert "private network" in answer.messages[0], answer
    assert images_of(server, repo.name) == set()
    assert inner.requests == []
    inner.close()
    server.finish()


def test_plain_http_only_if_configured(tmp_path, fake):
    server = Wharf(tmp_path / "tls", config="[pull_through_cache]\nallow_any_upstream = true\n").start()
    with pytest.raises(ClientError, match="UnsupportedUpstreamRegistryException"):
        rule(server, fake.url)
    server.finish()


def test_credentials_stay_with_the_upstream(cache, fake):
    """Redirected to another host, a request takes no login along."""
    made = image("storage elsewhere")
    other = FakeUpstream()
    fake.push("app", made, "v1")
    other.push("app", made, "v1")

    def storage(request):
        if request.headers.get("Authorization") is None:
            return request.answer(401, b"", **{"WWW-Authenticate": "Basic realm=x"})
        return request.answer(307, b"", Location=other.url + request.path)

    fake.fault("/", storage)
    repo = repository(cache, f"{rule(cache, fake.url, credentialArn=secret(cache))}/app")
    assert pull_whole(repo, "v1") == made.digest
    assert {authorization for _, _, authorization in other.requests} == {None}
    other.close()


# --- Logins -------------------------------------------------------------------------------------------------------


def secret(server, username=USER, token=PASSWORD):
    text = json.dumps({"username": username, "accessToken": token})
    name = f"ecr-pullthroughcache/{uuid.uuid4().hex}"
    return server.client("secretsmanager").create_secret(Name=name, SecretString=text)["ARN"]


def test_login_over_tls(tmp_path):
    """docker-registry with a password and a certificate of a private authority."""
    authority, certificate, key = make_certificate(tmp_path / "tls", ["localhost"])
    made = image("login")
    plain = DockerRegistry(tmp_path / "registry").start()
    plain.push("app", made, "v1")
    plain.stop()
    upstream = DockerRegistry(tmp_path / "registry", has_login=True, tls=(certificate, key)).start()
    config = (
        f'[pull_through_cache]\nallow_any_upstream = true\nallow_private_networks = true\nca_file = "{authority}"\n'
    )
    server = Wharf(tmp_path / "wharf", config=config).start()
    ecr = server.client()
    prefix = rule(server, upstream.url)
    repository(server, f"{prefix}/app").pull("v1").expect_error(403, "DENIED")
    for password, is_valid in [("wrong", False), (PASSWORD, True)]:
        arn = secret(server, token=password)
        ecr.update_pull_through_cache_rule(ecrRepositoryPrefix=prefix, credentialArn=arn)
        found = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix=prefix)
        assert found["isValid"] == is_valid and ("failure" in found) != is_valid, found
    assert pull_whole(repository(server, f"{prefix}/app"), "v1") == made.digest
    assert PASSWORD not in server.log_text()
    # Without the authority the upstream is a stranger.
    server.stop()
    server.config = "[pull_through_cache]\nallow_any_upstream = true\nallow_private_networks = true\n"
    server.start()
    answer = repository(server, f"{rule(server, upstream.url)}/app").pull("v1").expect_error(503, "UNKNOWN")
    assert "not trusted" in answer.messages[0], answer
    server.finish()
    upstream.stop()


def token_server(fake, made, expires_in=300):
    """Lets the upstream ask for tokens, which another host gives to whoever logs in."""
    tokens = FakeUpstream()
    given = []
    basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def give(request):
        if request.headers.get("Authorization") != basic:
            return request.answer(401, b"no")
        given.append(request.path)
        body = {"token": f"token-{len(given)}", "expires_in": expires_in}
        return request.answer(200, json.dumps(body).encode())

    def check(request):
        if given and request.headers.get("Authorization") == f"Bearer token-{len(given)}":
            return None
        challenge = f'Bearer realm="{tokens.url}/token",service="upstream",scope="repository:app:pull"'
        return request.answer(401, b"", **{"WWW-Authenticate": challenge})

    tokens.fault("/token", give)
    fake.fault("/", check)
    fake.push("app", made, "v1")
    return tokens, given


def test_token_server(cache, fake):
    tokens, given = token_server(fake, image("token"))
    prefix = rule(cache, fake.url, credentialArn=secret(cache))
    pull_whole(repository(cache, f"{prefix}/app"), "v1")
    assert len(given) == 1, "one token is used until it ends"
    assert "service=upstream" in given[0] and "scope=repository%3Aapp%3Apull" in given[0], given
    other = rule(cache, fake.url, credentialArn=secret(cache, token="wrong"))
    repository(cache, f"{other}/app").pull("v1").expect_error(403, "DENIED")
    tokens.close()


# --- What is cached, and for how long -----------------------------------------------------------------------------


HOURLY = OPEN + "check_hours = 1\n"


def two_hours_later(server, repo):
    """The server's clock runs ahead; the token is still good, but what is signed now would not be."""
    server.restart(clock="+2h")
    return Repository(RegistryClient(server.host, repo.client.authorization, is_gateway=True), repo.name)


def test_tags_are_checked_again(tmp_path, fake):
    old, new = image("old"), image("new")
    fake.push("app", old, "v1")
    fake.push("app", old, "fixed")
    server = Wharf(tmp_path / "wharf", config=HOURLY).start()
    prefix = rule(server, fake.url)
    repo = repository(server, f"{prefix}/app")
    assert pull_whole(repo, "v1") == pull_whole(repo, "fixed") == old.digest
    fake.push("app", new, "v1")
    fake.push("app", new, "fixed")
    fake.forget()
    assert digest_of(repo.pull("v1").body) == old.digest
    assert fake.requests == [], "within an hour the upstream is not asked"
    filters = [{"filterType": "WILDCARD", "filter": "fixed"}]
    server.client().put_image_tag_mutability(
        repositoryName=repo.name,
        imageTagMutability="MUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=filters,
    )
    repo = two_hours_later(server, repo)
    assert digest_of(repo.pull("fixed").body) == old.digest, "immutable tags are never checked"
    assert fake.requests == []
    assert digest_of(repo.pull("v1").body) == new.digest
    assert len(fake.asked("/manifests/v1", "HEAD")) == 1
    assert repo.pull(old.digest).expect(200).body == old.manifest, "the old image stays"
    fake.forget()
    assert digest_of(repo.pull("v1").body) == new.digest
    assert fake.requests == []
    server.finish()


@pytest.mark.parametrize("trouble", ["stopped", "429", "500", "401", "404", "slow"])
def test_cached_tags_outlive_their_upstream(tmp_path, fake, trouble):
    """When it is time to ask, the upstream is of no help: cached tags are served at once, and it is not asked again and again."""
    made = image("outage")
    fake.push("app", made, "v1")
    server = Wharf(tmp_path / "wharf", config=HOURLY).start()
    repo = repository(server, f"{rule(server, fake.url)}/app")
    pull_whole(repo, "v1")
    repo = two_hours_later(server, repo)
    fake.forget()
    opened = threading.Event()
    if trouble == "stopped":
        fake.close()
    elif trouble == "slow":
        fake.fault("/", FakeUpstream.gate(opened))
    else:
        fake.fault("/", FakeUpstream.status(int(trouble)))
    for _ in range(5):
        started = time.monotonic()
        assert digest_of(repo.pull("v1").expect(200).body) == made.digest
        print(f"{trouble}: {1000 * (time.monotonic() - started):.1f} ms")
        pull_whole(repo, "v1")
    assert len(fake.requests) <= 1, "the outage is remembered"
    opened.set()
    server.finish()


def test_a_layer_whose_rule_is_gone(cache, fake):
    """What came stays; what did not is named."""
    made = image("rule gone")
    fake.push("app", made, "v1")
    prefix = rule(cache, fake.url)
    repo = repository(cache, f"{prefix}/app")
    repo.pull("v1").expect(200)
    first, second = map(digest_of, made.layers)
    repo.client.get(repo.blob(first)).expect(200)
    cache.client().delete_pull_through_cache_rule(ecrRepositoryPrefix=prefix)
    repo.client.get(repo.blob(first)).expect(200)
    repo.client.get(repo.blob(second)).expect_error(404, "BLOB_UNKNOWN")
    rule(cache, "http://127.0.0.1:9", prefix=prefix)
    repo.client.get(repo.blob(second)).expect_error(404, "BLOB_UNKNOWN")
    cache.client().delete_pull_through_cache_rule(ecrRepositoryPrefix=prefix)
    rule(cache, fake.url, prefix=prefix)
    repo.client.get(repo.blob(second)).expect(200)


def test_deleting_what_is_still_upstream(cache, fake):
    made = index("deleted", size=1000)
    fake.push("app", made, "v1")
    repo = repository(cache, f"{rule(cache, fake.url)}/app")
    repo.pull("v1").expect(200)
    child = made.images[0]
    repo.client.get(repo.blob(digest_of(child.layers[0]))).expect(200)
    ecr = cache.client()
    ids = [{"imageDigest": each.digest} for each in [made, *made.images]]
    assert ecr.batch_delete_image(repositoryName=repo.name, imageIds=ids)["failures"] == []
    repo.client.get(repo.blob(digest_of(child.layers[1]))).expect_error(404, "BLOB_UNKNOWN")
    assert pull_whole(repo, "v1") == made.digest, "and it comes again"
    ecr.delete_repository(repositoryName=repo.name, force=True)
    assert pull_whole(repo, "v1") == made.digest


# --- Pushes into cached repositories ------------------------------------------------------------------------------


def test_push_beside_cached_images(cache, fake):
    """A pushed image may name a layer that is still upstream: then it comes, and the image depends on nobody."""
    from harness.images import Image

    made = image("base", size=50_000)
    fake.push("app", made, "v1")
    repo = repository(cache, f"{rule(cache, fake.url)}/app")
    repo.pull("v1").expect(200)
    own = Image(json.dumps({"architecture": "amd64", "os": "linux", "own": True}).encode(), made.layers)
    for layer in own.layers:
        repo.client.head(repo.blob(digest_of(layer))).expect(200)
    repo.push_blob(own.config)
    repo.push_manifest(own.manifest, "own", own.media_type)
    fake.close()
    assert pull_whole(repo, "own") == own.digest
    # A layer that is uploaded while cached images wait for it is theirs, too.
    repo.push_blob(made.config)
    assert pull_whole(repo, "v1") == made.digest


# --- The API ------------------------------------------------------------------------------------------------------


def test_api_pull(cache, fake):
    made = image("api")
    fake.push("app", made, "v1")
    name = f"{rule(cache, fake.url)}/app"
    ecr = cache.client()
    found = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v1"}, {"imageTag": "absent"}])
    assert [each["imageId"]["imageDigest"] for each in found["images"]] == [made.digest]
    assert [each["failureCode"] for each in found["failures"]] == ["ImageNotFound"]
    layers = ecr.batch_check_layer_availability(
        repositoryName=name, layerDigests=[digest_of(each) for each in made.layers]
    )["layers"]
    assert [(each["layerAvailability"], each["layerSize"]) for each in layers] == [
        ("AVAILABLE", len(each)) for each in made.layers
    ]
    url = ecr.get_download_url_for_layer(repositoryName=name, layerDigest=digest_of(made.layers[0]))["downloadUrl"]
    assert RegistryClient(cache.host).get(url).expect(200).body == made.layers[0]


def test_api_failures(cache, fake):
    fake.push("app", image("api failures"), "v1")
    name = f"{rule(cache, fake.url)}/app"
    ecr = cache.client()
    for status, code in [
        (429, "UpstreamTooManyRequests"),
        (403, "UpstreamAccessDenied"),
        (503, "UpstreamUnavailable"),
    ]:
        fake.fault("/", FakeUpstream.status(status))
        found = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])
        assert [each["failureCode"] for each in found["failures"]] == [code]
    fake.fault("/", FakeUpstream.body(b"nonsense"))
    with pytest.raises(ClientError, match="UnableToGetUpstreamImageException"):
        ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])
    fake.heal()
    (found,) = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])["images"]
    layer = json.loads(found["imageManifest"])["layers"][0]["digest"]
    fake.fault("/", FakeUpstream.status(503))
    with pytest.raises(ClientError, match="UnableToGetUpstreamLayerException"):
        ecr.get_download_url_for_layer(repositoryName=name, layerDigest=layer)
    with pytest.raises(ClientError, match="UnableToListUpstreamImageReferrersException"):
        ecr.list_image_referrers(repositoryName=name, subjectId={"imageDigest": found["imageId"]["imageDigest"]})


@pytest.mark.parametrize("by_tag", [False, True], ids=["api", "tag schema"])
def test_referrers_of_upstream(cache, fake, by_tag):
    from harness.images import Image
    from harness.registry_client import descriptor, image_manifest

    made = image("subject")
    fake.push("app", made, "v1")
    config = b"{}"
    signature = image_manifest(config, [b"signature"], config_type="application/x.signature", subject=made.descriptor)
    fake.content[f"/v2/app/manifests/{digest_of(signature)}"] = (made.media_type, signature)
    for blob in [config, b"signature"]:
        fake.content[f"/v2/app/blobs/{digest_of(blob)}"] = ("application/octet-stream", blob)
    listed = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}
    listed["manifests"] = [descriptor(made.media_type, signature)]
    place = f"manifests/{made.digest.replace(':', '-')}" if by_tag else f"referrers/{made.digest}"
    fake.content[f"/v2/app/{place}"] = (listed["mediaType"], json.dumps(listed).encode())
    repo = repository(cache, f"{rule(cache, fake.url)}/app")
    repo.pull("v1").expect(200)
    answer = repo.client.get(repo.referrers(made.digest)).expect(200)
    assert [each["digest"] for each in answer.json()["manifests"]] == [digest_of(signature)]
    assert isinstance(made, Image) and pull_whole(repo, digest_of(signature))
    found = cache.client().list_image_referrers(repositoryName=repo.name, subjectId={"imageDigest": made.digest})
    assert [each["artifactType"] for each in found["referrers"]] == ["application/x.signature"]


def test_too_many_rules(tmp_path):
    server = Wharf(tmp_path / "wharf").start()
    for number in range(50):
        rule(server, "quay.io", prefix=f"p{number}")
    with pytest.raises(ClientError, match="LimitExceededException"):
        rule(server, "quay.io")
    server.finish()


# --- Permissions --------------------------------------------------------------------------------------------------

READ = ["ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


@pytest.mark.parametrize(
    ("more", "exists", "code"),
    [
        ([], False, "NAME_UNKNOWN"),
        (["ecr:BatchImportUpstreamImage"], False, "NAME_UNKNOWN"),
        (["ecr:CreateRepository"], False, "NAME_UNKNOWN"),
        ([], True, "MANIFEST_UNKNOWN"),
        (["ecr:BatchImportUpstreamImage"], True, None),
        (["ecr:BatchImportUpstreamImage", "ecr:CreateRepository"], False, None),
    ],
)
def test_permissions(cache, fake, more, exists, code):
    made = image("permissions")
    fake.push("app", made, "v1")
    repo = repository(cache, f"{rule(cache, fake.url)}/app")
    if exists:
        cache.client().create_repository(repositoryName=repo.name)
    user, iam = f"u{uuid.uuid4().hex}", cache.client("iam")
    iam.create_user(UserName=user)
    statement = {"Effect": "Allow", "Action": READ + more, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_user_policy(UserName=user, PolicyName="pull", PolicyDocument=policy)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    ecr = SESSION.client(
        "ecr",
        endpoint_url=cache.url,
        region_name=cache.region,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    theirs = Repository(RegistryClient(cache.host, f"Basic {token}"), repo.name)
    if code:
        theirs.pull("v1").expect_error(404, code)
        assert fake.requests == [], "the upstream does not hear of it"
    else:
        assert pull_whole(theirs, "v1") == made.digest


def test_template_of_a_cached_repository(cache, fake):
    fake.push("app", image("template"), "v1")
    prefix = rule(cache, fake.url)
    cache.client().create_repository_creation_template(
        prefix=prefix, appliedFor=["PULL_THROUGH_CACHE"], imageTagMutability="IMMUTABLE"
    )
    repo = repository(cache, f"{prefix}/app")
    pull_whole(repo, "v1")
    (found,) = cache.client().describe_repositories(repositoryNames=[repo.name])["repositories"]
    assert found["imageTagMutability"] == "IMMUTABLE"


# --- Crashes ------------------------------------------------------------------------------------------------------


def test_a_hundred_clients_pull_200_mib(cache, tmp_path):
    """docker-registry serves each blob once, and everybody gets all of it."""
    upstream = DockerRegistry(tmp_path / "upstream").start()
    made = image("large", size=100 * 1024 * 1024, layers=2)
    upstream.push("large", made, "v1")
    name = f"{rule(cache, upstream.url)}/large"

    def pull(_):
        """Without holding a layer in memory."""
        client = repository(cache, name, 600)
        document = client.pull("v1").expect(200).json()
        for each in [document["config"], *document["layers"]]:
            connection = http.client.HTTPConnection(cache.host, timeout=600)
            connection.request("GET", client.blob(each["digest"]), headers={"Authorization": cache.authorization})
            answer, digest = connection.getresponse(), hashlib.sha256()
            assert answer.status == 200
            while block := answer.read(1024 * 1024):
                digest.update(block)
            assert f"sha256:{digest.hexdigest()}" == each["digest"]
            connection.close()
        client.client.close()

    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        assert len(list(pool.map(pull, range(100)))) == 100
    print(f"100 pulls of 200 MiB: {time.monotonic() - started:.1f} s, {cache.peak_memory // 2**20} MiB at most")
    served = upstream.served()
    assert sorted(served) == sorted(f"/v2/large/blobs/{digest_of(blob)}" for blob in made.blobs)
    upstream.stop()
