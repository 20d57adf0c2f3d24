"""OCI distribution specification, "Pushing Manifests": a push by digest that gives its image several tags at once."""

import json

import pytest

from harness.ecr_client import Ecr
from harness.registry_client import (
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    digest_of,
    image_manifest,
    index_manifest,
    new_repository,
)
from harness.server import wait_for

TAGS = ["1.2.3", "1.2", "1", "latest", *(f"t{number}" for number in range(10))]


def push(repository, body, *tags, reference=None, media_type=OCI_MANIFEST):
    query = "&".join(f"tag={tag}" for tag in tags)
    target = f"{repository.manifest(reference or digest_of(body))}?{query}"
    return repository.client.put(target, body, content_type=media_type)


def given(answer):
    """The tags that the answer names, which may be one to a header or several."""
    return [tag.strip() for value in answer.all("OCI-Tag") for tag in value.split(",")]


def tags_of(repository):
    return repository.client.get(repository.tags).expect(200).json()["tags"] or []


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_all_at_once(wharf, algorithm):
    """More than ten tags: each is there, and named in OCI-Tag; the Location is the digest's."""
    repository = new_repository(wharf)
    body = repository.push_image("other").body + b"\n"
    digest = digest_of(body, algorithm)
    answer = push(repository, body, *TAGS, reference=digest).expect(201)
    assert given(answer) == TAGS
    assert answer.header("Docker-Content-Digest") == digest
    assert answer.header("Location").endswith(digest)
    assert sorted(tags_of(repository)) == sorted([*TAGS, "other"])
    for tag in TAGS:
        pulled = repository.pull(tag).expect(200)
        assert (pulled.body, pulled.header("Docker-Content-Digest")) == (body, digest)


def test_without_tags(wharf):
    """A push without the parameter has no such header, by tag or by digest; other parameters are nobody's."""
    repository = new_repository(wharf)
    image = repository.push_image()
    assert repository.push_manifest(image.body, "v1").all("OCI-Tag") == []
    assert repository.push_manifest(image.body).all("OCI-Tag") == []
    target = f"{repository.manifest(image.digest)}?tags=a&x=tag"
    answer = repository.client.put(target, image.body, content_type=OCI_MANIFEST).expect(201)
    assert answer.all("OCI-Tag") == [] and tags_of(repository) == ["v1"]


def test_again(wharf):
    """The same again, a tag twice, one more, and one that moves from another image."""
    repository = new_repository(wharf)
    first, second = repository.push_image("latest"), repository.push_image()
    for _ in range(2):
        assert given(push(repository, second.body, "v1", "v1", "v2").expect(201)) == ["v1", "v2"]
    assert given(push(repository, second.body, "v2", "v3", "latest").expect(201)) == ["v2", "v3", "latest"]
    assert tags_of(repository) == ["latest", "v1", "v2", "v3"]
    assert repository.pull("latest").expect(200).body == second.body
    assert repository.pull(first.digest).expect(200).body == first.body


BAD_TAGS = {
    "empty": "",
    "a dash first": "-a",
    "a slash": "a/b",
    "a space": "a%20b",
    "too long": "a" * 129,
    "a plus": "a+b",
}


@pytest.mark.parametrize("bad", BAD_TAGS.values(), ids=BAD_TAGS.keys())
def test_a_bad_tag(wharf, bad):
    """A text that is no tag: 400, and nothing is pushed."""
    repository = new_repository(wharf)
    body = repository.push_image("other").body + b"\n"
    push(repository, body, "v1", bad).expect_error(400, "TAG_INVALID")
    repository.pull(digest_of(body)).expect(404)
    assert tags_of(repository) == ["other"]


def test_too_many(wharf):
    """More tags than a push may give: 414, and nothing is pushed."""
    repository = new_repository(wharf)
    image = repository.push_image()
    push(repository, image.body, *(f"t{number}" for number in range(100))).expect(201)
    push(repository, image.body, *(f"u{number}" for number in range(101))).expect_error(414, "UNSUPPORTED")
    assert len(repository.client.get(f"{repository.tags}?n=1000").json()["tags"]) == 100


def test_beside_a_tag(wharf):
    """The parameter goes with a digest; beside a tag it is refused rather than ignored."""
    repository = new_repository(wharf)
    image = repository.push_image()
    answer = push(repository, image.body, "v2", reference="v1").expect_error(400, "UNSUPPORTED")
    assert "by digest" in answer.messages[0]
    assert tags_of(repository) == []


def test_another_digest(wharf):
    """A digest that is not the manifest's: refused, and no tag is given."""
    repository = new_repository(wharf)
    image = repository.push_image()
    push(repository, image.body, "v1", reference="sha256:" + "0" * 64).expect_error(400, "DIGEST_INVALID")
    assert tags_of(repository) == []


def test_immutable_tags(wharf):
    """One tag that may not move keeps all from being given."""
    repository = new_repository(wharf)
    taken = repository.push_image("v1")
    wharf.client().put_image_tag_mutability(repositoryName=repository.name, imageTagMutability="IMMUTABLE")
    body = taken.body + b"\n"
    answer = push(repository, body, "v0", "v1", "v2").expect_error(400, "TAG_INVALID")
    assert "'v1' already exists" in answer.messages[0]
    repository.pull(digest_of(body)).expect(404)
    assert tags_of(repository) == ["v1"]
    assert given(push(repository, body, "v0", "v2").expect(201)) == ["v0", "v2"]
    assert tags_of(repository) == ["v0", "v1", "v2"]


def test_tags_per_image(fresh_wharf):
    """The quota counts all tags of the image; a push beyond it gives none."""
    fresh_wharf.stop()
    fresh_wharf.config = "[quotas]\ntags_per_image = 3\n"
    fresh_wharf.start()
    repository = new_repository(fresh_wharf)
    image = repository.push_image("v1")
    push(repository, image.body, "v2", "v3", "v4").expect_error(403, "DENIED")
    assert tags_of(repository) == ["v1"]
    push(repository, image.body, "v2", "v3").expect(201)


def test_records(wharf):
    """Each tag is a push of its own in LookupEvents, as the API has a call for each."""
    repository = new_repository(wharf)
    image = repository.push_image()
    push(repository, image.body, "v1", "v2").expect(201)
    client = wharf.client("cloudtrail")
    wanted = [{"AttributeKey": "ResourceName", "AttributeValue": repository.name}]

    def pushed():
        events = client.lookup_events(LookupAttributes=wanted)["Events"]
        records = [json.loads(event["CloudTrailEvent"]) for event in events if event["EventName"] == "PutImage"]
        return {record["requestParameters"].get("imageTag") for record in records}

    wait_for(lambda: {"v1", "v2"} <= pushed(), "records of both tags")


class TestCacheOfBuildKit:
    """BuildKit's cache export writes an index of layers unless it is told otherwise; the refusal says what to set."""

    CONFIG = "application/vnd.buildkit.cacheconfig.v0"

    def index(self, repository):
        layer, config = b"a layer of a cache", b'{"layers": []}'
        for content in (layer, config):
            repository.push_blob(content)
        image = json.loads(image_manifest(config, [layer], config_type=self.CONFIG))
        return index_manifest([*image["layers"], image["config"]], OCI_INDEX)

    SAYS = "add image-manifest=true,oci-mediatypes=true to --cache-to"

    def test_registry(self, wharf):
        """ECR answers 400."""
        repository = new_repository(wharf)
        target, body = repository.manifest("cache"), self.index(repository)
        answer = repository.client.put(target, body, content_type=OCI_INDEX).expect_error(400, "MANIFEST_INVALID")
        assert self.SAYS in answer.messages[0]

    def test_api(self, wharf):
        """PutImage: an exception of the model."""
        repository = new_repository(wharf)
        body = self.index(repository).decode()
        error = Ecr(wharf).refuse(
            "PutImage", "ReferencedImagesNotFoundException", repositoryName=repository.name, imageManifest=body
        )
        assert self.SAYS in error["message"]

    def test_as_an_image(self, wharf):
        """What BuildKit writes with that setting is taken."""
        repository = new_repository(wharf)
        layer, config = b"a layer of a cache", b'{"layers": []}'
        for content in (layer, config):
            repository.push_blob(content)
        repository.push_manifest(image_manifest(config, [layer], config_type=self.CONFIG), "cache")

    def test_images_that_are_missing(self, wharf):
        """An index of images that are not there is another fault."""
        repository = new_repository(wharf)
        absent = {"mediaType": DOCKER_MANIFEST, "digest": "sha256:" + "0" * 64, "size": 1}
        answer = repository.client.put(repository.manifest("v1"), index_manifest([absent]), content_type=OCI_INDEX)
        answer.expect_error((400, 404), "MANIFEST_BLOB_UNKNOWN")
        assert "buildkit" not in answer.messages[0].lower()
