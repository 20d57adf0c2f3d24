"""OCI distribution specification, category Content Discovery: tags, catalog, referrers."""

import json
import random
import re
import uuid

import pytest

from harness.registry_client import (
    EMPTY_JSON,
    EMPTY_JSON_TYPE,
    OCI_INDEX,
    OCI_MANIFEST,
    RegistryClient,
    digest_of,
    image_manifest,
    index_manifest,
    new_repository,
)
from harness.seeds import fresh_seed

pytestmark = pytest.mark.every_store

ABSENT = "sha256:" + "0" * 64
NEXT = re.compile(r'^<([^>]+)>; ?rel="?next"?$')


def next_page(answer):
    """The target of a Link header in the form of RFC 5988, or None."""
    value = answer.header("Link")
    if value is None:
        return None
    match = NEXT.match(value)
    assert match, f"Link: {answer!r}"
    return match.group(1)


def walk(client, target, member):
    """All pages from `target` on, each a list."""
    pages = []
    while target:
        answer = client.get(target).expect(200)
        pages.append(answer.json()[member])
        target = next_page(answer)
        assert len(pages) < 1000, "the pages never end"
    return pages


def tagged(wharf, tags):
    repository = new_repository(wharf)
    image = repository.push_image()
    for tag in random.Random(fresh_seed()).sample(tags, len(tags)):
        repository.push_manifest(image.body, tag)
    return repository


def in_order(tags):
    """The specification leaves two orders to choose from."""
    return tags in (sorted(tags), sorted(tags, key=lambda tag: (tag.lower(), tag)))


TAGS = [f"v{number}" for number in range(12)]


class TestListingTags:
    def test_all(self, wharf):
        """Listing Tags: 200, the name, and every tag in order."""
        mixed = ["b", "B", "a", "A", "10", "9", "_x", "a.b", "a-b", "a_b", "latest"]
        repository = tagged(wharf, mixed)
        answer = repository.client.get(repository.tags).expect(200)
        assert answer.header("Content-Type").startswith("application/json")
        body = answer.json()
        assert set(body) == {"name", "tags"}
        assert body["name"] == repository.name
        assert sorted(body["tags"]) == sorted(mixed)
        assert in_order(body["tags"])

    def test_none(self, wharf):
        """Listing Tags: the list is empty when nothing is tagged."""
        repository = new_repository(wharf)
        assert repository.client.get(repository.tags).expect(200).json() == {"name": repository.name, "tags": []}
        repository.push_image()
        assert repository.client.get(repository.tags).expect(200).json()["tags"] == []

    def test_absent_repository(self, wharf):
        """Endpoints end-8a: 404 for a repository that does not exist."""
        client = RegistryClient(wharf.host, wharf.authorization)
        client.get(f"/v2/absent/{uuid.uuid4().hex}/tags/list").expect_error(404, "NAME_UNKNOWN")

    @pytest.mark.parametrize("n", [1, 5, 11, 12])
    def test_n(self, wharf, n):
        """Listing Tags: n tags from the beginning; fewer only with a Link."""
        repository = tagged(wharf, TAGS)
        everything = repository.client.get(repository.tags).expect(200).json()["tags"]
        answer = repository.client.get(f"{repository.tags}?n={n}").expect(200)
        assert answer.json()["tags"] == everything[:n]
        assert n < len(TAGS) or next_page(answer) is None

    def test_n_larger_than_the_list(self, wharf):
        """Listing Tags: everything, and no further page."""
        repository = tagged(wharf, TAGS[:3])
        for n in (4, 1000, 10_000):
            answer = repository.client.get(f"{repository.tags}?n={n}").expect(200)
            assert answer.json()["tags"] == TAGS[:3]
            assert next_page(answer) is None

    def test_n_zero(self, wharf):
        """Listing Tags: n=0 is an empty list without a Link."""
        repository = tagged(wharf, TAGS[:3])
        answer = repository.client.get(f"{repository.tags}?n=0").expect(200)
        assert answer.json() == {"name": repository.name, "tags": []}
        assert answer.header("Link") is None

    @pytest.mark.parametrize("n", ["-1", "x", "1.5", "99999999999999999999999", ""])
    def test_n_that_is_no_number(self, wharf, n):
        """Listing Tags: n is an integer; anything else is refused or the list is whole, never an error of the server."""
        repository = tagged(wharf, TAGS[:3])
        answer = repository.client.get(f"{repository.tags}?n={n}").expect(200, 400)
        assert answer.status == 400 or answer.json()["tags"] == TAGS[:3]

    def test_last(self, wharf):
        """Listing Tags: after `last`, without it; n is optional."""
        repository = tagged(wharf, TAGS)
        everything = repository.client.get(repository.tags).expect(200).json()["tags"]
        for position, tag in enumerate(everything):
            answer = repository.client.get(f"{repository.tags}?last={tag}").expect(200)
            assert answer.json()["tags"] == everything[position + 1 :], tag
            answer = repository.client.get(f"{repository.tags}?n=3&last={tag}").expect(200)
            assert answer.json()["tags"] == everything[position + 1 : position + 4], tag

    def test_last_that_is_no_tag_now(self, wharf):
        """Listing Tags: `last` is a place in the order, so that a tag deleted between two pages loses nothing."""
        repository = tagged(wharf, ["a", "c", "e"])
        for last, expected in {"b": ["c", "e"], "d": ["e"], "e": [], "zzz": [], "0": ["a", "c", "e"]}.items():
            answer = repository.client.get(f"{repository.tags}?last={last}").expect(200)
            assert answer.json()["tags"] == expected, last

    @pytest.mark.parametrize("n", [1, 5, 6, 12])
    def test_links_lead_through_all_pages(self, wharf, n):
        """Listing Tags: following the Links gives every tag once, in order."""
        repository = tagged(wharf, TAGS)
        everything = repository.client.get(repository.tags).expect(200).json()["tags"]
        pages = walk(repository.client, f"{repository.tags}?n={n}", "tags")
        if len(pages) > 1:
            assert sum(pages, []) == everything
            assert all(len(page) <= n for page in pages)
        else:
            assert n == 12 or pages == [everything[:n]], "no Link was given"

    def test_a_moved_tag_is_listed_once(self, wharf):
        """Listing Tags: a tag that moved to another manifest is still one tag."""
        repository = new_repository(wharf)
        for _ in range(3):
            repository.push_image("v1")
        assert repository.client.get(repository.tags).expect(200).json()["tags"] == ["v1"]


class TestCatalog:
    """Not in the OCI specification: the catalog of the older Docker protocol that it came from."""

    def names(self, wharf, count=5):
        prefix = f"catalog-{uuid.uuid4().hex}"
        for _ in range(count):
            new_repository(wharf, prefix).push_image("v1")
        return prefix

    def test_all(self, wharf):
        """Every repository of the registry, in order, over all pages."""
        prefix = self.names(wharf)
        client = RegistryClient(wharf.host, wharf.authorization)
        found = sum(walk(client, "/v2/_catalog", "repositories"), [])
        assert found == sorted(found) and len(found) == len(set(found))
        assert sum(name.startswith(prefix) for name in found) == 5

    @pytest.mark.parametrize("n", [1, 2, 5])
    def test_n_last_and_link(self, wharf, n):
        """n names after `last`, and a Link while there are more."""
        prefix = self.names(wharf)
        client = RegistryClient(wharf.host, wharf.authorization)
        answer = client.get(f"/v2/_catalog?n={n}&last={prefix}").expect(200)
        first = answer.json()["repositories"]
        assert len(first) == n and all(name.startswith(prefix) for name in first)
        target, found = f"/v2/_catalog?n={n}&last={prefix}", []
        while target and len(found) < 5:
            answer = client.get(target).expect(200)
            found += answer.json()["repositories"]
            target = next_page(answer)
        mine = [name for name in found if name.startswith(prefix)]
        assert len(mine) == 5 and mine == sorted(mine)

    def test_n_zero(self, wharf):
        """As for tags: nothing, and no Link."""
        self.names(wharf, 1)
        answer = RegistryClient(wharf.host, wharf.authorization).get("/v2/_catalog?n=0").expect(200)
        assert answer.json() == {"repositories": []}
        assert answer.header("Link") is None


def referrers(repository, digest, query=""):
    """All descriptors over all pages, with the form of every page checked."""
    found, target, answers = [], repository.referrers(digest) + query, []
    while target:
        answer = repository.client.get(target).expect(200)
        assert answer.header("Content-Type") == OCI_INDEX, repr(answer)
        body = answer.json()
        assert (body["schemaVersion"], body["mediaType"]) == (2, OCI_INDEX)
        assert isinstance(body["manifests"], list)
        found += body["manifests"]
        answers.append(answer)
        target = next_page(answer)
        assert len(answers) < 1000, "the pages never end"
    return found, answers


class TestListingReferrers:
    def test_no_referrers(self, wharf):
        """Listing Referrers: an empty list, also for a manifest that does not exist; never 404."""
        repository = new_repository(wharf)
        image = repository.push_image("v1")
        for digest in (image.digest, ABSENT, "sha512:" + "0" * 128):
            assert referrers(repository, digest)[0] == []

    @pytest.mark.parametrize("digest", ["latest", "sha256:abc", "sha256:" + "g" * 64, "sha256:", "md5"])
    def test_invalid_digest(self, wharf, digest):
        """Listing Referrers: a digest of invalid syntax is answered 400."""
        repository = new_repository(wharf)
        repository.client.get(repository.referrers(digest)).expect_error(400, "DIGEST_INVALID")

    def test_absent_repository(self, wharf):
        """Endpoints end-12a: 404 for a repository that does not exist."""
        client = RegistryClient(wharf.host, wharf.authorization)
        client.get(f"/v2/absent/{uuid.uuid4().hex}/referrers/{ABSENT}").expect_error(404, "NAME_UNKNOWN")

    def test_descriptors(self, wharf):
        """Listing Referrers: type, size, digest, artifactType and annotations of each manifest with that subject."""
        repository = new_repository(wharf)
        subject = repository.push_image("v1")
        annotations = {"org.example.format": "json", "empty": "", "\u00e9": "\u2028"}
        artifact = repository.push_artifact(subject.descriptor, "application/vnd.example.sbom", annotations=annotations)
        repository.push_artifact(repository.push_image().descriptor, "application/vnd.example.sbom")
        (found,) = referrers(repository, subject.digest)[0]
        unique = json.loads(artifact.body)["annotations"]
        assert found == {
            "mediaType": OCI_MANIFEST,
            "digest": artifact.digest,
            "size": len(artifact.body),
            "artifactType": "application/vnd.example.sbom",
            "annotations": unique,
        }

    @pytest.mark.parametrize("artifact_type", [None, ""], ids=["missing", "empty"])
    def test_artifact_type_of_an_image_that_has_none(self, wharf, artifact_type):
        """Listing Referrers: then it is the media type of the config."""
        repository = new_repository(wharf)
        subject = repository.push_image("v1")
        repository.push_artifact(
            subject.descriptor, artifact_type, config_type="application/vnd.example.config.v1+json"
        )
        (found,) = referrers(repository, subject.digest)[0]
        assert found["artifactType"] == "application/vnd.example.config.v1+json"

    def test_an_index_as_referrer(self, wharf):
        """Listing Referrers: an index has the artifactType that it states, or none at all."""
        repository = new_repository(wharf)
        subject = repository.push_image("v1")
        typed = index_manifest([], subject=subject.descriptor, artifactType="application/vnd.example.set")
        plain = index_manifest([], subject=subject.descriptor, annotations={"kind": "plain"})
        for body in (typed, plain):
            repository.push_manifest(body, None, OCI_INDEX)
        found = {entry["digest"]: entry for entry in referrers(repository, subject.digest)[0]}
        assert found[digest_of(typed)]["artifactType"] == "application/vnd.example.set"
        assert found[digest_of(typed)]["mediaType"] == OCI_INDEX
        assert "artifactType" not in found[digest_of(plain)]
        assert found[digest_of(plain)]["annotations"] == {"kind": "plain"}

    def test_a_manifest_without_annotations(self, wharf):
        """Listing Referrers: what the manifest does not have, the descriptor need not have."""
        repository = new_repository(wharf)
        subject = repository.push_image("v1")
        repository.push_blob(EMPTY_JSON)
        repository.push_manifest(
            image_manifest(EMPTY_JSON, [EMPTY_JSON], config_type=EMPTY_JSON_TYPE, subject=subject.descriptor)
        )
        (found,) = referrers(repository, subject.digest)[0]
        assert found.get("annotations") in (None, {})

    @pytest.mark.parametrize("by", ["tag", "digest"])
    def test_a_subject_that_comes_later(self, wharf, by):
        """Push, Listing Referrers: referrers pushed before their subject are listed, before and after it comes."""
        repository, elsewhere = new_repository(wharf), new_repository(wharf)
        subject = elsewhere.push_image("v1")
        artifact = repository.push_artifact(subject.descriptor, "a/b", tag="signature" if by == "tag" else None)
        assert [entry["digest"] for entry in referrers(repository, subject.digest)[0]] == [artifact.digest]
        assert referrers(elsewhere, subject.digest)[0] == []

    def test_filter(self, wharf):
        """Listing Referrers: a filter that was applied is named in OCI-Filters-Applied."""
        repository = new_repository(wharf)
        subject = repository.push_image("v1")
        sboms = {
            repository.push_artifact(subject.descriptor, "application/vnd.example.sbom+json").digest for _ in range(2)
        }
        repository.push_artifact(subject.descriptor, "application/vnd.example.signature")
        by_config = repository.push_artifact(subject.descriptor, config_type="application/vnd.example.other").digest
        for wanted, expected in {
            "application/vnd.example.sbom%2Bjson": sboms,
            "application/vnd.example.other": {by_config},
            "application/vnd.example.absent": set(),
        }.items():
            found, answers = referrers(repository, subject.digest, f"?artifactType={wanted}")
            assert {entry["digest"] for entry in found} == expected, wanted
            assert [answer.header("OCI-Filters-Applied") for answer in answers] == ["artifactType"] * len(answers)
        found, answers = referrers(repository, subject.digest)
        assert len(found) == 4
        assert answers[0].header("OCI-Filters-Applied") is None

    def test_more_than_one_page(self, wharf):
        """Listing Referrers: what does not fit in one index comes in several, by Link; each referrer once."""
        repository = new_repository(wharf)
        subject = repository.push_image("v1")
        pushed = {repository.push_artifact(subject.descriptor, "a/b").digest for _ in range(120)}
        for query in ("", "?artifactType=a/b"):
            found = [entry["digest"] for entry in referrers(repository, subject.digest, query)[0]]
            assert len(found) == 120 and set(found) == pushed, query

    def test_very_large_annotations(self, wharf):
        """Listing Referrers: an index larger than a manifest may be is split, not refused."""
        repository = new_repository(wharf)
        subject = repository.push_image("v1")
        pushed = {
            repository.push_artifact(subject.descriptor, "a/b", annotations={"big": "x" * 1_500_000}).digest
            for _ in range(4)
        }
        found, answers = referrers(repository, subject.digest)
        assert {entry["digest"] for entry in found} == pushed
        assert all(len(answer.body) <= 4 * 1024 * 1024 for answer in answers), "no manifest may be larger than 4 MiB"

    def test_a_deleted_referrer_is_not_listed(self, wharf):
        """Listing Referrers: the list tells what the repository holds now."""
        repository = new_repository(wharf)
        subject = repository.push_image("v1")
        gone, kept = (repository.push_artifact(subject.descriptor, "a/b") for _ in range(2))
        repository.client.delete(repository.manifest(gone.digest)).expect(202)
        assert [entry["digest"] for entry in referrers(repository, subject.digest)[0]] == [kept.digest]

    def test_the_tag_schema_of_older_clients(self, wharf):
        """Enabling the Referrers API: an index under a referrers tag stays a plain image; the API lists real referrers."""
        repository = new_repository(wharf)
        subject = repository.push_image("v1")
        artifact = repository.push_artifact(subject.descriptor, "a/b")
        tag = subject.digest.replace(":", "-")
        fallback = repository.push_index([artifact], tag)
        assert repository.pull(tag).expect(200).body == fallback.body
        assert [entry["digest"] for entry in referrers(repository, subject.digest)[0]] == [artifact.digest]
