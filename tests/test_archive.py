"""Archived images: not pullable, kept in the archive's folder, shorter where that pays, and back byte for byte."""

import json

import pytest
from botocore.exceptions import ClientError

from conftest import environment_of
from harness.api_push import push_image, push_index, push_layer
from harness.files import files_under, paths_under
from harness.images import image, index, noise, write_layout
from harness.killed import Killer
from harness.registry_client import (
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    digest_of,
    image_manifest,
    new_repository,
    path_of,
    with_query,
)
from harness.server import Wharf, wait_for
from harness.skopeo import Skopeo
from harness.soak import rounds
from harness.stored import objects, read_object, small, stored, write_object
from harness.verify import expect_whole_image, expect_whole_repository
from test_skopeo import expect_directory

UNSUPPORTED = "ImageStorageClassUpdateNotSupportedException"
MIB = 1024 * 1024
KILLS = {"sqlite": rounds(120, 24), "postgres": rounds(20, 8)}


@pytest.fixture
def ecr(fresh_wharf):
    return fresh_wharf.client()


@pytest.fixture
def repository(fresh_wharf):
    return new_repository(fresh_wharf, "archive")


def set_class(ecr, name, reference, target):
    kind = "imageDigest" if reference.startswith("sha256:") else "imageTag"
    answer = ecr.update_image_storage_class(repositoryName=name, imageId={kind: reference}, targetStorageClass=target)
    return answer["imageStatus"]


def archive(ecr, name, reference):
    assert set_class(ecr, name, reference, "ARCHIVE") == "ARCHIVED"


def restore(ecr, name, reference):
    assert set_class(ecr, name, reference, "STANDARD") == "ACTIVATING"


def statuses(ecr, name):
    pages = ecr.get_paginator("describe_images").paginate(repositoryName=name, filter={"imageStatus": "ANY"})
    return {entry["imageDigest"]: entry["imageStatus"] for page in pages for entry in page["imageDetails"]}


def wait_until_active(ecr, name, *digests):
    wait_for(lambda: all(statuses(ecr, name)[digest] == "ACTIVE" for digest in digests), "the images to be active")


def refused(call, *arguments):
    """The code of the error that a call fails with."""
    with pytest.raises(ClientError) as failure:
        call(*arguments)
    return failure.value.response["Error"]["Code"]


def in_tier(wharf, digests, tier):
    """Whether blobs are in a tier: their rows say so and their files are there, or the database holds them."""
    blobs, *_ = stored(wharf)
    folder = {"STANDARD": "blobs", "ARCHIVE": "archive"}[tier]
    there = {path.name for path in objects(wharf, folder)}
    if tier == "STANDARD":
        there |= small(wharf)
    return all(blobs[digest][1] == tier and blobs[digest][0] in there for digest in digests)


class TestPull:
    def test_archived_and_restored_with_skopeo(self, fresh_wharf, ecr, repository, tmp_path):
        """Pushed, archived, refused, moved, restored, pulled byte for byte: a life of an image."""
        skopeo, name, made = Skopeo(fresh_wharf), repository.name, image("archived", layers=3)
        skopeo.copy(write_layout(tmp_path / "in", made, "v1"), skopeo.image(name, "v1"), "--preserve-digests")
        (before,) = ecr.describe_images(repositoryName=name)["imageDetails"]
        assert "lastArchivedAt" not in before and "lastActivatedAt" not in before
        archive(ecr, name, "v1")
        assert "unknown" in skopeo.copy_refused(skopeo.image(name, "v1"), f"dir:{tmp_path}/no").lower()
        assert ecr.describe_images(repositoryName=name)["imageDetails"] == []
        (archived,) = ecr.describe_images(repositoryName=name, filter={"imageStatus": "ARCHIVED"})["imageDetails"]
        assert archived["imageStatus"] == "ARCHIVED" and archived["imageTags"] == ["v1"]
        assert archived["lastArchivedAt"] and archived["imagePushedAt"] == before["imagePushedAt"]
        digests = [digest_of(blob) for blob in made.blobs]
        wait_for(lambda: in_tier(fresh_wharf, digests, "ARCHIVE"), "the layers to be in the archive")
        restore(ecr, name, "v1")
        wait_until_active(ecr, name, made.digest)
        assert in_tier(fresh_wharf, digests, "STANDARD"), "an active image has its layers where pulls are fast"
        (active,) = ecr.describe_images(repositoryName=name)["imageDetails"]
        assert active["lastActivatedAt"] and active["lastArchivedAt"] == archived["lastArchivedAt"]
        skopeo.copy(skopeo.image(name, "v1"), f"dir:{tmp_path}/out")
        expect_directory(tmp_path / "out", made)

    def test_bytes_leave_the_standard_folder(self, fresh_wharf, ecr, repository):
        """After the time for readers that are at it, the standard folder is empty, and the other way round."""
        made = repository.push_image("v1")
        archive(ecr, repository.name, "v1")
        digests = [entry["digest"] for entry in [*blobs_of(made)]]
        wait_for(lambda: in_tier(fresh_wharf, digests, "ARCHIVE"), "the layers to be in the archive")
        wait_for(lambda: stored(fresh_wharf)[2] == 0, "the jobs to end")
        repository.client.close()
        # Past the hour that removed objects stay in a bucket, and the minute in a folder.
        fresh_wharf.restart(clock="+2h")
        wait_for(lambda: not objects(fresh_wharf, "blobs"), "the standard folder to be empty")
        assert len(objects(fresh_wharf, "archive")) == len(digests)

    def test_every_way_of_reading(self, ecr, repository):
        """404 for manifests and blobs, ImageInaccessible, no URL, ARCHIVED; and nothing of it is listed."""
        name, made = repository.name, repository.push_image("v1")
        other = repository.push_image("v2")
        config, layer = [entry["digest"] for entry in blobs_of(made)]
        url = ecr.get_download_url_for_layer(repositoryName=name, layerDigest=layer)["downloadUrl"]
        archive(ecr, name, "v1")
        for reference in ("v1", made.digest):
            repository.pull(reference).expect_error(404, "MANIFEST_UNKNOWN")
            repository.client.head(repository.manifest(reference), accept=OCI_MANIFEST).expect(404)
        for digest in (config, layer):
            repository.client.get(repository.blob(digest)).expect_error(404, "BLOB_UNKNOWN")
            repository.client.head(repository.blob(digest)).expect(404)
        repository.client.get(path_of(url)).expect(404)
        assert repository.client.get(repository.tags).json()["tags"] == ["v2"]
        answer = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v1"}, {"imageTag": "v2"}])
        assert [entry["imageId"]["imageDigest"] for entry in answer["images"]] == [other.digest]
        assert [entry["failureCode"] for entry in answer["failures"]] == ["ImageInaccessible"]
        found = ecr.batch_check_layer_availability(repositoryName=name, layerDigests=[layer])["layers"]
        assert [entry["layerAvailability"] for entry in found] == ["ARCHIVED"]
        call = lambda: ecr.get_download_url_for_layer(repositoryName=name, layerDigest=layer)  # noqa: E731
        assert refused(call) == "LayerInaccessibleException"
        assert listed(ecr, name) == {other.digest}
        assert listed(ecr, name, "ARCHIVED") == {made.digest}
        assert listed(ecr, name, "ANY") == {made.digest, other.digest}

    def test_activating_waits_for_its_layers(self, fresh_wharf, ecr, repository):
        """Bytes that cannot be read keep the image activating, and a push of them lets it go on."""
        name, content = repository.name, b"text that compresses well; " * 10_000
        body = push(repository, "v1", [content])
        archive(ecr, name, "v1")
        digest = digest_of(content)
        wait_for(lambda: in_tier(fresh_wharf, [digest], "ARCHIVE"), "the layer to be in the archive")
        wait_for(lambda: stored(fresh_wharf)[2] == 0, "the jobs to end")
        (path,) = [path for path in objects(fresh_wharf, "archive") if path.name == stored(fresh_wharf)[0][digest][0]]
        write_object(fresh_wharf, path, b"damaged")
        restore(ecr, name, "v1")
        wait_for(lambda: "is damaged" in fresh_wharf.log_text(), "the damage to be seen")
        assert statuses(ecr, name) == {digest_of(body): "ACTIVATING"}
        assert listed(ecr, name, "ACTIVATING") == {digest_of(body)}
        assert refused(set_class, ecr, name, "v1", "STANDARD") == UNSUPPORTED
        assert refused(set_class, ecr, name, "v1", "ARCHIVE") == UNSUPPORTED
        repository.pull("v1").expect(404)
        repository.push_blob(content)
        wait_until_active(ecr, name, digest_of(body))
        expect_whole_image(repository, "v1", set())


def blobs_of(pushed):
    document = json.loads(pushed.body)
    return [document["config"], *document["layers"]]


def listed(ecr, name, status=None):
    extra = {"filter": {"imageStatus": status}} if status else {}
    return {entry["imageDigest"] for entry in ecr.list_images(repositoryName=name, **extra)["imageIds"]}


def push(repository, tag, layers, **extra):
    """An image of given layers; returns its manifest."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "tag": tag}).encode()
    for content in (config, *layers):
        repository.push_blob(content)
    body = image_manifest(config, layers, **extra)
    repository.push_manifest(body, tag)
    return body


class TestTiers:
    def test_layers_that_are_needed_stay(self, fresh_wharf, ecr):
        """A layer moves when the last image of the last repository that names it is archived, and no sooner."""
        first, second = (new_repository(fresh_wharf, "shared") for _ in range(2))
        base, own = noise("base", 200_000), noise("own", 200_000)
        push(first, "v1", [base, own])
        push(first, "v2", [base])
        push(second, "v1", [base])
        archive(ecr, first.name, "v1")
        wait_for(lambda: in_tier(fresh_wharf, [digest_of(own)], "ARCHIVE"), "its own layer to be in the archive")
        archive(ecr, first.name, "v2")
        wait_for(lambda: stored(fresh_wharf)[2] == 0, "the jobs to end")
        assert in_tier(fresh_wharf, [digest_of(base)], "STANDARD")
        expect_whole_repository(ecr, second)
        first.client.get(first.blob(digest_of(base))).expect(404)
        archive(ecr, second.name, "v1")
        wait_for(lambda: in_tier(fresh_wharf, [digest_of(base)], "ARCHIVE"), "the base to be in the archive")
        restore(ecr, first.name, "v2")
        wait_for(lambda: statuses(ecr, first.name)[digest_of(push_body("v2", [base]))] == "ACTIVE", "v2 to be active")
        assert in_tier(fresh_wharf, [digest_of(base)], "STANDARD")
        assert in_tier(fresh_wharf, [digest_of(own)], "ARCHIVE")

    def test_deleting_the_last_user_moves_a_layer(self, fresh_wharf, ecr):
        """What only archived images name after a deletion goes to the archive, too."""
        first, second = (new_repository(fresh_wharf, "deleted") for _ in range(2))
        base = noise("base of deleted", 100_000)
        push(first, "v1", [base])
        push(first, "v2", [base])
        push(second, "v1", [base])
        archive(ecr, first.name, "v1")
        ecr.delete_repository(repositoryName=second.name, force=True)
        wait_for(lambda: stored(fresh_wharf)[2] == 0, "the jobs to end")
        assert in_tier(fresh_wharf, [digest_of(base)], "STANDARD")
        ecr.batch_delete_image(repositoryName=first.name, imageIds=[{"imageTag": "v2"}])
        wait_for(lambda: in_tier(fresh_wharf, [digest_of(base)], "ARCHIVE"), "the base to be in the archive")

    def test_compressible_layers_get_shorter(self, fresh_wharf, ecr, repository):
        """An uncompressed layer of text takes a fraction of its room; a compressed one stays as it is. Nothing of
        either is readable on the disk."""
        text = b"".join(b"line %06d of a log that says much the same\n" % number for number in range(100_000))
        packed = noise("as gzip is", 1 * MIB)
        body = push(repository, "v1", [text, packed])
        before = sum(objects(fresh_wharf, "blobs").values())
        archive(ecr, repository.name, "v1")
        wait_for(lambda: in_tier(fresh_wharf, map(digest_of, [text, packed]), "ARCHIVE"), "the layers to move")
        blobs, *_ = stored(fresh_wharf)
        assert (blobs[digest_of(text)][2], blobs[digest_of(packed)][2]) == ("ZSTD", "IDENTITY")
        sizes = {path.name: size for path, size in objects(fresh_wharf, "archive").items()}
        assert sizes[blobs[digest_of(text)][0]] < len(text) // 5
        assert sum(sizes.values()) < before // 2
        archived = [read_object(fresh_wharf, path) for path in objects(fresh_wharf, "archive")]
        assert archived and not [content for content in archived if b"of a log that" in content]
        restore(ecr, repository.name, "v1")
        wait_until_active(ecr, repository.name, digest_of(body))
        expect_whole_image(repository, "v1", set())
        # Ranges of what was compressed meanwhile.
        answer = repository.client.get(repository.blob(digest_of(text)), range="bytes=4000000-4000099").expect(206)
        assert answer.body == text[4_000_000:4_000_100]

    def test_configured_folder(self, tmp_path, default_database):
        """`[archive] dir` names another folder, such as one on a cheaper disk; only the owner may look into it."""
        folder = tmp_path / "cheap" / "disk"
        config = f"[archive]\ndir = {json.dumps(str(folder))}\n"
        wharf = Wharf(tmp_path / "wharf", environment=environment_of(default_database), config=config).start()
        try:
            repository, ecr = new_repository(wharf, "configured"), wharf.client()
            made = repository.push_image("v1")
            archive(ecr, repository.name, "v1")
            wait_for(lambda: len(files_under(folder)) == 2, "config and layer to be there")
            assert not (wharf.data_dir / "archive").exists()
            assert {stat.st_mode & 0o077 for stat in paths_under(folder).values()} == {0}
            restore(ecr, repository.name, "v1")
            wait_until_active(ecr, repository.name, made.digest)
            expect_whole_image(repository, "v1", set())
        finally:
            wharf.finish()


def push_body(tag, layers):
    config = json.dumps({"architecture": "amd64", "os": "linux", "tag": tag}).encode()
    return image_manifest(config, layers)


class TestPushAgain:
    def test_by_the_registry(self, fresh_wharf, ecr, repository, tmp_path):
        """skopeo finds no layer, uploads them all, and the image is active at once."""
        skopeo, name, made = Skopeo(fresh_wharf), repository.name, image("pushed again", layers=2)
        source = write_layout(tmp_path / "in", made, "v1")
        skopeo.copy(source, skopeo.image(name, "v1"), "--preserve-digests")
        archive(ecr, name, "v1")
        skopeo.copy(source, skopeo.image(name, "v1"), "--preserve-digests")
        (found,) = ecr.describe_images(repositoryName=name)["imageDetails"]
        assert found["imageStatus"] == "ACTIVE" and found["lastActivatedAt"] >= found["lastArchivedAt"]
        assert found["imageTags"] == ["v1"]
        skopeo.copy(skopeo.image(name, "v1"), f"dir:{tmp_path}/out")
        expect_directory(tmp_path / "out", made)

    @pytest.mark.parametrize("is_moved", [False, True], ids=["layers not moved", "layers in the archive"])
    def test_the_manifest_alone(self, fresh_wharf, ecr, repository, is_moved):
        """Without its layers: the stored ones are used, and read wherever they are at that moment."""
        content = b"text that compresses well; " * 100_000
        body = push(repository, "v1", [content])
        archive(ecr, repository.name, "v1")
        if is_moved:
            wait_for(lambda: in_tier(fresh_wharf, [digest_of(content)], "ARCHIVE"), "the layer to move")
        repository.push_manifest(body, "v1")
        expect_whole_image(repository, "v1", set())
        answer = repository.client.get(repository.blob(digest_of(content)), range="bytes=1000000-1000099").expect(206)
        assert answer.body == content[1_000_000:1_000_100]
        wait_for(lambda: in_tier(fresh_wharf, [digest_of(content)], "STANDARD"), "the layer to be back")
        expect_whole_image(repository, "v1", set())

    def test_a_new_image_of_archived_layers(self, fresh_wharf, ecr, repository):
        """It is active, also where its layers are in the archive yet."""
        content = noise("of two images", 300_000)
        push(repository, "v1", [content])
        archive(ecr, repository.name, "v1")
        wait_for(lambda: in_tier(fresh_wharf, [digest_of(content)], "ARCHIVE"), "the layer to move")
        config = b"{}"
        repository.push_blob(config)
        repository.push_manifest(image_manifest(config, [content]), "v2")
        expect_whole_image(repository, "v2", set())
        wait_for(lambda: in_tier(fresh_wharf, [digest_of(content)], "STANDARD"), "the layer to be back")
        repository.pull("v1").expect(404)

    def test_an_uploaded_layer_is_there(self, ecr, repository):
        """A layer that was answered as pushed can be read, before its image comes."""
        content = noise("uploaded again", 5_000)
        push(repository, "v1", [content])
        archive(ecr, repository.name, "v1")
        repository.client.head(repository.blob(digest_of(content))).expect(404)
        repository.push_blob(content)
        repository.client.head(repository.blob(digest_of(content))).expect(200)
        found = ecr.batch_check_layer_availability(repositoryName=repository.name, layerDigests=[digest_of(content)])
        assert found["layers"][0]["layerAvailability"] == "AVAILABLE"

    def test_by_the_api(self, fresh_wharf, ecr):
        """BatchCheckLayerAvailability says ARCHIVED, so the layers come again, and PutImage restores."""
        name, made = new_repository(fresh_wharf, "again").name, image("pushed again by the API")
        push_image(ecr, name, made, "v1")
        archive(ecr, name, "v1")
        assert push_image(ecr, name, made, "v1")["imageId"]["imageTag"] == "v1"
        assert statuses(ecr, name) == {made.digest: "ACTIVE"}

    def test_into_an_immutable_repository(self, fresh_wharf, ecr):
        """Restoring moves no tag, so an immutable one is no obstacle; another image still may not take it."""
        name = new_repository(fresh_wharf, "immutable").name
        ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")
        repository = Repository(RegistryClient(fresh_wharf.host, fresh_wharf.authorization), name)
        made = repository.push_image("v1")
        archive(ecr, name, "v1")
        repository.push_manifest(made.body, "v1")
        assert statuses(ecr, name) == {made.digest: "ACTIVE"}
        repository.client.put(repository.manifest("v1"), made.body, content_type=OCI_MANIFEST).expect(400)
        archive(ecr, name, "v1")
        other = push(repository, "other", [noise("other", 100)])
        repository.client.put(repository.manifest("v1"), other, content_type=OCI_MANIFEST).expect(400)

    def test_mounting_an_archived_layer(self, ecr, fresh_wharf):
        """A layer that cannot be read cannot be mounted: the client uploads it."""
        ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
        source, target = (new_repository(fresh_wharf, "mounting") for _ in range(2))
        content = noise("mounted", 5_000)
        push(source, "v1", [content])
        archive(ecr, source.name, "v1")
        query = {"mount": digest_of(content), "from": source.name}
        target.client.post(with_query(target.uploads, **query), content_length="0").expect(202)
        restore(ecr, source.name, "v1")
        wait_for(lambda: "ACTIVE" in statuses(ecr, source.name).values(), "the image to be active")
        target.client.post(with_query(target.uploads, **query), content_length="0").expect(201)


class TestLists:
    def test_the_list_goes_first(self, fresh_wharf, ecr, repository):
        """A child of an active list stays; after the list it goes by itself, and the list brings it back."""
        name, made = repository.name, index("archived list", ["amd64", "arm64"])
        push_index(ecr, name, made, "multi")
        children = [child.digest for child in made.images]
        assert refused(set_class, ecr, name, children[0], "ARCHIVE") == UNSUPPORTED
        archive(ecr, name, "multi")
        expected = {made.digest: "ARCHIVED", **dict.fromkeys(children, "ACTIVE")}
        assert statuses(ecr, name) == expected, "children are pulled by themselves until they are archived"
        expect_whole_image(repository, children[0], set())
        archive(ecr, name, children[0])
        restore(ecr, name, "multi")
        assert refused(set_class, ecr, name, children[1], "ARCHIVE") == UNSUPPORTED
        wait_until_active(ecr, name, made.digest, *children)
        expect_whole_image(repository, "multi", set())

    def test_pushed_again_with_its_children(self, fresh_wharf, ecr, repository):
        """An active list is whole: pushing it brings back what it lists, also a new list of archived images."""
        name, made = repository.name, index("list pushed again", ["amd64", "arm64"])
        push_index(ecr, name, made, "multi")
        children = [child.digest for child in made.images]
        archive(ecr, name, "multi")
        for child in children:
            archive(ecr, name, child)
        repository.client.put(repository.manifest("multi"), made.manifest, content_type=made.media_type).expect(201)
        assert set(statuses(ecr, name).values()) == {"ACTIVE"}
        expect_whole_image(repository, "multi", set())
        archive(ecr, name, "multi")
        archive(ecr, name, children[0])
        other = {**json.loads(made.manifest), "annotations": {"other": "list"}}
        body = json.dumps(other).encode()
        repository.client.put(repository.manifest("other"), body, content_type=made.media_type).expect(201)
        assert statuses(ecr, name)[children[0]] == "ACTIVE"
        expect_whole_image(repository, "other", set())

    def test_referrers_follow(self, ecr, repository):
        """Signatures, and signatures of these, go with their subject and come back with it."""
        name, subject = repository.name, repository.push_image("v1")
        artifacts = [repository.push_artifact(subject.descriptor, "a/signature") for _ in range(60)]
        second = repository.push_artifact(artifacts[0].descriptor, "a/signature")
        everything = {subject.digest, second.digest, *(artifact.digest for artifact in artifacts)}
        assert refused(set_class, ecr, name, artifacts[0].digest, "ARCHIVE") == UNSUPPORTED
        archive(ecr, name, "v1")
        wait_for(lambda: listed(ecr, name, "ARCHIVED") == everything, "the referrers to follow")
        index = repository.client.get(repository.referrers(subject.digest)).expect(200).json()
        assert index["manifests"] == []
        found = ecr.list_image_referrers(
            repositoryName=name,
            subjectId={"imageDigest": subject.digest},
            filter={"artifactStatus": "ARCHIVED"},
            maxResults=50,
        )
        assert len(found["referrers"]) == 50
        assert refused(set_class, ecr, name, artifacts[0].digest, "STANDARD") == UNSUPPORTED
        restore(ecr, name, "v1")
        wait_for(lambda: listed(ecr, name) == everything, "the referrers to be back")
        index = repository.client.get(repository.referrers(subject.digest)).expect(200).json()
        assert len(index["manifests"]) == 60


def test_archived_images_count_and_can_be_deleted(fresh_wharf, ecr, repository):
    """DeleteRepository without force sees them; BatchDeleteImage takes them, and their bytes go from the archive."""
    name, made = repository.name, repository.push_image("v1")
    digests = [entry["digest"] for entry in blobs_of(made)]
    archive(ecr, name, "v1")
    wait_for(lambda: in_tier(fresh_wharf, digests, "ARCHIVE"), "the layers to be in the archive")
    assert refused(lambda: ecr.delete_repository(repositoryName=name)) == "RepositoryNotEmptyException"
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])
    ecr.delete_repository(repositoryName=name)
    repository.client.close()
    # Past the time in which it could be restored a start collects what nothing names. Bytes stay for a minute after that,
    # and for an hour in a bucket.
    for clock in ("+193h", "+195h"):
        fresh_wharf.restart(clock=clock)
        wait_for(lambda: stored(fresh_wharf)[0] == {}, "no blob to be left")
    wait_for(lambda: not objects(fresh_wharf, "archive"), "the archive to be empty")


@pytest.mark.timeout(1200)
def test_kill_during_moves(wharf_on_each_database, request):
    """`kill -9` at random moments of archiving and restoring: nothing is lost, and in the end all is where it belongs.

    120 and 20 kills in the long form (`harness.soak`), and 24 and 8 else.
    """
    wharf = wharf_on_each_database
    database = request.node.callspec.params["wharf_on_each_database"]
    killer = Killer()
    chance = killer.chance
    ecr = wharf.client()
    repository = new_repository(wharf, "killed")
    text = b"".join(b"line %06d of a log that says much the same\n" % number for number in range(60_000))
    base = noise("base of killed", 3 * MIB)
    bodies = {}
    for number in range(6):
        tag = f"v{number}"
        own = [text + tag.encode(), noise(tag, 2 * MIB)] if number % 2 else [noise(tag, 4 * MIB)]
        bodies[tag] = push(repository, tag, [base, *own])
    tags = sorted(bodies)
    for round_number in range(KILLS[database]):
        target = "ARCHIVE" if round_number % 2 == 0 else "STANDARD"
        for tag in chance.sample(tags, chance.randint(1, len(tags))):
            try:
                set_class(ecr, repository.name, tag, target)
            except ClientError as error:
                # It is there already, or on its way.
                assert error.response["Error"]["Code"] == UNSUPPORTED, error
        repository.client.close()
        killer.kill(wharf, 0.25)
        log_start = wharf.log_size
        wharf.start()
        for tag in chance.sample(tags, 2):
            status = statuses(ecr, repository.name)[digest_of(bodies[tag])]
            answer = repository.pull(tag)
            assert answer.status in ((200,) if status == "ACTIVE" else (200, 404)), (tag, status, answer)
        assert "ERROR" not in wharf.log_text(log_start), wharf.log_text(log_start)
    for tag in tags:
        if statuses(ecr, repository.name)[digest_of(bodies[tag])] == "ARCHIVED":
            restore(ecr, repository.name, tag)
    active = lambda: set(statuses(ecr, repository.name).values()) == {"ACTIVE"}  # noqa: E731
    wait_for(active, "every image to be active", 60)
    assert expect_whole_repository(ecr, repository) == {(digest_of(body), tag) for tag, body in bodies.items()}
    # Jobs that the killed node held are anybody's after 30 s on PostgreSQL.
    wait_for(lambda: stored(wharf)[2] == 0, "the jobs to end", 60)
    blobs, gone, _ = stored(wharf)
    assert {tier for _, tier, _ in blobs.values()} == {"STANDARD"}
    known = {entry[0] for entry in blobs.values()} | gone
    orphans = {path.name for folder in ("blobs", "archive") for path in objects(wharf, folder)} - known
    assert not orphans, "every object on the disk is in use or known to go"
    for tag in tags:
        archive(ecr, repository.name, tag)
    repository.client.close()
    every = [digest_of(content) for content in (base, text + b"v1", text + b"v3", text + b"v5")]
    wait_for(lambda: in_tier(wharf, every, "ARCHIVE") and stored(wharf)[2] == 0, "all to be in the archive", 60)
    wharf.restart(clock="+2h")
    wait_for(lambda: not objects(wharf, "blobs"), "the standard folder to be empty", 60)
    assert len(objects(wharf, "archive")) == len(stored(wharf)[0])


def test_push_layer_helper_knows_archived(fresh_wharf, ecr, repository):
    """A client that goes by BatchCheckLayerAvailability uploads an archived layer again."""
    content = noise("by availability", 10_000)
    push(repository, "v1", [content])
    archive(ecr, repository.name, "v1")
    assert push_layer(ecr, repository.name, content) == digest_of(content)
    code = refused(lambda: complete(ecr, repository.name, content))
    assert code == "LayerAlreadyExistsException", "now it is there"


def complete(ecr, name, content):
    upload = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
    ecr.upload_layer_part(
        repositoryName=name, uploadId=upload, partFirstByte=0, partLastByte=len(content) - 1, layerPartBlob=content
    )
    ecr.complete_layer_upload(repositoryName=name, uploadId=upload, layerDigests=[digest_of(content)])
