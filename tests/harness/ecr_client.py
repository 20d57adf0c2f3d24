"""The ECR API with every answer held against the model, and what tests of it build: repositories, layers, images."""

import base64
import json
import uuid

from harness import model_check
from harness.aws_api import AwsApi
from harness.registry_client import (
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Pushed,
    digest_of,
    image_manifest,
    index_manifest,
    random_content,
)


class Ecr:
    """One account's registry through the API."""

    def __init__(self, wharf, signing=None):
        self.wharf = wharf
        self.api = AwsApi(wharf, signing)
        self.account = wharf.account
        self.region = wharf.region
        self.succeeded = set()

    def call(self, operation, **parameters):
        """A call that succeeds; its answer is checked against the output shape."""
        answer = self.api.ecr(operation, parameters)
        model_check.expect_success(operation, answer)
        self.succeeded.add(operation)
        return answer.json()

    def refuse(self, operation, error, message=None, **parameters):
        """A call that fails with an error that the model lists; returns the error's members.

        `error` is a name or a tuple of names; `message`, where given, is the exact text.
        """
        answer = self.api.ecr(operation, parameters)
        expected = error if isinstance(error, tuple) else (error,)
        text = model_check.expect_error(operation, answer, *expected)
        assert message is None or text == message, f"expected {message!r}, got {text!r}: {answer!r}"
        return answer.json()

    def arn(self, repository):
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{repository}"

    def repository(self, prefix="contract", **parameters):
        """The name of a new repository."""
        name = f"{prefix}/{uuid.uuid4().hex}"
        self.call("CreateRepository", repositoryName=name, **parameters)
        return name

    def start_upload(self, repository):
        return self.call("InitiateLayerUpload", repositoryName=repository)["uploadId"]

    def layer(self, repository, content=None):
        """The digest of a layer uploaded in parts."""
        content = random_content() if content is None else content
        upload = self.start_upload(repository)
        size = 10 * 1024 * 1024
        for first in range(0, len(content), size):
            self.call("UploadLayerPart", **part_parameters(repository, upload, first, content[first : first + size]))
        digest = digest_of(content)
        self.call("CompleteLayerUpload", repositoryName=repository, uploadId=upload, layerDigests=[digest])
        return digest

    def manifest(self, repository, media_type=OCI_MANIFEST, layers=1, **extra):
        """A manifest whose blobs are there, itself not yet pushed."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "unique": uuid.uuid4().hex}).encode()
        contents = [random_content() for _ in range(layers)]
        for content in [config, *contents]:
            self.layer(repository, content)
        return Pushed(image_manifest(config, contents, media_type, **extra), media_type)

    def put(self, repository, pushed, tag=None):
        """PutImage of a manifest."""
        tags = {"imageTag": tag} if tag else {}
        return self.call("PutImage", repositoryName=repository, imageManifest=pushed.body.decode(), **tags)["image"]

    def image(self, repository, tag=None, media_type=OCI_MANIFEST, **extra):
        """A new image, pushed."""
        pushed = self.manifest(repository, media_type, **extra)
        self.put(repository, pushed, tag)
        return pushed

    def docker_image(self, repository, tag=None):
        return self.image(repository, tag, DOCKER_MANIFEST)

    def index(self, repository, children, tag=None, media_type=OCI_INDEX, **extra):
        """A new index of images in the repository, pushed."""
        pushed = Pushed(index_manifest([child.descriptor for child in children], media_type, **extra), media_type)
        self.put(repository, pushed, tag)
        return pushed

    def image_ids(self, repository, **parameters):
        """Every image identifier, over all pages, as a set of (digest, tag)."""
        found, token = set(), {}
        while True:
            page = self.call("ListImages", repositoryName=repository, **parameters, **token)
            found |= {(entry["imageDigest"], entry.get("imageTag")) for entry in page["imageIds"]}
            if "nextToken" not in page:
                return found
            token = {"nextToken": page["nextToken"]}

    def details(self, repository, **parameters):
        """DescribeImages by digest."""
        answer = self.call("DescribeImages", repositoryName=repository, **parameters)
        return {entry["imageDigest"]: entry for entry in answer["imageDetails"]}


def part_parameters(repository, upload, first, content):
    return {
        "repositoryName": repository,
        "uploadId": upload,
        "partFirstByte": first,
        "partLastByte": first + len(content) - 1,
        "layerPartBlob": base64.b64encode(content).decode(),
    }
