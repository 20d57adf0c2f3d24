"""Holds answers against botocore's model of the service: shapes, types, enums, patterns, limits, listed errors.

It reads the JSON as it came and not through botocore's parser, which forgives unknown members, nulls and wrong types.
"""

import base64
import binascii
import re
import uuid
from functools import cache

import botocore.session

# Lists whose limits are meant for requests: an answer may be empty, or a page of up to 1,000.
REQUEST_LIMITS_ONLY = {"ImageIdentifierList"}

# Members that the model leaves optional and that ECR always sends (reference/repositories-images.md 1, 3, 4, 6; reference/access.md 6).
ALWAYS_PRESENT = {
    "Repository": {
        "repositoryArn",
        "registryId",
        "repositoryName",
        "repositoryUri",
        "createdAt",
        "imageTagMutability",
        "imageScanningConfiguration",
        "encryptionConfiguration",
    },
    "ImageScanningConfiguration": {"scanOnPush"},
    "Image": {"registryId", "repositoryName", "imageId", "imageManifest", "imageManifestMediaType"},
    "ImageDetail": {
        "registryId",
        "repositoryName",
        "imageDigest",
        "imageSizeInBytes",
        "imagePushedAt",
        "imageManifestMediaType",
        "imageStatus",
    },
    "ImageFailure": {"imageId", "failureCode", "failureReason"},
    "LayerFailure": {"layerDigest", "failureCode", "failureReason"},
    "Layer": {"layerDigest", "layerAvailability"},
    "ImageReferrer": {"artifactStatus"},
    "UpdateImageStorageClassResponse": {"registryId", "repositoryName", "imageId", "imageStatus"},
    "AuthorizationData": {"authorizationToken", "expiresAt", "proxyEndpoint"},
    "GetAuthorizationTokenResponse": {"authorizationData"},
    "CreateRepositoryResponse": {"repository"},
    "DescribeRepositoriesResponse": {"repositories"},
    "DeleteRepositoryResponse": {"repository"},
    "PutImageResponse": {"image"},
    "BatchGetImageResponse": {"images", "failures"},
    "BatchDeleteImageResponse": {"imageIds", "failures"},
    "ListImagesResponse": {"imageIds"},
    "DescribeImagesResponse": {"imageDetails"},
    "ListImageReferrersResponse": {"referrers"},
    "BatchCheckLayerAvailabilityResponse": {"layers", "failures"},
    "InitiateLayerUploadResponse": {"uploadId", "partSize"},
    "UploadLayerPartResponse": {"registryId", "repositoryName", "uploadId", "lastByteReceived"},
    "CompleteLayerUploadResponse": {"registryId", "repositoryName", "uploadId", "layerDigest"},
    "GetDownloadUrlForLayerResponse": {"downloadUrl", "layerDigest"},
    "PutImageTagMutabilityResponse": {"registryId", "repositoryName", "imageTagMutability"},
    "ListTagsForResourceResponse": {"tags"},
    "SetRepositoryPolicyResponse": {"registryId", "repositoryName", "policyText"},
    "GetRepositoryPolicyResponse": {"registryId", "repositoryName", "policyText"},
    "DeleteRepositoryPolicyResponse": {"registryId", "repositoryName", "policyText"},
    "PutRegistryPolicyResponse": {"registryId", "policyText"},
    "GetRegistryPolicyResponse": {"registryId", "policyText"},
    "DeleteRegistryPolicyResponse": {"registryId", "policyText"},
    "DescribeRegistryResponse": {"registryId", "replicationConfiguration"},
    "PullThroughCacheRule": {
        "ecrRepositoryPrefix",
        "upstreamRegistryUrl",
        "registryId",
        "createdAt",
        "updatedAt",
    },
    "CreatePullThroughCacheRuleResponse": {
        "ecrRepositoryPrefix",
        "upstreamRegistryUrl",
        "registryId",
        "createdAt",
    },
    "DescribePullThroughCacheRulesResponse": {"pullThroughCacheRules"},
    "UpdatePullThroughCacheRuleResponse": {"ecrRepositoryPrefix", "registryId", "updatedAt"},
    "DeletePullThroughCacheRuleResponse": {"ecrRepositoryPrefix", "upstreamRegistryUrl", "registryId", "createdAt"},
    "ValidatePullThroughCacheRuleResponse": {"ecrRepositoryPrefix", "registryId", "upstreamRegistryUrl", "isValid"},
    "PutReplicationConfigurationResponse": {"replicationConfiguration"},
    "DescribeImageReplicationStatusResponse": {"repositoryName", "imageId", "replicationStatuses"},
    "ImageReplicationStatus": {"region", "registryId", "status"},
    "StartReplicationBackfillResponse": {"replicationBackfillId", "registryId", "destination", "status", "startedAt"},
    "StopReplicationBackfillResponse": {"replicationBackfillId", "registryId", "destination", "status", "startedAt"},
    "ListReplicationBackfillsResponse": {"registryId", "backfills"},
    "DescribeReplicationBackfillResultsResponse": {
        "registryId",
        "replicationBackfillId",
        "destination",
        "status",
        "startedAt",
    },
    "RepositoryCreationTemplate": {
        "prefix",
        "encryptionConfiguration",
        "imageTagMutability",
        "appliedFor",
        "createdAt",
        "updatedAt",
    },
    "CreateRepositoryCreationTemplateResponse": {"registryId", "repositoryCreationTemplate"},
    "UpdateRepositoryCreationTemplateResponse": {"registryId", "repositoryCreationTemplate"},
    "DeleteRepositoryCreationTemplateResponse": {"registryId", "repositoryCreationTemplate"},
    "DescribeRepositoryCreationTemplatesResponse": {"registryId", "repositoryCreationTemplates"},
    "GetAccountSettingResponse": {"name", "value"},
    "PutRegistryScanningConfigurationResponse": {"registryScanningConfiguration"},
    "GetRegistryScanningConfigurationResponse": {"registryId", "scanningConfiguration"},
    "RegistryScanningConfiguration": {"scanType", "rules"},
    "BatchGetRepositoryScanningConfigurationResponse": {"scanningConfigurations", "failures"},
    "RepositoryScanningConfiguration": {
        "repositoryArn",
        "repositoryName",
        "scanOnPush",
        "scanFrequency",
        "appliedScanFilters",
    },
    "StartImageScanResponse": {"registryId", "repositoryName", "imageId", "imageScanStatus"},
    "DescribeImageScanFindingsResponse": {"registryId", "repositoryName", "imageId", "imageScanStatus"},
    "ImageScanStatus": {"status"},
    "ImageScanFindings": {"imageScanCompletedAt", "vulnerabilitySourceUpdatedAt", "findingSeverityCounts"},
    "RepositoryScanningConfigurationFailure": {"repositoryName", "failureCode", "failureReason"},
    "CreateSecretResponse": {"ARN", "Name"},
    "GetSecretValueResponse": {"ARN", "Name", "VersionId", "CreatedDate"},
    "SecretValueEntry": {"ARN", "Name", "VersionId", "CreatedDate"},
    "BatchGetSecretValueResponse": {"SecretValues", "Errors"},
    "APIErrorType": {"SecretId", "ErrorCode", "Message"},
    "PutSecretValueResponse": {"ARN", "Name", "VersionId"},
    "UpdateSecretResponse": {"ARN", "Name"},
    "DescribeSecretResponse": {"ARN", "Name", "CreatedDate", "LastChangedDate"},
    "DeleteSecretResponse": {"ARN", "Name", "DeletionDate"},
    "RestoreSecretResponse": {"ARN", "Name"},
    "ListSecretsResponse": {"SecretList"},
    "SecretListEntry": {"ARN", "Name", "CreatedDate", "LastChangedDate"},
    "ListSecretVersionIdsResponse": {"ARN", "Name", "Versions"},
    "SecretVersionsListEntry": {"VersionId", "CreatedDate"},
    "UpdateSecretVersionStageResponse": {"ARN", "Name"},
    "GetResourcePolicyResponse": {"ARN", "Name"},
    "PutResourcePolicyResponse": {"ARN", "Name"},
    "DeleteResourcePolicyResponse": {"ARN", "Name"},
    "GetRandomPasswordResponse": {"RandomPassword"},
    "PutAccountSettingResponse": {"name", "value"},
    "RegisterPullTimeUpdateExclusionResponse": {"principalArn", "createdAt"},
    "DeregisterPullTimeUpdateExclusionResponse": {"principalArn"},
    "ListPullTimeUpdateExclusionsResponse": {"pullTimeUpdateExclusions"},
    "PutLifecyclePolicyResponse": {"registryId", "repositoryName", "lifecyclePolicyText"},
    "GetLifecyclePolicyResponse": {"registryId", "repositoryName", "lifecyclePolicyText", "lastEvaluatedAt"},
    "DeleteLifecyclePolicyResponse": {"registryId", "repositoryName", "lifecyclePolicyText", "lastEvaluatedAt"},
    "StartLifecyclePolicyPreviewResponse": {"registryId", "repositoryName", "lifecyclePolicyText", "status"},
    "GetLifecyclePolicyPreviewResponse": {
        "registryId",
        "repositoryName",
        "lifecyclePolicyText",
        "status",
        "previewResults",
    },
    "LifecyclePolicyPreviewResult": {
        "imageTags",
        "imageDigest",
        "imagePushedAt",
        "action",
        "appliedRulePriority",
        "storageClass",
    },
    "LifecyclePolicyRuleAction": {"type"},
    "LifecyclePolicyPreviewSummary": {"expiringImageTotalCount"},
}

# Timestamps that are 0 for what never happened (reference/lifecycle.md 4).
CAN_BE_NEVER = {"EvaluationTimestamp"}

# 2020 to 2100: a timestamp outside of it is in another unit.
EPOCH_SECONDS = range(1_577_836_800, 4_102_444_800)


@cache
def model(service="ecr"):
    return botocore.session.get_session().get_service_model(service)


def listed_errors(operation, service="ecr"):
    return {shape.name for shape in model(service).operation_model(operation).error_shapes}


def expect_success(operation, answer, service="ecr"):
    """The answer is a success of this operation as the model describes it."""
    assert answer.status == 200, f"{operation} failed: {answer!r}"
    expect_headers(answer)
    value = answer.json()
    shape = model(service).operation_model(operation).output_shape
    found = list(problems(shape, value, operation)) if shape else ([] if value == {} else ["the output is not empty"])
    assert not found, "\n".join([*found, repr(answer)])


def expect_error(operation, answer, *expected, service="ecr"):
    """The answer is one of the expected errors, which the model lists for this operation; returns its message."""
    assert answer.status != 200, f"{operation} succeeded, expected {' or '.join(expected)}: {answer!r}"
    expect_headers(answer)
    name = error_name(answer)
    value = answer.json()
    assert name in expected, f"{operation} answered {name}, expected {' or '.join(expected)}: {answer!r}"
    assert name in listed_errors(operation, service), f"{operation} has no {name} in the model: {answer!r}"
    assert answer.status == 400, f"a client error is 400: {answer!r}"
    shape = model(service).shape_for(name)
    other = "message" if "Message" in shape.members else "Message"
    members = {key: item for key, item in value.items() if key not in ("__type", other)}
    found = list(problems(shape, members, name))
    assert not found, "\n".join([*found, repr(answer)])
    assert isinstance(value.get("message"), str) and value["message"], f"no message: {answer!r}"
    assert value.get("Message", value["message"]) == value["message"], f"two messages: {answer!r}"
    return value["message"]


def error_name(answer):
    """The type of an error answer, without a namespace."""
    try:
        return answer.json()["__type"].split("#")[-1]
    except (KeyError, ValueError) as problem:
        raise AssertionError(f"no error of the JSON protocol: {answer!r}") from problem


def expect_headers(answer, content_type="application/x-amz-json-1.1"):
    assert answer.header("Content-Type") == content_type, repr(answer)
    request_id = answer.header("x-amzn-RequestId")
    assert request_id and str(uuid.UUID(request_id)) == request_id, repr(answer)
    assert answer.header("Date"), repr(answer)


def problems(shape, value, path):
    """What is wrong with a value, one sentence each."""
    if value is None:
        yield f"{path} is null; absent members are left out"
        return
    yield from CHECKS[shape.type_name](shape, value, path)


def structure(shape, value, path):
    if not isinstance(value, dict):
        yield f"{path} is no object"
        return
    by_wire_name = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
    for name in value:
        if name not in by_wire_name:
            yield f"{path}.{name} is not in the model"
    present = {by_wire_name[name][0] for name in value if name in by_wire_name}
    for name in (set(shape.required_members) | ALWAYS_PRESENT.get(shape.name, set())) - present:
        yield f"{path}.{name} is missing"
    for wire_name, (_, member) in by_wire_name.items():
        if wire_name in value:
            yield from problems(member, value[wire_name], f"{path}.{wire_name}")


def sequence(shape, value, path):
    if not isinstance(value, list):
        yield f"{path} is no list"
        return
    if shape.name not in REQUEST_LIMITS_ONLY:
        yield from length(shape, len(value), path)
    for number, item in enumerate(value):
        yield from problems(shape.member, item, f"{path}[{number}]")


def mapping(shape, value, path):
    if not isinstance(value, dict):
        yield f"{path} is no object"
        return
    for key, item in value.items():
        yield from problems(shape.key, key, f"{path} key")
        yield from problems(shape.value, item, f"{path}[{key!r}]")


def string(shape, value, path):
    if not isinstance(value, str):
        yield f"{path} is no string"
        return
    yield from length(shape, len(value), path)
    if shape.enum and value not in shape.enum:
        yield f"{path} is {value!r}, which is not in {shape.enum}"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield f"{path} is {value!r}, which does not match {pattern}"


def number(shape, value, path):
    if isinstance(value, bool) or not isinstance(value, int):
        yield f"{path} is no integer"
        return
    yield from length(shape, value, path)


def boolean(shape, value, path):
    if not isinstance(value, bool):
        yield f"{path} is no boolean"


def timestamp(shape, value, path):
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield f"{path} is no number"
    elif int(value) not in EPOCH_SECONDS and not (value == 0 and shape.name in CAN_BE_NEVER):
        yield f"{path} is {value}, which is no time in seconds"


def blob(shape, value, path):
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        yield f"{path} is no base64"


def length(shape, measure, path):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and measure < low:
        yield f"{path} has {measure}, less than {low}"
    if high is not None and measure > high:
        yield f"{path} has {measure}, more than {high}"


CHECKS = {
    "structure": structure,
    "list": sequence,
    "map": mapping,
    "string": string,
    "character": string,
    "integer": number,
    "long": number,
    "boolean": boolean,
    "timestamp": timestamp,
    "blob": blob,
}
