"""A damaged object is an answer that says so wherever the first bytes that are asked for are damaged."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from harness.registry_client import OCI_MANIFEST, image_manifest, new_repository, random_content
from harness.storage import object_of

KIB = 1024


@pytest.fixture
def repository(fresh_wharf):
    made = new_repository(fresh_wharf, "damaged-objects")
    made.push_image("v1")
    made.client.close()
    return made


def flip(wharf, digest, at):
    stored = object_of(wharf, digest)
    content = bytearray(stored.read_bytes())
    content[at] ^= 1
    stored.write_bytes(bytes(content))


def get(wharf, path, method="GET", **headers):
    connection = http.client.HTTPConnection(wharf.host, timeout=60)
    connection.request(method, path, headers={"Authorization": wharf.authorization, **headers})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def layer_path(wharf, repository, digest):
    url = wharf.client().get_download_url_for_layer(repositoryName=repository.name, layerDigest=digest)["downloadUrl"]
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def push_layer(repository, content):
    """A layer of an image, as whoever asks for a layer's link must name one."""
    digest = repository.push_blob(content)
    config = b'{"architecture": "amd64", "os": "linux"}'
    repository.push_blob(config)
    repository.push_manifest(image_manifest(config, [content], OCI_MANIFEST), "v1")
    repository.client.close()
    return digest


def expect_damaged(answer):
    status, body = answer
    (error,) = json.loads(body)["errors"]
    assert status == 500 and "is damaged" in error["message"], answer


@pytest.mark.parametrize("size", [30 * KIB, 1500 * KIB], ids=["one-segment", "many-segments"])
def test_the_first_segment(fresh_wharf, repository, size):
    """By its digest and by a layer's link, whole and in part; HEAD reads nothing, and what is whole is sent."""
    content = random_content(size)
    digest = push_layer(repository, content)
    path, link = repository.blob(digest), layer_path(fresh_wharf, repository, digest)
    for place in (path, link):
        assert get(fresh_wharf, place) == (200, content)
    flip(fresh_wharf, digest, 1000)
    for place in (path, link):
        expect_damaged(get(fresh_wharf, place))
        expect_damaged(get(fresh_wharf, place, Range="bytes=0-0"))
        assert get(fresh_wharf, place, "HEAD") == (200, b"")
    if size > 1000 * KIB:
        assert get(fresh_wharf, path, Range=f"bytes={size - 10}-") == (206, content[-10:])


def test_a_range_of_a_later_segment(fresh_wharf, repository):
    """The first bytes of the answer count, not those of the object."""
    content = random_content(1500 * KIB)
    digest = repository.push_blob(content)
    repository.client.close()
    flip(fresh_wharf, digest, 1200 * KIB)
    path = repository.blob(digest)
    expect_damaged(get(fresh_wharf, path, Range=f"bytes={1190 * KIB}-{1210 * KIB}"))
    assert get(fresh_wharf, path, Range="bytes=0-99") == (206, content[:100])
