"""Pushes images purely by the ECR API, as a client does that knows nothing of the registry protocol."""

from harness.registry_client import digest_of


def push_layer(ecr, name, content):
    """Uploads a blob in parts of the size that the registry asks for, unless it is there already."""
    digest = digest_of(content)
    (state,) = ecr.batch_check_layer_availability(repositoryName=name, layerDigests=[digest])["layers"]
    if state["layerAvailability"] == "AVAILABLE":
        return digest
    upload = ecr.initiate_layer_upload(repositoryName=name)
    size = upload["partSize"]
    for first in range(0, len(content), size):
        part = content[first : first + size]
        ecr.upload_layer_part(
            repositoryName=name,
            uploadId=upload["uploadId"],
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=part,
        )
    ecr.complete_layer_upload(repositoryName=name, uploadId=upload["uploadId"], layerDigests=[digest])
    return digest


def put(ecr, name, made, tag=None):
    tags = {"imageTag": tag} if tag else {}
    answer = ecr.put_image(
        repositoryName=name, imageManifest=made.manifest.decode(), imageManifestMediaType=made.media_type, **tags
    )
    return answer["image"]


def push_image(ecr, name, made, tag=None):
    """Pushes an image of `harness.images`; returns what PutImage told."""
    for blob in made.blobs:
        push_layer(ecr, name, blob)
    return put(ecr, name, made, tag)


def push_index(ecr, name, made, tag):
    for child in made.images:
        push_image(ecr, name, child)
    return put(ecr, name, made, tag)
