"""OCI artifacts that refer to an image: signatures, lists of parts, charts. All that asks for referrers finds them."""

import json

import pytest

from harness.api_push import push_image
from harness.images import docker_image, image, write_layout
from harness.registry_client import (
    EMPTY_JSON,
    OCI_INDEX,
    OCI_MANIFEST,
    Pushed,
    digest_of,
    image_manifest,
    new_repository,
)
from harness.skopeo import Skopeo

pytestmark = pytest.mark.every_store

SIGNATURE = "application/vnd.example.signature.v1"
PARTS = "application/vnd.example.parts+json"


@pytest.fixture
def repository(wharf):
    return new_repository(wharf, "artifacts")


@pytest.fixture
def subject(wharf, repository):
    made = docker_image("artifacts subject")
    push_image(wharf.client(), repository.name, made, "v1")
    return Pushed(made.manifest, made.media_type, "v1")


def referrers(repository, digest, **query):
    target = repository.referrers(digest) + ("?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else "")
    answer = repository.client.get(target).expect(200)
    assert answer.header("Content-Type") == OCI_INDEX
    return answer, answer.json()["manifests"]


def test_both_faces_agree(wharf, repository, subject):
    """The referrers API of the registry and ListImageReferrers tell of the same artifacts."""
    first = repository.push_artifact(subject.descriptor, SIGNATURE, annotations={"by": "first"})
    second = repository.push_artifact(subject.descriptor, PARTS, annotations={"by": "second"})
    _, found = referrers(repository, subject.digest)
    by_digest = {entry["digest"]: entry for entry in found}
    assert set(by_digest) == {first.digest, second.digest}
    assert by_digest[first.digest]["artifactType"] == SIGNATURE
    assert by_digest[first.digest]["annotations"]["by"] == "first"
    assert by_digest[first.digest]["size"] == len(first.body)

    told = wharf.client().list_image_referrers(
        repositoryName=repository.name, subjectId={"imageDigest": subject.digest}
    )["referrers"]
    assert {entry["digest"] for entry in told} == {first.digest, second.digest}
    for entry in told:
        assert entry["artifactType"] == by_digest[entry["digest"]]["artifactType"]
        assert entry["annotations"] == by_digest[entry["digest"]]["annotations"]
        assert entry["size"] == by_digest[entry["digest"]]["size"]
        assert (entry["mediaType"], entry["artifactStatus"]) == (OCI_MANIFEST, "ACTIVE")


def test_subject_header(repository, subject):
    """The answer to the push names the subject, so that the client need not keep a list of its own."""
    repository.push_blob(EMPTY_JSON)
    body = image_manifest(EMPTY_JSON, [EMPTY_JSON], artifactType=SIGNATURE, subject=subject.descriptor)
    answer = repository.push_manifest(body)
    assert answer.header("OCI-Subject") == subject.digest


def test_filter(repository, subject):
    wanted = repository.push_artifact(subject.descriptor, SIGNATURE)
    repository.push_artifact(subject.descriptor, PARTS)
    answer, found = referrers(repository, subject.digest, artifactType=SIGNATURE)
    assert [entry["digest"] for entry in found] == [wanted.digest]
    assert answer.header("OCI-Filters-Applied") == "artifactType"


def test_filter_of_the_api(wharf, repository, subject):
    wanted = repository.push_artifact(subject.descriptor, SIGNATURE)
    repository.push_artifact(subject.descriptor, PARTS)
    told = wharf.client().list_image_referrers(
        repositoryName=repository.name,
        subjectId={"imageDigest": subject.digest},
        filter={"artifactTypes": [SIGNATURE]},
    )["referrers"]
    assert [entry["digest"] for entry in told] == [wanted.digest]


def test_before_its_subject(wharf, repository):
    """An artifact may come before the image that it is about."""
    made = image("artifacts late subject")
    descriptor = {"mediaType": made.media_type, "digest": made.digest, "size": len(made.manifest)}
    artifact = repository.push_artifact(descriptor, SIGNATURE)
    assert [entry["digest"] for entry in referrers(repository, made.digest)[1]] == [artifact.digest]
    push_image(wharf.client(), repository.name, made, "late")
    assert [entry["digest"] for entry in referrers(repository, made.digest)[1]] == [artifact.digest]


def test_described(wharf, repository, subject):
    """DescribeImages says what an artifact is and what it is about."""
    artifact = repository.push_artifact(subject.descriptor, SIGNATURE, tag="signature")
    (detail,) = wharf.client().describe_images(repositoryName=repository.name, imageIds=[{"imageTag": "signature"}])[
        "imageDetails"
    ]
    assert detail["imageDigest"] == artifact.digest
    assert detail["artifactMediaType"] == SIGNATURE
    assert detail["subjectManifestDigest"] == subject.digest


def test_deleted(repository, subject):
    """A deleted artifact is no referrer any more; the subject stays."""
    artifact = repository.push_artifact(subject.descriptor, SIGNATURE)
    repository.client.delete(repository.manifest(artifact.digest)).expect(202)
    assert referrers(repository, subject.digest)[1] == []
    repository.pull(subject.digest).expect(200)


def test_none(repository):
    """No referrers is an empty index, never a 404."""
    assert referrers(repository, "sha256:" + "0" * 64)[1] == []


def test_skopeo_copies_an_artifact(wharf, repository, tmp_path):
    """A client that knows only images carries an artifact with a config of its own type, byte for byte."""
    made = repository.push_artifact(None, None, config_type="application/vnd.example.chart.config.v1+json", tag="chart")
    skopeo = Skopeo(wharf)
    skopeo.copy(skopeo.image(repository.name, "chart"), f"dir:{tmp_path}/out")
    assert (tmp_path / "out/manifest.json").read_bytes() == made.body


def test_image_with_a_subject(wharf, repository, subject, tmp_path):
    """A whole image may have a subject too, and comes in by a client."""
    made = image("artifacts image with subject")
    manifest = {**json.loads(made.manifest), "subject": subject.descriptor}
    for blob in made.blobs:
        repository.push_blob(blob)
    body = json.dumps(manifest).encode()
    repository.push_manifest(body, "about")
    (entry,) = referrers(repository, subject.digest)[1]
    assert entry["digest"] == digest_of(body)
    skopeo = Skopeo(wharf)
    skopeo.copy(skopeo.image(repository.name, "about"), f"dir:{tmp_path}/out")
    skopeo.copy(write_layout(tmp_path / "in", image("artifacts plain"), "v1"), skopeo.image(repository.name, "plain"))
    assert [entry["digest"] for entry in referrers(repository, subject.digest)[1]] == [digest_of(body)]
