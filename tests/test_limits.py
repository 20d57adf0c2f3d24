"""Quotas and request rates, as the configuration sets them."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from conftest import environment_of
from harness import bucket, storage
from harness.api_push import push_image
from harness.identities import Identities
from harness.images import image
from harness.registry_client import (
    OCI_INDEX,
    RegistryClient,
    Repository,
    digest_of,
    index_manifest,
    new_repository,
    random_content,
    with_query,
)
from harness.server import Wharf
from harness.upstream import FakeUpstream
from test_ctl import Program
from test_pull_through_cache import OPEN
from test_replication import in_region, replicate, statuses, wait_for_status


@pytest.fixture
def start(tmp_path, default_database):
    """Starts a server with these lines of configuration."""
    started = []

    def start(config, **environment):
        server = Wharf(
            tmp_path / "wharf", config=config, environment={**environment_of(default_database), **environment}
        )
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.finish()


def refused(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


class TestQuotas:
    """reference/repositories-images.md 7: LimitExceededException names the quota and its value."""

    def test_repositories(self, start):
        server = start("[quotas]\nrepositories = 3\n")
        ecr = server.client()
        for name in ("one", "two", "three"):
            ecr.create_repository(repositoryName=name)
        code, message = refused(ecr.create_repository, repositoryName="four")
        assert code == "LimitExceededException" and "'Registered repositories' of 3" in message
        ecr.delete_repository(repositoryName="two")
        ecr.create_repository(repositoryName="four")

    def test_repositories_that_wharf_creates(self, start):
        """Those that a push, the pull through cache, replication or restoring an image would create."""
        server = start(f'regions = ["us-east-1", "eu-west-1"]\n[quotas]\nrepositories = 2\n{OPEN}')
        ecr, made, upstream = server.client(), image("quota", size=100), FakeUpstream()
        for name in ("source", "deleted"):
            push_image(ecr, repository_of(server, name), made, "v1")
        ecr.delete_repository(repositoryName="deleted", force=True)
        for region, name in (("us-east-1", "other"), ("eu-west-1", "one"), ("eu-west-1", "two")):
            in_region(server, region).client().create_repository(repositoryName=name)
        text = "'Registered repositories' of 2"

        ecr.create_repository_creation_template(prefix="ROOT", appliedFor=["CREATE_ON_PUSH"])
        code, message = refused(lambda: push_image(ecr, "pushed", made, "v1"))
        assert code == "LimitExceededException" and text in message
        client = RegistryClient(server.host, server.authorization)
        assert text in client.post("/v2/pushed/blobs/uploads/").expect_error(403, "DENIED").messages[0]

        upstream.push("app", made, "v1")
        ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="cache", upstreamRegistryUrl=upstream.url)
        pulled = Repository(client, "cache/app").pull("v1").expect_error(403, "DENIED")
        upstream.close()
        assert text in pulled.messages[0]

        said = Program(server).run("image", "restore", "deleted:v1", "--create-repository", expect=2).stderr
        assert "LimitExceededException" in said and text in said

        replicate(ecr, ("eu-west-1", server.account))
        push_image(ecr, "source", made, "v2")
        wait_for_status(ecr, "source", made.digest, "FAILED")
        (status,) = statuses(ecr, "source", made.digest).values()
        assert status["failureCode"] == "LimitExceeded"
        assert {found["repositoryName"] for found in ecr.describe_repositories()["repositories"]} == {"source", "other"}

    def test_repositories_at_once(self, start):
        """Pushes at once to names that nobody has go no further than the quota either."""
        server = start("[quotas]\nrepositories = 3\n")
        server.client().create_repository_creation_template(prefix="ROOT", appliedFor=["CREATE_ON_PUSH"])

        def begin(number):
            client = RegistryClient(server.host, server.authorization)
            return client.post(f"/v2/at-once-{number}/blobs/uploads/").status

        with ThreadPoolExecutor(8) as pool:
            begun = sorted(pool.map(begin, range(8)))
        assert begun == [202] * 3 + [403] * 5

    def test_images(self, start):
        """New images are refused, 403 on /v2; tags of known ones are not, and deleting makes room."""
        server = start("[quotas]\nimages_per_repository = 2\n")
        ecr, repository = server.client(), new_repository(server, "quota")
        first = repository.push_image("v1")
        repository.push_image("v2")
        third = image("third", size=100)
        code, message = refused(lambda: push_image(ecr, repository.name, third, "v3"))
        assert code == "LimitExceededException" and "'Images per repository' of 2" in message
        for blob in third.blobs:
            repository.push_blob(blob)
        answer = repository.client.put(repository.manifest("v3"), third.manifest, content_type=third.media_type)
        answer.expect_error(403, "DENIED")
        assert "'Images per repository' of 2" in answer.messages[0]
        repository.push_manifest(first.body, "again")
        push_image(ecr, repository_of(server, "elsewhere"), third, "v3")
        ecr.batch_delete_image(repositoryName=repository.name, imageIds=[{"imageTag": "v2"}])
        repository.push_manifest(third.manifest, "v3")

    def test_open_uploads(self, start):
        """Begun through either protocol; those that end make room, and other repositories have their own."""
        server = start("[quotas]\nopen_uploads = 3\n")
        ecr, repository = server.client(), new_repository(server, "quota")
        first = repository.start_upload()
        ecr.initiate_layer_upload(repositoryName=repository.name)
        repository.start_upload()
        code, message = refused(ecr.initiate_layer_upload, repositoryName=repository.name)
        assert code == "LimitExceededException" and "'Open uploads per repository' of 3" in message
        answer = repository.client.post(repository.uploads).expect_error(429, "TOOMANYREQUESTS")
        assert "'Open uploads per repository' of 3" in answer.messages[0]
        ecr.initiate_layer_upload(repositoryName=repository_of(server, "elsewhere"))
        repository.client.delete(first).expect(204)
        second = repository.start_upload()
        content = random_content()
        repository.client.put(with_query(second, digest=digest_of(content)), content).expect(201)
        repository.start_upload()
        repository.client.post(repository.uploads).expect_error(429, "TOOMANYREQUESTS")

    @pytest.mark.parametrize("store", ["files", "bucket"])
    def test_open_uploads_of_a_registry(self, start, store):
        """Who may create repositories by pushing has no more uploads for that, and makes no repositories with them."""
        environment = bucket.environment_of_new() if store == "bucket" else {}
        server = start('regions = ["us-east-1", "eu-west-1"]\n[quotas]\nopen_uploads_per_registry = 3\n', **environment)
        ecr, repository = server.client(), new_repository(server, "quota")
        ecr.create_repository_creation_template(prefix="made", appliedFor=["CREATE_ON_PUSH"])
        made, more = Repository(repository.client, "made/one"), Repository(repository.client, "made/two")
        first = repository.start_upload()
        elsewhere = repository_of(server, "elsewhere")
        ecr.initiate_layer_upload(repositoryName=elsewhere)
        second = made.start_upload()
        for name in (repository.name, elsewhere, made.name, more.name):
            code, message = refused(ecr.initiate_layer_upload, repositoryName=name)
            assert code == "LimitExceededException" and "'Open uploads per registry' of 3" in message, name
        answer = more.client.post(more.uploads).expect_error(429, "TOOMANYREQUESTS")
        assert "'Open uploads per registry' of 3" in answer.messages[0]
        content = random_content()
        whole = with_query(more.uploads, digest=digest_of(content))
        more.client.post(whole, content).expect_error(429, "TOOMANYREQUESTS")
        names = {found["repositoryName"] for found in ecr.describe_repositories()["repositories"]}
        assert names == {repository.name, elsewhere, made.name}
        other = in_region(server, "eu-west-1").client()
        other.create_repository(repositoryName="quota")
        other.initiate_layer_upload(repositoryName="quota")
        # An upload ends by a wrong digest as well as when it is completed or given up.
        made.client.put(with_query(second, digest="sha256:" + "0" * 64), content).expect_error(400, "DIGEST_INVALID")
        third = more.start_upload()
        repository.client.put(with_query(first, digest=digest_of(content)), content).expect(201)
        made.start_upload()
        more.client.post(more.uploads).expect_error(429, "TOOMANYREQUESTS")
        more.client.delete(third).expect(204)
        more.client.post(whole, content).expect(201)
        # Those that nobody goes on with end by themselves.
        more.start_upload()
        more.client.post(more.uploads).expect_error(429, "TOOMANYREQUESTS")
        storage.execute(server, "UPDATE uploads SET updated_at_ms = 0")
        storage.wharf_command(server, "gc")
        for place in (repository, made, more):
            place.start_upload()

    @pytest.mark.parametrize("store", ["files", "bucket"])
    def test_uploads_that_nobody_uses_shut_nobody_out(self, start, store):
        """One repository has half of its registry's, and those that are old and empty make room."""
        environment = bucket.environment_of_new() if store == "bucket" else {}
        server = start("[quotas]\nopen_uploads_per_registry = 4\n", **environment)
        ecr, repository = server.client(), new_repository(server, "prod")
        one, other = (Repository(repository.client, repository_of(server, name)) for name in ("dev/one", "dev/other"))
        used = one.start_upload()
        repository.client.patch(used, b"x").expect(202)
        unused = one.start_upload()
        code, message = refused(ecr.initiate_layer_upload, repositoryName=one.name)
        assert code == "LimitExceededException" and "'Open uploads per repository' of 2" in message
        for _ in range(2):
            other.start_upload()
        repository.client.post(repository.uploads).expect_error(429, "TOOMANYREQUESTS")
        storage.execute(server, f"UPDATE uploads SET updated_at_ms = 0 WHERE id = '{unused.rpartition('/')[2]}'")
        kept = repository.start_upload()
        repository.client.patch(unused, b"x").expect_error(404, "BLOB_UPLOAD_UNKNOWN")
        repository.client.post(repository.uploads).expect_error(429, "TOOMANYREQUESTS")
        # What has bytes stays, however old it is.
        storage.execute(server, "UPDATE uploads SET updated_at_ms = 0")
        ecr.initiate_layer_upload(repositoryName=repository.name)
        assert one.client.get(used).expect(204).header("Range") == "0-0"
        one.client.delete(used).expect(204)
        repository.client.get(kept).expect(204)

    def test_images_of_a_repository_made_again(self, start):
        """Deleting a whole repository and making it again begins at none."""
        server = start("[quotas]\nimages_per_repository = 2\n")
        ecr = server.client()
        for _ in range(3):
            ecr.create_repository(repositoryName="again")
            for number in range(2):
                push_image(ecr, "again", image(f"again-{number}", size=100), f"v{number}")
            ecr.delete_repository(repositoryName="again", force=True)

    def test_tags(self, start):
        server = start("", WHARF_QUOTAS_TAGS_PER_IMAGE="2")
        ecr, name = server.client(), repository_of(server, "tags")
        made = image("tags", size=100)
        for tag in ("a", "b"):
            push_image(ecr, name, made, tag)
        code, message = refused(lambda: push_image(ecr, name, made, "c"))
        assert code == "LimitExceededException" and "'Tags per image'" in message and "2 tags" in message

    def test_one_tag(self, start):
        server = start("", WHARF_QUOTAS_TAGS_PER_IMAGE="1")
        ecr, name = server.client(), repository_of(server, "tag")
        made = image("tag", size=100)
        push_image(ecr, name, made, "a")
        assert "at most 1 tag," in refused(lambda: push_image(ecr, name, made, "b"))[1]

    def test_layers(self, start):
        """The length of a layer on both faces, and the parts of an upload."""
        server = start("[quotas]\nlayer_size_mib = 1\nlayer_parts = 2\n")
        ecr, repository = server.client(), new_repository(server, "layers")
        content = random_content(1024 * 1024 + 1)
        target = with_query(repository.start_upload(), digest="sha256:" + "0" * 64)
        answer = repository.client.put(target, content, content_type="application/octet-stream")
        answer.expect_error(413, "SIZE_INVALID")
        here = {
            "repositoryName": repository.name,
            "uploadId": ecr.initiate_layer_upload(repositoryName=repository.name)["uploadId"],
        }

        def part(first, data):
            last = first + len(data) - 1
            return ecr.upload_layer_part(**here, partFirstByte=first, partLastByte=last, layerPartBlob=data)

        code, message = refused(lambda: part(0, content))
        assert code == "LimitExceededException" and "'Layer size'" in message and "1048576 bytes" in message
        part(0, b"a")
        part(1, b"b")
        code, message = refused(lambda: part(2, b"c"))
        assert code == "LimitExceededException" and "'Layer parts'" in message and "2 parts" in message


def repository_of(server, name):
    server.client().create_repository(repositoryName=name)
    return name


class TestRates:
    def test_api(self, start):
        """ThrottlingException `Rate exceeded`, for this operation and registry alone, after authorization."""
        server = start("[rates]\nput_image_per_second = 1\nget_authorization_token_per_second = 1\n")
        ecr, name = server.client(), repository_of(server, "rates")
        nobody = Identities(server).user()
        for _ in range(3):
            assert refused(nobody.client().get_authorization_token)[0] == "AccessDeniedException"
        # More requests than a second of any machine has room for, even if some of them fall into the next one.
        codes = [code_of(ecr.get_authorization_token) for _ in range(30)]
        assert codes[0] is None and "ThrottlingException" in codes and set(codes) == {None, "ThrottlingException"}
        for _ in range(10):
            ecr.describe_repositories()
        assert name

    def test_registry(self, start):
        """On /v2 429 TOOMANYREQUESTS with Retry-After; each request counts as its call of the API."""
        server = start("[rates]\nbatch_get_image_per_second = 1\nget_download_url_for_layer_per_second = 1\n")
        repository = new_repository(server, "rates")
        pushed = repository.push_image("v1")
        digest = json.loads(pushed.body)["layers"][0]["digest"]
        for target in (repository.manifest("v1"), repository.blob(digest)):
            answers = [repository.client.get(target, accept="*/*") for _ in range(50)]
            assert answers[0].status == 200
            throttled = [answer for answer in answers if answer.status == 429]
            assert throttled and len(throttled) + sum(answer.status == 200 for answer in answers) == 50
            throttled[0].expect_error(429, "TOOMANYREQUESTS")
            assert throttled[0].messages == ["Rate exceeded"]
            assert throttled[0].header("Retry-After") == "1"
        for _ in range(20):
            repository.client.head(repository.blob(digest)).expect(200)
            repository.client.get(repository.tags).expect(200)

    def test_pushes(self, start):
        """Every step of a push has its rate."""
        keys = ("initiate_layer_upload", "upload_layer_part", "complete_layer_upload", "put_image")
        for key in keys:
            server = start(f"[rates]\n{key}_per_second = 1\n")
            repository = new_repository(server, "rates")
            statuses = set()
            for _ in range(30):
                statuses |= push_statuses(repository)
            assert 429 in statuses, key
            server.stop()

    def test_preset(self, start):
        """The published rates of ECR, of which one can be lifted."""
        server = start('[rates]\npreset = "ecr"\nput_image_per_second = 0\n')
        repository = new_repository(server, "rates")
        image_of = repository.push_image("v1")
        for _ in range(30):
            repository.push_manifest(image_of.body, "v2")

    def test_unlimited_by_default(self, start):
        server = start("")
        repository = new_repository(server, "rates")
        pushed = repository.push_image("v1")
        for number in range(40):
            repository.push_manifest(pushed.body, f"v{number}")


def code_of(call):
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def push_statuses(repository):
    """The statuses of a push that goes on as far as it is let."""
    client, content = repository.client, random_content()
    seen = [client.post(repository.uploads, content_length="0")]
    location = seen[0].header("Location")
    if location:
        seen.append(client.patch(location, content, content_type="application/octet-stream"))
        target = with_query(location, digest=digest_of(content))
        seen.append(client.put(target, b"", content_length="0"))
    body = index_manifest([], unique=content.hex())
    seen.append(client.put(repository.manifest(digest_of(body)), body, content_type=OCI_INDEX))
    return {answer.status for answer in seen}
