"""Bad input: each is answered with the right 4xx, stores nothing, and leaves the server alive without a panic."""

import contextlib
import json
import uuid

import pytest

from harness import model_check
from harness.ecr_client import Ecr, part_parameters
from harness.files import files_under
from harness.mutations import Generator
from harness.raw_http import Dropped, RawConnection, head
from harness.registry_client import (
    OCI_INDEX,
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    digest_of,
    image_manifest,
    index_manifest,
    new_repository,
    path_of,
    random_content,
    with_query,
)
from harness.seeds import fresh_seed
from harness.soak import rounds

pytestmark = pytest.mark.every_store

BYTES = "application/octet-stream"
INVALID = "InvalidParameterException"
SERIALIZATION = "SerializationException"
MIB = 1024 * 1024
REQUESTS = rounds(10_000, 2_000)


@pytest.fixture(scope="module")
def ecr(wharf):
    return Ecr(wharf)


@pytest.fixture(autouse=True)
def alive(wharf):
    """After every test the server answers, and its log tells of no panic."""
    yield
    RegistryClient(wharf.host, wharf.authorization).get("/v2/").expect(200)
    assert "panicked" not in wharf.log_text()


def stored(wharf):
    """Files of blobs and uploads, whatever the layout: everything in the data folder but the database's own files."""
    database = (".db", ".sqlite", ".sqlite3", "-wal", "-shm", "-journal")
    return {str(path) for path in files_under(wharf.data_dir) if not path.name.endswith(database)}


@contextlib.contextmanager
def nothing_stored(wharf, ecr, name):
    """The images of a repository are the same afterwards, and there is no new file, of an upload or a blob."""
    images, files = (ecr.image_ids(name), ecr.details(name)), stored(wharf)
    yield
    assert (ecr.image_ids(name), ecr.details(name)) == images
    assert stored(wharf) - files == set()


def registry(wharf, name):
    return Repository(RegistryClient(wharf.host, wharf.authorization), name)


class TestJson:
    BODIES = {
        "empty": b"",
        "cut": b'{"repositoryName": "a',
        "no JSON": b"repositoryName=name",
        "array": b"[]",
        "string": b'"text"',
        "number": b"5",
        "null": b"null",
        "two values": b'{"repositoryName": "ok/name"} {}',
        "single quotes": b"{'repositoryName': 'ok/name'}",
        "deep arrays": b'{"repositoryName": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        "deep objects": b'{"a": ' * 200_000 + b"1" + b"}" * 200_000,
        "deep and cut": b"[" * 1_000_000,
        "invalid UTF-8": b'{"repositoryName": "\xff\xfe"}',
        "overlong UTF-8": b'{"repositoryName": "a\xc0\xafb"}',
        "lone surrogate": b'{"repositoryName": "a\\ud800b"}',
        "control character": b'{"repositoryName": "a\x00b"}',
        "huge exponent": b'{"repositoryName": 1e999999}',
        "huge number": b'{"repositoryName": ' + b"9" * 100_000 + b"}",
        "NaN": b'{"repositoryName": NaN}',
        "comment": b'{"repositoryName": "ok/name" /* no */}',
        "trailing comma": b'{"repositoryName": "ok/name",}',
        "wrong type": b'{"repositoryName": 5}',
        "list for a string": b'{"repositoryName": ["ok/name"]}',
        "object for a string": b'{"repositoryName": {"a": 1}}',
        "string for a boolean": b'{"repositoryName": "ok/name", "imageScanningConfiguration": {"scanOnPush": "yes"}}',
        "string for a structure": b'{"repositoryName": "ok/name", "imageScanningConfiguration": "yes"}',
        "object for a list": b'{"repositoryName": "ok/name", "tags": {"Key": "a", "Value": "b"}}',
        "number in a list": b'{"repositoryName": "ok/name", "tags": [1]}',
        "array for a structure in a list": b'{"repositoryName": "ok/name", "tags": [["k", "v"]]}',
        "array for a structure": b'{"repositoryName": "ok/name", "imageScanningConfiguration": [true]}',
    }

    @pytest.mark.refused_before_store
    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
    def test_body(self, ecr, body):
        """reference/wire.md 1: what cannot be read is SerializationException; nothing is created."""
        answer = ecr.api.ecr("CreateRepository", body)
        assert answer.status == 400, repr(answer)
        assert model_check.error_name(answer) in (SERIALIZATION, INVALID), repr(answer)
        ecr.refuse("DescribeRepositories", "RepositoryNotFoundException", repositoryNames=["ok/name"])

    @pytest.mark.refused_before_store
    @pytest.mark.parametrize(
        ("operation", "body"),
        [
            ("DescribeRegistry", b"[]"),
            ("GetAuthorizationToken", b"[[]]"),
            ("BatchGetImage", b'{"repositoryName": "ok/name", "imageIds": [[null, "latest"]]}'),
            ("ListImages", b'{"repositoryName": "ok/name", "filter": ["TAGGED"]}'),
            ("CreateRepository", b'[null, "ok/name"]'),
        ],
    )
    def test_an_array_is_no_structure(self, ecr, operation, body):
        """reference/wire.md 1: the members' values without their names are no input."""
        answer = ecr.api.ecr(operation, body)
        assert answer.status == 400, repr(answer)
        assert model_check.error_name(answer) == SERIALIZATION, repr(answer)

    @pytest.mark.refused_before_store
    @pytest.mark.parametrize("value", ["x", "5", [], {}, 1.5, 1e300, 10**30, True], ids=repr)
    def test_number(self, ecr, value):
        """Model: an integer is a whole JSON number of its width."""
        answer = ecr.api.ecr("DescribeRepositories", {"maxResults": value})
        assert answer.status == 400, repr(answer)
        assert model_check.error_name(answer) in (SERIALIZATION, INVALID), repr(answer)

    def test_unknown_and_null_members(self, ecr):
        """reference/wire.md 1: newer clients send members that are not known here, and null is as good as absent."""
        name = f"lenient/{uuid.uuid4().hex}"
        body = {"repositoryName": name, "somethingNew": {"a": [1]}, "registryId": None, "tags": None}
        assert ecr.api.ecr("CreateRepository", body).status == 200

    @pytest.mark.refused_before_store
    @pytest.mark.parametrize("size", [30 * MIB, 100 * MIB])
    def test_too_large_body(self, wharf, ecr, size):
        """A body beyond any that an operation can need is refused, whatever is in it."""
        body = b'{"repositoryName": "ok/name", "x": "' + b"x" * size + b'"}'
        answer = ecr.api.ecr("CreateRepository", body)
        assert answer.status in (400, 413), repr(answer)
        ecr.refuse("DescribeRepositories", "RepositoryNotFoundException", repositoryNames=["ok/name"])


class TestNul:
    """U+0000, which PostgreSQL cannot hold, is refused on every database and is nobody's internal error."""

    @pytest.mark.parametrize("query", ["tags/list?last=%00", "tags/list?last=a%00b&n=1", "referrers/{digest}?last=%00"])
    def test_registry(self, wharf, ecr, query):
        repository = registry(wharf, ecr.repository())
        repository.client.get(f"{repository.base}/{query.format(digest=digest_of(b'x'))}").expect(400)

    def test_catalog(self, wharf):
        RegistryClient(wharf.host, wharf.authorization).get("/v2/_catalog?last=a%00").expect(400)

    def documents(self):
        """Manifests with NUL in each text that is shown or stored."""
        document = json.loads(image_manifest(b"config", []))
        config = document["config"]
        return [
            {**document, "artifactType": "a/\0b"},
            {**document, "config": {**config, "mediaType": "a/\0b"}},
            {**document, "layers": [{**config, "mediaType": "a/\0b"}]},
            {**document, "annotations": {"a": "\0"}},
            {**document, "annotations": {"\0": "a"}},
            {**document, "mediaType": "a/\0b"},
        ]

    def test_manifests(self, wharf, ecr):
        name = ecr.repository()
        repository = registry(wharf, name)
        repository.push_blob(b"config")
        for document in self.documents():
            body = json.dumps(document)
            with nothing_stored(wharf, ecr, name):
                answer = repository.client.put(repository.manifest("v1"), body.encode(), content_type=OCI_MANIFEST)
                answer.expect_error(400, "MANIFEST_INVALID")
                ecr.refuse("PutImage", INVALID, repositoryName=name, imageManifest=body, imageTag="v1")

    def test_resource_tags(self, ecr):
        name = ecr.repository()
        arn = ecr.arn(name)
        for tag in ({"Key": "a\0", "Value": "b"}, {"Key": "a", "Value": "b\0"}):
            ecr.refuse("CreateRepository", "InvalidTagParameterException", repositoryName=name + "2", tags=[tag])
            ecr.refuse("TagResource", "InvalidTagParameterException", resourceArn=arn, tags=[tag])
        ecr.refuse("UntagResource", "InvalidTagParameterException", resourceArn=arn, tagKeys=["a\0"])
        assert ecr.call("ListTagsForResource", resourceArn=arn)["tags"] == []

    def test_policies(self, ecr):
        name = ecr.repository()
        statement = {"Sid": "a\0", "Effect": "Allow", "Principal": "*", "Action": "ecr:*"}
        for policy in (json.dumps({"Statement": [statement]}), json.dumps({"Statement": []}) + "\0"):
            answer = ecr.api.ecr("SetRepositoryPolicy", {"repositoryName": name, "policyText": policy})
            assert answer.status in (200, 400), repr(answer)

    @pytest.mark.parametrize(
        "form",
        [
            "Action=CreateUser&UserName=a%00b",
            "Action=GetUser&UserName=%00",
            "Action=CreateRole&RoleName=a&AssumeRolePolicyDocument=%00",
            "Action=CreateUser&UserName=nul&Path=/%00/",
            "Action=CreateUser&UserName=nul&Tags.member.1.Key=a%00&Tags.member.1.Value=b",
            "Action=CreateUser&UserName=nul&Tags.member.1.Key=a&Tags.member.1.Value=b%00",
            "Action=CreatePolicy&PolicyName=nul&Description=%00&PolicyDocument=%7B%22Statement%22:%5B%5D%7D",
            "Action=CreatePolicy&PolicyName=nul&PolicyDocument=%00",
            "Action=ListUsers&PathPrefix=/%00",
            "Action=ListUsers&Marker=%00",
            "Action=GetPolicy&PolicyArn=arn:aws:iam::123456789012:policy/%00",
            "Action=PutUserPolicy&UserName=a&PolicyName=%00&PolicyDocument=%00",
        ],
    )
    def test_iam(self, ecr, form):
        answer = ecr.api.sts(f"{form}&Version=2010-05-08", ecr.api.signing.but(service="iam"))
        assert 400 <= answer.status < 500, repr(answer)

    @pytest.mark.parametrize(
        "form",
        [
            "Action=AssumeRole&RoleArn=arn:aws:iam::123456789012:role/a%00&RoleSessionName=abc",
            "Action=AssumeRole&RoleArn=arn:aws:iam::123456789012:role/a&RoleSessionName=a%00c",
            "Action=GetAccessKeyInfo&AccessKeyId=AKIA%00AAAAAAAAAAAAAAA",
        ],
    )
    def test_sts(self, ecr, form):
        answer = ecr.api.sts(f"{form}&Version=2011-06-15")
        assert 400 <= answer.status < 500, repr(answer)

    def test_tokens(self, ecr):
        for operation, body in [
            ("CreateToken", {"name": "a\0b", "actions": ["pull"], "repositories": ["*"]}),
            ("RevokeToken", {"name": "a\0b"}),
            ("CreateToken", {"name": "nul", "description": "\0", "policy": "\0"}),
        ]:
            headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"Wharf_20261121.{operation}"}
            answer = ecr.api.post(json.dumps(body).encode(), headers, ecr.api.signing.but(service="wharf"))
            assert answer.status == 400, repr(answer)


class TestManifests:
    BODIES = {
        "empty": b"",
        "no JSON": b"hello",
        "cut": b'{"schemaVersion": 2, "layers": [',
        "array": b"[]",
        "null": b"null",
        "number": b"2",
        "invalid UTF-8": b'{"schemaVersion": 2, "x": "\xff"}',
        "deep": b'{"schemaVersion": 2, "config": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "config is a text": b'{"schemaVersion": 2, "config": "x", "layers": []}',
        "layers is an object": b'{"schemaVersion": 2, "config": {}, "layers": {}}',
        "layer without digest": b'{"schemaVersion": 2, "config": {"mediaType": "a/b", "size": 1}, "layers": [{}]}',
        "digest that is none": b'{"schemaVersion": 2, "config": {"mediaType": "a/b", "digest": "../../x", "size": 1}, "layers": []}',
        "negative size": json.dumps(
            {"schemaVersion": 2, "config": {"mediaType": "a/b", "digest": digest_of(b""), "size": -1}, "layers": []}
        ).encode(),
        "huge size": json.dumps(
            {"schemaVersion": 2, "config": {"mediaType": "a/b", "digest": digest_of(b""), "size": 10**30}, "layers": []}
        ).encode(),
    }

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
    def test_registry(self, wharf, ecr, body):
        """reference/access.md 7: a bad manifest is 400 MANIFEST_INVALID (or names blobs that are not there)."""
        name = ecr.repository()
        repository = registry(wharf, name)
        with nothing_stored(wharf, ecr, name):
            answer = repository.client.put(repository.manifest("v1"), body, content_type=OCI_MANIFEST)
            answer.expect_error((400, 404), "MANIFEST_INVALID", "MANIFEST_BLOB_UNKNOWN")

    @pytest.mark.parametrize(
        "kind", ["empty", "no JSON", "cut", "null", "config is a text", "digest that is none", "negative size"]
    )
    def test_api(self, wharf, ecr, kind):
        """PutImage: the same is InvalidParameterException (or LayersNotFoundException)."""
        name = ecr.repository()
        with nothing_stored(wharf, ecr, name):
            ecr.refuse(
                "PutImage",
                (INVALID, "LayersNotFoundException"),
                repositoryName=name,
                imageManifest=self.BODIES[kind].decode(),
                imageManifestMediaType=OCI_MANIFEST,
                imageTag="v1",
            )

    @pytest.mark.parametrize(
        "media_type", ["", "text/plain", "a", "application/vnd.unknown+json", "x" * 300 + "/json", "é/b"]
    )
    def test_media_type(self, wharf, ecr, media_type):
        """reference/repositories-images.md 4: types that ECR does not take are refused, by the parameter too."""
        name = ecr.repository()
        repository = registry(wharf, name)
        document = json.loads(index_manifest([]))
        del document["mediaType"]
        body = json.dumps(document)
        with nothing_stored(wharf, ecr, name):
            answer = repository.client.put(repository.manifest("v1"), body.encode(), content_type=media_type.encode())
            assert 400 <= answer.status < 500, repr(answer)
            ecr.refuse("PutImage", INVALID, repositoryName=name, imageManifest=body, imageManifestMediaType=media_type)

    def test_too_large_by_api(self, wharf, ecr):
        """Model: a manifest has at most 4 MiB."""
        name = ecr.repository()
        body = index_manifest([], annotations={"x": "x" * (4 * MIB)}).decode()
        with nothing_stored(wharf, ecr, name):
            answer = ecr.api.ecr("PutImage", {"repositoryName": name, "imageManifest": body})
            assert answer.status in (400, 413), repr(answer)
            assert model_check.error_name(answer) in (INVALID, "RequestEntityTooLargeException"), repr(answer)

    def test_announced_as_too_large(self, wharf, ecr):
        """What says that it will be too large is refused before it comes."""
        name = ecr.repository()
        headers = [("Host", wharf.host), ("Authorization", wharf.authorization), ("Content-Type", OCI_MANIFEST)]
        connection = RawConnection(wharf.own_host)
        connection.send(head("PUT", f"/v2/{name}/manifests/v1", [*headers, ("Content-Length", 10**15)]))
        connection.answer().expect(413)
        connection.close()

    def test_many_descriptors(self, wharf, ecr):
        """A manifest full of blobs that are not there is one clean refusal."""
        name = ecr.repository()
        repository = registry(wharf, name)
        layers = [str(number).encode() for number in range(20_000)]
        body = image_manifest(b"config", layers)
        assert len(body) < 4 * MIB
        with nothing_stored(wharf, ecr, name):
            answer = repository.client.put(repository.manifest("v1"), body, content_type=OCI_MANIFEST)
            answer.expect_error((400, 404), "MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID")

    def test_texts_of_refusals(self, ecr):
        """What is wrong is said in the model's words, and each missing child once."""
        name = ecr.repository()
        body = index_manifest([]).decode()
        put = {"repositoryName": name, "imageManifest": body}
        said = ecr.refuse("PutImage", INVALID, **put, imageDigest="latest")["message"]
        assert "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'" in said
        said = ecr.refuse("PutImage", INVALID, **put, imageManifestMediaType="")["message"]
        assert "imageManifestMediaType" in said and OCI_MANIFEST in said
        child = {"mediaType": OCI_MANIFEST, "digest": digest_of(b"absent"), "size": 6}
        put["imageManifest"] = index_manifest([child, child, child]).decode()
        said = ecr.refuse("PutImage", "ReferencedImagesNotFoundException", **put)["message"]
        assert said.count(child["digest"]) == 1, said

    @pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov", "x", ""])
    def test_arn_of_another_partition(self, ecr, partition):
        """A region belongs to one partition."""
        arn = ecr.arn(ecr.repository()).replace("arn:aws:", f"arn:{partition}:")
        said = ecr.refuse("ListTagsForResource", INVALID, resourceArn=arn)["message"]
        assert "Invalid ARN" in said

    def test_an_index_of_itself(self, wharf, ecr):
        """A child that is absent is absent, even if its digest is that of an index in this repository's past."""
        name = ecr.repository()
        index = ecr.index(name, [], "v1")
        parent = ecr.index(name, [index], "v2")
        for digest in (parent.digest, index.digest):
            ecr.call("BatchDeleteImage", repositoryName=name, imageIds=[{"imageDigest": digest}])
        with nothing_stored(wharf, ecr, name):
            ecr.refuse(
                "PutImage", "ReferencedImagesNotFoundException", repositoryName=name, imageManifest=parent.body.decode()
            )


class TestPaths:
    """Tricks with paths: nothing outside of the repository is reached, read or written."""

    PATHS = [
        "/v2/../v2/_catalog/..", "/v2/..", "/v2/%2e%2e/", "/v2/./_catalog", "/v2//_catalog", "//v2/_catalog", "/v2/_catalog/",
        "{base}/../../../../etc/passwd", "{base}/manifests/../manifests/v1", "{base}/manifests/%2e%2e/v1", "{base}/./manifests/v1",
        "{base}//manifests/v1", "{base}/manifests//v1", "{base}/manifests/v1/", "{base}/manifests/v1/..", "{base}/manifests/",
        "{base}%2fmanifests%2fv1", "{base}/manifests%2fv1", "{base}/manifests/v1%00", "{base}%00/manifests/v1",
        "{base}/manifests/%76%00", "{base}/manifests/v1%0d%0aX-Injected:%201", "{base}/blobs/..%2f..%2f..%2fetc%2fpasswd",
        "{base}/blobs/sha256:..%2f..%2fetc%2fpasswd", "{base}/blobs/sha256:../../../etc/passwd", "{base}/blobs/%2fetc%2fpasswd",
        "{base}/blobs/uploads/..%2f..%2f..%2fetc%2fpasswd", "{base}/blobs/uploads/../../manifests/v1", "{base}/tags/../tags/list",
        "{base}/tags/list/..", "{base}/tags%2flist", "{base}/tags/list;x=y", "{base}/manifests/..%5c..%5cv1", "{base}/manifests/v1%zz",
        "{base}/manifests/%", "{base}/manifests/%c0%ae%c0%ae", "{base}/manifests/%ff", "{base}/manifests/v1%20", "{upper}/manifests/v1",
        "{base}/referrers/../manifests/v1", "{base}/referrers/..%2fx", "/v2/\\..\\..\\etc/manifests/v1", "/V2/{name}/manifests/v1",
        "/v2/{name}", "/v2{name}/manifests/v1", "/v2/-/manifests/v1", "/v2/{long}/manifests/v1", "{base}/manifests/{long}",
        "/../../../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "/" + "a/" * 4000,
    ]  # fmt: skip

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
    def test_paths(self, wharf, ecr, method):
        """A path is what it says, without being tidied up: no trick leads to an answer that its plain form would have."""
        name = ecr.repository()
        repository = registry(wharf, name)
        repository.push_image("v1")
        fill = {"base": repository.base, "name": name, "upper": repository.base.upper(), "long": "a" * 9000}
        body = index_manifest([]) if method == "PUT" else b""
        headers = [("Host", wharf.host), ("Authorization", wharf.authorization), ("Content-Type", OCI_INDEX)]
        connection = RawConnection(wharf.own_host)
        with nothing_stored(wharf, ecr, name):
            for path in self.PATHS:
                target = path.format(**fill)
                answer = connection.exchange(head(method, target, [*headers, ("Content-Length", len(body))]) + body)
                assert 400 <= answer.status < 500, repr(answer)
                assert b"root:" not in answer.body, repr(answer)
                assert answer.header("X-Injected") is None, repr(answer)
        connection.close()

    @pytest.mark.parametrize("source", ["../../etc", "%2e%2e", "a%00b", "", "A", "x" * 5000])
    def test_source_of_a_mount(self, wharf, ecr, source):
        """A name in the query is a name like any other."""
        name = ecr.repository()
        repository = registry(wharf, name)
        target = f"{repository.uploads}?mount={digest_of(b'x')}&from={source}"
        repository.client.post(target).expect(202, 400, 404)


class TestHead:
    """What RFC 9110 and 9112 say of a request's head."""

    def ask(self, wharf, target, hosts, version="1.1", method="GET"):
        """The status and answer to a request with these Host headers."""
        lines = [f"{method} {target} HTTP/{version}", *(f"Host: {host}" for host in hosts)]
        lines += [f"Authorization: {wharf.authorization}", "Content-Length: 0"]
        connection = RawConnection(wharf.own_host)
        answer = connection.exchange(("\r\n".join(lines) + "\r\n\r\n").encode(), method)
        connection.close()
        return answer

    @pytest.mark.parametrize("path", ["/v2/", "/", "/healthz"])
    def test_one_host(self, wharf, path):
        """RFC 9112, 3.2: an HTTP/1.1 request has exactly one Host header."""
        for hosts in ((), (wharf.host, wharf.host), (wharf.host, "other.example")):
            self.ask(wharf, path, hosts).expect(400)
        self.ask(wharf, "/v2/", (), version="1.0").expect(200)
        self.ask(wharf, "/v2/", (wharf.host,)).expect(200)

    def test_absolute_form(self, wharf):
        """RFC 9112, 3.2.2: the target's authority wins over Host."""
        registry_host = f"{wharf.account}.dkr.ecr.eu-west-9.localhost"
        self.ask(wharf, "http://localhost/v2/", (registry_host,)).expect(200)
        assert self.ask(wharf, f"http://{registry_host}/v2/", ("localhost",)).status in (400, 401, 403)

    def test_allow(self, wharf, ecr):
        """RFC 9110, 15.5.6: 405 says which methods there are."""
        base = registry(wharf, ecr.repository()).base
        for path, method, allowed in [
            ("/v2/", "PUT", "GET, HEAD"),
            (f"{base}/tags/list", "DELETE", "GET, HEAD"),
            (f"{base}/manifests/v1", "PATCH", "GET, HEAD, PUT, DELETE"),
            (f"{base}/blobs/uploads/", "GET", "POST"),
        ]:
            answer = self.ask(wharf, path, (wharf.host,), method=method).expect(405)
            assert answer.header("Allow") == allowed, repr(answer)

    def test_ranges_beyond_all_numbers(self, wharf, ecr):
        """RFC 9110, 14.2: a last position beyond the end means the end, however long its number."""
        repository = registry(wharf, ecr.repository())
        path = f"{repository.base}/blobs/{repository.push_blob(b'0123456789')}"
        huge = "9" * 30
        for asked, status, body in [(f"0-{huge}", 206, b"0123456789"), (f"-{huge}", 206, b"0123456789")]:
            answer = repository.client.get(path, range=f"bytes={asked}").expect(status)
            assert answer.body == body
        repository.client.get(path, range=f"bytes={huge}-").expect(416)

    def test_page_size_beyond_all_numbers(self, wharf, ecr):
        repository = registry(wharf, ecr.repository())
        repository.client.get(f"{repository.base}/tags/list?n={'9' * 30}").expect(200)
        repository.client.get(f"{repository.base}/tags/list?n=-1").expect(400)

    def test_head_of_an_upload(self, wharf, ecr):
        """RFC 9110, 8.6: an answer of 204 has no Content-Length."""
        repository = registry(wharf, ecr.repository())
        location = path_of(repository.start_upload())
        answer = self.ask(wharf, location, (wharf.host,), method="HEAD").expect(204)
        assert answer.header("Content-Length") is None, repr(answer)

    def test_case_of_a_media_type(self, wharf, ecr):
        """RFC 9110, 8.3.1: media types have no case; the image has the one that its manifest spells."""
        name = ecr.repository()
        repository = registry(wharf, name)
        repository.push_blob(b"config")
        body = image_manifest(b"config", [])
        repository.client.put(repository.manifest("v1"), body, content_type=OCI_MANIFEST.upper()).expect(201)
        assert repository.client.get(repository.manifest("v1")).header("Content-Type") == OCI_MANIFEST


class TestUploads:
    """Connections that break, lengths that are wrong."""

    def headers(self, wharf, *more):
        return [("Host", wharf.host), ("Authorization", wharf.authorization), ("Content-Type", BYTES), *more]

    def resume(self, repository, location, content):
        """Goes on from where the server says it is, as often as it says 416, and completes the blob."""
        for _ in range(20):
            status = repository.client.get(location).expect(204)
            last = int(status.header("Range").split("-")[1])
            first = last + 1 if last else 0  # nothing and one byte are both told as 0-0, and no test sends one byte
            target = with_query(status.header("Location"), digest=digest_of(content))
            headers = {"content_type": BYTES, "content_range": f"{first}-{len(content) - 1}"}
            answer = repository.client.put(target, content[first:], **headers)
            if answer.status != 416:  # the broken request may still have been at work
                break
        answer.expect(201)
        assert repository.client.get(repository.blob(digest_of(content))).expect(200).body == content

    @pytest.mark.parametrize("how", ["reset", "goodbye"])
    @pytest.mark.parametrize("coding", ["length", "chunked"])
    @pytest.mark.parametrize("sent", [0, 1000, 700_000])
    def test_cut_patch(self, wharf, ecr, how, coding, sent):
        """A PATCH that breaks off leaves an upload that goes on where the server says."""
        repository = registry(wharf, ecr.repository())
        content = random_content(1_000_000)
        location = repository.start_upload()
        connection = RawConnection(wharf.own_host)
        path = path_of(location)
        if coding == "length":
            connection.send(head("PATCH", path, self.headers(wharf, ("Content-Length", len(content)))) + content[:sent])
        else:
            connection.send(head("PATCH", path, self.headers(wharf, ("Transfer-Encoding", "chunked"))))
            connection.send(b"%x\r\n" % len(content) + content[:sent])
        if how == "reset":
            connection.abort()
        else:
            connection.finish_sending()
            with contextlib.suppress(Dropped):
                assert connection.answer("PATCH").status >= 400
            connection.close()
        repository.client.head(repository.blob(digest_of(content))).expect(404)
        repository.client.head(repository.blob(digest_of(content[:sent]))).expect(404)
        self.resume(repository, location, content)

    @pytest.mark.parametrize("how", ["reset", "goodbye"])
    def test_cut_put(self, wharf, ecr, how):
        """A PUT that breaks off makes no blob: neither the whole nor the part."""
        repository = registry(wharf, ecr.repository())
        content = random_content(1_000_000)
        for digest in (digest_of(content), digest_of(content[:500_000])):
            location = repository.start_upload()
            path = path_of(location)
            connection = RawConnection(wharf.own_host)
            request = head(
                "PUT", with_query(path, digest=digest), self.headers(wharf, ("Content-Length", len(content)))
            )
            connection.send(request + content[:500_000])
            if how == "reset":
                connection.abort()
            else:
                connection.finish_sending()
                with contextlib.suppress(Dropped):
                    assert connection.answer("PUT").status >= 400
                connection.close()
            repository.client.head(repository.blob(digest)).expect(404)

    def test_cut_manifest(self, wharf, ecr):
        """A manifest that breaks off is not stored, even where the part is a manifest by itself."""
        name = ecr.repository()
        body = index_manifest([])
        with nothing_stored(wharf, ecr, name):
            connection = RawConnection(wharf.own_host)
            headers = self.headers(wharf, ("Content-Length", len(body) + 10))
            connection.send(head("PUT", f"/v2/{name}/manifests/v1", headers) + body)
            connection.abort()
            registry(wharf, name).client.get(f"/v2/{name}/manifests/v1").expect(404)

    CHUNKS = {
        "no size": b"\r\nabc\r\n0\r\n\r\n",
        "size that is none": b"zz\r\nabc\r\n0\r\n\r\n",
        "negative size": b"-3\r\nabc\r\n0\r\n\r\n",
        "size too large": b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "no end of chunk": b"3\r\nabcdef\r\n0\r\n\r\n",
    }

    @pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS.keys())
    def test_bad_chunked_coding(self, wharf, ecr, body):
        """HTTP: a body whose coding is broken is refused or the connection is closed; no blob comes of it."""
        repository = registry(wharf, ecr.repository())
        location = repository.start_upload()
        path = path_of(location)
        target = with_query(path, digest=digest_of(b"abc"))
        connection = RawConnection(wharf.own_host)
        connection.send(head("PUT", target, self.headers(wharf, ("Transfer-Encoding", "chunked"))) + body)
        with contextlib.suppress(Dropped):
            assert 400 <= connection.answer("PUT").status < 500
        connection.close()
        repository.client.head(repository.blob(digest_of(b"abc"))).expect(404)

    LENGTHS = {
        "negative": [("Content-Length", "-1")],
        "text": [("Content-Length", "abc")],
        "hexadecimal": [("Content-Length", "0x3")],
        "sign": [("Content-Length", "+3")],
        "huge": [("Content-Length", "9" * 40)],
        "two different": [("Content-Length", "3"), ("Content-Length", "4")],
        "unknown coding": [("Transfer-Encoding", "gzip")],
        "chunked is not last": [("Transfer-Encoding", "chunked, gzip")],
    }

    @pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS.keys())
    def test_bad_framing(self, wharf, ecr, lengths):
        """HTTP: a request whose end nobody can tell is refused with 4xx, and the connection is closed."""
        name = ecr.repository()
        connection = RawConnection(wharf.own_host)
        request = head("PUT", f"/v2/{name}/manifests/v1", self.headers(wharf, *lengths)) + b"abc"
        answer = connection.exchange(request, "PUT")
        assert 400 <= answer.status < 500 or answer.status == 501, repr(answer)
        connection.close()

    def test_smuggling(self, wharf, ecr):
        """HTTP: with both Content-Length and chunked coding no second request hides in the body."""
        name = ecr.repository()
        ecr.image(name, "v1")
        hidden = head("DELETE", f"/v2/{name}/manifests/v1", self.headers(wharf))
        body = b"0\r\n\r\n" + hidden
        headers = self.headers(wharf, ("Content-Length", len(body)), ("Transfer-Encoding", "chunked"))
        connection = RawConnection(wharf.own_host)
        connection.send(head("POST", f"/v2/{name}/blobs/uploads/", headers) + body)
        assert connection.answer("POST").status < 500
        connection.close()
        assert any(tag == "v1" for _, tag in ecr.image_ids(name)), "the hidden request was carried out"

    def test_length_shorter_than_the_body(self, wharf, ecr):
        """HTTP: what follows the announced length is another request, and a bad one."""
        name = ecr.repository()
        connection = RawConnection(wharf.own_host)
        body = index_manifest([])
        headers = [*self.headers(wharf), ("Content-Length", len(body) - 5)]
        request = head("PUT", f"/v2/{name}/manifests/v1", headers) + body
        answer = connection.exchange(request, "PUT")
        assert 400 <= answer.status < 500, repr(answer)
        connection.close()
        assert ecr.image_ids(name) == set()

    def test_layer_larger_than_the_limit(self, wharf, ecr):
        """reference/repositories-images.md 7: a layer has at most 52,000 MiB; what announces more is refused before it comes."""
        repository = registry(wharf, ecr.repository())
        location = repository.start_upload()
        path = path_of(location)
        connection = RawConnection(wharf.own_host)
        headers = self.headers(wharf, ("Content-Length", 52_001 * MIB))
        connection.send(head("PATCH", path, headers))
        answer = connection.answer("PATCH")
        assert 400 <= answer.status < 500, repr(answer)
        connection.close()


class TestHttp:
    """Requests that are hardly HTTP."""

    RAW = {
        "no version": b"GET /v2/\r\n\r\n",
        "old version": b"GET /v2/ HTTP/0.9\r\n\r\n",
        "future version": b"GET /v2/ HTTP/9.9\r\nHost: a\r\n\r\n",
        "no host": b"GET /v2/ HTTP/1.1\r\n\r\n",
        "two hosts": b"GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "host that is none": b"GET /v2/ HTTP/1.1\r\nHost: a/b@c\r\n\r\n",
        "space in the target": b"GET /v2/ x HTTP/1.1\r\nHost: a\r\n\r\n",
        "no target": b"GET  HTTP/1.1\r\nHost: a\r\n\r\n",
        "NUL in a header": b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
        "folded header": b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        "space before the colon": b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n",
        "header without colon": b"GET /v2/ HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n",
        "long line": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        "large head": b"GET /v2/ HTTP/1.1\r\nHost: a\r\n"
        + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 900) for n in range(1000))
        + b"\r\n",
        "many headers": b"GET /v2/ HTTP/1.1\r\nHost: a\r\n"
        + b"".join(b"X-%d: a\r\n" % n for n in range(5000))
        + b"\r\n",
        "binary": bytes(range(256)) * 4 + b"\r\n\r\n",
        "TLS hello": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\0" * 200,
        "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "connect": b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
        "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    }

    @pytest.mark.refused_before_store
    @pytest.mark.parametrize("data", RAW.values(), ids=RAW.keys())
    def test_raw(self, wharf, data):
        """A refusal or a closed connection, never success, never an error of the server."""
        connection = RawConnection(wharf.own_host)
        connection.send(data)
        with contextlib.suppress(Dropped):
            answer = connection.answer("GET", repr(data[:100]))
            assert 400 <= answer.status < 500 or answer.status == 505, repr(answer)
        connection.close()

    def test_pipelined_requests(self, wharf):
        """HTTP: several requests sent at once are answered in their order."""
        headers = [("Host", wharf.host), ("Authorization", wharf.authorization)]
        connection = RawConnection(wharf.own_host)
        wanted = ["/v2/", "/v2/absent/tags/list", "/v2/", "/v2/absent/manifests/v1", "/v2/"]
        connection.send(b"".join(head("GET", target, headers) for target in wanted))
        assert [connection.answer().status for _ in wanted] == [200, 404, 200, 404, 200]
        connection.close()

    def test_idle_connections(self, wharf):
        """Connections that say nothing keep nobody else from being answered."""
        idle = [RawConnection(wharf.own_host) for _ in range(200)]
        for connection in idle:
            connection.send(b"GET /v2/ HTTP/1.1\r\nHost: ")
        RegistryClient(wharf.host, wharf.authorization).get("/v2/").expect(200)
        for connection in idle:
            connection.abort()


class TestAccounts:
    @pytest.mark.parametrize(
        "registry_id", ["999999999999", "000000000000", "12345678901", "1234567890123", "abc", "", "12345678901x"]
    )
    @pytest.mark.parametrize(
        "operation", ["DescribeRepositories", "ListImages", "CreateRepository", "InitiateLayerUpload"]
    )
    def test_unknown_account(self, ecr, operation, registry_id):
        """Another account, or none: refused as the caller may know it, and nothing is made."""
        name = ecr.repository() if operation != "CreateRepository" else f"unknown/{uuid.uuid4().hex}"
        parameters = {"repositoryNames": [name]} if operation == "DescribeRepositories" else {"repositoryName": name}
        answer = ecr.api.ecr(operation, {**parameters, "registryId": registry_id})
        assert answer.status == 400, repr(answer)
        expected = (INVALID, "RepositoryNotFoundException", "AccessDeniedException")
        assert model_check.error_name(answer) in expected, repr(answer)

    @pytest.mark.parametrize(
        "host", ["999999999999.dkr.ecr.us-east-1.amazonaws.com", "123456789012.dkr.ecr.xx-nowhere-9.amazonaws.com"]
    )
    def test_unknown_registry_of_the_host(self, wharf, host):
        """A host that names an account or a region that is not here gives nothing."""
        answer = RegistryClient(wharf.host, wharf.authorization, host_header=host).get("/v2/some/name/tags/list")
        answer.expect(400, 401, 403, 404)


class TestLayerParts:
    BAD = {
        "no base64": {"layerPartBlob": "*" * 100},
        "a number": {"layerPartBlob": 5},
        "first byte negative": {"partFirstByte": -1},
        "first byte a text": {"partFirstByte": "0"},
        "last byte huge": {"partLastByte": 2**63},
        "last before first": {"partFirstByte": 5, "partLastByte": 4},
        "no last byte": {"partLastByte": None},
    }

    @pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
    def test_bad_part(self, ecr, change):
        """UploadLayerPart: refused, and the upload is where it was."""
        name = ecr.repository()
        upload = ecr.start_upload(name)
        ecr.call("UploadLayerPart", **part_parameters(name, upload, 0, b"abc"))
        answer = ecr.api.ecr("UploadLayerPart", {**part_parameters(name, upload, 3, b"def"), **change})
        assert answer.status == 400, repr(answer)
        assert model_check.error_name(answer) in (INVALID, SERIALIZATION, "InvalidLayerPartException"), repr(answer)
        taken = ecr.call("UploadLayerPart", **part_parameters(name, upload, 3, b"def"))
        assert taken["lastByteReceived"] == 5


class TestGenerated:
    def test_generated_requests(self, wharf, ecr):
        """Mutations of valid requests, from a seed: every one is answered, none with an error of the server.

        Ten thousand in the long form (`harness.soak`), and two thousand else.
        """
        repository = new_repository(wharf, "fuzz-target")
        image = repository.push_image("v1")
        seed = fresh_seed()
        generator = Generator(seed, ecr.api.signing, wharf.authorization, wharf.host, repository.name, image)
        connections = [RawConnection(wharf.own_host) for _ in range(4)]
        counts = {}
        for number in range(REQUESTS):
            request = generator.next()
            data = request.wire(wharf.host)
            shown = f"request {number} of seed {seed}: {data[:3000]!r}"
            connection = connections[number % len(connections)]
            connection.send(data)
            answer = connection.answer(request.method, shown)
            assert 200 <= answer.status < 500, repr(answer)
            counts[answer.status] = counts.get(answer.status, 0) + 1
        for connection in connections:
            connection.close()
        assert sum(counts.values()) == REQUESTS
        assert counts.get(200, 0) > REQUESTS // 20, f"hardly a valid request was left: {counts}"
        assert sum(count for status, count in counts.items() if status >= 400) > REQUESTS // 4, (
            f"hardly a bad one: {counts}"
        )
        survivor = new_repository(wharf)
        pushed = survivor.push_image("v1")
        assert survivor.pull("v1").expect(200).body == pushed.body
