"""The contract of the ECR API: botocore's model, walked operation by operation, with successes and errors."""

import base64
import json
import uuid
from contextlib import contextmanager

import pytest

from harness import model_check
from harness.aws_api import ECR_TARGET, JSON_TYPE
from harness.ecr_client import Ecr, part_parameters
from harness.registry_client import OCI_MANIFEST, digest_of, index_manifest, random_content
from harness.server import wait_for

pytestmark = pytest.mark.every_store

ABSENT = "sha256:" + "0" * 64
NAME_RULE = (
    "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression "
    r"'[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*''"
)
INVALID = "InvalidParameterException"
EITHER = (INVALID, "ValidationException")
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def ecr(wharf):
    return Ecr(wharf)


# --- Successes: for each operation, calls in every form that its answer can take -----------------------------------

SUCCESSES = {}


def succeeds(function):
    """Registers a function named after its operation, in snake case."""
    name = "".join(part.title() for part in function.__name__.split("_"))
    SUCCESSES[name] = function
    return function


@succeeds
def get_authorization_token(ecr):
    (data,) = ecr.call("GetAuthorizationToken")["authorizationData"]
    assert base64.b64decode(data["authorizationToken"]).startswith(b"AWS:")
    named = ecr.call("GetAuthorizationToken", registryIds=[ecr.account])
    assert len(named["authorizationData"]) == 1


@succeeds
def create_repository(ecr):
    for extra in (
        {},
        {"tags": [{"Key": "team", "Value": ""}], "imageScanningConfiguration": {"scanOnPush": True}},
        {"imageTagMutability": "IMMUTABLE", "encryptionConfiguration": {"encryptionType": "AES256"}},
        {
            "imageTagMutability": "MUTABLE_WITH_EXCLUSION",
            "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "release-*"}],
        },
        {"registryId": ecr.account},
    ):
        ecr.repository(**extra)


@succeeds
def describe_repositories(ecr):
    names = [ecr.repository(), ecr.repository()]
    found = ecr.call("DescribeRepositories", repositoryNames=names)["repositories"]
    assert {entry["repositoryName"] for entry in found} == set(names)
    ecr.call("DescribeRepositories", maxResults=1)
    ecr.call("DescribeRepositories", registryId=ecr.account)


@succeeds
def delete_repository(ecr):
    ecr.call("DeleteRepository", repositoryName=ecr.repository())
    full = ecr.repository()
    ecr.image(full, "v1")
    ecr.call("DeleteRepository", repositoryName=full, force=True, registryId=ecr.account)


@succeeds
def put_image(ecr):
    repository = ecr.repository()
    child = ecr.image(repository)
    ecr.docker_image(repository, "docker")
    ecr.index(repository, [child], "index")
    image = ecr.manifest(repository)
    ecr.call(
        "PutImage",
        registryId=ecr.account,
        repositoryName=repository,
        imageManifest=image.body.decode(),
        imageManifestMediaType=OCI_MANIFEST,
        imageDigest=image.digest,
        imageTag="v1",
    )


@succeeds
def batch_get_image(ecr):
    repository = ecr.repository()
    image = ecr.image(repository, "v1")
    ids = [{"imageTag": "v1"}, {"imageDigest": image.digest}, {"imageTag": "absent"}, {}]
    ecr.call("BatchGetImage", repositoryName=repository, imageIds=ids, acceptedMediaTypes=[OCI_MANIFEST])


@succeeds
def batch_delete_image(ecr):
    repository = ecr.repository()
    ecr.image(repository, "v1")
    untagged = ecr.image(repository)
    ids = [{"imageTag": "v1"}, {"imageDigest": untagged.digest}, {"imageTag": "absent"}, {}]
    ecr.call("BatchDeleteImage", repositoryName=repository, imageIds=ids)
    ecr.call("BatchDeleteImage", repositoryName=repository, imageIds=[{"imageTag": "absent"}])


@succeeds
def list_images(ecr):
    repository = ecr.repository()
    ecr.call("ListImages", repositoryName=repository)
    ecr.image(repository, "v1")
    ecr.image(repository)
    for status in ("TAGGED", "UNTAGGED", "ANY"):
        ecr.call("ListImages", repositoryName=repository, filter={"tagStatus": status, "imageStatus": "ANY"})
    ecr.call("ListImages", repositoryName=repository, maxResults=1)


@succeeds
def describe_images(ecr):
    repository = ecr.repository()
    ecr.call("DescribeImages", repositoryName=repository)
    child = ecr.image(repository, "v1")
    ecr.index(repository, [child], "index")
    ecr.image(repository, subject=child.descriptor, artifactType="application/vnd.example")
    ecr.call("BatchGetImage", repositoryName=repository, imageIds=[{"imageTag": "v1"}])
    ecr.call("DescribeImages", repositoryName=repository, filter={"tagStatus": "ANY", "imageStatus": "ANY"})
    ecr.call("DescribeImages", repositoryName=repository, imageIds=[{"imageTag": "v1"}, {"imageDigest": child.digest}])


@succeeds
def list_image_referrers(ecr):
    repository = ecr.repository()
    subject = ecr.image(repository, "v1")
    subject_id = {"imageDigest": subject.digest}
    ecr.call("ListImageReferrers", repositoryName=repository, subjectId=subject_id)
    ecr.image(repository, subject=subject.descriptor, artifactType="a/b", annotations={"k": ""})
    ecr.image(repository, subject=subject.descriptor)
    found = ecr.call("ListImageReferrers", repositoryName=repository, subjectId=subject_id)["referrers"]
    assert len(found) == 2
    ecr.call(
        "ListImageReferrers",
        repositoryName=repository,
        subjectId=subject_id,
        filter={"artifactTypes": ["a/b"], "artifactStatus": "ACTIVE"},
        maxResults=1,
    )


@succeeds
def batch_check_layer_availability(ecr):
    repository = ecr.repository()
    digests = [ecr.layer(repository), ABSENT, "bad", ""]
    ecr.call("BatchCheckLayerAvailability", repositoryName=repository, layerDigests=digests)


@succeeds
def update_image_storage_class(ecr):
    repository = ecr.repository()
    subject = ecr.image(repository, "v1")
    ecr.image(repository, subject=subject.descriptor, artifactType="a/b")
    layer = json.loads(subject.body)["layers"][0]["digest"]
    here = {"registryId": ecr.account, "repositoryName": repository}
    archived = ecr.call("UpdateImageStorageClass", **here, imageId={"imageTag": "v1"}, targetStorageClass="ARCHIVE")
    both = {"imageDigest": subject.digest, "imageTag": "v1"}
    assert archived == {**here, "imageId": both, "imageStatus": "ARCHIVED"}
    any_status = {"imageStatus": "ANY"}
    found = ecr.call("ListImages", repositoryName=repository, filter={"imageStatus": "ARCHIVED"})["imageIds"]
    assert both in found
    details = ecr.details(repository, filter=any_status)[subject.digest]
    assert details["imageStatus"] == "ARCHIVED" and details["lastArchivedAt"] >= details["imagePushedAt"]
    assert ecr.details(repository, imageIds=[{"imageTag": "v1"}])[subject.digest] == details
    checked = ecr.call("BatchCheckLayerAvailability", repositoryName=repository, layerDigests=[layer])["layers"]
    assert [entry["layerAvailability"] for entry in checked] == ["ARCHIVED"]
    (failure,) = ecr.call("BatchGetImage", repositoryName=repository, imageIds=[{"imageTag": "v1"}])["failures"]
    assert failure["failureCode"] == "ImageInaccessible"
    for status in ("ARCHIVED", "ACTIVATING", "ANY"):
        ecr.call(
            "ListImageReferrers",
            repositoryName=repository,
            subjectId={"imageDigest": subject.digest},
            filter={"artifactStatus": status},
        )
    restored = ecr.call(
        "UpdateImageStorageClass", **here, imageId={"imageDigest": subject.digest}, targetStorageClass="STANDARD"
    )
    assert restored == {**here, "imageId": {"imageDigest": subject.digest}, "imageStatus": "ACTIVATING"}
    wait_for(
        lambda: ecr.details(repository, filter=any_status)[subject.digest]["imageStatus"] == "ACTIVE",
        "the image to be active",
    )
    assert ecr.details(repository)[subject.digest]["lastActivatedAt"] >= details["lastArchivedAt"]


@succeeds
def initiate_layer_upload(ecr):
    ecr.start_upload(ecr.repository())


@succeeds
def upload_layer_part(ecr):
    repository = ecr.repository()
    upload = ecr.start_upload(repository)
    ecr.call("UploadLayerPart", **part_parameters(repository, upload, 0, b"abc"))
    ecr.call("UploadLayerPart", **part_parameters(repository, upload, 3, b"def"))


@succeeds
def complete_layer_upload(ecr):
    ecr.layer(ecr.repository())


@succeeds
def get_download_url_for_layer(ecr):
    repository = ecr.repository()
    layer = ecr.layer(repository)
    body = index_manifest([]).decode()
    ecr.call("PutImage", repositoryName=repository, imageManifest=body)
    image = ecr.image(repository)
    digest = json.loads(image.body)["layers"][0]["digest"]
    ecr.call("GetDownloadUrlForLayer", repositoryName=repository, layerDigest=digest)
    assert layer != digest


@succeeds
def put_image_tag_mutability(ecr):
    repository = ecr.repository()
    filters = [{"filterType": "WILDCARD", "filter": "*-rc"}]
    for mode in ("IMMUTABLE", "MUTABLE"):
        ecr.call("PutImageTagMutability", repositoryName=repository, imageTagMutability=mode)
        ecr.call(
            "PutImageTagMutability",
            repositoryName=repository,
            imageTagMutability=f"{mode}_WITH_EXCLUSION",
            imageTagMutabilityExclusionFilters=filters,
        )


@succeeds
def put_image_scanning_configuration(ecr):
    repository = ecr.repository()
    for configuration, scan_on_push in (({"scanOnPush": True}, True), ({}, False)):
        answer = ecr.call(
            "PutImageScanningConfiguration", repositoryName=repository, imageScanningConfiguration=configuration
        )
        assert answer["imageScanningConfiguration"] == {"scanOnPush": scan_on_push}
        described = ecr.call("DescribeRepositories", repositoryNames=[repository])["repositories"][0]
        assert described["imageScanningConfiguration"] == {"scanOnPush": scan_on_push}


def scanning_rule(frequency, *filters):
    listed = [{"filter": text, "filterType": "WILDCARD"} for text in filters]
    return {"scanFrequency": frequency, "repositoryFilters": listed}


@contextmanager
def scanning(ecr, scan_type, *rules):
    """A registry that is scanned so, until it is scanned by default again."""
    try:
        yield ecr.call("PutRegistryScanningConfiguration", scanType=scan_type, rules=list(rules))
    finally:
        ecr.call("PutRegistryScanningConfiguration", scanType="BASIC", rules=[])


@succeeds
def put_registry_scanning_configuration(ecr):
    for scan_type, *rules in (
        ("BASIC",),
        ("BASIC", scanning_rule("SCAN_ON_PUSH", "contract/*", "prod")),
        ("BASIC", scanning_rule("MANUAL", "*"), scanning_rule("SCAN_ON_PUSH")),
        ("ENHANCED",),
        ("ENHANCED", scanning_rule("SCAN_ON_PUSH", "a"), scanning_rule("CONTINUOUS_SCAN", "a*b")),
    ):
        expected = {"scanType": scan_type, "rules": rules}
        with scanning(ecr, scan_type, *rules) as answer:
            assert answer == {"registryScanningConfiguration": expected}
            found = ecr.call("GetRegistryScanningConfiguration")
            assert found == {"registryId": ecr.account, "scanningConfiguration": expected}
    assert ecr.call("PutRegistryScanningConfiguration") == {
        "registryScanningConfiguration": {"scanType": "BASIC", "rules": []}
    }


@succeeds
def get_registry_scanning_configuration(ecr):
    found = ecr.call("GetRegistryScanningConfiguration")
    assert found == {"registryId": ecr.account, "scanningConfiguration": {"scanType": "BASIC", "rules": []}}


@succeeds
def batch_get_repository_scanning_configuration(ecr):
    plain, flagged = ecr.repository(), ecr.repository(imageScanningConfiguration={"scanOnPush": True})
    absent = f"absent/{uuid.uuid4().hex}"

    def entry(name, frequency, *filters):
        return {
            "repositoryArn": ecr.arn(name),
            "repositoryName": name,
            "scanOnPush": frequency == "SCAN_ON_PUSH",
            "scanFrequency": frequency,
            "appliedScanFilters": [{"filter": text, "filterType": "WILDCARD"} for text in filters],
        }

    def found():
        return ecr.call("BatchGetRepositoryScanningConfiguration", repositoryNames=[plain, absent, flagged])

    gone = {
        "repositoryName": absent,
        "failureCode": "REPOSITORY_NOT_FOUND",
        "failureReason": "REPOSITORY_NOT_FOUND",
    }
    assert found() == {
        "scanningConfigurations": [entry(plain, "MANUAL"), entry(flagged, "SCAN_ON_PUSH")],
        "failures": [gone],
    }
    with scanning(ecr, "BASIC", scanning_rule("SCAN_ON_PUSH", "absent", "contract/*", plain)):
        assert found()["scanningConfigurations"] == [
            entry(plain, "SCAN_ON_PUSH", "contract/*", plain),
            entry(flagged, "SCAN_ON_PUSH", "contract/*"),
        ]
    with scanning(ecr, "ENHANCED", scanning_rule("SCAN_ON_PUSH", "*"), scanning_rule("CONTINUOUS_SCAN", plain)):
        assert found()["scanningConfigurations"] == [
            entry(plain, "CONTINUOUS_SCAN", plain),
            entry(flagged, "SCAN_ON_PUSH", "*"),
        ]
    with scanning(ecr, "ENHANCED"):
        assert found()["scanningConfigurations"] == [entry(plain, "MANUAL"), entry(flagged, "MANUAL")]


@succeeds
def start_image_scan(ecr):
    repository = ecr.repository()
    image = ecr.image(repository, "v1")
    for id in ({"imageTag": "v1"}, {"imageDigest": image.digest}, {"imageTag": "v1", "imageDigest": image.digest}):
        answer = ecr.call("StartImageScan", repositoryName=repository, imageId=id, registryId=ecr.account)
        assert answer == {
            "registryId": ecr.account,
            "repositoryName": repository,
            "imageId": {**id, "imageDigest": image.digest},
            "imageScanStatus": {"status": "IN_PROGRESS"},
        }
    # A documented difference: an index stands for its images.
    index = ecr.index(repository, [image], "index")
    answer = ecr.call("StartImageScan", repositoryName=repository, imageId={"imageTag": "index"})
    assert answer["imageId"] == {"imageDigest": index.digest, "imageTag": "index"}


@succeeds
def describe_image_scan_findings(ecr):
    repository = ecr.repository(imageScanningConfiguration={"scanOnPush": True})
    image = ecr.image(repository, "v1")
    answer = ecr.call(
        "DescribeImageScanFindings", repositoryName=repository, imageId={"imageTag": "v1"}, maxResults=1000
    )
    assert answer["registryId"] == ecr.account and answer["repositoryName"] == repository
    assert answer["imageId"] == {"imageTag": "v1", "imageDigest": image.digest}
    # What cannot be scanned, or has no advisories yet, is never said to be without vulnerabilities.
    assert answer["imageScanStatus"]["status"] != "COMPLETE"
    assert "imageScanFindings" not in answer


@succeeds
def tag_resource(ecr):
    ecr.call("TagResource", resourceArn=ecr.arn(ecr.repository()), tags=[{"Key": "k", "Value": "v"}])


@succeeds
def untag_resource(ecr):
    ecr.call(
        "UntagResource", resourceArn=ecr.arn(ecr.repository(tags=[{"Key": "k", "Value": "v"}])), tagKeys=["k", "absent"]
    )


@succeeds
def list_tags_for_resource(ecr):
    ecr.call("ListTagsForResource", resourceArn=ecr.arn(ecr.repository()))
    tagged = ecr.repository(tags=[{"Key": "k", "Value": ""}])
    assert ecr.call("ListTagsForResource", resourceArn=ecr.arn(tagged)) == {"tags": [{"Key": "k", "Value": ""}]}


@succeeds
def describe_registry(ecr):
    ecr.call("PutReplicationConfiguration", replicationConfiguration={"rules": []})
    found = ecr.call("DescribeRegistry")
    assert found == {"registryId": ecr.account, "replicationConfiguration": {"rules": []}}


@succeeds
def get_account_setting(ecr):
    for name in ("BASIC_SCAN_TYPE_VERSION", "REGISTRY_POLICY_SCOPE", "BLOB_MOUNTING"):
        assert ecr.call("GetAccountSetting", name=name)["name"] == name


def excluded_principal():
    return f"arn:aws:iam::123456789012:role/path/{uuid.uuid4().hex}"


@succeeds
def register_pull_time_update_exclusion(ecr):
    arn = excluded_principal()
    assert ecr.call("RegisterPullTimeUpdateExclusion", principalArn=arn)["principalArn"] == arn
    ecr.call("DeregisterPullTimeUpdateExclusion", principalArn=arn)


@succeeds
def deregister_pull_time_update_exclusion(ecr):
    arn = excluded_principal()
    ecr.call("RegisterPullTimeUpdateExclusion", principalArn=arn)
    assert ecr.call("DeregisterPullTimeUpdateExclusion", principalArn=arn) == {"principalArn": arn}


@succeeds
def list_pull_time_update_exclusions(ecr):
    arns = sorted(excluded_principal() for _ in range(3))
    for arn in arns:
        ecr.call("RegisterPullTimeUpdateExclusion", principalArn=arn)
    assert set(arns) <= set(ecr.call("ListPullTimeUpdateExclusions")["pullTimeUpdateExclusions"])
    listed, page = [], ecr.call("ListPullTimeUpdateExclusions", maxResults=1)
    while True:
        listed += page["pullTimeUpdateExclusions"]
        if "nextToken" not in page:
            break
        page = ecr.call("ListPullTimeUpdateExclusions", maxResults=1, nextToken=page["nextToken"])
    assert listed == sorted(listed) and set(arns) <= set(listed)
    for arn in arns:
        ecr.call("DeregisterPullTimeUpdateExclusion", principalArn=arn)


@succeeds
def put_account_setting(ecr):
    for name in ("BASIC_SCAN_TYPE_VERSION", "REGISTRY_POLICY_SCOPE", "BLOB_MOUNTING"):
        pair = ecr.call("GetAccountSetting", name=name)
        assert ecr.call("PutAccountSetting", **pair) == pair


REPOSITORY_POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}]},
    indent=3,
)
REGISTRY_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "ecr:ReplicateImage", "Resource": "*"}],
    }
)


@succeeds
def set_repository_policy(ecr):
    here = {"registryId": ecr.account, "repositoryName": ecr.repository()}
    expected = {**here, "policyText": REPOSITORY_POLICY}
    assert ecr.call("SetRepositoryPolicy", **expected) == expected
    assert ecr.call("SetRepositoryPolicy", **expected, force=True) == expected
    assert ecr.call("GetRepositoryPolicy", **here) == expected


@succeeds
def get_repository_policy(ecr):
    name = ecr.repository()
    ecr.call("SetRepositoryPolicy", repositoryName=name, policyText=REPOSITORY_POLICY)
    assert ecr.call("GetRepositoryPolicy", repositoryName=name)["policyText"] == REPOSITORY_POLICY


@succeeds
def delete_repository_policy(ecr):
    name = ecr.repository()
    ecr.call("SetRepositoryPolicy", repositoryName=name, policyText=REPOSITORY_POLICY)
    assert ecr.call("DeleteRepositoryPolicy", repositoryName=name)["policyText"] == REPOSITORY_POLICY
    ecr.refuse("GetRepositoryPolicy", "RepositoryPolicyNotFoundException", repositoryName=name)


def with_registry_policy(ecr, then):
    """The registry is everybody's: its policy is there only for a moment, and says nothing about what others do."""
    expected = {"registryId": ecr.account, "policyText": REGISTRY_POLICY}
    assert ecr.call("PutRegistryPolicy", policyText=REGISTRY_POLICY) == expected
    then(expected)


@succeeds
def put_registry_policy(ecr):
    with_registry_policy(ecr, lambda _: ecr.call("DeleteRegistryPolicy"))


@succeeds
def get_registry_policy(ecr):
    def check(expected):
        assert ecr.call("GetRegistryPolicy") == expected
        ecr.call("DeleteRegistryPolicy")

    with_registry_policy(ecr, check)


@succeeds
def delete_registry_policy(ecr):
    def check(expected):
        assert ecr.call("DeleteRegistryPolicy") == expected
        ecr.refuse("GetRegistryPolicy", "RegistryPolicyNotFoundException")

    with_registry_policy(ecr, check)


@contextmanager
def replicated(ecr, name, region="eu-west-1"):
    """A repository is replicated to a region that this server has not, so whatever goes there fails; nothing else is."""
    rule = {
        "destinations": [{"region": region, "registryId": ecr.account}],
        "repositoryFilters": [{"filter": name, "filterType": "PREFIX_MATCH"}],
    }
    ecr.call("PutReplicationConfiguration", replicationConfiguration={"rules": [rule]})
    try:
        yield rule["destinations"][0]
    finally:
        ecr.call("PutReplicationConfiguration", replicationConfiguration={"rules": []})


@succeeds
def put_replication_configuration(ecr):
    destinations = [{"region": "eu-west-1", "registryId": ecr.account}, {"region": ecr.region, "registryId": "2" * 12}]
    filters = [{"filter": text, "filterType": "PREFIX_MATCH"} for text in ("no-such", "a/b", "*")]
    for rules in (
        [{"destinations": destinations, "repositoryFilters": filters[:2]}],
        [{"destinations": destinations[:1]}, {"destinations": destinations, "deleteReplication": {"enabled": True}}],
        [{"destinations": destinations[:1], "repositoryFilters": filters, "deleteReplication": {"enabled": False}}],
        [],
    ):
        answer = ecr.api.ecr("PutReplicationConfiguration", {"replicationConfiguration": {"rules": rules}})
        assert answer.json() == {"replicationConfiguration": {"rules": rules}}, repr(answer)
        assert ecr.api.ecr("DescribeRegistry", {}).json()["replicationConfiguration"] == {"rules": rules}
    ecr.call("PutReplicationConfiguration", replicationConfiguration={"rules": []})


@succeeds
def describe_image_replication_status(ecr):
    name = ecr.repository()
    image = ecr.image(name, "v1")
    here = {"repositoryName": name, "imageId": {"imageTag": "v1"}}
    assert ecr.call("DescribeImageReplicationStatus", **here)["replicationStatuses"] == []
    with replicated(ecr, name):
        ecr.put(name, image, "v2")
        (status,) = ecr.call("DescribeImageReplicationStatus", **here, registryId=ecr.account)["replicationStatuses"]
        assert (status["region"], status["registryId"]) == ("eu-west-1", ecr.account)
        by_digest = {"repositoryName": name, "imageId": {"imageDigest": image.digest}}
        wait_for(
            lambda: (
                ecr.call("DescribeImageReplicationStatus", **by_digest)["replicationStatuses"][0].get("failureCode")
                == "DestinationNotFound"
            ),
            "the failure",
        )


def ended_backfill(ecr, name):
    """The id of a back-fill of a repository that has ended, and all that was told of it."""
    with replicated(ecr, name) as destination:
        started = ecr.call("StartReplicationBackfill", destination=destination, registryId=ecr.account)
        assert (started["status"], started["destination"]) == ("PREPARING", destination)
        here = {"replicationBackfillId": started["replicationBackfillId"], "registryId": ecr.account}
        ended = []
        wait_for(
            lambda: (
                ended.append(ecr.call("DescribeReplicationBackfillResults", **here))
                or ended[-1]["status"] == "COMPLETE"
            ),
            "the back-fill to end",
        )
        return here, ended[-1]


@succeeds
def start_replication_backfill(ecr):
    _, ended = ended_backfill(ecr, ecr.repository())
    assert (ended["progress"]["totalReplicationCount"], ended["results"]) == (0, [])


@succeeds
def describe_replication_backfill_results(ecr):
    name = ecr.repository()
    child = ecr.image(name)
    image = ecr.image(name, "v1")
    ecr.put(name, image, "v2")
    ecr.index(name, [child], "list")
    here, ended = ended_backfill(ecr, name)
    assert ended["progress"] == {
        "totalReplicationCount": 4,
        "completedReplicationCount": 0,
        "failedReplicationCount": 4,
        "failureCodes": ["DestinationNotFound"],
    }
    lists = [result for result in ended["results"] if result["imageId"].get("imageTag") == "list"]
    assert [result["subImageFailureCodes"] for result in lists] == [["DestinationNotFound"]]
    complete = ecr.call("DescribeReplicationBackfillResults", **here, resultStatusFilter="COMPLETE")
    assert complete["results"] == []
    paged, token = [], {}
    while token is not None:
        page = ecr.call(
            "DescribeReplicationBackfillResults", **here, maxResults=1, resultStatusFilter="FAILED", **token
        )
        paged += page["results"]
        token = {"nextToken": page["nextToken"]} if "nextToken" in page else None
    assert paged == ended["results"] and len(paged) == 4


@succeeds
def list_replication_backfills(ecr):
    here, _ = ended_backfill(ecr, ecr.repository())
    ended_backfill(ecr, ecr.repository())
    found = ecr.call("ListReplicationBackfills", registryId=ecr.account)["backfills"]
    assert here["replicationBackfillId"] in [entry["replicationBackfillId"] for entry in found]
    page = ecr.call("ListReplicationBackfills", maxResults=1)
    assert page["backfills"] == found[:1]
    assert ecr.call("ListReplicationBackfills", maxResults=1, nextToken=page["nextToken"])["backfills"] == found[1:2]


@succeeds
def stop_replication_backfill(ecr):
    """Until it has one image noted, a back-fill takes at least half a second; stopped before that or not, it ends."""
    name = ecr.repository()
    ecr.image(name, "v1")
    with replicated(ecr, name) as destination:
        for _ in range(20):
            started = ecr.call("StartReplicationBackfill", destination=destination)
            here = {"replicationBackfillId": started["replicationBackfillId"]}
            answer = ecr.api.ecr("StopReplicationBackfill", here)
            if answer.status == 200:
                break
        stopped = answer.json()
        model_check.expect_success("StopReplicationBackfill", answer)
        ecr.succeeded.add("StopReplicationBackfill")
        assert stopped["status"] in ("STOPPING", "STOPPED")
        wait_for(
            lambda: ecr.call("DescribeReplicationBackfillResults", **here)["status"] == "STOPPED",
            "the back-fill to end",
        )


LIFECYCLE_POLICY = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5},
                "action": {"type": "expire"},
            }
        ]
    },
    indent=1,
)
PUSH = {"appliedFor": ["CREATE_ON_PUSH"]}


def new_template(ecr, **members):
    """A template for a prefix of its own; returns it."""
    parameters = {"prefix": f"contract-{uuid.uuid4().hex}", **PUSH, **members}
    made = ecr.call("CreateRepositoryCreationTemplate", **parameters)
    assert made["registryId"] == ecr.account
    return made["repositoryCreationTemplate"]


def without_times(template):
    return {name: value for name, value in template.items() if name not in ("createdAt", "updatedAt")}


FULL_TEMPLATE = {
    "description": "what for",
    "encryptionConfiguration": {"encryptionType": "AES256"},
    "resourceTags": [{"Key": "z", "Value": "1"}, {"Key": "a", "Value": ""}],
    "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
    "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "dev-*"}],
    "repositoryPolicy": REPOSITORY_POLICY,
    "lifecyclePolicy": LIFECYCLE_POLICY,
    "appliedFor": ["PULL_THROUGH_CACHE", "REPLICATION"],
    "customRoleArn": "arn:aws:iam::123456789012:role/path/creator",
}


@succeeds
def create_repository_creation_template(ecr):
    plain = new_template(ecr)
    defaults = {"imageTagMutability": "MUTABLE", "encryptionConfiguration": {"encryptionType": "AES256"}, **PUSH}
    assert without_times(plain) == {"prefix": plain["prefix"], **defaults}
    full = new_template(ecr, prefix=f"contract/{uuid.uuid4().hex}/", **FULL_TEMPLATE)
    assert without_times(full) == {"prefix": full["prefix"], **FULL_TEMPLATE}
    for key in ("", "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"):
        made = new_template(ecr, encryptionConfiguration={"encryptionType": "KMS", "kmsKey": key})
        assert made["encryptionConfiguration"].get("kmsKey", "") == key
        ecr.call("DeleteRepositoryCreationTemplate", prefix=made["prefix"])
    for template in (plain, full):
        ecr.call("DeleteRepositoryCreationTemplate", prefix=template["prefix"])


@succeeds
def describe_repository_creation_templates(ecr):
    made = [new_template(ecr) for _ in range(3)]
    prefixes = sorted(template["prefix"] for template in made)
    found = ecr.call("DescribeRepositoryCreationTemplates", prefixes=[*prefixes, "absent"])
    assert [template["prefix"] for template in found["repositoryCreationTemplates"]] == prefixes
    found = ecr.call("DescribeRepositoryCreationTemplates", prefixes=["absent"])
    assert found == {"registryId": ecr.account, "repositoryCreationTemplates": []}
    paged, token = [], {}
    while True:
        page = ecr.call("DescribeRepositoryCreationTemplates", maxResults=1, prefixes=prefixes, **token)
        paged += [template["prefix"] for template in page["repositoryCreationTemplates"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert paged == prefixes
    everything = ecr.call("DescribeRepositoryCreationTemplates")["repositoryCreationTemplates"]
    assert set(prefixes) <= {template["prefix"] for template in everything}
    for prefix in prefixes:
        ecr.call("DeleteRepositoryCreationTemplate", prefix=prefix)


@succeeds
def update_repository_creation_template(ecr):
    made = new_template(ecr)
    prefix = made["prefix"]

    def update(**members):
        return ecr.call("UpdateRepositoryCreationTemplate", prefix=prefix, **members)["repositoryCreationTemplate"]

    full = update(**FULL_TEMPLATE)
    assert without_times(full) == {"prefix": prefix, **FULL_TEMPLATE}
    assert full["createdAt"] == made["createdAt"] and full["updatedAt"] >= made["updatedAt"]
    assert without_times(update()) == without_times(full), "what is left out stays"
    cleared = {
        "description": "",
        "repositoryPolicy": "",
        "lifecyclePolicy": "",
        "customRoleArn": "",
        "resourceTags": [],
    }
    assert without_times(update(**cleared)) == {
        name: value for name, value in without_times(full).items() if name not in cleared
    }
    mutable = update(imageTagMutability="MUTABLE_WITH_EXCLUSION")
    assert mutable["imageTagMutabilityExclusionFilters"] == FULL_TEMPLATE["imageTagMutabilityExclusionFilters"]
    assert "imageTagMutabilityExclusionFilters" not in update(imageTagMutability="MUTABLE")
    ecr.call("DeleteRepositoryCreationTemplate", prefix=prefix)


@succeeds
def delete_repository_creation_template(ecr):
    made = new_template(ecr)
    deleted = ecr.call("DeleteRepositoryCreationTemplate", prefix=f"{made['prefix']}/")
    assert deleted["repositoryCreationTemplate"] == made


KEEP_ONE_UNTAGGED = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "description": "Keep one untagged image",
                "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1},
                "action": {"type": "expire"},
            }
        ]
    }
)


@succeeds
def put_lifecycle_policy(ecr):
    here = {"registryId": ecr.account, "repositoryName": ecr.repository()}
    expected = {**here, "lifecyclePolicyText": KEEP_ONE_UNTAGGED}
    assert ecr.call("PutLifecyclePolicy", **expected) == expected
    assert ecr.call("PutLifecyclePolicy", **expected) == expected


@succeeds
def get_lifecycle_policy(ecr):
    name = ecr.repository()
    ecr.call("PutLifecyclePolicy", repositoryName=name, lifecyclePolicyText=KEEP_ONE_UNTAGGED)
    answer = ecr.call("GetLifecyclePolicy", repositoryName=name)
    assert answer["lifecyclePolicyText"] == KEEP_ONE_UNTAGGED
    wait_for(lambda: ecr.call("GetLifecyclePolicy", repositoryName=name)["lastEvaluatedAt"] > 0, "the first evaluation")


@succeeds
def delete_lifecycle_policy(ecr):
    name = ecr.repository()
    ecr.call("PutLifecyclePolicy", repositoryName=name, lifecyclePolicyText=KEEP_ONE_UNTAGGED)
    answer = ecr.call("DeleteLifecyclePolicy", repositoryName=name)
    assert answer["lifecyclePolicyText"] == KEEP_ONE_UNTAGGED
    ecr.refuse("GetLifecyclePolicy", "LifecyclePolicyNotFoundException", repositoryName=name)


@succeeds
def start_lifecycle_policy_preview(ecr):
    name = ecr.repository()
    answer = ecr.call("StartLifecyclePolicyPreview", repositoryName=name, lifecyclePolicyText=KEEP_ONE_UNTAGGED)
    assert answer["status"] == "IN_PROGRESS"
    stored = ecr.repository()
    ecr.call("PutLifecyclePolicy", repositoryName=stored, lifecyclePolicyText=KEEP_ONE_UNTAGGED)
    answer = ecr.call("StartLifecyclePolicyPreview", repositoryName=stored)
    assert answer["lifecyclePolicyText"] == KEEP_ONE_UNTAGGED


def lifecycle_preview(ecr, name, **parameters):
    """The preview when it is complete."""
    wait_for(
        lambda: ecr.call("GetLifecyclePolicyPreview", repositoryName=name)["status"] != "IN_PROGRESS", "the preview"
    )
    return ecr.call("GetLifecyclePolicyPreview", repositoryName=name, **parameters)


@succeeds
def get_lifecycle_policy_preview(ecr):
    name = ecr.repository()
    images = [ecr.image(name) for _ in range(3)]
    ecr.call("StartLifecyclePolicyPreview", repositoryName=name, lifecyclePolicyText=KEEP_ONE_UNTAGGED)
    found = lifecycle_preview(ecr, name)
    assert found["status"] == "COMPLETE" and found["summary"] == {"expiringImageTotalCount": 2}
    first = lifecycle_preview(ecr, name, maxResults=1)
    second = lifecycle_preview(ecr, name, maxResults=1, nextToken=first["nextToken"])
    assert first["previewResults"] + second["previewResults"] == found["previewResults"]
    oldest = lifecycle_preview(ecr, name, imageIds=[{"imageDigest": images[0].digest}])["previewResults"]
    assert [result["imageDigest"] for result in oldest] == [images[0].digest]
    assert lifecycle_preview(ecr, name, filter={"tagStatus": "TAGGED"})["previewResults"] == []


def new_prefix():
    return f"c{uuid.uuid4().hex[:20]}"


def new_rule(ecr, prefix=None, **parameters):
    parameters = {"upstreamRegistryUrl": "quay.io", **parameters}
    return ecr.call("CreatePullThroughCacheRule", ecrRepositoryPrefix=prefix or new_prefix(), **parameters)


def new_secret(ecr, value=None):
    """The ARN of a secret that a rule may use; the value is that of a login unless another is given."""
    name = f"ecr-pullthroughcache/{uuid.uuid4().hex}"
    text = json.dumps({"username": "u", "accessToken": "t"} if value is None else value)
    return ecr.wharf.client("secretsmanager").create_secret(Name=name, SecretString=text)["ARN"]


def delete_rule(ecr, rule):
    ecr.call("DeletePullThroughCacheRule", ecrRepositoryPrefix=rule["ecrRepositoryPrefix"])


@succeeds
def create_pull_through_cache_rule(ecr):
    plain = new_rule(ecr)
    # Terraform takes a prefix that it has not given for a change.
    assert plain["upstreamRegistry"] == "quay" and "upstreamRepositoryPrefix" not in plain
    assert plain["registryId"] == ecr.account and "credentialArn" not in plain
    secret = new_secret(ecr)
    full = new_rule(
        ecr,
        upstreamRegistryUrl="registry-1.docker.io",
        upstreamRegistry="docker-hub",
        upstreamRepositoryPrefix="library",
        credentialArn=secret,
        registryId=ecr.account,
    )
    assert (full["credentialArn"], full["upstreamRepositoryPrefix"]) == (secret, "library")
    others = [("public.ecr.aws", "ecr-public"), ("registry.k8s.io", "k8s")]
    others += [("210987654321.dkr.ecr.eu-west-1.amazonaws.com", "ecr")]
    role = "arn:aws:iam::123456789012:role/puller"
    rules = [new_rule(ecr, prefix=f"{new_prefix()}/", upstreamRegistryUrl=url, customRoleArn=role) for url, _ in others]
    assert [rule["upstreamRegistry"] for rule in rules] == [kind for _, kind in others]
    for rule in [plain, full, *rules]:
        delete_rule(ecr, rule)


@succeeds
def describe_pull_through_cache_rules(ecr):
    rules = [new_rule(ecr) for _ in range(3)]
    prefixes = sorted(rule["ecrRepositoryPrefix"] for rule in rules)
    found = ecr.call("DescribePullThroughCacheRules", ecrRepositoryPrefixes=prefixes)["pullThroughCacheRules"]
    assert [rule["ecrRepositoryPrefix"] for rule in found] == prefixes
    assert found[0]["updatedAt"] == found[0]["createdAt"]
    paged, token = [], {}
    while True:
        page = ecr.call("DescribePullThroughCacheRules", maxResults=1, **token)
        paged += [rule["ecrRepositoryPrefix"] for rule in page["pullThroughCacheRules"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert set(prefixes) <= set(paged) and paged == sorted(paged)
    for rule in rules:
        delete_rule(ecr, rule)


@succeeds
def update_pull_through_cache_rule(ecr):
    rule = new_rule(ecr)
    prefix, secret = rule["ecrRepositoryPrefix"], new_secret(ecr)
    changed = ecr.call("UpdatePullThroughCacheRule", ecrRepositoryPrefix=prefix, credentialArn=secret)
    assert changed["credentialArn"] == secret and changed["updatedAt"] >= rule["createdAt"]
    role = "arn:aws:iam::123456789012:role/puller"
    changed = ecr.call("UpdatePullThroughCacheRule", ecrRepositoryPrefix=prefix, customRoleArn=role)
    assert (changed["credentialArn"], changed["customRoleArn"]) == (secret, role)
    delete_rule(ecr, rule)


@succeeds
def delete_pull_through_cache_rule(ecr):
    rule = new_rule(ecr)
    deleted = ecr.call("DeletePullThroughCacheRule", ecrRepositoryPrefix=f"{rule['ecrRepositoryPrefix']}/")
    assert deleted["upstreamRegistryUrl"] == "quay.io"


@succeeds
def validate_pull_through_cache_rule(ecr):
    rule = new_rule(ecr)
    found = ecr.call("ValidatePullThroughCacheRule", ecrRepositoryPrefix=rule["ecrRepositoryPrefix"])
    assert found["isValid"] and "failure" not in found
    delete_rule(ecr, rule)


IMPLEMENTED = sorted(SUCCESSES)
NOT_IMPLEMENTED = sorted(set(model_check.model().operation_names) - set(IMPLEMENTED))


@pytest.mark.parametrize("operation", IMPLEMENTED)
def test_success(wharf, operation):
    """Every answer on the way has the output shape: members, types, enums, patterns, limits, nothing unknown, no null."""
    ecr = Ecr(wharf)
    SUCCESSES[operation](ecr)
    assert operation in ecr.succeeded


# --- Errors: each modelled error of each operation, provoked --------------------------------------------------------

PROVOKED = []


def provokes(operation, error, message=None):
    """Registers a function that sets a scene and returns the parameters that fail in it.

    It may return (parameters, message) where the text depends on the scene.
    """

    def register(function):
        PROVOKED.append(
            pytest.param(operation, error, message, function, id=f"{operation}-{function.__name__.strip('_')}")
        )
        return function

    return register


# Parameters that are complete but for the repository; no_repository() below makes an absent one of them.
BY_REPOSITORY = {
    "DeleteRepository": {},
    "PutImage": {"imageManifest": index_manifest([]).decode()},
    "BatchGetImage": {"imageIds": [{"imageTag": "v1"}]},
    "BatchDeleteImage": {"imageIds": [{"imageTag": "v1"}]},
    "ListImages": {},
    "DescribeImages": {},
    "ListImageReferrers": {"subjectId": {"imageDigest": ABSENT}},
    "BatchCheckLayerAvailability": {"layerDigests": [ABSENT]},
    "UpdateImageStorageClass": {"imageId": {"imageTag": "v1"}, "targetStorageClass": "ARCHIVE"},
    "InitiateLayerUpload": {},
    "UploadLayerPart": {"uploadId": str(uuid.uuid4()), "partFirstByte": 0, "partLastByte": 0, "layerPartBlob": "YQ=="},
    "CompleteLayerUpload": {"uploadId": str(uuid.uuid4()), "layerDigests": [ABSENT]},
    "GetDownloadUrlForLayer": {"layerDigest": ABSENT},
    "PutImageTagMutability": {"imageTagMutability": "MUTABLE"},
    "PutImageScanningConfiguration": {"imageScanningConfiguration": {}},
    "SetRepositoryPolicy": {"policyText": REPOSITORY_POLICY},
    "GetRepositoryPolicy": {},
    "DeleteRepositoryPolicy": {},
    "PutLifecyclePolicy": {"lifecyclePolicyText": KEEP_ONE_UNTAGGED},
    "GetLifecyclePolicy": {},
    "DeleteLifecyclePolicy": {},
    "StartLifecyclePolicyPreview": {"lifecyclePolicyText": KEEP_ONE_UNTAGGED},
    "GetLifecyclePolicyPreview": {},
    "DescribeImageReplicationStatus": {"imageId": {"imageTag": "v1"}},
    "StartImageScan": {"imageId": {"imageTag": "v1"}},
    "DescribeImageScanFindings": {"imageId": {"imageTag": "v1"}},
}

for name, parameters in BY_REPOSITORY.items():

    @provokes(name, "RepositoryNotFoundException")
    def absent_repository(ecr, parameters=parameters):
        absent = f"absent/{uuid.uuid4().hex}"
        text = f"The repository with name '{absent}' does not exist in the registry with id '{ecr.account}'"
        return {**parameters, "repositoryName": absent}, text

    @provokes(
        name, EITHER if name == "ListImageReferrers" else INVALID, None if name == "ListImageReferrers" else NAME_RULE
    )
    def bad_repository_name(ecr, parameters=parameters):
        return {**parameters, "repositoryName": "Not/A/Name"}

    @provokes(name, EITHER if name == "ListImageReferrers" else INVALID)
    def no_repository_name(ecr, parameters=parameters):
        return parameters

    @provokes(name, EITHER if name == "ListImageReferrers" else INVALID)
    def bad_registry(ecr, parameters=parameters):
        return {**parameters, "repositoryName": "some/name", "registryId": "12345"}


@provokes("DescribeRepositories", "RepositoryNotFoundException")
def one_of_the_names(ecr):
    absent = f"absent/{uuid.uuid4().hex}"
    text = f"The repository with name '{absent}' does not exist in the registry with id '{ecr.account}'"
    return {"repositoryNames": [ecr.repository(), absent]}, text


for name, parameters in {
    "TagResource": {"tags": [{"Key": "k", "Value": "v"}]},
    "UntagResource": {"tagKeys": ["k"]},
    "ListTagsForResource": {},
}.items():

    @provokes(name, "RepositoryNotFoundException")
    def absent_resource(ecr, parameters=parameters):
        absent = f"absent/{uuid.uuid4().hex}"
        text = f"The repository with name '{absent}' does not exist in the registry with id '{ecr.account}'"
        return {**parameters, "resourceArn": ecr.arn(absent)}, text

    @provokes(name, INVALID, "Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'")
    def no_arn(ecr, parameters=parameters):
        return {**parameters, "resourceArn": "repository/name"}


@provokes("GetAuthorizationToken", INVALID)
def bad_registry_of_a_token(ecr):
    return {"registryIds": ["12345"]}


@provokes("GetAuthorizationToken", INVALID)
def too_many_registries(ecr):
    return {"registryIds": [ecr.account] * 11}


@provokes("CreateRepository", "RepositoryAlreadyExistsException")
def created_twice(ecr):
    name = ecr.repository()
    text = f"The repository with name '{name}' already exists in the registry with id '{ecr.account}'"
    return {"repositoryName": name}, text


@provokes("CreateRepository", INVALID, NAME_RULE)
def bad_new_name(ecr):
    return {"repositoryName": "a___b"}


@provokes("CreateRepository", "TooManyTagsException")
def too_many_tags(ecr):
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(51)]
    return {"repositoryName": f"new/{uuid.uuid4().hex}", "tags": tags}


@provokes("CreateRepository", "InvalidTagParameterException")
def reserved_tag(ecr):
    return {"repositoryName": f"new/{uuid.uuid4().hex}", "tags": [{"Key": "aws:k", "Value": "v"}]}


@provokes("TagResource", "TooManyTagsException")
def too_many_tags_together(ecr):
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(50)]
    return {"resourceArn": ecr.arn(ecr.repository(tags=tags)), "tags": [{"Key": "another", "Value": "v"}]}


@provokes("TagResource", "InvalidTagParameterException")
def reserved_tag_later(ecr):
    return {"resourceArn": ecr.arn(ecr.repository()), "tags": [{"Key": "aws:k", "Value": "v"}]}


@provokes("UntagResource", "InvalidTagParameterException")
def reserved_tag_removed(ecr):
    return {"resourceArn": ecr.arn(ecr.repository()), "tagKeys": ["aws:k"]}


@provokes("DescribeRepositories", INVALID)
def names_and_paging(ecr):
    return {"repositoryNames": [ecr.repository()], "maxResults": 5}


@provokes("DeleteRepository", "RepositoryNotEmptyException")
def images_inside(ecr):
    name = ecr.repository()
    ecr.image(name)
    text = (
        f"The repository with name '{name}' in registry with id '{ecr.account}' cannot be deleted because it still "
        "contains images"
    )
    return {"repositoryName": name}, text


@provokes("PutImage", "ImageAlreadyExistsException")
def same_image_and_tag(ecr):
    name = ecr.repository()
    image = ecr.image(name, "v1")
    text = (
        f"Image with digest '{image.digest}' and tag 'v1' already exists in the repository with name '{name}' "
        f"in registry with id '{ecr.account}'"
    )
    return {"repositoryName": name, "imageManifest": image.body.decode(), "imageTag": "v1"}, text


@provokes("PutImage", "LayersNotFoundException")
def missing_layer(ecr):
    name = ecr.repository()
    image = ecr.manifest(ecr.repository())
    return {"repositoryName": name, "imageManifest": image.body.decode()}


@provokes("PutImage", "ReferencedImagesNotFoundException")
def missing_child(ecr):
    name = ecr.repository()
    child = ecr.image(ecr.repository())
    text = (
        f"Images with digests '[{child.digest}]' required for pushing image into repository with name '{name}' "
        f"in the registry with id '{ecr.account}' do not exist"
    )
    return {"repositoryName": name, "imageManifest": index_manifest([child.descriptor]).decode()}, text


@provokes("PutImage", "ImageTagAlreadyExistsException")
def immutable_tag(ecr):
    name = ecr.repository(imageTagMutability="IMMUTABLE")
    ecr.image(name, "v1")
    text = (
        f"The image tag 'v1' already exists in the '{name}' repository and cannot be overwritten because the tag is "
        "immutable."
    )
    return {"repositoryName": name, "imageManifest": ecr.manifest(name).body.decode(), "imageTag": "v1"}, text


@provokes("PutImage", "ImageDigestDoesNotMatchException")
def digest_of_another_image(ecr):
    name = ecr.repository()
    return {"repositoryName": name, "imageManifest": ecr.manifest(name).body.decode(), "imageDigest": ABSENT}


@provokes(
    "PutImage", INVALID, "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
)
def manifest_that_is_no_json(ecr):
    return {"repositoryName": ecr.repository(), "imageManifest": "{"}


@provokes("PutImage", "LimitExceededException")
def tag_number_1001(ecr):
    name = ecr.repository()
    image = ecr.manifest(name)
    for number in range(1000):
        ecr.put(name, image, f"t{number}")
    return {"repositoryName": name, "imageManifest": image.body.decode(), "imageTag": "one-more"}


UNSUPPORTED = "ImageStorageClassUpdateNotSupportedException"


@provokes("UpdateImageStorageClass", "ImageNotFoundException")
def absent_image_to_archive(ecr):
    name = ecr.repository()
    text = (
        "The image with imageId {imageDigest:'null', imageTag:'v1'} does not exist within the repository with name "
        f"'{name}' in the registry with id '{ecr.account}'"
    )
    return {"repositoryName": name, "imageId": {"imageTag": "v1"}, "targetStorageClass": "STANDARD"}, text


@provokes("UpdateImageStorageClass", UNSUPPORTED)
def standard_already(ecr):
    name = ecr.repository()
    ecr.image(name, "v1")
    return {"repositoryName": name, "imageId": {"imageTag": "v1"}, "targetStorageClass": "STANDARD"}


@provokes("UpdateImageStorageClass", UNSUPPORTED)
def archived_already(ecr):
    name = ecr.repository()
    ecr.image(name, "v1")
    parameters = {"repositoryName": name, "imageId": {"imageTag": "v1"}, "targetStorageClass": "ARCHIVE"}
    ecr.call("UpdateImageStorageClass", **parameters)
    return parameters


@provokes("UpdateImageStorageClass", UNSUPPORTED)
def child_of_an_active_list(ecr):
    name = ecr.repository()
    child = ecr.image(name, "v1")
    made = ecr.index(name, [child], "index")
    parameters = {"repositoryName": name, "imageId": {"imageTag": "v1"}, "targetStorageClass": "ARCHIVE"}
    return parameters, f"Requested image referenced by manifest list: [{made.digest}]"


@provokes("UpdateImageStorageClass", UNSUPPORTED)
def referrer_of_an_active_image(ecr):
    name = ecr.repository()
    subject = ecr.image(name, "v1")
    ecr.image(name, "signature", subject=subject.descriptor)
    return {"repositoryName": name, "imageId": {"imageTag": "signature"}, "targetStorageClass": "ARCHIVE"}


for members in (
    {"imageId": {"imageTag": "v1"}},
    {"targetStorageClass": "ARCHIVE"},
    {"imageId": {}, "targetStorageClass": "ARCHIVE"},
    {"imageId": {"imageTag": "v1"}, "targetStorageClass": "GLACIER"},
    {"imageId": {"imageTag": ""}, "targetStorageClass": "ARCHIVE"},
    {"imageId": {"imageDigest": "none"}, "targetStorageClass": "ARCHIVE"},
):

    @provokes("UpdateImageStorageClass", EITHER)
    def bad_storage_class_update(ecr, members=members):
        return {"repositoryName": ecr.repository(), **members}


@provokes("DescribeImages", "ImageNotFoundException")
def absent_tag(ecr):
    name = ecr.repository()
    ecr.image(name, "v1")
    text = (
        "The image with imageId {imageDigest:'null', imageTag:'v2'} does not exist within the repository with name "
        f"'{name}' in the registry with id '{ecr.account}'"
    )
    return {"repositoryName": name, "imageIds": [{"imageTag": "v1"}, {"imageTag": "v2"}]}, text


@provokes("DescribeImages", "ImageNotFoundException")
def absent_digest(ecr):
    name = ecr.repository()
    text = (
        f"The image with imageId {{imageDigest:'{ABSENT}', imageTag:'null'}} does not exist within the repository with "
        f"name '{name}' in the registry with id '{ecr.account}'"
    )
    return {"repositoryName": name, "imageIds": [{"imageDigest": ABSENT}]}, text


@provokes("ListImageReferrers", "ValidationException")
def no_subject(ecr):
    return {"repositoryName": ecr.repository(), "subjectId": {}}


@provokes("UploadLayerPart", "InvalidLayerPartException")
def gap(ecr):
    name = ecr.repository()
    return part_parameters(name, ecr.start_upload(name), 5, b"abc")


@provokes("UploadLayerPart", "UploadNotFoundException")
def absent_upload(ecr):
    return part_parameters(ecr.repository(), str(uuid.uuid4()), 0, b"abc")


@provokes("UploadLayerPart", "LimitExceededException")
def part_number_4201(ecr):
    name = ecr.repository()
    upload = ecr.start_upload(name)
    for number in range(4200):
        answer = ecr.api.ecr("UploadLayerPart", part_parameters(name, upload, number, b"x"))
        assert answer.status == 200, repr(answer)
    return part_parameters(name, upload, 4200, b"x")


@provokes("CompleteLayerUpload", "UploadNotFoundException")
def absent_upload_completed(ecr):
    return {"repositoryName": ecr.repository(), "uploadId": str(uuid.uuid4()), "layerDigests": [ABSENT]}


@provokes("CompleteLayerUpload", "EmptyUploadException")
def no_part(ecr):
    name = ecr.repository()
    return {"repositoryName": name, "uploadId": ecr.start_upload(name), "layerDigests": [digest_of(b"")]}


def uploaded(ecr, name, parts):
    upload, first = ecr.start_upload(name), 0
    for content in parts:
        ecr.call("UploadLayerPart", **part_parameters(name, upload, first, content))
        first += len(content)
    return {"repositoryName": name, "uploadId": upload, "layerDigests": [digest_of(b"".join(parts))]}


@provokes("CompleteLayerUpload", "LayerPartTooSmallException")
def short_part_before_the_last(ecr):
    return uploaded(ecr, ecr.repository(), [b"x" * (5 * MIB - 1), b"y"])


@provokes("CompleteLayerUpload", "InvalidLayerException")
def other_digest(ecr):
    return {**uploaded(ecr, ecr.repository(), [b"abc"]), "layerDigests": [ABSENT]}


@provokes("CompleteLayerUpload", "LayerAlreadyExistsException")
def layer_twice(ecr):
    name, content = ecr.repository(), random_content()
    ecr.layer(name, content)
    return uploaded(ecr, name, [content])


@provokes("GetDownloadUrlForLayer", "LayersNotFoundException")
def absent_layer(ecr):
    return {"repositoryName": ecr.repository(), "layerDigest": ABSENT}


@provokes("GetDownloadUrlForLayer", "LayerInaccessibleException")
def layer_of_no_image(ecr):
    name = ecr.repository()
    return {"repositoryName": name, "layerDigest": ecr.layer(name)}


for name, parameters in {"GetAccountSetting": {}, "PutAccountSetting": {"value": "ENABLED"}}.items():

    @provokes(name, EITHER)
    def unknown_setting(ecr, parameters=parameters):
        return {**parameters, "name": "NO_SUCH_SETTING"}


for name in ("RegisterPullTimeUpdateExclusion", "DeregisterPullTimeUpdateExclusion"):

    @provokes(name, EITHER)
    def no_principal(ecr):
        return {}

    @provokes(name, EITHER)
    def bad_principal(ecr):
        return {"principalArn": "arn:aws:sts::123456789012:assumed-role/role/session"}

    @provokes(name, EITHER)
    def long_principal(ecr):
        return {"principalArn": "arn:aws:iam::123456789012:role/" + "r" * 200}


@provokes("RegisterPullTimeUpdateExclusion", "ExclusionAlreadyExistsException")
def registered_twice(ecr):
    arn = excluded_principal()
    ecr.call("RegisterPullTimeUpdateExclusion", principalArn=arn)
    return {"principalArn": arn}


@provokes("RegisterPullTimeUpdateExclusion", "LimitExceededException")
def too_many_exclusions(ecr):
    there = len(ecr.call("ListPullTimeUpdateExclusions")["pullTimeUpdateExclusions"])
    for _ in range(there, 100):
        ecr.call("RegisterPullTimeUpdateExclusion", principalArn=excluded_principal())
    return {"principalArn": excluded_principal()}


@provokes("DeregisterPullTimeUpdateExclusion", "ExclusionNotFoundException")
def not_registered(ecr):
    return {"principalArn": excluded_principal()}


@provokes("ListPullTimeUpdateExclusions", EITHER)
def no_results(ecr):
    return {"maxResults": 0}


@provokes("ListPullTimeUpdateExclusions", EITHER)
def token_of_nobody(ecr):
    return {"nextToken": "x"}


@provokes("PutAccountSetting", EITHER)
def unknown_value(ecr):
    return {"name": "BLOB_MOUNTING", "value": "PERHAPS"}


for name in ("GetRepositoryPolicy", "DeleteRepositoryPolicy"):

    @provokes(name, "RepositoryPolicyNotFoundException")
    def no_repository_policy(ecr):
        name = ecr.repository()
        text = (
            f"Repository policy does not exist for the repository with name '{name}' in the registry with id "
            f"'{ecr.account}'"
        )
        return {"repositoryName": name}, text


for name in ("GetLifecyclePolicy", "DeleteLifecyclePolicy", "StartLifecyclePolicyPreview"):

    @provokes(name, "LifecyclePolicyNotFoundException")
    def no_lifecycle_policy(ecr):
        name = ecr.repository()
        text = (
            f"Lifecycle policy does not exist for the repository with name '{name}' in the registry with id "
            f"'{ecr.account}'"
        )
        return {"repositoryName": name}, text


@provokes("GetLifecyclePolicyPreview", "LifecyclePolicyPreviewNotFoundException")
def no_lifecycle_preview(ecr):
    name = ecr.repository()
    text = (
        f"Lifecycle policy preview does not exist for the repository with name '{name}' in the registry with id "
        f"'{ecr.account}'"
    )
    return {"repositoryName": name}, text


@provokes("GetLifecyclePolicyPreview", INVALID)
def preview_of_images_and_paging(ecr):
    return {"repositoryName": ecr.repository(), "imageIds": [{"imageTag": "v1"}], "maxResults": 5}


def lifecycle_rule(**changes):
    rule = json.loads(KEEP_ONE_UNTAGGED)["rules"][0]
    return {**rule, **changes}


BAD_LIFECYCLE_POLICIES = {
    "Could not map policyString into LifecyclePolicy.": "x" * 100,
    'object has missing required properties (["rules"])': "{" + " " * 100 + "}",
    "Rules must have unique rulePriority values, but found 1 more than once.": json.dumps(
        {"rules": [lifecycle_rule(), lifecycle_rule(selection={**lifecycle_rule()["selection"], "tagStatus": "any"})]}
    ),
    'instance value ("vanish") not found in enum (possible values: ["expire","transition"])': json.dumps(
        {"rules": [lifecycle_rule(action={"type": "vanish"})]}
    ),
}
for name in ("PutLifecyclePolicy", "StartLifecyclePolicyPreview"):
    for problem, text in BAD_LIFECYCLE_POLICIES.items():

        @provokes(name, INVALID)
        def bad_lifecycle_policy(ecr, problem=problem, text=text):
            frame = "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: "
            message = f"{frame}'Lifecycle policy validation failure: {problem}'"
            return {"repositoryName": ecr.repository(), "lifecyclePolicyText": text}, message

    for text in ("{}", KEEP_ONE_UNTAGGED + " " * 30_720):

        @provokes(name, INVALID)
        def lifecycle_policy_of_bad_length(ecr, text=text):
            return {"repositoryName": ecr.repository(), "lifecyclePolicyText": text}


for name in ("GetRegistryPolicy", "DeleteRegistryPolicy"):

    @provokes(name, "RegistryPolicyNotFoundException")
    def no_registry_policy(ecr):
        return {}, f"Registry policy does not exist in the registry with id '{ecr.account}'"


BAD_POLICIES = {
    "no JSON": "{",
    "empty": "",
    "no statement": '{"Version": "2012-10-17"}',
    "no principal": '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecr:*"}}',
    "another service": '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*"}}',
    "too long": REPOSITORY_POLICY + " " * 10_240,
}
for text in BAD_POLICIES.values():

    @provokes("SetRepositoryPolicy", INVALID)
    def bad_repository_policy(ecr, text=text):
        message = "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'"
        return {"repositoryName": ecr.repository(), "policyText": text}, message

    @provokes("PutRegistryPolicy", INVALID)
    def bad_registry_policy(ecr, text=text):
        message = "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid registry policy provided'"
        return {"policyText": text}, message


@provokes("SetRepositoryPolicy", INVALID)
def locked_out(ecr):
    document = {"Effect": "Deny", "Principal": "*", "Action": "ecr:SetRepositoryPolicy"}
    return {
        "repositoryName": ecr.repository(),
        "policyText": json.dumps({"Version": "2012-10-17", "Statement": [document]}),
    }


@provokes("DescribeImageReplicationStatus", "ImageNotFoundException")
def status_of_no_image(ecr):
    name = ecr.repository()
    text = (
        "The image with imageId {imageDigest:'null', imageTag:'v1'} does not exist within the repository with name "
        f"'{name}' in the registry with id '{ecr.account}'"
    )
    return {"repositoryName": name, "imageId": {"imageTag": "v1"}}, text


@provokes("DescribeImageReplicationStatus", EITHER)
def status_of_nothing(ecr):
    return {"repositoryName": ecr.repository(), "imageId": {}}


AWAY = {"region": "eu-west-1", "registryId": "123456789012"}
PREFIX = {"filter": "prod", "filterType": "PREFIX_MATCH"}
BAD_RULES = {
    "no destination": [{"destinations": []}],
    "no filter": [{"destinations": [AWAY], "repositoryFilters": []}],
    "no such filter type": [{"destinations": [AWAY], "repositoryFilters": [{**PREFIX, "filterType": "SUFFIX"}]}],
    "short filter": [{"destinations": [AWAY], "repositoryFilters": [{**PREFIX, "filter": "a"}]}],
    "wildcard": [{"destinations": [AWAY], "repositoryFilters": [{**PREFIX, "filter": "prod*"}]}],
    "101 filters": [{"destinations": [AWAY], "repositoryFilters": [PREFIX] * 101}],
    "11 rules": [{"destinations": [AWAY]}] * 11,
    "26 destinations": [
        {"destinations": [{**AWAY, "registryId": f"{number:012}"} for number in range(first, first + 13)]}
        for first in (1, 14)
    ],
    "no region": [{"destinations": [{"registryId": AWAY["registryId"]}]}],
    "no such account": [{"destinations": [{**AWAY, "registryId": "1"}]}],
    "bad region": [{"destinations": [{**AWAY, "region": "Europe"}]}],
    "another partition": [{"destinations": [{**AWAY, "region": "cn-north-1"}]}],
    "no flag": [{"destinations": [AWAY], "deleteReplication": {}}],
}
for rules in BAD_RULES.values():

    @provokes("PutReplicationConfiguration", EITHER)
    def bad_rules(ecr, rules=rules):
        return {"replicationConfiguration": {"rules": rules}}


@provokes("PutReplicationConfiguration", EITHER)
def no_rules(ecr):
    return {"replicationConfiguration": {}}


@provokes("PutReplicationConfiguration", INVALID)
def to_itself(ecr):
    text = (
        "Invalid parameter at 'replicationConfiguration' failed to satisfy constraint: 'Replication destination cannot "
        "be the same as the source registry'"
    )
    rules = [{"destinations": [{"region": ecr.region, "registryId": ecr.account}]}]
    return {"replicationConfiguration": {"rules": rules}}, text


@provokes("StartReplicationBackfill", EITHER)
def destination_of_no_rule(ecr):
    return {"destination": {"region": "ap-south-1", "registryId": ecr.account}}


for name in ("StopReplicationBackfill", "DescribeReplicationBackfillResults"):

    @provokes(name, "ReplicationBackfillNotFoundException")
    def absent_backfill(ecr):
        return {"replicationBackfillId": str(uuid.uuid4())}

    @provokes(name, EITHER)
    def bad_backfill_id(ecr):
        return {"replicationBackfillId": "1"}


@provokes("StopReplicationBackfill", "ReplicationBackfillInvalidStatusException")
def backfill_that_has_ended(ecr):
    return ended_backfill(ecr, ecr.repository())[0]


@provokes("ListReplicationBackfills", EITHER)
def too_many_backfills_asked_for(ecr):
    return {"maxResults": 51}


@provokes("CreateRepositoryCreationTemplate", "TemplateAlreadyExistsException")
def template_twice(ecr):
    prefix = new_template(ecr)["prefix"]
    text = (
        f"The repository creation template with prefix '{prefix}/' already exists in the registry with id "
        f"'{ecr.account}'"
    )
    return {"prefix": f"{prefix}/", **PUSH}, text


for name in ("UpdateRepositoryCreationTemplate", "DeleteRepositoryCreationTemplate"):

    @provokes(name, "TemplateNotFoundException")
    def absent_template(ecr):
        text = (
            "The repository creation template with prefix 'absent' does not exist in the registry with id "
            f"'{ecr.account}'"
        )
        return {"prefix": "absent"}, text


@pytest.fixture(autouse=True, scope="module")
def no_templates_left(ecr):
    """A registry has room for few templates, and they change what pushes do."""
    yield
    for template in ecr.call("DescribeRepositoryCreationTemplates")["repositoryCreationTemplates"]:
        ecr.call("DeleteRepositoryCreationTemplate", prefix=template["prefix"])


BAD_PREFIXES = ("", "/", "a//b", "-a", "Root", "ROOT/", "a" * 257)
for prefix in BAD_PREFIXES:
    for name, parameters in {
        "CreateRepositoryCreationTemplate": PUSH,
        "UpdateRepositoryCreationTemplate": {},
        "DeleteRepositoryCreationTemplate": {},
    }.items():

        @provokes(name, "ValidationException")
        def bad_prefix(ecr, prefix=prefix, parameters=parameters):
            return {"prefix": prefix, **parameters}

    @provokes("DescribeRepositoryCreationTemplates", "ValidationException")
    def bad_prefix_in_a_list(ecr, prefix=prefix):
        return {"prefixes": ["good", prefix]}


@provokes("DescribeRepositoryCreationTemplates", INVALID)
def bad_token_of_templates(ecr):
    return {"nextToken": "garbage"}


BAD_TEMPLATES = {
    "ValidationException": [
        {"appliedFor": []},
        {"appliedFor": ["SOMETIMES"]},
        {"description": "x" * 257},
        {"encryptionConfiguration": {"encryptionType": "ROT13"}},
        {"encryptionConfiguration": {}},
        {"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "alias/aws/ecr"}},
    ],
    INVALID: [
        {"encryptionConfiguration": {"encryptionType": "AES256", "kmsKey": "arn:aws:kms:us-east-1:123456789012:key/a"}},
        {"imageTagMutability": "SOMETIMES"},
        {"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"},
        {
            "imageTagMutability": "MUTABLE",
            "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "a"}],
        },
        {"imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "a/b"}]},
        {"repositoryPolicy": "{"},
        {"repositoryPolicy": REPOSITORY_POLICY + " " * 10_240},
        {"lifecyclePolicy": "{" + " " * 200},
        {"lifecyclePolicy": KEEP_ONE_UNTAGGED + " " * 30_720},
        {"lifecyclePolicy": '{"rules": []}'},
        {"resourceTags": [{"Key": "aws:k", "Value": "v"}]},
        {"resourceTags": [{"Key": "k", "Value": "v"}, {"Key": "k", "Value": "w"}]},
        {"resourceTags": [{"Key": f"k{number}", "Value": "v"} for number in range(51)]},
        {"resourceTags": [{"Key": "k", "Value": "v" * 257}]},
        {"customRoleArn": "creator"},
        {"customRoleArn": "arn:aws:iam::210987654321:role/of-another-account"},
    ],
}
for error, members in ((error, members) for error, cases in BAD_TEMPLATES.items() for members in cases):

    @provokes("CreateRepositoryCreationTemplate", error)
    def bad_template(ecr, members=members):
        return {"prefix": "bad", **PUSH, **members}

    @provokes("UpdateRepositoryCreationTemplate", error)
    def bad_template_later(ecr, members=members):
        if not described(ecr, "updated-badly"):
            new_template(ecr, prefix="updated-badly")
        return {"prefix": "updated-badly", **members}


def described(ecr, prefix):
    return ecr.call("DescribeRepositoryCreationTemplates", prefixes=[prefix])["repositoryCreationTemplates"]


@provokes("CreateRepositoryCreationTemplate", "ValidationException")
def template_for_nothing(ecr):
    return {"prefix": "bad"}


# Modelled errors that nobody can provoke from outside here, with the reason.
# Parameters that are complete but for the prefix.
BY_PREFIX = {
    "CreatePullThroughCacheRule": {"upstreamRegistryUrl": "quay.io"},
    "UpdatePullThroughCacheRule": {"customRoleArn": "arn:aws:iam::123456789012:role/puller"},
    "DeletePullThroughCacheRule": {},
    "ValidatePullThroughCacheRule": {},
}

for name, parameters in BY_PREFIX.items():
    for prefix in [None, "a", "a" * 31, "Not/A/Prefix", "a//b"]:

        @provokes(name, "ValidationException")
        def bad_rule_prefix(ecr, parameters=parameters, prefix=prefix):
            return {**parameters, **({} if prefix is None else {"ecrRepositoryPrefix": prefix})}

    @provokes(name, INVALID)
    def other_registry(ecr, parameters=parameters):
        return {**parameters, "ecrRepositoryPrefix": new_prefix(), "registryId": "210987654321"}

    if name != "CreatePullThroughCacheRule":

        @provokes(name, "PullThroughCacheRuleNotFoundException")
        def absent_rule(ecr, parameters=parameters):
            prefix = new_prefix()
            text = f"The pull through cache rule with prefix '{prefix}' does not exist in the registry with id "
            return {**parameters, "ecrRepositoryPrefix": prefix}, f"{text}'{ecr.account}'"


@provokes("DescribePullThroughCacheRules", "PullThroughCacheRuleNotFoundException")
def one_of_the_rules(ecr):
    return {"ecrRepositoryPrefixes": [new_prefix()]}


@provokes("DescribePullThroughCacheRules", "ValidationException")
def one_bad_prefix(ecr):
    return {"ecrRepositoryPrefixes": ["Not/A/Prefix"]}


@provokes("DescribePullThroughCacheRules", INVALID)
def prefixes_and_paging(ecr):
    return {"ecrRepositoryPrefixes": ["quay"], "maxResults": 1}


@provokes("DescribePullThroughCacheRules", INVALID)
def no_prefixes(ecr):
    return {"ecrRepositoryPrefixes": []}


@provokes("CreatePullThroughCacheRule", "PullThroughCacheRuleAlreadyExistsException")
def same_prefix_but_for_the_slash(ecr):
    return {"ecrRepositoryPrefix": f"{new_rule(ecr)['ecrRepositoryPrefix']}/", "upstreamRegistryUrl": "quay.io"}


UNSUPPORTED = "UnsupportedUpstreamRegistryException"
for url in ["example.com", "quay.io:5000", "https://quay.io", "http://quay.io", "", "quay.io/x", "127.0.0.1:5000"]:

    @provokes("CreatePullThroughCacheRule", UNSUPPORTED)
    def unknown_upstream(ecr, url=url):
        return {"ecrRepositoryPrefix": new_prefix(), "upstreamRegistryUrl": url}


for url in ["registry-1.docker.io", "ghcr.io", "registry.gitlab.com", "a.azurecr.io", "cgr.dev"]:

    @provokes("CreatePullThroughCacheRule", UNSUPPORTED)
    def upstream_that_needs_a_secret(ecr, url=url):
        return {"ecrRepositoryPrefix": new_prefix(), "upstreamRegistryUrl": url}


@provokes("CreatePullThroughCacheRule", "ValidationException")
def no_upstream(ecr):
    return {"ecrRepositoryPrefix": new_prefix()}


@provokes("CreatePullThroughCacheRule", "ValidationException")
def no_such_kind(ecr):
    return {"ecrRepositoryPrefix": new_prefix(), "upstreamRegistryUrl": "quay.io", "upstreamRegistry": "docker"}


@provokes("CreatePullThroughCacheRule", INVALID)
def another_kind(ecr):
    return {"ecrRepositoryPrefix": new_prefix(), "upstreamRegistryUrl": "quay.io", "upstreamRegistry": "k8s"}


@provokes("CreatePullThroughCacheRule", INVALID)
def root_of_a_part(ecr):
    return {"ecrRepositoryPrefix": "ROOT", "upstreamRegistryUrl": "quay.io", "upstreamRepositoryPrefix": "part"}


@provokes(
    "UpdatePullThroughCacheRule",
    INVALID,
    "Invalid input: Please set either credential arn or role arn to update the credential",
)
def nothing_to_update(ecr):
    return {"ecrRepositoryPrefix": new_rule(ecr)["ecrRepositoryPrefix"]}


def with_secret(ecr, operation, arn):
    """Parameters that are good but for the secret."""
    if operation == "UpdatePullThroughCacheRule":
        return {"ecrRepositoryPrefix": new_rule(ecr)["ecrRepositoryPrefix"], "credentialArn": arn}
    return {"ecrRepositoryPrefix": new_prefix(), "upstreamRegistryUrl": "ghcr.io", "credentialArn": arn}


SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/absent-abcdef"
for name in ["CreatePullThroughCacheRule", "UpdatePullThroughCacheRule"]:

    @provokes(name, "SecretNotFoundException")
    def absent_secret(ecr, name=name):
        return with_secret(ecr, name, SECRET)

    @provokes(name, "UnableToAccessSecretException")
    def secret_elsewhere(ecr, name=name):
        return with_secret(ecr, name, SECRET.replace("us-east-1", "eu-west-1"))

    for arn in ["short", SECRET.replace("ecr-pullthroughcache", "other"), SECRET + "a" * 600]:

        @provokes(name, "ValidationException")
        def no_secrets_arn(ecr, name=name, arn=arn):
            return with_secret(ecr, name, arn)


def printed_id(digest="null", tag="null"):
    return f"{{imageDigest:'{digest}', imageTag:'{tag}'}}"


for name in ("StartImageScan", "DescribeImageScanFindings"):

    @provokes(name, "ImageNotFoundException")
    def absent_image_to_scan(ecr):
        repository = ecr.repository()
        text = f"The image with imageId {printed_id(tag='v1')} does not exist within the repository with name "
        text += f"'{repository}' in the registry with id '{ecr.account}'"
        return {"repositoryName": repository, "imageId": {"imageTag": "v1"}}, text

    for id in (None, {}, {"imageDigest": "sha256"}, {"imageTag": ""}, {"imageTag": "a b"}, {"imageTag": "a" * 301}):

        @provokes(name, INVALID)
        def no_image_to_scan(ecr, id=id):
            return {"repositoryName": "some/name", **({} if id is None else {"imageId": id})}


@provokes("DescribeImageScanFindings", "ScanNotFoundException")
def never_scanned(ecr):
    repository = ecr.repository()
    ecr.image(repository, "v1")
    text = f"Image scan does not exist for the image with '{printed_id(tag='v1')}' in the repository with name "
    text += f"'{repository}' in the registry with id '{ecr.account}'"
    return {"repositoryName": repository, "imageId": {"imageTag": "v1"}}, text


for parameters in ({"maxResults": 0}, {"maxResults": 1001}, {"nextToken": "?"}):

    @provokes("DescribeImageScanFindings", INVALID)
    def bad_page_of_findings(ecr, parameters=parameters):
        return {"repositoryName": "some/name", "imageId": {"imageTag": "v1"}, **parameters}


@provokes("StartImageScan", "UnsupportedImageTypeException", "The image is of a type that cannot be scanned")
def artifact_to_scan(ecr):
    repository = ecr.repository()
    ecr.image(repository, "v1", artifactType="application/vnd.example")
    return {"repositoryName": repository, "imageId": {"imageTag": "v1"}}


@provokes("StartImageScan", "ImageArchivedException")
def archived_image_to_scan(ecr):
    repository = ecr.repository()
    ecr.image(repository, "v1")
    image = {"repositoryName": repository, "imageId": {"imageTag": "v1"}}
    ecr.call("UpdateImageStorageClass", **image, targetStorageClass="ARCHIVE")
    return image


for rule in (
    scanning_rule("OFTEN", "a"),
    scanning_rule("SCAN_ON_PUSH", "A"),
    scanning_rule("SCAN_ON_PUSH", ""),
    scanning_rule("SCAN_ON_PUSH", "a" * 256),
    scanning_rule("SCAN_ON_PUSH", "a//b"),
    scanning_rule("SCAN_ON_PUSH", *["a"] * 101),
    {"scanFrequency": "SCAN_ON_PUSH"},
    {"repositoryFilters": []},
    {"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{"filter": "a"}]},
    {"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{"filter": "a", "filterType": "PREFIX_MATCH"}]},
):

    @provokes("PutRegistryScanningConfiguration", "ValidationException")
    def bad_scanning_rule(ecr, rule=rule):
        return {"scanType": "BASIC", "rules": [rule]}


@provokes("PutRegistryScanningConfiguration", "ValidationException")
def bad_scan_type(ecr):
    return {"scanType": "OTHER", "rules": []}


@provokes("PutRegistryScanningConfiguration", "ValidationException")
def three_scanning_rules(ecr):
    return {"rules": [scanning_rule(frequency, "a") for frequency in ("SCAN_ON_PUSH", "MANUAL", "MANUAL")]}


for scan_type, frequencies, text in (
    ("BASIC", ["CONTINUOUS_SCAN"], "The scan frequency CONTINUOUS_SCAN is not supported for the scan type BASIC"),
    ("ENHANCED", ["MANUAL"], "The scan frequency MANUAL is not supported for the scan type ENHANCED"),
    ("BASIC", ["SCAN_ON_PUSH"] * 2, "At most one rule can be given for each scan frequency"),
):

    @provokes(
        "PutRegistryScanningConfiguration",
        INVALID,
        f"Invalid parameter at 'rules' failed to satisfy constraint: '{text}'",
    )
    def contradicting_scanning_rules(ecr, scan_type=scan_type, frequencies=frequencies):
        return {"scanType": scan_type, "rules": [scanning_rule(frequency, "a") for frequency in frequencies]}


for names in (None, [], ["some/name"] * 26):

    @provokes("BatchGetRepositoryScanningConfiguration", "ValidationException")
    def bad_number_of_names(ecr, names=names):
        return {} if names is None else {"repositoryNames": names}


@provokes(
    "BatchGetRepositoryScanningConfiguration", INVALID, NAME_RULE.replace("'repositoryName'", "'repositoryNames'")
)
def one_bad_repository_name(ecr):
    return {"repositoryNames": ["some/name", "Not/A/Name"]}


NOT_PROVOKED = {
    ("StartImageScan", "ValidationException"): "test_scanning.py does, with enhanced scanning",
    ("StartImageScan", "LimitExceededException"): "test_scanning.py does, with ECR's quota",
    ("DescribeImageScanFindings", "ValidationException"): "a bad member is an invalid parameter",
    ("PutRegistryScanningConfiguration", "BlockedByOrganizationPolicyException"): "there are no organizations",
    ("GetRegistryScanningConfiguration", "InvalidParameterException"): "it has no parameters",
    ("GetRegistryScanningConfiguration", "ValidationException"): "it has no parameters",
    ("BatchGetRepositoryScanningConfiguration", "RepositoryNotFoundException"): "an absent repository is a failure",
    ("CreatePullThroughCacheRule", "LimitExceededException"): "test_pull_through_cache.py does, on a server of its own",
    "ServerException": "a fault of the server, not of a request",
    "UnableToDecryptSecretValueException": "whoever may read a secret may decrypt it, and a placeholder is no fault",
    "KmsException": "test_kms.py does, with keys of its own",
    "UnableToGetUpstreamImageException": "test_pull_through_cache.py does, with upstreams of its own",
    "UnableToGetUpstreamLayerException": "test_pull_through_cache.py does, with upstreams of its own",
    "UnableToListUpstreamImageReferrersException": "test_pull_through_cache.py does, with upstreams of its own",
    ("CreateRepository", "LimitExceededException"): "the quota is 100,000 repositories",
    ("BatchGetImage", "LimitExceededException"): "only the pull through cache has such a limit",
    ("PutAccountSetting", "LimitExceededException"): "there are three settings",
    ("PutImageScanningConfiguration", "ValidationException"): "test_scanning.py does, with enhanced scanning",
    (
        "CreateRepositoryCreationTemplate",
        "LimitExceededException",
    ): "test_creation_templates.py does, on a server of its own",
    ("DeleteRepositoryCreationTemplate", "InvalidParameterException"): "its one parameter has a pattern",
    ("DeregisterPullTimeUpdateExclusion", "LimitExceededException"): "removing one cannot be too much",
    ("ListPullTimeUpdateExclusions", "LimitExceededException"): "it has no limit",
    ("UntagResource", "TooManyTagsException"): "removing tags cannot make too many",
    ("GetRegistryPolicy", "InvalidParameterException"): "it has no parameters",
    ("GetRegistryPolicy", "ValidationException"): "it has no parameters",
    ("DeleteRegistryPolicy", "InvalidParameterException"): "it has no parameters",
    ("DeleteRegistryPolicy", "ValidationException"): "it has no parameters",
    ("PutRegistryPolicy", "ValidationException"): "a bad policy is an invalid parameter",
    ("DescribeRegistry", "InvalidParameterException"): "it has no parameters",
    ("DescribeRegistry", "ValidationException"): "it has no parameters",
    ("PutLifecyclePolicy", "ValidationException"): "a bad member is an invalid parameter",
    ("GetLifecyclePolicy", "ValidationException"): "a bad member is an invalid parameter",
    ("DeleteLifecyclePolicy", "ValidationException"): "a bad member is an invalid parameter",
    ("StartLifecyclePolicyPreview", "ValidationException"): "a bad member is an invalid parameter",
    ("GetLifecyclePolicyPreview", "ValidationException"): "a bad member is an invalid parameter",
    "LifecyclePolicyPreviewInProgressException": "a preview is made in no time; a test inside the server stops the clock",
    ("StartReplicationBackfill", "LimitExceededException"): "test_replication.py does, with back-fills that do not end",
    ("StartReplicationBackfill", "ReplicationBackfillInProgressException"): "test_replication.py does, as before",
}


@pytest.mark.parametrize(("operation", "error", "message", "scene"), PROVOKED)
def test_error(ecr, operation, error, message, scene):
    """The error is the expected one, the model lists it for the operation, and its text is ECR's where that is known."""
    failing = scene(ecr)
    parameters, text = failing if isinstance(failing, tuple) else (failing, message)
    ecr.refuse(operation, error, text, **parameters)


def test_every_modelled_error_is_provoked():
    """Nothing is left out: an error that the model lists is provoked, or there is a reason why not."""
    provoked = set()
    for operation, error, *_ in (case.values for case in PROVOKED):
        provoked |= {(operation, name) for name in (error if isinstance(error, tuple) else (error,))}
    listed = {(operation, error) for operation in IMPLEMENTED for error in model_check.listed_errors(operation)}
    excused = {pair for pair in listed if pair in NOT_PROVOKED or pair[1] in NOT_PROVOKED}
    assert listed - provoked == excused - provoked
    assert provoked <= listed, "a test expects what the model does not list"


# --- Operations that are not there ----------------------------------------------------------------------------------


@pytest.mark.refused_before_store
@pytest.mark.parametrize("operation", NOT_IMPLEMENTED)
def test_operation_that_is_not_there_yet(ecr, operation):
    """reference/wire.md 1: UnknownOperationException, never an error of the server, however complete the request is."""
    answer = ecr.api.ecr(operation, {"repositoryName": ecr.repository(), "registryId": ecr.account})
    assert answer.status in (400, 404), repr(answer)
    assert model_check.error_name(answer) == "UnknownOperationException", repr(answer)
    model_check.expect_headers(answer)


TARGETS = {
    "no such operation": f"{ECR_TARGET}.NoSuchOperation",
    "lower case": f"{ECR_TARGET}.describeregistry",
    "no operation": f"{ECR_TARGET}.",
    "no dot": ECR_TARGET,
    "another service": "NoSuchService_V20150921.DescribeRegistry",
    "another version": "AmazonEC2ContainerRegistry_V20990101.DescribeRegistry",
    "very long": f"{ECR_TARGET}." + "A" * 4000,
}


@pytest.mark.refused_before_store
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_target_that_is_none(ecr, target):
    """reference/wire.md 1: an unknown target is UnknownOperationException."""
    answer = ecr.api.post(b"{}", {"Content-Type": JSON_TYPE, "X-Amz-Target": target})
    assert answer.status in (400, 404), repr(answer)
    assert model_check.error_name(answer) == "UnknownOperationException", repr(answer)
