"""Settings of a registry with their effect: pulls that do not count, mounting of layers, the scope of its policy."""

import json

import pytest

from harness.identities import Identities, allow, deny, document
from harness.registry_client import Repository, digest_of, new_repository, random_content, with_query
from harness.server import Wharf, wait_for
from harness.terraform import Terraform

PULLER = document(allow("ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"))


def pull_time(ecr, name, tag="v1"):
    """Stored within seconds after a pull."""
    (image,) = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": tag}])["imageDetails"]
    return image.get("lastRecordedPullTime")


class TestPullTimeUpdateExclusions:
    """reference/repositories-images.md 5. An image that is pulled afterwards tells that the pulls before it were looked at."""

    def expect_no_pull(self, wharf, repository, *pulls):
        ecr = wharf.client()
        repository.push_image("seen")
        for pull in pulls:
            pull()
        repository.pull("seen").expect(200)
        wait_for(lambda: pull_time(ecr, repository.name, "seen"), "the counted pull to be stored")
        assert pull_time(ecr, repository.name) is None

    @pytest.fixture
    def repository(self, wharf_on_each_database):
        repository = new_repository(wharf_on_each_database, "exclusions")
        repository.push_image("v1")
        return repository

    def test_effect(self, wharf_on_each_database, repository):
        """Neither a manifest's GET nor BatchGetImage of an excluded user or of a session of an excluded role counts."""
        wharf = wharf_on_each_database
        ecr, identities = wharf.client(), Identities(wharf)
        user = identities.user(PULLER, Path="/robots/")
        role_arn = identities.role({"AWS": f"arn:aws:iam::{wharf.account}:root"}, PULLER, Path="/scanners/")
        session = identities.assume(role_arn)
        for arn in (user.arn, role_arn):
            ecr.register_pull_time_update_exclusion(principalArn=arn)
        pulls = []
        for who in (user, session):
            client, own = who.client(), Repository(who.registry(), repository.name)
            pulls.append(lambda own=own: own.pull("v1").expect(200))
            pulls.append(
                lambda client=client: client.batch_get_image(
                    repositoryName=repository.name, imageIds=[{"imageTag": "v1"}]
                )["images"][0]
            )
        self.expect_no_pull(wharf, repository, *pulls)
        ecr.deregister_pull_time_update_exclusion(principalArn=role_arn)
        Repository(session.registry(), repository.name).pull("v1").expect(200)
        wait_for(lambda: pull_time(ecr, repository.name), "a pull that counts again")

    def test_they_outlive_a_restart(self, fresh_wharf):
        ecr = fresh_wharf.client()
        arn = f"arn:aws:iam::{fresh_wharf.account}:user/not-there-yet"
        made = ecr.register_pull_time_update_exclusion(principalArn=arn)
        assert made["principalArn"] == arn and made["createdAt"]
        fresh_wharf.restart()
        ecr = fresh_wharf.client()
        assert ecr.list_pull_time_update_exclusions()["pullTimeUpdateExclusions"] == [arn]
        repository = new_repository(fresh_wharf, "exclusions")
        repository.push_image("v1")
        user = Identities(fresh_wharf).user(PULLER, name="not-there-yet")
        own = Repository(user.registry(), repository.name)
        self.expect_no_pull(fresh_wharf, repository, lambda: own.pull("v1").expect(200))

    def test_regions_have_their_own(self, tmp_path):
        """An exclusion holds for one registry, and a registry is an account in one region."""
        server = Wharf(tmp_path / "wharf", config='regions = ["us-east-1", "eu-west-1"]').start()
        arn = f"arn:aws:iam::{server.account}:user/ci"
        server.client().register_pull_time_update_exclusion(principalArn=arn)
        server.region = "eu-west-1"
        assert server.client().list_pull_time_update_exclusions()["pullTimeUpdateExclusions"] == []
        server.finish()


class TestBlobMounting:
    """reference/repositories-images.md 3: off unless switched on, and only for who may read the source."""

    def mount(self, client, source, target, digest):
        location = with_query(target.uploads, mount=digest, **{"from": source.name})
        return client.post(location, content_length="0")

    def test_permission(self, fresh_wharf):
        ecr, identities = fresh_wharf.client(), Identities(fresh_wharf)
        source, target = new_repository(fresh_wharf, "mount"), new_repository(fresh_wharf, "mount")
        digest = source.push_blob(content := random_content())
        assert digest == digest_of(content)
        assert ecr.get_account_setting(name="BLOB_MOUNTING")["value"] == "DISABLED"
        self.mount(source.client, source, target, digest).expect(202)
        ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
        arn = f"arn:aws:ecr:*:*:repository/{source.name}"
        pusher = allow("ecr:*")
        blind = identities.user(document(pusher, deny("ecr:GetDownloadUrlForLayer", on=arn)))
        self.mount(blind.registry(), source, target, digest).expect(202)
        target.client.head(target.blob(digest)).expect(404)
        seeing = identities.user(document(pusher))
        self.mount(seeing.registry(), source, target, digest).expect(201)
        target.client.head(target.blob(digest)).expect(200)
        ecr.put_account_setting(name="BLOB_MOUNTING", value="DISABLED")
        other = new_repository(fresh_wharf, "mount")
        self.mount(source.client, source, other, digest).expect(202)


class TestRegistryPolicyScope:
    def statement(self, *actions):
        statement = {"Effect": "Deny", "Principal": "*", "Action": list(actions), "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def test_v1(self, fresh_wharf):
        """reference/access.md 4: with V1 three actions may stand in the policy, and no others are looked at."""
        ecr = fresh_wharf.client()
        ecr.create_repository(repositoryName="app")
        ecr.put_registry_policy(policyText=self.statement("ecr:ListImages"))
        with pytest.raises(ecr.exceptions.ClientError, match="AccessDenied"):
            ecr.list_images(repositoryName="app")
        ecr.put_account_setting(name="REGISTRY_POLICY_SCOPE", value="V1")
        ecr.list_images(repositoryName="app")
        for refused in (["ecr:ListImages"], ["ecr:*"], ["ecr:CreateRepository", "ecr:PutImage"]):
            with pytest.raises(ecr.exceptions.InvalidParameterException, match="Invalid registry policy provided"):
                ecr.put_registry_policy(policyText=self.statement(*refused))
        three = ("ecr:ReplicateImage", "ecr:BatchImportUpstreamImage", "ecr:CreateRepository")
        ecr.put_registry_policy(policyText=self.statement(*three))
        with pytest.raises(ecr.exceptions.ClientError, match="AccessDenied"):
            ecr.create_repository(repositoryName="another")
        ecr.put_account_setting(name="REGISTRY_POLICY_SCOPE", value="V2")
        ecr.put_registry_policy(policyText=self.statement("ecr:ListImages"))
        with pytest.raises(ecr.exceptions.ClientError, match="AccessDenied"):
            ecr.list_images(repositoryName="app")


SETTINGS = """
resource "aws_ecr_account_setting" "scan" {
  name  = "BASIC_SCAN_TYPE_VERSION"
  value = "AWS_NATIVE"
}

resource "aws_ecr_account_setting" "scope" {
  name  = "REGISTRY_POLICY_SCOPE"
  value = "@scope@"
}
"""


@pytest.mark.timeout(1800)
def test_account_settings_with_terraform(fresh_wharf, tmp_path):
    """Apply, an empty plan, a change, an empty plan, destroy."""
    terraform = Terraform(fresh_wharf, tmp_path / "terraform", ("ecr", "iam", "sts"))
    ecr = fresh_wharf.client()
    for scope in ("V1", "V2"):
        terraform.apply(SETTINGS.replace("@scope@", scope))
        assert ecr.get_account_setting(name="REGISTRY_POLICY_SCOPE")["value"] == scope
    terraform.destroy()
    assert ecr.get_account_setting(name="BASIC_SCAN_TYPE_VERSION")["value"] == "AWS_NATIVE"
