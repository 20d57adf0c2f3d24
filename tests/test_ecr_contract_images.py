"""How the ECR API behaves for images: pushing, tags that move, reading, listing, deleting, referrers."""

import json

import pytest

from harness.ecr_client import Ecr
from harness.registry_client import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    digest_of,
    index_manifest,
)
from harness.server import wait_for

pytestmark = pytest.mark.every_store

ABSENT = "sha256:" + "0" * 64
INVALID = "InvalidParameterException"
NOT_FOUND = "Requested image not found"
NO_MANIFEST = "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
BOTH_NULL = "Invalid request parameters: both tag and digest cannot be null"
BAD_DIGEST = "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"


@pytest.fixture(scope="module")
def ecr(wharf):
    return Ecr(wharf)


def failures(answer):
    return [(entry["imageId"], entry["failureCode"], entry["failureReason"]) for entry in answer["failures"]]


class TestPutImage:
    def test_answer(self, ecr):
        """PutImage: the image with digest, tag, manifest and type; byte for byte what was sent."""
        name = ecr.repository()
        image = ecr.manifest(name)
        odd = image.body.decode().replace('"schemaVersion"', '\n  "schemaVersion"') + "\n\n"
        answer = ecr.call("PutImage", repositoryName=name, imageManifest=odd, imageTag="v1")["image"]
        assert answer == {
            "registryId": ecr.account,
            "repositoryName": name,
            "imageId": {"imageDigest": digest_of(odd.encode()), "imageTag": "v1"},
            "imageManifest": odd,
            "imageManifestMediaType": OCI_MANIFEST,
        }

    def test_without_a_tag(self, ecr):
        """PutImage: then the answer has no tag either."""
        name = ecr.repository()
        image = ecr.manifest(name)
        assert ecr.put(name, image)["imageId"] == {"imageDigest": image.digest}

    def test_a_second_tag(self, ecr):
        """PutImage: a new tag on a digest that is there adds the tag; it stays one image with its push time."""
        name = ecr.repository()
        image = ecr.image(name, "v1")
        before = ecr.details(name)[image.digest]
        ecr.put(name, image, "v2")
        after = ecr.details(name)
        assert list(after) == [image.digest]
        assert sorted(after[image.digest].pop("imageTags")) == ["v1", "v2"]
        del before["imageTags"]
        assert after[image.digest] == before

    def test_a_moved_tag_leaves_the_image(self, ecr):
        """PutImage: the old image keeps existing without a tag, and can be had by its digest."""
        name = ecr.repository()
        old, new = ecr.image(name, "v1"), ecr.image(name, "v1")
        assert ecr.image_ids(name) == {(old.digest, None), (new.digest, "v1")}
        (found,) = ecr.call("BatchGetImage", repositoryName=name, imageIds=[{"imageDigest": old.digest}])["images"]
        assert found["imageManifest"] == old.body.decode()
        assert "imageTags" not in ecr.details(name)[old.digest]

    def test_the_same_without_a_tag(self, ecr):
        """PutImage, step 6: an image that is there and no tag asked is ImageAlreadyExistsException."""
        name = ecr.repository()
        image = ecr.image(name, "v1")
        ecr.refuse("PutImage", "ImageAlreadyExistsException", repositoryName=name, imageManifest=image.body.decode())

    @pytest.mark.parametrize("media_type", [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST])
    def test_media_types(self, ecr, media_type):
        """PutImage: the type comes from the manifest, or from the parameter when the manifest has none."""
        name = ecr.repository()
        if media_type in (OCI_INDEX, DOCKER_LIST):
            document = json.loads(index_manifest([ecr.image(name).descriptor], media_type))
        else:
            document = json.loads(ecr.manifest(name, media_type).body)
        image = ecr.call("PutImage", repositoryName=name, imageManifest=json.dumps(document), imageTag="v1")["image"]
        assert image["imageManifestMediaType"] == media_type
        del document["mediaType"]
        plain = {"repositoryName": name, "imageManifest": json.dumps(document), "imageTag": "v2"}
        image = ecr.call("PutImage", **plain, imageManifestMediaType=media_type)["image"]
        assert image["imageManifestMediaType"] == media_type
        assert ecr.details(name)[image["imageId"]["imageDigest"]]["imageManifestMediaType"] == media_type

    def test_no_media_type(self, ecr):
        """PutImage, step 2: a type in neither place is an invalid parameter."""
        name = ecr.repository()
        document = json.loads(ecr.manifest(name).body)
        del document["mediaType"]
        ecr.refuse("PutImage", INVALID, NO_MANIFEST, repositoryName=name, imageManifest=json.dumps(document))

    @pytest.mark.parametrize("media_type", ["application/vnd.cncf.helm.config.v1+json", OCI_CONFIG, "text/plain", "a"])
    def test_a_media_type_that_is_no_manifests(self, ecr, media_type):
        """PutImage, step 2: the same, inside the manifest or beside it."""
        name = ecr.repository()
        document = json.loads(ecr.manifest(name).body)
        document["mediaType"] = media_type
        ecr.refuse("PutImage", INVALID, NO_MANIFEST, repositoryName=name, imageManifest=json.dumps(document))
        del document["mediaType"]
        beside = {"imageManifest": json.dumps(document), "imageManifestMediaType": media_type}
        message = None if media_type == "a" else NO_MANIFEST
        ecr.refuse("PutImage", INVALID, message, repositoryName=name, **beside)
        assert ecr.image_ids(name) == set()

    BAD_TAGS = ["", "-a", ".a", "a b", "a/b", "a:b", "é", "a" * 129, "a" * 301]

    @pytest.mark.parametrize("tag", BAD_TAGS, ids=lambda tag: repr(tag[:8]))
    def test_bad_tag(self, ecr, tag):
        """reference/repositories-images.md 1: what the registry could not address as a tag is no tag."""
        name = ecr.repository()
        image = ecr.manifest(name)
        ecr.refuse("PutImage", INVALID, repositoryName=name, imageManifest=image.body.decode(), imageTag=tag)
        assert ecr.image_ids(name) == set()

    def test_pushed_by_api_and_pulled_by_registry(self, ecr, wharf):
        """An image put through the API is an image of the registry, and the reverse."""
        name = ecr.repository()
        repository = Repository(RegistryClient(wharf.host, wharf.authorization), name)
        image = ecr.image(name, "api")
        assert repository.pull("api").expect(200).body == image.body
        for entry in json.loads(image.body)["layers"]:
            repository.client.get(repository.blob(entry["digest"])).expect(200)
        pushed = repository.push_image("registry")
        (found,) = ecr.call("BatchGetImage", repositoryName=name, imageIds=[{"imageTag": "registry"}])["images"]
        assert found["imageManifest"] == pushed.body.decode()


class TestBatchGetImage:
    def test_order_and_identifiers(self, ecr):
        """BatchGetImage: in the order of the request; the tag is told only to who asked by tag."""
        name = ecr.repository()
        first, second = ecr.image(name, "v1"), ecr.image(name, "v2")
        ids = [
            {"imageTag": "v2"},
            {"imageDigest": first.digest},
            {"imageTag": "v1", "imageDigest": first.digest},
        ]
        images = ecr.call("BatchGetImage", repositoryName=name, imageIds=ids)["images"]
        assert [entry["imageId"] for entry in images] == [
            {"imageTag": "v2", "imageDigest": second.digest},
            {"imageDigest": first.digest},
            {"imageTag": "v1", "imageDigest": first.digest},
        ]
        assert images[0]["imageManifest"] == second.body.decode()

    def test_failures(self, ecr):
        """BatchGetImage: what fails is listed with code and reason, and the rest is answered."""
        name = ecr.repository()
        image, other = ecr.image(name, "v1"), ecr.image(name, "v2")
        crossed = {"imageTag": "v1", "imageDigest": other.digest}
        ids = [{"imageTag": "absent"}, {"imageDigest": ABSENT}, {}, {"imageDigest": "bad"}, crossed, {"imageTag": "v1"}]
        answer = ecr.call("BatchGetImage", repositoryName=name, imageIds=ids)
        assert [entry["imageId"]["imageDigest"] for entry in answer["images"]] == [image.digest]
        found = failures(answer)
        assert found[:4] == [
            ({"imageTag": "absent"}, "ImageNotFound", NOT_FOUND),
            ({"imageDigest": ABSENT}, "ImageNotFound", NOT_FOUND),
            ({}, "MissingDigestAndTag", BOTH_NULL),
            ({"imageDigest": "bad"}, "InvalidImageDigest", BAD_DIGEST),
        ]
        assert found[4][:2] == (crossed, "ImageTagDoesNotMatchDigest")

    def test_bad_tag_is_a_failure(self, ecr):
        """BatchGetImage: a tag that cannot exist is InvalidImageTag, not an exception."""
        name = ecr.repository()
        ((_, code, _),) = failures(ecr.call("BatchGetImage", repositoryName=name, imageIds=[{"imageTag": "a/b"}]))
        assert code == "InvalidImageTag"

    def test_accepted_media_types(self, ecr):
        """BatchGetImage: a type that is not accepted is not found; without the list everything is accepted."""
        name = ecr.repository()
        ecr.image(name, "v1")
        ask = {"repositoryName": name, "imageIds": [{"imageTag": "v1"}]}
        assert len(ecr.call("BatchGetImage", **ask, acceptedMediaTypes=[DOCKER_MANIFEST, OCI_MANIFEST])["images"]) == 1
        answer = ecr.call("BatchGetImage", **ask, acceptedMediaTypes=[OCI_INDEX, DOCKER_LIST])
        assert answer["images"] == [] and failures(answer) == [({"imageTag": "v1"}, "ImageNotFound", NOT_FOUND)]

    @pytest.mark.parametrize("count", [0, 101])
    @pytest.mark.parametrize("operation", ["BatchGetImage", "BatchDeleteImage", "DescribeImages"])
    def test_number_of_identifiers(self, ecr, operation, count):
        """Model: 1 to 100 identifiers."""
        ids = [{"imageTag": f"t{number}"} for number in range(count)]
        ecr.refuse(operation, INVALID, repositoryName=ecr.repository(), imageIds=ids)


class TestBatchDeleteImage:
    def delete(self, ecr, name, *ids):
        return ecr.call("BatchDeleteImage", repositoryName=name, imageIds=list(ids))

    def test_one_tag_of_two(self, ecr):
        """BatchDeleteImage by tag: the tag goes, the image stays."""
        name = ecr.repository()
        image = ecr.image(name, "v1")
        ecr.put(name, image, "v2")
        assert self.delete(ecr, name, {"imageTag": "v1"})["imageIds"] == [
            {"imageDigest": image.digest, "imageTag": "v1"}
        ]
        assert ecr.image_ids(name) == {(image.digest, "v2")}

    def test_the_last_tag(self, ecr):
        """BatchDeleteImage by tag: with its last tag the image goes."""
        name = ecr.repository()
        image = ecr.image(name, "v1")
        assert self.delete(ecr, name, {"imageTag": "v1"})["imageIds"] == [
            {"imageDigest": image.digest, "imageTag": "v1"}
        ]
        assert ecr.image_ids(name) == set()

    def test_by_digest(self, ecr):
        """BatchDeleteImage by digest: the image with all its tags; one identifier for each tag, or the digest alone."""
        name = ecr.repository()
        image, untagged = ecr.image(name, "v1"), ecr.image(name)
        ecr.put(name, image, "v2")
        answer = self.delete(ecr, name, {"imageDigest": image.digest}, {"imageDigest": untagged.digest})
        assert sorted(answer["imageIds"], key=lambda entry: entry.get("imageTag", "~")) == [
            {"imageDigest": image.digest, "imageTag": "v1"},
            {"imageDigest": image.digest, "imageTag": "v2"},
            {"imageDigest": untagged.digest},
        ]
        assert ecr.image_ids(name) == set()

    def test_failures(self, ecr):
        """BatchDeleteImage: codes and reasons; what fails deletes nothing."""
        name = ecr.repository()
        ecr.image(name, "v1")
        other = ecr.image(name, "v2")
        crossed = {"imageTag": "v1", "imageDigest": other.digest}
        answer = self.delete(
            ecr, name, {"imageTag": "no"}, {"imageDigest": ABSENT}, {}, {"imageDigest": "bad"}, crossed
        )
        found = failures(answer)
        assert answer["imageIds"] == []
        assert found[:4] == [
            ({"imageTag": "no"}, "ImageNotFound", NOT_FOUND),
            ({"imageDigest": ABSENT}, "ImageNotFound", NOT_FOUND),
            ({}, "MissingDigestAndTag", BOTH_NULL),
            ({"imageDigest": "bad"}, "InvalidImageDigest", BAD_DIGEST),
        ]
        assert found[4][:2] == (crossed, "ImageTagDoesNotMatchDigest")
        assert len(ecr.image_ids(name)) == 2

    def test_twice_in_one_request(self, ecr):
        """BatchDeleteImage: the second of two equal identifiers is not found any more."""
        name = ecr.repository()
        image = ecr.image(name, "v1")
        answer = self.delete(ecr, name, {"imageTag": "v1"}, {"imageTag": "v1"})
        assert answer["imageIds"] == [{"imageDigest": image.digest, "imageTag": "v1"}]
        assert failures(answer) == [({"imageTag": "v1"}, "ImageNotFound", NOT_FOUND)]

    @pytest.mark.parametrize("by", ["digest", "last tag"])
    def test_child_of_a_list(self, ecr, by):
        """BatchDeleteImage: a list holds its children; the reason names the lists."""
        name = ecr.repository()
        child = ecr.image(name, "child")
        parents = [ecr.index(name, [child], f"multi{number}", annotations={"n": str(number)}) for number in range(2)]
        wanted = {"imageDigest": child.digest} if by == "digest" else {"imageTag": "child"}
        ((_, code, reason),) = failures(self.delete(ecr, name, wanted))
        assert code == "ImageReferencedByManifestList"
        start = "Requested image referenced by manifest list: ["
        assert reason.startswith(start) and reason.endswith("]")
        assert set(reason.removeprefix(start).removesuffix("]").split(", ")) == {parent.digest for parent in parents}
        assert (child.digest, "child") in ecr.image_ids(name)

    def test_one_tag_of_a_child_with_two(self, ecr):
        """BatchDeleteImage: a child may lose a tag while it keeps another."""
        name = ecr.repository()
        child = ecr.image(name, "child")
        ecr.put(name, child, "second")
        ecr.index(name, [child], "multi")
        assert self.delete(ecr, name, {"imageTag": "child"})["failures"] == []

    def test_list_first_then_child(self, ecr):
        """BatchDeleteImage: in one request the order counts."""
        name = ecr.repository()
        child = ecr.image(name)
        parent = ecr.index(name, [child], "multi")
        answer = self.delete(ecr, name, {"imageDigest": parent.digest}, {"imageDigest": child.digest})
        assert answer["failures"] == [] and ecr.image_ids(name) == set()


class TestListingAndDescribing:
    def test_identifiers(self, ecr):
        """ListImages: one identifier for each tag, and the digest alone of what has none; children of a list too."""
        name = ecr.repository()
        child = ecr.image(name)
        parent = ecr.index(name, [child], "multi")
        ecr.put(name, parent, "latest")
        assert ecr.image_ids(name) == {(child.digest, None), (parent.digest, "multi"), (parent.digest, "latest")}
        assert ecr.image_ids(name, filter={"tagStatus": "UNTAGGED"}) == {(child.digest, None)}
        assert ecr.image_ids(name, filter={"tagStatus": "TAGGED"}) == {
            (parent.digest, "multi"),
            (parent.digest, "latest"),
        }

    @pytest.mark.parametrize("operation", ["ListImages", "DescribeImages"])
    @pytest.mark.parametrize(("status", "count"), [("ACTIVE", 1), ("ANY", 1), ("ARCHIVED", 0), ("ACTIVATING", 0)])
    def test_filter_by_status(self, ecr, operation, status, count):
        """ListImages, DescribeImages: nothing is archived until archiving is asked for."""
        name = ecr.repository()
        ecr.image(name, "v1")
        answer = ecr.call(operation, repositoryName=name, filter={"imageStatus": status})
        assert len(answer["imageIds" if operation == "ListImages" else "imageDetails"]) == count

    @pytest.mark.parametrize("bad", [{"tagStatus": "SOME"}, {"imageStatus": "GONE"}, {"tagStatus": ""}])
    @pytest.mark.parametrize("operation", ["ListImages", "DescribeImages"])
    def test_bad_filter(self, ecr, operation, bad):
        """Model: values outside of the enum are refused."""
        ecr.refuse(operation, INVALID, repositoryName=ecr.repository(), filter=bad)

    def test_detail_of_an_image(self, ecr):
        """DescribeImages: sizes, types, status; no pull time before the first pull, no scan fields."""
        name = ecr.repository()
        image = ecr.manifest(name, layers=3)
        document = json.loads(image.body)
        ecr.put(name, image, "v1")
        detail = ecr.details(name)[image.digest]
        sizes = [entry["size"] for entry in document["layers"]]
        assert detail.pop("imageSizeInBytes") in (sum(sizes), sum(sizes) + document["config"]["size"])
        assert detail.pop("imagePushedAt") > 0
        assert detail == {
            "registryId": ecr.account,
            "repositoryName": name,
            "imageDigest": image.digest,
            "imageTags": ["v1"],
            "imageManifestMediaType": OCI_MANIFEST,
            "artifactMediaType": OCI_CONFIG,
            "imageStatus": "ACTIVE",
        }

    def test_pull_time(self, ecr):
        """DescribeImages: there after a pull."""
        name = ecr.repository()
        image = ecr.image(name, "v1")
        assert "lastRecordedPullTime" not in ecr.details(name)[image.digest]
        ecr.call("BatchGetImage", repositoryName=name, imageIds=[{"imageTag": "v1"}])
        # The node that is asked need not be the one that was pulled from, which stores the time soon.
        wait_for(lambda: "lastRecordedPullTime" in ecr.details(name)[image.digest], "the pull time")
        detail = ecr.details(name)[image.digest]
        assert detail["lastRecordedPullTime"] >= detail["imagePushedAt"]

    def test_size_of_a_list(self, ecr):
        """DescribeImages: a list is as large as its largest image, and has no artifact type."""
        name = ecr.repository()
        small, large = ecr.manifest(name), ecr.manifest(name, layers=4)
        ecr.put(name, small)
        ecr.put(name, large)
        parent = ecr.index(name, [small, large], "multi")
        details = ecr.details(name)
        assert details[parent.digest]["imageSizeInBytes"] == details[large.digest]["imageSizeInBytes"]
        assert "artifactMediaType" not in details[parent.digest]

    def test_artifact_and_subject(self, ecr):
        """DescribeImages: artifactType when stated, else the config's type; the subject of a referrer."""
        name = ecr.repository()
        subject = ecr.image(name, "v1")
        artifact = ecr.image(name, subject=subject.descriptor, artifactType="application/vnd.example.sbom")
        detail = ecr.details(name)[artifact.digest]
        assert detail["artifactMediaType"] == "application/vnd.example.sbom"
        assert detail["subjectManifestDigest"] == subject.digest
        assert "subjectManifestDigest" not in ecr.details(name)[subject.digest]

    def test_by_identifier(self, ecr):
        """DescribeImages: one entry per image asked, by tag or by digest, with all its tags."""
        name = ecr.repository()
        first, second = ecr.image(name, "v1"), ecr.image(name)
        ecr.put(name, first, "v2")
        details = ecr.details(name, imageIds=[{"imageTag": "v2"}, {"imageDigest": second.digest}])
        assert sorted(details[first.digest]["imageTags"]) == ["v1", "v2"]
        assert set(details) == {first.digest, second.digest}


class TestReferrers:
    def referrers(self, ecr, name, digest, **parameters):
        answer = ecr.call("ListImageReferrers", repositoryName=name, subjectId={"imageDigest": digest}, **parameters)
        return {entry["digest"]: entry for entry in answer["referrers"]}

    def test_members(self, ecr):
        """ListImageReferrers: digest, types, size of the manifest, annotations, status."""
        name = ecr.repository()
        subject = ecr.image(name, "v1")
        artifact = ecr.image(name, subject=subject.descriptor, artifactType="a/b", annotations={"k": "v"})
        assert self.referrers(ecr, name, subject.digest) == {
            artifact.digest: {
                "digest": artifact.digest,
                "mediaType": OCI_MANIFEST,
                "artifactType": "a/b",
                "size": len(artifact.body),
                "annotations": {"k": "v"},
                "artifactStatus": "ACTIVE",
            }
        }

    def test_filter(self, ecr):
        """ListImageReferrers: up to 5 artifact types, any of which matches."""
        name = ecr.repository()
        subject = ecr.image(name, "v1")
        made = {
            kind: ecr.image(name, subject=subject.descriptor, artifactType=kind).digest
            for kind in ("a/1", "a/2", "a/3")
        }
        for wanted, expected in ([], set(made)), (["a/1"], {"a/1"}), (["a/1", "a/3"], {"a/1", "a/3"}), (["a/4"], set()):
            found = self.referrers(ecr, name, subject.digest, filter={"artifactTypes": wanted})
            assert set(found) == {made[kind] for kind in expected}, wanted

    @pytest.mark.parametrize(
        "bad",
        [
            {"filter": {"artifactTypes": ["a/b"] * 6}},
            {"filter": {"artifactTypes": [""]}},
            {"filter": {"artifactTypes": ["a" * 256]}},
            {"filter": {"artifactStatus": "GONE"}},
            {"maxResults": 0},
            {"subjectId": {"imageDigest": "bad"}},
        ],
        ids=str,
    )
    def test_bad_parameters(self, ecr, bad):
        """Model: the limits of the request."""
        parameters = {"repositoryName": ecr.repository(), "subjectId": {"imageDigest": ABSENT}, **bad}
        ecr.refuse("ListImageReferrers", (INVALID, "ValidationException"), **parameters)

    def test_absent_subject(self, ecr):
        """ListImageReferrers: the subject need not exist."""
        assert self.referrers(ecr, ecr.repository(), ABSENT) == {}
