"""Reads a repository whole: everything that is listed must be there, with the right digest."""

import json

from harness.registry_client import ANY_MANIFEST, digest_of


def expect_whole_image(repository, reference, seen):
    """An image and all that it names can be pulled; returns its digest. `seen` spares a second look at a blob."""
    answer = repository.client.get(repository.manifest(reference), accept=ANY_MANIFEST).expect(200)
    digest = digest_of(answer.body)
    assert answer.header("Docker-Content-Digest") == digest, repr(answer)
    manifest = json.loads(answer.body)
    for child in manifest.get("manifests", []):
        expect_whole_image(repository, child["digest"], seen)
    for entry in [*filter(None, [manifest.get("config")]), *manifest.get("layers", [])]:
        if entry["digest"] not in seen:
            expect_blob(repository, entry["digest"])
            seen.add(entry["digest"])
    return digest


def expect_blob(repository, digest):
    answer = repository.client.get(repository.blob(digest)).expect(200)
    assert digest_of(answer.body) == digest, f"blob {digest} came with other bytes"
    assert answer.header("Content-Length") == str(len(answer.body))


def listed_images(ecr, name):
    """Every (digest, tag) of the repository, and the tags of the registry protocol must be the same."""
    pages = ecr.get_paginator("list_images").paginate(repositoryName=name)
    return {(entry["imageDigest"], entry.get("imageTag")) for page in pages for entry in page["imageIds"]}


def expect_whole_repository(ecr, repository):
    """Nothing half visible: what either face lists can be pulled whole. Returns what is listed."""
    listed = listed_images(ecr, repository.name)
    seen = set()
    for digest, tag in listed:
        assert expect_whole_image(repository, tag or digest, seen) == digest
    tags = repository.client.get(f"{repository.tags}?n=10000").expect(200).json()["tags"] or []
    assert sorted(tags) == sorted(tag for _, tag in listed if tag)
    return listed
