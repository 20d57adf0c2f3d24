"""The configuration of scanning, by boto3 and Terraform, and what each operation tells of a scan."""

import pytest
from botocore.exceptions import ClientError

from harness.api_push import push_image, push_index
from harness.aws_api import AwsApi
from harness.feeds import FeedServer
from harness.images import image, index
from harness.scans import Scanned, advisory, feeds_configuration, image_of, serve_advisories, tree_layer, write
from harness.server import wait_for
from harness.terraform import Terraform

pytestmark = pytest.mark.every_store

RULES = """
resource "aws_ecr_repository" "app" {
  name         = "tf/scanned"
  force_delete = true

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_registry_scanning_configuration" "all" {
  scan_type = "@type@"

  rule {
    scan_frequency = "SCAN_ON_PUSH"
    repository_filter {
      filter      = "@filter@"
      filter_type = "WILDCARD"
    }
  }
}
"""


def rule(frequency, *filters):
    listed = [{"filter": text, "filterType": "WILDCARD"} for text in filters]
    return {"scanFrequency": frequency, "repositoryFilters": listed}


def refused(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]


def test_with_enhanced_scanning(fresh_wharf):
    """Scans are asked for by no one, the repository's own flag is gone, and rules decide: of what is there already, too."""
    ecr = fresh_wharf.client()
    for repository in ("app", "other"):
        ecr.create_repository(repositoryName=repository)
        push_image(ecr, repository, image("before"), "before")
    ecr.put_registry_scanning_configuration(scanType="ENHANCED", rules=[rule("CONTINUOUS_SCAN", "ap*")])
    push_image(ecr, "app", image("after"), "after")
    disabled = {"Code": "ValidationException", "Message": "This feature is disabled"}
    assert refused(ecr.start_image_scan, repositoryName="app", imageId={"imageTag": "after"}) == disabled
    flag = {"repositoryName": "app", "imageScanningConfiguration": {"scanOnPush": True}}
    assert refused(ecr.put_image_scanning_configuration, **flag) == disabled
    told = ecr.describe_image_scan_findings(repositoryName="app", imageId={"imageTag": "after"})
    assert told["imageScanStatus"]["status"] not in ("ACTIVE", "COMPLETE")

    api = AwsApi(fresh_wharf)

    def is_picked_up():
        before = {"repositoryName": "app", "imageId": {"imageTag": "before"}}
        answer = api.wharf("DescribeImageScan", before)
        if answer.status != 200:
            assert answer.json()["__type"] == "ScanNotFoundException", repr(answer)
            return False
        return [platform["scan"]["cause"] for platform in answer.json()["platforms"]] == ["CONFIGURATION"]

    wait_for(is_picked_up, "the image that was there before to be picked up")
    error = refused(ecr.describe_image_scan_findings, repositoryName="other", imageId={"imageTag": "before"})
    assert error["Code"] == "ScanNotFoundException"
    # DescribeImages says nothing of scans.
    for described in ecr.describe_images(repositoryName="app")["imageDetails"]:
        assert not {"imageScanStatus", "imageScanFindingsSummary"} & set(described)


def test_one_scan_a_day_with_ecrs_quotas(start_configured):
    """As ECR's rates, its quota of scans is off unless it is asked for."""
    for preset, is_limited in (("none", False), ("ecr", True)):
        wharf = start_configured(f'[rates]\npreset = "{preset}"\n')
        ecr = wharf.client()
        ecr.create_repository(repositoryName="app", imageScanningConfiguration={"scanOnPush": True})
        push_image(ecr, "app", image(preset), "v1")
        scan = {"repositoryName": "app", "imageId": {"imageTag": "v1"}}
        if is_limited:
            assert refused(ecr.start_image_scan, **scan) == {
                "Code": "LimitExceededException",
                "Message": "The scan quota per image has been exceeded. Wait and try again.",
            }
        else:
            assert ecr.start_image_scan(**scan)["imageScanStatus"]["status"] == "IN_PROGRESS"


def test_wharfs_own_operations(fresh_wharf):
    """DescribeImageScan, ExplainImageFinding, ListImageScanCounts and StartImageScan of all images of an index."""
    ecr, api = fresh_wharf.client(), AwsApi(fresh_wharf)
    ecr.create_repository(repositoryName="app")
    made = index("own")
    push_index(ecr, "app", made, "v1")

    def call(operation, **parameters):
        return api.wharf(operation, {"repositoryName": "app", **parameters})

    def own(operation, **parameters):
        answer = call(operation, **parameters)
        assert answer.status == 200, repr(answer)
        return answer.json()

    tag = {"imageTag": "v1"}
    assert call("DescribeImageScan", imageId=tag).json()["__type"] == "ScanNotFoundException"
    assert own("StartImageScan", imageId=tag)["imageId"] == {"imageDigest": made.digest, **tag}
    described = own("DescribeImageScan", imageId=tag)
    assert described["scanType"] == "BASIC" and described["findings"] == []
    digests = sorted(child.digest for child in made.images)
    assert [platform["imageDigest"] for platform in described["platforms"]] == digests
    assert {platform["platform"] for platform in described["platforms"]} == {"linux/amd64", "linux/arm64"}
    assert all(platform["scan"]["cause"] == "MANUAL" for platform in described["platforms"])
    listed = own("ListImageScanCounts")["images"]
    assert [entry["imageDigest"] for entry in listed] == sorted([made.digest, *digests])
    explained = call("ExplainImageFinding", imageId=tag, vulnerability="CVE-2026-1")
    assert explained.json()["__type"] == "ScanNotFoundException"


@pytest.fixture
def feeds():
    server = FeedServer()
    yield server
    server.close()


def test_what_a_scan_finds(start_configured, feeds, tmp_path):
    """A finding and a package, as each operation tells them."""
    affected = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    serve_advisories(feeds, [advisory("GHSA-vh95-rmgr-6w4m", "npm", "minimist", "1.2.3", vector=affected)])
    wharf = start_configured(feeds_configuration(feeds.url))
    write(
        tmp_path,
        {
            "app/node_modules/minimist/package.json": '{"name": "minimist", "version": "1.2.0"}',
            "app/node_modules/express/package.json": '{"name": "express", "version": "4.16.0"}',
        },
    )
    scanned = Scanned(wharf, "app")
    described = scanned.push(image_of(tree_layer(tmp_path)))
    assert [(each["vulnerability"], each["severity"]) for each in described["findings"]] == [
        ("GHSA-vh95-rmgr-6w4m", "CRITICAL")
    ]
    first = scanned.ask("ListImagePackages", "v1", maxResults=1)
    second = scanned.ask("ListImagePackages", "v1", maxResults=1, nextToken=first["nextToken"])
    names = [(package["name"], package["version"]) for page in (first, second) for package in page["packages"]]
    assert sorted(names) == [("express", "4.16.0"), ("minimist", "1.2.0")] and "nextToken" not in second
    explained = scanned.ask("ExplainImageFinding", "v1", vulnerability="GHSA-vh95-rmgr-6w4m")
    assert "minimist" in str(explained)
    basic = wharf.client().describe_image_scan_findings(repositoryName="app", imageId={"imageTag": "v1"})
    assert basic["imageScanFindings"]["findingSeverityCounts"] == {"CRITICAL": 1}
    counted = scanned.api.wharf("ListImageScanCounts", {"repositoryName": "app"}).json()["images"]
    assert "CRITICAL" in str(counted)


@pytest.mark.timeout(1800)
def test_scanning_with_terraform(fresh_wharf, tmp_path):
    """Apply, an empty plan, a change, an empty plan, and destroy, which leaves the default."""
    terraform = Terraform(fresh_wharf, tmp_path / "terraform", ("ecr", "sts"))
    ecr = fresh_wharf.client()
    for scan_type, pattern in (("BASIC", "tf/*"), ("BASIC", "*"), ("ENHANCED", "tf")):
        terraform.apply(RULES.replace("@type@", scan_type).replace("@filter@", pattern))
        found = ecr.get_registry_scanning_configuration()["scanningConfiguration"]
        assert found == {"scanType": scan_type, "rules": [rule("SCAN_ON_PUSH", pattern)]}
        (repository,) = ecr.batch_get_repository_scanning_configuration(repositoryNames=["tf/scanned"])[
            "scanningConfigurations"
        ]
        assert repository["scanFrequency"] == "SCAN_ON_PUSH" and repository["scanOnPush"]
        assert repository["appliedScanFilters"] == [{"filter": pattern, "filterType": "WILDCARD"}]
    terraform.destroy()
    found = ecr.get_registry_scanning_configuration()["scanningConfiguration"]
    assert found == {"scanType": "BASIC", "rules": []}
