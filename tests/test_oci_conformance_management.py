"""OCI distribution specification, category Content Management: deletion of tags, manifests and blobs."""

import json
import uuid

import pytest

from harness.registry_client import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    RegistryClient,
    new_repository,
    random_content,
)

pytestmark = pytest.mark.every_store

ABSENT = "sha256:" + "0" * 64


def tags_of(repository):
    return repository.client.get(repository.tags).expect(200).json()["tags"]


class TestDeletingTags:
    def test_one_of_two(self, wharf):
        """Deleting tags: 202, the tag is gone, and what another tag names stays."""
        repository = new_repository(wharf)
        image = repository.push_image("v1")
        repository.push_manifest(image.body, "v2")
        repository.client.delete(repository.manifest("v1")).expect(202)
        repository.pull("v1").expect_error(404, "MANIFEST_UNKNOWN")
        repository.client.head(repository.manifest("v1")).expect(404)
        assert repository.pull("v2").expect(200).body == image.body
        assert repository.pull(image.digest).expect(200).body == image.body
        assert tags_of(repository) == ["v2"]

    def test_the_only_one(self, wharf):
        """Deleting tags: the tag is gone; in ECR the last tag takes its image along."""
        repository = new_repository(wharf)
        image = repository.push_image("v1")
        repository.client.delete(repository.manifest("v1")).expect(202)
        repository.pull("v1").expect(404)
        repository.pull(image.digest).expect(404)
        assert tags_of(repository) == []

    def test_absent_tag(self, wharf):
        """Endpoints end-9: 404 for a tag that does not exist."""
        repository = new_repository(wharf)
        repository.push_image("v1")
        repository.client.delete(repository.manifest("v2")).expect_error(404, "MANIFEST_UNKNOWN")
        assert tags_of(repository) == ["v1"]

    def test_a_deleted_tag_can_be_pushed_again(self, wharf):
        """Deleting tags: a name that is free again can be given again."""
        repository = new_repository(wharf)
        repository.push_image("v1")
        repository.client.delete(repository.manifest("v1")).expect(202)
        image = repository.push_image("v1")
        assert repository.pull("v1").expect(200).body == image.body


class TestDeletingManifests:
    @pytest.mark.parametrize("tags", [[], ["v1"], ["v1", "v2", "v3"]], ids=["no tag", "one tag", "three tags"])
    def test_by_digest(self, wharf, tags):
        """Deleting Manifests: 202; then neither the digest nor a tag that named it is found."""
        repository = new_repository(wharf)
        image, other = repository.push_image(), repository.push_image("other")
        for tag in tags:
            repository.push_manifest(image.body, tag)
        repository.client.delete(repository.manifest(image.digest)).expect(202)
        for reference in [image.digest, *tags]:
            repository.pull(reference).expect_error(404, "MANIFEST_UNKNOWN")
            repository.client.head(repository.manifest(reference)).expect(404)
        assert tags_of(repository) == ["other"]
        assert repository.pull("other").expect(200).body == other.body

    def test_absent_manifest(self, wharf):
        """Endpoints end-9: 404 for a manifest that does not exist, also for one deleted a moment ago."""
        repository = new_repository(wharf)
        image = repository.push_image("v1")
        repository.client.delete(repository.manifest(ABSENT)).expect_error(404, "MANIFEST_UNKNOWN")
        repository.client.delete(repository.manifest(image.digest)).expect(202)
        repository.client.delete(repository.manifest(image.digest)).expect_error(404, "MANIFEST_UNKNOWN")

    @pytest.mark.parametrize("reference", ["v1", ABSENT], ids=["tag", "digest"])
    def test_absent_repository(self, wharf, reference):
        """Deleting Manifests: 404 for a repository that does not exist."""
        client = RegistryClient(wharf.host, wharf.authorization)
        answer = client.delete(f"/v2/absent/{uuid.uuid4().hex}/manifests/{reference}")
        answer.expect_error(404, "NAME_UNKNOWN")

    @pytest.mark.parametrize("reference", ["sha256:abc", "-bad", "md5:" + "0" * 32])
    def test_reference_that_is_none(self, wharf, reference):
        """Endpoints end-9: refused, and nothing is deleted."""
        repository = new_repository(wharf)
        repository.push_image("v1")
        repository.client.delete(repository.manifest(reference)).expect(400, 404)
        assert tags_of(repository) == ["v1"]

    @pytest.mark.parametrize(
        ("index_type", "child_type"), [(OCI_INDEX, OCI_MANIFEST), (DOCKER_LIST, DOCKER_MANIFEST)], ids=["index", "list"]
    )
    def test_child_of_a_list(self, wharf, index_type, child_type):
        """Deleting Manifests: what a list needs is refused with 400, as the path knows DELETE, until the list is gone."""
        repository = new_repository(wharf)
        child = repository.push_image(media_type=child_type)
        parent = repository.push_index([child], "multi", index_type)
        answer = repository.client.delete(repository.manifest(child.digest))
        answer.expect_error(400, "UNSUPPORTED")
        assert answer.header("Allow") is None, repr(answer)
        assert answer.messages == [f"Requested image referenced by manifest list: [{parent.digest}]"]
        assert repository.pull(child.digest).expect(200).body == child.body
        repository.client.delete(repository.manifest(parent.digest)).expect(202)
        repository.client.delete(repository.manifest(child.digest)).expect(202)

    def test_a_subject_can_be_deleted(self, wharf):
        """Deleting Manifests: a referrer does not hold its subject."""
        repository = new_repository(wharf)
        subject = repository.push_image("v1")
        artifact = repository.push_artifact(subject.descriptor, "a/b")
        repository.client.delete(repository.manifest(subject.digest)).expect(202)
        repository.pull(subject.digest).expect(404)
        assert repository.pull(artifact.digest).expect(200).body == artifact.body

    def test_an_image_that_shares_layers_stays_whole(self, wharf):
        """Deleting Manifests: deletion of one image takes nothing from another."""
        repository = new_repository(wharf)
        image = repository.push_image("v1")
        document = json.loads(image.body)
        document["annotations"] = {"second": "image"}
        second = json.dumps(document).encode()
        repository.push_manifest(second, "v2")
        repository.client.delete(repository.manifest(image.digest)).expect(202)
        assert repository.pull("v2").expect(200).body == second
        for entry in [document["config"], *document["layers"]]:
            repository.client.get(repository.blob(entry["digest"])).expect(200)


class TestDeletingBlobs:
    def test_delete(self, wharf):
        """Deleting Blobs: 202 and gone; or, where that is disabled as in ECR, 400 or 405 and still there."""
        repository = new_repository(wharf)
        content = random_content()
        digest = repository.push_blob(content)
        answer = repository.client.delete(repository.blob(digest)).expect(202, 400, 405)
        if answer.status == 202:
            repository.client.get(repository.blob(digest)).expect_error(404, "BLOB_UNKNOWN")
        else:
            assert answer.codes == ["UNSUPPORTED"]
            assert repository.client.get(repository.blob(digest)).expect(200).body == content

    def test_absent_blob(self, wharf):
        """Deleting Blobs: 404 for what is not there, or the answer of a registry that deletes no blobs."""
        repository = new_repository(wharf)
        repository.client.delete(repository.blob(ABSENT)).expect(404, 400, 405)

    def test_a_layer_in_use_stays(self, wharf):
        """Deleting Blobs: an image that can be listed can be pulled whole, whatever was asked."""
        repository = new_repository(wharf)
        image = repository.push_image("v1")
        layer = json.loads(image.body)["layers"][0]["digest"]
        repository.client.delete(repository.blob(layer)).expect(202, 400, 405)
        repository.pull("v1").expect(200)
        repository.client.get(repository.blob(layer)).expect(200)
