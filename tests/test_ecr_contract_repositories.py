"""How the ECR API behaves for repositories: defaults, order, paging, tag mutability, resource tags, settings, identity."""

import re
import uuid
import xml.etree.ElementTree as ElementTree

import pytest

from harness import model_check
from harness.ecr_client import Ecr

pytestmark = pytest.mark.every_store

INVALID = "InvalidParameterException"
EITHER = (INVALID, "ValidationException")


@pytest.fixture(scope="module")
def ecr(wharf):
    return Ecr(wharf)


class TestRepositories:
    def test_defaults(self, ecr, wharf):
        """reference/repositories-images.md 1: MUTABLE, no scan on push, AES256, no filters, no tags."""
        name = f"defaults/{uuid.uuid4().hex}"
        created = ecr.call("CreateRepository", repositoryName=name)["repository"]
        assert created.pop("createdAt") > 0
        uri = created.pop("repositoryUri")
        assert uri.endswith(f"/{name}") and "://" not in uri
        assert created == {
            "repositoryArn": ecr.arn(name),
            "registryId": wharf.account,
            "repositoryName": name,
            "imageTagMutability": "MUTABLE",
            "imageScanningConfiguration": {"scanOnPush": False},
            "encryptionConfiguration": {"encryptionType": "AES256"},
        }
        assert ecr.call("ListTagsForResource", resourceArn=ecr.arn(name)) == {"tags": []}

    def test_what_create_describe_and_delete_tell_is_the_same(self, ecr):
        """reference/repositories-images.md 1, 2: one repository object, in every answer."""
        filters = [{"filterType": "WILDCARD", "filter": "dev-*"}, {"filterType": "WILDCARD", "filter": "*.tmp"}]
        name = f"same/{uuid.uuid4().hex}"
        created = ecr.call(
            "CreateRepository",
            repositoryName=name,
            imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
            imageTagMutabilityExclusionFilters=filters,
            imageScanningConfiguration={"scanOnPush": True},
            tags=[{"Key": "k", "Value": "v"}],
        )["repository"]
        assert created["imageTagMutabilityExclusionFilters"] == filters
        assert created["imageScanningConfiguration"] == {"scanOnPush": True}
        assert ecr.call("DescribeRepositories", repositoryNames=[name])["repositories"] == [created]
        assert ecr.call("DeleteRepository", repositoryName=name)["repository"] == created
        ecr.refuse("DescribeRepositories", "RepositoryNotFoundException", repositoryNames=[name])

    @pytest.mark.parametrize(
        "name",
        ["ab", "a--b", "a__b", "a.b/c-d_e", "0/1", "a---------b", "x" * 256, "/".join(["a"] * 100)],
        ids=lambda name: name[:12],
    )
    def test_good_name(self, ecr, name):
        """reference/repositories-images.md 1: 2 to 256 characters of the grammar."""
        ecr.call("CreateRepository", repositoryName=name)
        ecr.call("DeleteRepository", repositoryName=name)

    BAD_NAMES = [
        "", "a", "A", "Ab", "a_", "_a", "a..b", "a___b", "a/", "/a", "a//b", "a._b", "a b", "a\n", "ab\n", "a:b", "a@b", "é-e",
        "x" * 257, "a/../b", "a%2fb", "a\\b",
    ]  # fmt: skip

    @pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
    def test_bad_name(self, ecr, name):
        """reference/repositories-images.md 1: nothing outside of the grammar and the length is created."""
        ecr.refuse("CreateRepository", INVALID, repositoryName=name)

    def test_delete_takes_everything_along(self, ecr):
        """reference/repositories-images.md 2: a repository of the same name that is made later is new and empty."""
        name = ecr.repository(tags=[{"Key": "k", "Value": "v"}], imageTagMutability="IMMUTABLE")
        image = ecr.image(name, "v1")
        ecr.call("DeleteRepository", repositoryName=name, force=True)
        ecr.call("CreateRepository", repositoryName=name)
        assert ecr.image_ids(name) == set()
        assert ecr.call("ListTagsForResource", resourceArn=ecr.arn(name)) == {"tags": []}
        ecr.refuse("PutImage", "LayersNotFoundException", repositoryName=name, imageManifest=image.body.decode())

    def test_delete_is_refused_while_there_is_an_untagged_image(self, ecr):
        """reference/repositories-images.md 2: an untagged image counts as well."""
        name = ecr.repository()
        ecr.image(name)
        ecr.refuse("DeleteRepository", "RepositoryNotEmptyException", repositoryName=name, force=False)
        ecr.call("DeleteRepository", repositoryName=name, force=True)

    def test_registry_of_another_account(self, ecr):
        """reference/repositories-images.md 1: another registry id is another account's; without a grant nothing is found or done."""
        name = ecr.repository()
        answer = ecr.api.ecr("DescribeRepositories", {"repositoryNames": [name], "registryId": "999999999999"})
        assert answer.status == 400, repr(answer)
        assert model_check.error_name(answer) in ("RepositoryNotFoundException", "AccessDeniedException"), repr(answer)


class TestPaging:
    def walk(self, ecr, operation, member, size, **parameters):
        pages, token = [], {}
        while True:
            answer = ecr.call(operation, maxResults=size, **parameters, **token)
            pages.append(answer[member])
            assert len(answer[member]) <= size
            if "nextToken" not in answer:
                return pages
            token = {"nextToken": answer["nextToken"]}
            assert len(pages) < 2000, "the pages never end"

    def test_repositories_by_name(self, ecr):
        """reference/wire.md 1 (paging): sorted by name, every repository once, whatever the size of a page."""
        mine = {ecr.repository("paging") for _ in range(7)}
        whole = None
        for size in (2, 3, 1000):
            pages = self.walk(ecr, "DescribeRepositories", "repositories", size)
            names = [entry["repositoryName"] for page in pages for entry in page]
            assert names == sorted(names) and len(set(names)) == len(names)
            assert mine <= set(names)
            whole = whole or names
            assert names == whole

    @pytest.mark.parametrize(("operation", "member"), [("ListImages", "imageIds"), ("DescribeImages", "imageDetails")])
    def test_images(self, ecr, operation, member):
        """reference/wire.md 1 (paging): every image once, in a stable order, under every filter."""
        name = ecr.repository()
        images = [ecr.image(name, f"t{number}" if number % 2 else None) for number in range(7)]
        ecr.put(name, images[1], "again")
        for status, expected in {"ANY": 7, "TAGGED": 3, "UNTAGGED": 4}.items():
            whole = None
            for size in (1, 2, 3, 100):
                pages = self.walk(ecr, operation, member, size, repositoryName=name, filter={"tagStatus": status})
                found = [(entry["imageDigest"], entry.get("imageTag")) for page in pages for entry in page]
                assert len(set(found)) == len(found)
                assert len({digest for digest, _ in found}) == expected
                whole = whole or found
                assert found == whole, (status, size)

    def test_default_page_is_100(self, ecr):
        """reference/wire.md 1 (paging): 100 without maxResults."""
        name = ecr.repository()
        image = ecr.manifest(name)
        for number in range(101):
            ecr.put(name, image, f"t{number:03}")
        page = ecr.call("ListImages", repositoryName=name)
        assert len(page["imageIds"]) == 100
        rest = ecr.call("ListImages", repositoryName=name, nextToken=page["nextToken"])
        assert len(rest["imageIds"]) == 1 and "nextToken" not in rest
        assert len(ecr.call("ListImages", repositoryName=name, maxResults=1000)["imageIds"]) == 101

    def test_referrers(self, ecr):
        """reference/wire.md 1 (paging): 20 without maxResults, at most 50."""
        name = ecr.repository()
        subject = ecr.image(name, "v1")
        for number in range(21):
            ecr.index(name, [], subject=subject.descriptor, annotations={"number": str(number)})
        parameters = {"repositoryName": name, "subjectId": {"imageDigest": subject.digest}}
        first = ecr.call("ListImageReferrers", **parameters)
        assert len(first["referrers"]) == 20 and "nextToken" in first
        assert len(ecr.call("ListImageReferrers", **parameters, maxResults=50)["referrers"]) == 21
        pages = self.walk(ecr, "ListImageReferrers", "referrers", 4, **parameters)
        assert len({entry["digest"] for page in pages for entry in page}) == 21
        ecr.refuse("ListImageReferrers", EITHER, **parameters, maxResults=51)

    TOKENS = ["garbage", "", "AAAA", "eyJhIjoxfQ==", "x" * 10_000, "é", "' OR 1=1 --"]

    @pytest.mark.parametrize("token", TOKENS, ids=lambda token: repr(token[:12]))
    @pytest.mark.parametrize(
        "operation", ["DescribeRepositories", "ListImages", "DescribeImages", "ListImageReferrers"]
    )
    def test_garbage_token(self, ecr, operation, token):
        """reference/wire.md 1 (paging): a token that was never given is an invalid parameter."""
        parameters = {} if operation == "DescribeRepositories" else {"repositoryName": ecr.repository()}
        if operation == "ListImageReferrers":
            parameters["subjectId"] = {"imageDigest": "sha256:" + "0" * 64}
        ecr.refuse(operation, EITHER if operation == "ListImageReferrers" else INVALID, **parameters, nextToken=token)

    def test_token_of_another_list(self, ecr):
        """reference/wire.md 1 (paging): a token continues the list that gave it, and is garbage for every other."""
        first, second = ecr.repository(), ecr.repository()
        for name in (first, second):
            for number in range(3):
                ecr.image(name, f"t{number}")
        token = ecr.call("ListImages", repositoryName=first, maxResults=1)["nextToken"]
        ecr.call("ListImages", repositoryName=first, registryId=ecr.account, nextToken=token)
        for operation, parameters in [
            ("ListImages", {"repositoryName": second}),
            ("ListImages", {"repositoryName": first, "filter": {"tagStatus": "TAGGED"}}),
            ("DescribeImages", {"repositoryName": first}),
            ("DescribeRepositories", {}),
        ]:
            ecr.refuse(operation, INVALID, **parameters, nextToken=token)

    @pytest.mark.parametrize("value", [0, -1, 1001, 2**31, 2**63])
    @pytest.mark.parametrize("operation", ["DescribeRepositories", "ListImages", "DescribeImages"])
    def test_max_results_out_of_range(self, ecr, operation, value):
        """reference/wire.md 1 (paging): 1 to 1000."""
        parameters = {} if operation == "DescribeRepositories" else {"repositoryName": ecr.repository()}
        answer = ecr.api.ecr(operation, {**parameters, "maxResults": value})
        expected = (INVALID, "SerializationException") if value >= 2**31 else (INVALID,)
        assert answer.status == 400 and model_check.error_name(answer) in expected, repr(answer)

    def test_ids_and_paging_exclude_each_other(self, ecr):
        """reference/wire.md 1 (paging): named images are never paged."""
        name = ecr.repository()
        ecr.image(name, "v1")
        ecr.refuse("DescribeImages", INVALID, repositoryName=name, imageIds=[{"imageTag": "v1"}], maxResults=5)


class TestTagMutability:
    """reference/repositories-images.md 4: four modes; filters name the exceptions."""

    MODES = {
        "mutable": ("MUTABLE", None, {"v1": True, "release-1": True}),
        "immutable": ("IMMUTABLE", None, {"v1": False, "release-1": False}),
        "mutable but for some": ("MUTABLE_WITH_EXCLUSION", ["release-*"], {"v1": True, "release-1": False, "release-": False}),
        "immutable but for some": ("IMMUTABLE_WITH_EXCLUSION", ["dev*", "*-rc"], {"v1": False, "dev": True, "devel": True, "1-rc": True, "1-rc2": False, "Dev": False}),
        "wildcard inside": ("MUTABLE_WITH_EXCLUSION", ["v*.0"], {"v1.0": False, "v.0": False, "v1.0.1": True, "xv1.0": True}),
        "dot is a dot": ("MUTABLE_WITH_EXCLUSION", ["v1.0"], {"v1.0": False, "v1x0": True}),
        "everything": ("IMMUTABLE_WITH_EXCLUSION", ["*"], {"v1": True}),
        "two wildcards": ("MUTABLE_WITH_EXCLUSION", ["*mid*"], {"mid": False, "a-mid-b": False, "md": True}),
    }  # fmt: skip

    @pytest.mark.parametrize("how", ["at creation", "later"])
    @pytest.mark.parametrize(("mode", "filters", "tags"), MODES.values(), ids=MODES.keys())
    def test_modes(self, ecr, mode, filters, tags, how):
        """A tag that may move moves; one that may not stays where it is, and the error says so."""
        setting = {"imageTagMutability": mode}
        if filters:
            setting["imageTagMutabilityExclusionFilters"] = [
                {"filterType": "WILDCARD", "filter": one} for one in filters
            ]
        if how == "at creation":
            name = ecr.repository(**setting)
        else:
            name = ecr.repository()
            answer = ecr.call("PutImageTagMutability", repositoryName=name, **setting)
            assert answer == {"registryId": ecr.account, "repositoryName": name, **setting}
        first, second = ecr.manifest(name), ecr.manifest(name)
        for tag, moves in tags.items():
            ecr.put(name, first, tag)
            if moves:
                ecr.put(name, second, tag)
            else:
                ecr.refuse(
                    "PutImage",
                    "ImageTagAlreadyExistsException",
                    f"The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because "
                    "the tag is immutable.",
                    repositoryName=name,
                    imageManifest=second.body.decode(),
                    imageTag=tag,
                )
            found = ecr.call("BatchGetImage", repositoryName=name, imageIds=[{"imageTag": tag}])["images"]
            assert found[0]["imageId"]["imageDigest"] == (second if moves else first).digest, tag

    def test_a_refused_image_is_not_stored(self, ecr):
        """An immutable tag refuses the whole push: the other image does not appear without a tag."""
        name = ecr.repository(imageTagMutability="IMMUTABLE")
        first, second = ecr.image(name, "v1"), ecr.manifest(name)
        ecr.refuse(
            "PutImage",
            "ImageTagAlreadyExistsException",
            repositoryName=name,
            imageManifest=second.body.decode(),
            imageTag="v1",
        )
        assert ecr.image_ids(name) == {(first.digest, "v1")}

    def test_the_same_again_in_an_immutable_repository(self, ecr):
        """PutImage, step 7: with digest and tag unchanged the API says ImageAlreadyExistsException."""
        name = ecr.repository(imageTagMutability="IMMUTABLE")
        image = ecr.image(name, "v1")
        body = image.body.decode()
        ecr.refuse("PutImage", "ImageAlreadyExistsException", repositoryName=name, imageManifest=body, imageTag="v1")

    def test_deleting_frees_an_immutable_tag(self, ecr):
        """Immutability is about moving a tag: one that was deleted can be pushed again."""
        name = ecr.repository(imageTagMutability="IMMUTABLE")
        ecr.image(name, "v1")
        ecr.call("BatchDeleteImage", repositoryName=name, imageIds=[{"imageTag": "v1"}])
        image = ecr.image(name, "v1")
        assert ecr.image_ids(name) == {(image.digest, "v1")}

    def test_a_change_touches_no_image(self, ecr):
        """PutImageTagMutability: existing images stay; only the next push feels the new mode."""
        name = ecr.repository()
        ecr.image(name, "v1")
        moved = ecr.image(name, "v1")
        before = ecr.image_ids(name)
        ecr.call("PutImageTagMutability", repositoryName=name, imageTagMutability="IMMUTABLE")
        assert ecr.image_ids(name) == before and (moved.digest, "v1") in before

    def wildcard(self, *filters):
        return [{"filterType": "WILDCARD", "filter": one} for one in filters]

    BAD = {
        "exclusion without filters": ("MUTABLE_WITH_EXCLUSION", None),
        "filters without exclusion": ("MUTABLE", ["a"]),
        "no filter in the list": ("IMMUTABLE_WITH_EXCLUSION", []),
        "six filters": ("IMMUTABLE_WITH_EXCLUSION", list("abcdef")),
        "empty filter": ("IMMUTABLE_WITH_EXCLUSION", [""]),
        "long filter": ("IMMUTABLE_WITH_EXCLUSION", ["a" * 129]),
        "character that no tag has": ("IMMUTABLE_WITH_EXCLUSION", ["a/b"]),
        "three wildcards": ("IMMUTABLE_WITH_EXCLUSION", ["*a*b*"]),
        "unknown mode": ("SOMETIMES", None),
    }

    @pytest.mark.parametrize(("mode", "filters"), BAD.values(), ids=BAD.keys())
    @pytest.mark.parametrize("operation", ["CreateRepository", "PutImageTagMutability"])
    def test_bad_setting(self, ecr, operation, mode, filters):
        """reference/repositories-images.md 2, 4: 1 to 5 filters, with an exclusion mode and only there; nothing is changed."""
        name = ecr.repository() if operation == "PutImageTagMutability" else f"new/{uuid.uuid4().hex}"
        setting = {} if filters is None else {"imageTagMutabilityExclusionFilters": self.wildcard(*filters)}
        ecr.refuse(operation, INVALID, repositoryName=name, imageTagMutability=mode, **setting)
        if operation == "CreateRepository":
            ecr.refuse("DescribeRepositories", "RepositoryNotFoundException", repositoryNames=[name])
        else:
            (found,) = ecr.call("DescribeRepositories", repositoryNames=[name])["repositories"]
            assert found["imageTagMutability"] == "MUTABLE"

    def test_leaving_an_exclusion_mode_drops_its_filters(self, ecr):
        """PutImageTagMutability replaces the setting."""
        name = ecr.repository(
            imageTagMutability="MUTABLE_WITH_EXCLUSION", imageTagMutabilityExclusionFilters=self.wildcard("a")
        )
        ecr.call("PutImageTagMutability", repositoryName=name, imageTagMutability="MUTABLE")
        (found,) = ecr.call("DescribeRepositories", repositoryNames=[name])["repositories"]
        assert "imageTagMutabilityExclusionFilters" not in found


class TestResourceTags:
    """reference/repositories-images.md 6."""

    def tags(self, ecr, name):
        found = ecr.call("ListTagsForResource", resourceArn=ecr.arn(name))["tags"]
        return {entry["Key"]: entry["Value"] for entry in found}

    def test_merge_overwrite_and_remove(self, ecr):
        """TagResource merges by key, UntagResource ignores keys that are not there."""
        name = ecr.repository(tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        arn = ecr.arn(name)
        assert (
            ecr.call("TagResource", resourceArn=arn, tags=[{"Key": "b", "Value": "3"}, {"Key": "c", "Value": ""}]) == {}
        )
        assert self.tags(ecr, name) == {"a": "1", "b": "3", "c": ""}
        assert ecr.call("UntagResource", resourceArn=arn, tagKeys=["a", "absent"]) == {}
        assert self.tags(ecr, name) == {"b": "3", "c": ""}

    def test_largest(self, ecr):
        """50 tags, keys of 128 and values of 256 characters."""
        tags = [{"Key": f"{number:02}".ljust(128, "k"), "Value": "v" * 256} for number in range(50)]
        name = ecr.repository(tags=tags)
        assert len(self.tags(ecr, name)) == 50
        ecr.call("TagResource", resourceArn=ecr.arn(name), tags=[{**tags[0], "Value": "other"}])
        assert self.tags(ecr, name)[tags[0]["Key"]] == "other"

    BAD = {
        "empty key": [{"Key": "", "Value": "v"}],
        "long key": [{"Key": "k" * 129, "Value": "v"}],
        "long value": [{"Key": "k", "Value": "v" * 257}],
        "reserved prefix": [{"Key": "aws:team", "Value": "v"}],
        "the same key twice": [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}],
    }

    @pytest.mark.parametrize("tags", BAD.values(), ids=BAD.keys())
    def test_bad_tags(self, ecr, tags):
        """Keys of 1 to 128 characters, unique, not reserved; refused whole, also at creation."""
        name = ecr.repository(tags=[{"Key": "kept", "Value": "1"}])
        errors = ("InvalidTagParameterException", INVALID)
        ecr.refuse("TagResource", errors, resourceArn=ecr.arn(name), tags=[{"Key": "new", "Value": "v"}, *tags])
        assert self.tags(ecr, name) == {"kept": "1"}
        new = f"new/{uuid.uuid4().hex}"
        ecr.refuse("CreateRepository", errors, repositoryName=new, tags=tags)
        ecr.refuse("DescribeRepositories", "RepositoryNotFoundException", repositoryNames=[new])

    BAD_ARNS = {
        "empty": "",
        "text": "my-app",
        "another service": "arn:aws:s3:us-east-1:{account}:repository/app",
        "another resource": "arn:aws:ecr:us-east-1:{account}:image/app",
        "no name": "arn:aws:ecr:us-east-1:{account}:repository/",
        "bad name": "arn:aws:ecr:us-east-1:{account}:repository/A//b",
        "no account": "arn:aws:ecr:us-east-1::repository/app",
    }

    @pytest.mark.parametrize("arn", BAD_ARNS.values(), ids=BAD_ARNS.keys())
    def test_bad_arn(self, ecr, arn):
        """The ARN must be that of a repository."""
        ecr.refuse("ListTagsForResource", INVALID, resourceArn=arn.format(account=ecr.account))


class TestSettings:
    """reference/repositories-images.md 5."""

    def test_defaults_and_change(self, ecr):
        """A setting holds until it is put again; put answers with the pair."""
        for name, values in {
            "BASIC_SCAN_TYPE_VERSION": ["AWS_NATIVE"],
            "REGISTRY_POLICY_SCOPE": ["V2", "V1"],
            "BLOB_MOUNTING": ["DISABLED", "ENABLED"],
        }.items():
            default = ecr.call("GetAccountSetting", name=name)
            assert default == {"name": name, "value": values[0]}
            for value in reversed(values):
                assert ecr.call("PutAccountSetting", name=name, value=value) == {"name": name, "value": value}
                assert ecr.call("GetAccountSetting", name=name)["value"] == value

    @pytest.mark.parametrize("value", ["", "enabled", "V3", "x" * 1000])
    def test_bad_value(self, ecr, value):
        """Unknown values change nothing."""
        before = ecr.call("GetAccountSetting", name="BLOB_MOUNTING")
        ecr.refuse("PutAccountSetting", EITHER, name="BLOB_MOUNTING", value=value)
        assert ecr.call("GetAccountSetting", name="BLOB_MOUNTING") == before

    @pytest.mark.parametrize("name", ["", "blob_mounting", "x" * 65])
    def test_bad_name(self, ecr, name):
        """Names are case-sensitive, of 1 to 64 characters."""
        ecr.refuse("GetAccountSetting", EITHER, name=name)


class TestCallerIdentity:
    def test_get_caller_identity(self, ecr):
        """reference/around.md 1, 3: the query protocol, XML in the STS namespace; the root of the account."""
        answer = ecr.api.sts()
        assert answer.status == 200, repr(answer)
        assert answer.header("Content-Type").startswith("text/xml")
        namespace = "{https://sts.amazonaws.com/doc/2011-06-15/}"
        root = ElementTree.fromstring(answer.body)
        assert root.tag == f"{namespace}GetCallerIdentityResponse"
        result = {
            child.tag.removeprefix(namespace): child.text for child in root.find(f"{namespace}GetCallerIdentityResult")
        }
        assert result["Account"] == ecr.account
        assert result["Arn"] == f"arn:aws:iam::{ecr.account}:root"
        assert result["UserId"] == ecr.account
        request_id = root.find(f"{namespace}ResponseMetadata/{namespace}RequestId").text
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", request_id)

    def test_through_boto3(self, wharf):
        """The real client reads the answer."""
        assert wharf.client("sts").get_caller_identity()["Account"] == wharf.account

    @pytest.mark.parametrize(
        "form", ["Action=NoSuchAction&Version=2011-06-15", "Action=&Version=2011-06-15", "Version=2011-06-15", ""]
    )
    def test_unknown_action(self, ecr, form):
        """reference/around.md 1: errors of the query protocol are XML with a code; never an error of the server."""
        answer = ecr.api.sts(form)
        assert 400 <= answer.status < 500, repr(answer)
