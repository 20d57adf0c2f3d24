"""OCI distribution specification, category Push: manifests in every form, their limits, tags, subjects."""

import json
import uuid

import pytest

from harness.registry_client import (
    ANY_MANIFEST,
    DOCKER_LIST,
    EMPTY_JSON,
    OCI_INDEX,
    OCI_MANIFEST,
    RegistryClient,
    digest_of,
    image_manifest,
    index_manifest,
    new_repository,
    random_content,
)

pytestmark = pytest.mark.every_store

ABSENT = "sha256:" + "0" * 64
MANIFEST_LIMIT = 4 * 1024 * 1024


def expect_pullable(repository, answer, content):
    """The Location of a created thing gives the thing."""
    assert answer.header("Location"), repr(answer)
    assert repository.client.get(answer.header("Location"), accept=ANY_MANIFEST).expect(200).body == content


class TestPushingManifests:
    @pytest.mark.parametrize("by", ["tag", "digest"])
    def test_push(self, wharf, by):
        """Pushing Manifests: 201, a pullable Location, the digest of the bytes."""
        repository = new_repository(wharf)
        image = repository.push_image()
        reference = "v1" if by == "tag" else image.digest
        answer = repository.push_manifest(image.body, reference)
        assert answer.header("Docker-Content-Digest") == image.digest
        expect_pullable(repository, answer, image.body)

    def test_exact_bytes(self, wharf):
        """Pushing Manifests: stored byte for byte: order, spacing, escapes and unknown members stay."""
        repository = new_repository(wharf)
        image = repository.push_image()
        document = json.loads(image.body)
        document["annotations"] = {"z": "\u00e9\u2028/", "a": ""}
        document["unknownMember"] = [1.50, 1e3, None, {"b": 1, "a": 2}]
        for number, body in enumerate(
            [
                b"  \n\t" + json.dumps(document).encode() + b"\n\n ",
                json.dumps(document, ensure_ascii=False, indent=7).encode(),
                json.dumps(document, sort_keys=True, separators=(",", ":")).encode().replace(b"/", b"\\/"),
            ]
        ):
            repository.push_manifest(body, f"v{number}")
            assert repository.pull(f"v{number}").expect(200).body == body
            assert repository.pull(digest_of(body)).expect(200).body == body

    def test_no_layers(self, wharf):
        """Pushing Manifests: the list of blobs may be empty."""
        repository = new_repository(wharf)
        repository.push_blob(EMPTY_JSON)
        repository.push_manifest(image_manifest(EMPTY_JSON, []), "v1")
        repository.push_manifest(index_manifest([]), "v2", OCI_INDEX)

    @pytest.mark.parametrize("parameters", ["; charset=utf-8", ";charset=UTF-8;x=y", " "])
    def test_parameters_of_the_content_type(self, wharf, parameters):
        """Pushing Manifests, Pulling manifests: parameters on the Content-Type are ignored and not given back."""
        repository = new_repository(wharf)
        image = repository.push_image()
        repository.push_manifest(image.body, "v1", OCI_MANIFEST + parameters)
        assert repository.pull("v1").expect(200).header("Content-Type") == OCI_MANIFEST

    def test_content_type_of_a_manifest_without_media_type(self, wharf):
        """Pushing Manifests: mediaType is a SHOULD; without it the Content-Type tells, and comes back."""
        repository = new_repository(wharf)
        document = json.loads(repository.push_image().body)
        del document["mediaType"]
        body = json.dumps(document).encode()
        repository.push_manifest(body, "v1", OCI_MANIFEST)
        answer = repository.pull("v1").expect(200)
        assert (answer.header("Content-Type"), answer.body) == (OCI_MANIFEST, body)

    def test_no_content_type_at_all(self, wharf):
        """Pushing Manifests: the Content-Type is a SHOULD of clients; mediaType of the manifest can stand for it."""
        repository = new_repository(wharf)
        image = repository.push_image()
        repository.client.put(repository.manifest("v1"), image.body).expect(201)
        assert repository.pull("v1").expect(200).header("Content-Type") == OCI_MANIFEST

    def test_no_type_anywhere(self, wharf):
        """Error Codes: a manifest of no known type is invalid."""
        repository = new_repository(wharf)
        document = json.loads(repository.push_image().body)
        del document["mediaType"]
        body = json.dumps(document).encode()
        repository.client.put(repository.manifest("v1"), body).expect_error(400, "MANIFEST_INVALID")

    @pytest.mark.parametrize("kind", ["sha256 of other bytes", "short", "unsupported"])
    def test_wrong_digest(self, wharf, kind):
        """Pushing Manifests: the digest of the path must be that of the bytes."""
        repository = new_repository(wharf)
        image = repository.push_image()
        body = image.body + b"\n"
        reference = {"sha256 of other bytes": image.digest, "short": "sha256:abc", "unsupported": "md5:" + "0" * 32}[
            kind
        ]
        answer = repository.client.put(repository.manifest(reference), body, content_type=OCI_MANIFEST)
        answer.expect_error(400, "DIGEST_INVALID", "MANIFEST_INVALID")
        repository.client.head(repository.manifest(digest_of(body))).expect(404)

    def test_by_sha512_digest(self, wharf):
        """Pushing Manifests: under a sha512 digest, taken and pullable, or refused as an unsupported algorithm."""
        repository = new_repository(wharf)
        body = repository.push_image().body + b"\n"
        digest = digest_of(body, "sha512")
        answer = repository.client.put(repository.manifest(digest), body, content_type=OCI_MANIFEST).expect(201, 400)
        pulled = repository.pull(digest)
        if answer.status == 201:
            assert answer.header("Docker-Content-Digest") == digest
            assert pulled.expect(200).body == body
        else:
            answer.expect_error(400, "DIGEST_INVALID", "UNSUPPORTED")
            pulled.expect(400, 404)

    BAD_TAGS = {"129 characters": "a" * 129, "dash first": "-a", "dot first": ".a", "plus": "a+b", "at": "a@b"}

    @pytest.mark.parametrize("tag", BAD_TAGS.values(), ids=BAD_TAGS.keys())
    def test_bad_tag(self, wharf, tag):
        """Pulling manifests (tag grammar): nothing else can be pushed as a tag."""
        repository = new_repository(wharf)
        image = repository.push_image()
        answer = repository.client.put(repository.manifest(tag), image.body, content_type=OCI_MANIFEST)
        answer.expect(400, 404)
        assert repository.client.get(repository.tags).expect(200).json()["tags"] == []

    @pytest.mark.parametrize("tag", ["a", "_", "A.b-c_D", "9" * 128, "sha256-" + "0" * 64])
    def test_good_tag(self, wharf, tag):
        """Pulling manifests (tag grammar): the whole grammar works, up to 128 characters."""
        repository = new_repository(wharf)
        image = repository.push_image(tag)
        assert repository.pull(tag).expect(200).body == image.body

    def test_a_tag_moves(self, wharf):
        """Pushing Manifests: a tag names the manifest pushed last; the older one stays by its digest."""
        repository = new_repository(wharf)
        old, new = repository.push_image("v1"), repository.push_image("v1")
        assert repository.pull("v1").expect(200).body == new.body
        assert repository.pull(old.digest).expect(200).body == old.body

    def test_pushing_the_same_again(self, wharf):
        """Pushing Manifests: the same manifest under the same tag succeeds again."""
        repository = new_repository(wharf)
        image = repository.push_image("v1")
        for reference in ("v1", image.digest, "v2"):
            repository.push_manifest(image.body, reference)
        assert repository.client.get(repository.tags).expect(200).json()["tags"] == ["v1", "v2"]

    @pytest.mark.parametrize("missing", ["config", "layer", "one of the layers"])
    def test_missing_blob(self, wharf, missing):
        """Push: a manifest that is refused for a missing blob is refused with MANIFEST_BLOB_UNKNOWN. ECR refuses it."""
        repository = new_repository(wharf)
        config, first, second = random_content(), random_content(), random_content()
        absent = {"config": config, "layer": first, "one of the layers": second}[missing]
        for content in (config, first, second):
            if content is not absent:
                repository.push_blob(content)
        body = image_manifest(config, [first] if missing != "one of the layers" else [first, second])
        answer = repository.client.put(repository.manifest("v1"), body, content_type=OCI_MANIFEST)
        answer.expect_error((400, 404), "MANIFEST_BLOB_UNKNOWN")
        assert digest_of(absent) in answer.messages[0]
        repository.pull("v1").expect(404)

    @pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST], ids=["index", "list"])
    def test_missing_child(self, wharf, media_type):
        """Push: the same for an index whose manifest is missing; the text is ECR's."""
        repository = new_repository(wharf)
        child = new_repository(wharf).push_image()
        body = index_manifest([child.descriptor], media_type)
        answer = repository.client.put(repository.manifest("v1"), body, content_type=media_type)
        answer.expect_error((400, 404), "MANIFEST_BLOB_UNKNOWN")
        assert answer.messages == [
            f"Images with digests '[{child.digest}]' required for pushing image into repository with name "
            f"'{repository.name}' in the registry with id '{wharf.account}' do not exist"
        ]

    def test_foreign_layers_need_not_exist(self, wharf):
        """Push: descriptors with urls name content that lives elsewhere."""
        repository = new_repository(wharf)
        document = json.loads(repository.push_image().body)
        document["layers"].append(
            {
                "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                "digest": ABSENT,
                "size": 10,
                "urls": ["https://example.com/layer"],
            }
        )
        repository.push_manifest(json.dumps(document).encode(), "v1")

    def test_absent_repository(self, wharf):
        """Endpoints end-7a: 404 for a repository that does not exist."""
        client = RegistryClient(wharf.host, wharf.authorization)
        target = f"/v2/absent/{uuid.uuid4().hex}/manifests/v1"
        client.put(target, index_manifest([]), content_type=OCI_INDEX).expect_error(404, "NAME_UNKNOWN")

    def padded(self, repository, size):
        """A manifest of exactly `size` bytes."""
        document = json.loads(repository.push_image().body)
        document["annotations"] = {"padding": ""}
        document["annotations"]["padding"] = "x" * (size - len(json.dumps(document)))
        body = json.dumps(document).encode()
        assert len(body) == size
        return body

    def test_largest_manifest(self, wharf):
        """Pushing Manifests: at least 4 megabytes can be pushed; ECR's limit is 4 MiB."""
        repository = new_repository(wharf)
        body = self.padded(repository, MANIFEST_LIMIT)
        repository.push_manifest(body, "v1")
        assert repository.pull("v1").expect(200).body == body

    @pytest.mark.parametrize("size", [MANIFEST_LIMIT + 1, 2 * MANIFEST_LIMIT])
    def test_too_large_manifest(self, wharf, size):
        """Pushing Manifests: over the limit the answer is 413."""
        repository = new_repository(wharf)
        body = self.padded(repository, size)
        repository.client.put(repository.manifest("v1"), body, content_type=OCI_MANIFEST).expect(413)
        repository.pull("v1").expect(404)

    def test_tags_of_the_query(self, wharf):
        """Pushing Manifests (tag parameters): a registry may take them; OCI-Tag names those taken, and no other exists."""
        repository = new_repository(wharf)
        image = repository.push_image()
        asked = [f"t{number}" for number in range(10)]
        target = repository.manifest(image.digest) + "?" + "&".join(f"tag={tag}" for tag in asked)
        answer = repository.client.put(target, image.body, content_type=OCI_MANIFEST).expect(201)
        taken = [tag.strip() for value in answer.all("OCI-Tag") for tag in value.split(",")]
        assert taken in ([], asked), "a registry that takes them should take at least ten"
        assert repository.client.get(repository.tags).expect(200).json()["tags"] == sorted(taken)


class TestSubjects:
    @pytest.mark.parametrize("exists", [True, False], ids=["subject exists", "subject comes later"])
    def test_subject_of_an_image_manifest(self, wharf, exists):
        """Pushing Manifests with Subject: taken in either order, and OCI-Subject says that it was understood."""
        repository = new_repository(wharf)
        subject = (repository if exists else new_repository(wharf)).push_image("v1")
        repository.push_blob(EMPTY_JSON)
        body = image_manifest(EMPTY_JSON, [EMPTY_JSON], subject=subject.descriptor)
        answer = repository.push_manifest(body)
        assert answer.header("OCI-Subject") == subject.digest

    def test_subject_of_an_index(self, wharf):
        """Pushing Manifests with Subject: an index can have a subject too."""
        repository = new_repository(wharf)
        subject = repository.push_image("v1")
        answer = repository.push_manifest(index_manifest([], subject=subject.descriptor), None, OCI_INDEX)
        assert answer.header("OCI-Subject") == subject.digest

    def test_no_subject(self, wharf):
        """Pushing Manifests with Subject: without a subject there is no such header."""
        repository = new_repository(wharf)
        image = repository.push_image()
        assert repository.push_manifest(image.body, "v1").header("OCI-Subject") is None
