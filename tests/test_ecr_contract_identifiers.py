"""How operations take image identifiers that are malformed, that no image can have, or that no image has."""

import pytest

from harness.ecr_client import Ecr

pytestmark = pytest.mark.every_store

INVALID = "InvalidParameterException"
FRAME = "Invalid parameter at '{}' failed to satisfy constraint: 'must satisfy regular expression '{}''"
TAG = FRAME.format("imageTag", "[a-zA-Z0-9-_.]+")
DIGEST = FRAME.format("imageDigest", "[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+")
REQUEST = "Invalid request parameters: image {} should satisfy the regex '{}'"
ABSENT = "sha256:" + "0" * 64

MALFORMED = {
    "a colon": ({"imageTag": "a:b"}, TAG),
    "a shell's words": ({"imageTag": "$(date)-1"}, TAG),
    "a space": ({"imageTag": "a b"}, TAG),
    "a slash": ({"imageTag": "a/b"}, TAG),
    "a letter of another alphabet": ({"imageTag": "é"}, TAG),
    "no digest": ({"imageDigest": "None"}, DIGEST),
    "an empty digest": ({"imageDigest": ""}, DIGEST),
    "a digest without hex": ({"imageDigest": "sha256:xyz"}, DIGEST),
    "a digest without an algorithm": ({"imageDigest": ":" + "0" * 64}, DIGEST),
    "a tag with a bad digest": ({"imageTag": "v1", "imageDigest": "sha256:"}, DIGEST),
    "a digest with a bad tag": ({"imageTag": "a b", "imageDigest": ABSENT}, TAG),
}
# What ECR's patterns allow, though no image of a registry can have it.
IMPOSSIBLE = [
    {"imageTag": "-a"},
    {"imageTag": ".a"},
    {"imageTag": "a" * 129},
    {"imageDigest": "sha256:00"},
    {"imageDigest": "sha256:" + "AB" * 32},
    {"imageDigest": "md5:" + "0" * 32},
]
# Operations that fail as a whole, with what they take beside the identifier.
WHOLE = {
    "DescribeImages": lambda image_id: {"imageIds": [{"imageTag": "v1"}, image_id]},
    "GetLifecyclePolicyPreview": lambda image_id: {"imageIds": [{"imageTag": "v1"}, image_id]},
    "DescribeImageReplicationStatus": lambda image_id: {"imageId": image_id},
    "UpdateImageStorageClass": lambda image_id: {"imageId": image_id, "targetStorageClass": "ARCHIVE"},
}


@pytest.fixture(scope="module")
def ecr(wharf):
    return Ecr(wharf)


@pytest.fixture(scope="module")
def name(ecr):
    name = ecr.repository()
    ecr.image(name, "v1")
    return name


@pytest.mark.parametrize("operation", WHOLE)
@pytest.mark.parametrize(("image_id", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed(ecr, name, operation, image_id, message):
    """A tag or digest in no form of one is an invalid parameter: scripts take "not found" for "not built yet"."""
    ecr.refuse(operation, INVALID, message, repositoryName=name, **WHOLE[operation](image_id))


@pytest.mark.parametrize("operation", WHOLE)
def test_neither(ecr, name, operation):
    """An identifier that says nothing is an invalid parameter."""
    ecr.refuse(operation, INVALID, repositoryName=name, **WHOLE[operation]({}))


@pytest.mark.parametrize("operation", WHOLE)
def test_an_empty_or_long_tag(ecr, name, operation):
    """Model: a tag has 1 to 300 characters."""
    for tag in ("", "a" * 301):
        ecr.refuse(operation, INVALID, repositoryName=name, **WHOLE[operation]({"imageTag": tag}))


@pytest.mark.parametrize("image_id", IMPOSSIBLE, ids=lambda image_id: str(*image_id.values())[:20])
def test_what_no_image_has(ecr, name, image_id):
    """An identifier that ECR's patterns allow is looked for, and not found."""
    for operation in ("DescribeImages", "DescribeImageReplicationStatus", "UpdateImageStorageClass"):
        ecr.refuse(operation, "ImageNotFoundException", repositoryName=name, **WHOLE[operation](image_id))
    for operation in ("BatchGetImage", "BatchDeleteImage"):
        answer = ecr.call(operation, repositoryName=name, imageIds=[image_id])
        (failure,) = answer["failures"]
        assert (failure["imageId"], failure["failureCode"]) == (image_id, "ImageNotFound")


@pytest.mark.parametrize("operation", ["BatchGetImage", "BatchDeleteImage"])
def test_batches(ecr, name, operation):
    """In a batch each is a failure of its own, and the others are answered."""
    reasons = {
        TAG: ("InvalidImageTag", REQUEST.format("tag", "[a-zA-Z0-9-_.]+")),
        DIGEST: ("InvalidImageDigest", REQUEST.format("digest", "[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+")),
    }
    ids = [image_id for image_id, _ in MALFORMED.values()]
    image = ecr.image(name, "asked")
    answer = ecr.call(operation, repositoryName=name, imageIds=[*ids, {"imageTag": "asked"}])
    found = [(failure["imageId"], (failure["failureCode"], failure["failureReason"])) for failure in answer["failures"]]
    assert found == [(image_id, reasons[message]) for image_id, message in MALFORMED.values()]
    done = answer["imageIds"] if operation == "BatchDeleteImage" else [entry["imageId"] for entry in answer["images"]]
    assert done == [{"imageTag": "asked", "imageDigest": image.digest}]


def test_subjects(ecr, name):
    """ListImageReferrers: a digest in no form of one; an impossible one has no referrers."""
    for digest in ("None", "", "sha256:xyz"):
        subject = {"subjectId": {"imageDigest": digest}}
        ecr.refuse("ListImageReferrers", "ValidationException", repositoryName=name, **subject)
    subject = {"subjectId": {"imageDigest": "md5:00"}}
    assert ecr.call("ListImageReferrers", repositoryName=name, **subject)["referrers"] == []


def test_layers(ecr, name):
    """Layer digests that are malformed are an invalid parameter, or a failure of a batch; so are those of no algorithm."""
    pattern = "'must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+''"
    for digest in ("None", "sha256:xyz"):
        message = f"Invalid parameter at 'layerDigest' failed to satisfy constraint: {pattern}"
        ecr.refuse("GetDownloadUrlForLayer", INVALID, message, repositoryName=name, layerDigest=digest)
        answer = ecr.call("BatchCheckLayerAvailability", repositoryName=name, layerDigests=[digest, ABSENT])
        assert [failure["failureCode"] for failure in answer["failures"]] == ["InvalidLayerDigest"]
        upload = {"uploadId": ecr.start_upload(name), "layerDigests": [digest]}
        ecr.refuse("CompleteLayerUpload", INVALID, repositoryName=name, **upload)
    ecr.refuse("GetDownloadUrlForLayer", INVALID, repositoryName=name, layerDigest="md5:00")


def test_pushes(ecr, name):
    """PutImage: a tag or digest in no form of one, and a tag that no image can have."""
    image = ecr.manifest(name)
    for image_id, message in MALFORMED.values():
        parameters = {"imageManifest": image.body.decode(), **image_id}
        # The digest is looked at first.
        ecr.refuse("PutImage", INVALID, message, repositoryName=name, **parameters)
    for tag in ("-a", ".a", "a" * 129):
        ecr.refuse("PutImage", INVALID, repositoryName=name, imageManifest=image.body.decode(), imageTag=tag)
