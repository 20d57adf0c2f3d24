"""Who may do what: the policies of users, roles, repositories and registries bite, for boto3, docker and plain HTTP."""

import json
import re
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from harness import postgres
from harness.identities import Identities, Principal, allow, deny, document, name_of
from harness.registry_client import OCI_MANIFEST, RegistryClient, Repository, digest_of, image_manifest, new_repository
from harness.server import Wharf, wait_for
from test_docker import small_image

READ_ONLY = "AmazonEC2ContainerRegistryReadOnly"
POWER_USER = "AmazonEC2ContainerRegistryPowerUser"
PULL_ONLY = "AmazonEC2ContainerRegistryPullOnly"
ADMINISTRATOR = "AdministratorAccess"
# reference/access.md 2: 'Minimum push set'.
PUSH_SET = [
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
    "ecr:PutImage",
    "ecr:BatchGetImage",
]


@pytest.fixture(scope="module")
def identities(wharf):
    return Identities(wharf)


@pytest.fixture
def name(wharf):
    """A repository with an image, `v1`."""
    repository = new_repository(wharf, "access")
    repository.push_image("v1")
    return repository.name


def refusal(call, *arguments, **parameters):
    """The code and the message that a boto3 call is refused with."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def denied(principal, action, resource, reason):
    """The text of reference/access.md 5."""
    return f"User: {principal.arn} is not authorized to perform: {action} on resource: {resource} {reason}"


def no_identity_policy(action):
    return f"because no identity-based policy allows the {action} action"


def arn_of(name, account="123456789012"):
    return f"arn:aws:ecr:us-east-1:{account}:repository/{name}"


def push_steps(registry, name, tag="pushed"):
    """Each step of a push at /v2 with the status that it gets; a step that is refused does not end the push."""
    content = uuid.uuid4().bytes
    config = json.dumps({"made": uuid.uuid4().hex}).encode()
    repository = Repository(registry, name)
    steps = {"HEAD blob": registry.head(repository.blob(digest_of(content))).status}
    started = registry.post(repository.uploads)
    steps["POST upload"] = started.status
    location = started.header("Location") if started.status == 202 else f"{repository.uploads}{uuid.uuid4()}"
    steps["PATCH upload"] = registry.patch(location, content).status
    steps["PUT upload"] = registry.put(f"{location}?digest={digest_of(content)}").status
    manifest = image_manifest(config, [content])
    steps["PUT manifest"] = registry.put(repository.manifest(tag), manifest, content_type=OCI_MANIFEST).status
    steps["GET manifest"] = registry.get(repository.manifest("v1")).status
    return steps


class TestManagedPolicies:
    def test_read_only_with_docker(self, wharf, identities, docker, name, tmp_path):
        """A read-only user pulls; when it pushes, docker prints ECR's text."""
        user = identities.user(managed=[READ_ONLY])
        image = docker_image(docker, wharf, tmp_path)
        docker("login", "--username", "AWS", "--password-stdin", wharf.host, stdin=wharf.password)
        docker("tag", image, f"{wharf.host}/{name}:base")
        docker("push", f"{wharf.host}/{name}:base")
        docker.forget(f"{wharf.host}/{name}:base")
        docker("login", "--username", "AWS", "--password-stdin", wharf.host, stdin=user.password())
        docker("pull", f"{wharf.host}/{name}:base")
        another = docker_image(docker, wharf, tmp_path)
        docker("tag", another, f"{wharf.host}/{name}:new")
        said = docker.refused("push", f"{wharf.host}/{name}:new")
        action = "ecr:InitiateLayerUpload"
        expected = "denied: " + denied(user, action, arn_of(name), no_identity_policy(action))
        assert expected in said

    def test_power_user_with_docker(self, wharf, identities, docker, name, tmp_path):
        """A power user pushes and pulls, and deletes nothing."""
        user = identities.user(managed=[POWER_USER])
        docker("login", "--username", "AWS", "--password-stdin", wharf.host, stdin=user.password())
        image = docker_image(docker, wharf, tmp_path)
        docker("tag", image, f"{wharf.host}/{name}:mine")
        docker("push", f"{wharf.host}/{name}:mine")
        docker.forget(f"{wharf.host}/{name}:mine")
        docker("pull", f"{wharf.host}/{name}:mine")
        code, message = refusal(user.client().batch_delete_image, repositoryName=name, imageIds=[{"imageTag": "mine"}])
        action = "ecr:BatchDeleteImage"
        assert (code, message) == (
            "AccessDeniedException",
            denied(user, action, arn_of(name), no_identity_policy(action)),
        )

    def test_pull_only_role_with_docker(self, wharf, identities, docker, name, tmp_path):
        """A session of a role with PullOnly, which cannot even ask for a layer's availability, pulls."""
        user = identities.user(document(allow("sts:AssumeRole")))
        role = identities.role({"AWS": user.arn}, managed=[PULL_ONLY])
        image = docker_image(docker, wharf, tmp_path)
        docker("login", "--username", "AWS", "--password-stdin", wharf.host, stdin=wharf.password)
        docker("tag", image, f"{wharf.host}/{name}:base")
        docker("push", f"{wharf.host}/{name}:base")
        docker.forget(f"{wharf.host}/{name}:base", image)
        session = identities.assume(role, by=user)
        docker("login", "--username", "AWS", "--password-stdin", wharf.host, stdin=session.password())
        docker("pull", f"{wharf.host}/{name}:base")
        steps = push_steps(session.registry(), name)
        assert steps["GET manifest"] == 200 and steps["POST upload"] == 403

    def test_nobody(self, identities, name):
        """Without any policy there is not even a token."""
        user = identities.user()
        code, message = refusal(user.client().get_authorization_token)
        action = "ecr:GetAuthorizationToken"
        assert (code, message) == ("AccessDeniedException", denied(user, action, "*", no_identity_policy(action)))


class TestLeastPrivilege:
    def test_push_set_suffices(self, identities, name):
        user = identities.user(document(allow(*PUSH_SET)))
        steps = push_steps(user.registry(), name)
        # The config was not pushed, so the manifest is refused for what it names, not for who pushes it.
        assert steps == {
            "HEAD blob": 404,
            "POST upload": 202,
            "PATCH upload": 202,
            "PUT upload": 201,
            "PUT manifest": 404,
            "GET manifest": 200,
        }

    @pytest.mark.parametrize(
        ("action", "steps"),
        {
            "ecr:BatchCheckLayerAvailability": {"HEAD blob"},
            "ecr:InitiateLayerUpload": {"POST upload"},
            "ecr:UploadLayerPart": {"PATCH upload"},
            "ecr:CompleteLayerUpload": {"PUT upload"},
            "ecr:PutImage": {"PUT manifest"},
            "ecr:BatchGetImage": {"GET manifest"},
        }.items(),
    )
    def test_each_action_is_one_step(self, identities, name, action, steps):
        """Without one action of the set, its step is refused and no other."""
        user = identities.user(document(allow(*(known for known in PUSH_SET if known != action))))
        done = push_steps(user.registry(), name)
        assert {step for step, status in done.items() if status == 403} == steps, done

    def test_push_set_with_docker(self, wharf, identities, docker, name, tmp_path):
        user = identities.user(document(allow(*PUSH_SET)))
        docker("login", "--username", "AWS", "--password-stdin", wharf.host, stdin=user.password())
        image = docker_image(docker, wharf, tmp_path)
        docker("tag", image, f"{wharf.host}/{name}:least")
        docker("push", f"{wharf.host}/{name}:least")

    def test_token_needs_its_action(self, identities):
        user = identities.user(document(allow(*PUSH_SET[1:])))
        assert refusal(user.client().get_authorization_token)[0] == "AccessDeniedException"

    def test_resources_bite(self, wharf, identities, name):
        """A policy for one repository opens no other."""
        other = new_repository(wharf, "access")
        other.push_image("v1")
        user = identities.user(
            document(allow("ecr:GetAuthorizationToken"), allow("ecr:BatchGetImage", on=arn_of(name)))
        )
        registry = user.registry()
        registry.get(Repository(registry, name).manifest("v1")).expect(200)
        registry.get(Repository(registry, other.name).manifest("v1")).expect_error(403, "DENIED")

    def test_referrers_are_batch_get_image(self, identities, name):
        """reference/access.md 1: no action exists for ListImageReferrers."""
        user = identities.user(document(allow("ecr:BatchGetImage", "ecr:GetAuthorizationToken")))
        registry = user.registry()
        digest = registry.head(Repository(registry, name).manifest("v1")).header("Docker-Content-Digest")
        registry.get(Repository(registry, name).referrers(digest)).expect(200)
        found = user.client().list_image_referrers(repositoryName=name, subjectId={"imageDigest": digest})
        assert found["referrers"] == []

    def test_absence_is_not_told(self, identities):
        """reference/access.md 7: who may not look learns nothing of what exists."""
        user = identities.user(document(allow("ecr:GetAuthorizationToken")))
        registry = user.registry()
        registry.get(f"/v2/absent/{uuid.uuid4().hex}/manifests/v1").expect_error(403, "DENIED")
        reader = identities.user(managed=[READ_ONLY]).registry()
        reader.get(f"/v2/absent/{uuid.uuid4().hex}/manifests/v1").expect_error(404, "NAME_UNKNOWN")


class TestRepositoryPolicies:
    def test_deny_beats_an_administrator(self, wharf, identities, name):
        """A Deny in the repository's policy wins over every Allow, the root user's rights too."""
        administrator = identities.user(managed=[ADMINISTRATOR])
        text = document({"Effect": "Deny", "Principal": "*", "Action": "ecr:PutImage"})
        wharf.client().set_repository_policy(repositoryName=name, policyText=text)
        for registry in (administrator.registry(), Repository(new_client(wharf), name).client):
            answer = registry.put(
                Repository(registry, name).manifest("v2"), image_manifest(b"{}", []), content_type=OCI_MANIFEST
            )
            answer.expect_error(403, "DENIED")
            assert answer.messages[0].endswith("with an explicit deny in a resource-based policy")
            registry.get(Repository(registry, name).manifest("v1")).expect(200)

    def test_grant_in_the_same_account(self, wharf, identities, name):
        """A repository's policy alone lets a user of its account in, but gives nobody a token."""
        user = identities.user(document(allow("ecr:GetAuthorizationToken")))
        registry = user.registry()
        registry.get(Repository(registry, name).manifest("v1")).expect_error(403, "DENIED")
        grant = {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "ecr:BatchGetImage"}
        wharf.client().set_repository_policy(repositoryName=name, policyText=document(grant))
        registry.get(Repository(registry, name).manifest("v1")).expect(200)
        wharf.client().delete_repository_policy(repositoryName=name)
        registry.get(Repository(registry, name).manifest("v1")).expect_error(403, "DENIED")
        nobody = identities.user()
        everybody = {"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}
        wharf.client().set_repository_policy(repositoryName=name, policyText=document(everybody))
        assert refusal(nobody.client().get_authorization_token)[0] == "AccessDeniedException"

    def test_deleted_principals_stay_out(self, wharf, identities, name):
        """reference/access.md 4: the ARN of a deleted user turns into its unique id, so that its namesake gets nothing."""
        user = identities.user(document(allow("ecr:GetAuthorizationToken")))
        grant = {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "ecr:BatchGetImage"}
        wharf.client().set_repository_policy(repositoryName=name, policyText=document(grant))
        user_name = name_of(user.arn)
        unique_id = identities.iam.get_user(UserName=user_name)["User"]["UserId"]
        delete_user(identities.iam, user_name)
        policy = wharf.client().get_repository_policy(repositoryName=name)["policyText"]
        assert unique_id in policy and user.arn not in policy
        namesake = identities.user(document(allow("ecr:GetAuthorizationToken")), name=user_name)
        registry = namesake.registry()
        registry.get(Repository(registry, name).manifest("v1")).expect_error(403, "DENIED")

    def test_unknown_principal(self, wharf, name):
        """reference/access.md 4: a principal that does not exist makes Set fail."""
        ghost = {"AWS": f"arn:aws:iam::123456789012:user/ghost-{uuid.uuid4().hex}"}
        text = document({"Effect": "Allow", "Principal": ghost, "Action": "ecr:BatchGetImage"})
        code, message = refusal(wharf.client().set_repository_policy, repositoryName=name, policyText=text)
        assert code == "InvalidParameterException"
        assert message.endswith("failed to satisfy constraint: 'Principal not found'")


class TestRegistryPolicies:
    def test_scopes(self, tmp_path):
        """reference/access.md 4: V2 governs every action, V1 three."""
        server = Wharf(tmp_path / "wharf").start()
        ecr = server.client()
        ecr.create_repository(repositoryName="app")
        text = document({"Effect": "Deny", "Principal": "*", "Action": "ecr:ListImages", "Resource": "*"})
        ecr.put_registry_policy(policyText=text)
        code, message = refusal(ecr.list_images, repositoryName="app")
        assert code == "AccessDeniedException" and "explicit deny in a resource-based policy" in message
        ecr.put_account_setting(name="REGISTRY_POLICY_SCOPE", value="V1")
        ecr.list_images(repositoryName="app")
        text = document({"Effect": "Deny", "Principal": "*", "Action": "ecr:CreateRepository", "Resource": "*"})
        ecr.put_registry_policy(policyText=text)
        assert refusal(ecr.create_repository, repositoryName="another")[0] == "AccessDeniedException"
        ecr.delete_registry_policy()
        ecr.create_repository(repositoryName="another")
        server.finish()


class TestCrossAccount:
    OWNER, OTHER = "111111111111", "222222222222"

    @pytest.fixture
    def server(self, tmp_path):
        accounts = "".join(
            f"[[accounts]]\nid = '{account}'\naccess_key_id = 'AKIAACCOUNT{account}'\nsecret_access_key = 'secret-of-{account}'\n"
            for account in (self.OWNER, self.OTHER)
        )
        server = Wharf(tmp_path / "accounts", config=accounts)
        yield server.start()
        server.finish()

    def root(self, server, account):
        arn = f"arn:aws:iam::{account}:root"
        return Principal(server, arn, f"AKIAACCOUNT{account}", f"secret-of-{account}")

    def test_both_must_allow(self, server):
        """A pull from another account's repository needs its policy and the caller's own."""
        owner, other = self.root(server, self.OWNER), self.root(server, self.OTHER)
        owner.client().create_repository(repositoryName="shared")
        pushed = Repository(owner.registry(), "shared")
        pushed.push_image("v1")
        identities = Identities(server, other.client("iam"))
        may = identities.user(document(allow("ecr:GetAuthorizationToken", "ecr:BatchGetImage")))
        may_not = identities.user(document(allow("ecr:GetAuthorizationToken")))

        def pull(user):
            registry = user.registry(registryIds=[self.OWNER])
            return registry.get(Repository(registry, "shared").manifest("v1"))

        action = "ecr:BatchGetImage"
        answer = pull(may)
        answer.expect_error(403, "DENIED")
        reason = f"because no resource-based policy allows the {action} action"
        assert answer.messages[0] == denied(may, action, arn_of("shared", self.OWNER), reason)
        grant = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{self.OTHER}:root"}, "Action": action}
        owner.client().set_repository_policy(repositoryName="shared", policyText=document(grant))
        assert pull(may).expect(200).body == pushed.pull("v1").body
        answer = pull(may_not)
        answer.expect_error(403, "DENIED")
        assert no_identity_policy(action) in answer.messages[0]
        # The same through the API, with registryId.
        parameters = {"registryId": self.OWNER, "repositoryName": "shared", "imageIds": [{"imageTag": "v1"}]}
        assert len(may.client().batch_get_image(**parameters)["images"]) == 1
        assert refusal(may_not.client().batch_get_image, **parameters)[0] == "AccessDeniedException"
        everyone = {"Effect": "Allow", "Principal": "*", "Action": action}
        owner.client().set_repository_policy(repositoryName="shared", policyText=document(everyone))
        pull(may).expect(200)
        pull(may_not).expect_error(403, "DENIED")

    def test_accounts_are_apart(self, server):
        """The root of one account is nobody in another."""
        owner, other = self.root(server, self.OWNER), self.root(server, self.OTHER)
        owner.client().create_repository(repositoryName="private")
        code, message = refusal(
            other.client().describe_repositories, registryId=self.OWNER, repositoryNames=["private"]
        )
        action = "ecr:DescribeRepositories"
        reason = f"because no resource-based policy allows the {action} action"
        assert (code, message) == (
            "AccessDeniedException",
            denied(other, action, arn_of("private", self.OWNER), reason),
        )
        assert refusal(other.client("iam").get_user, UserName="nobody")[0] == "NoSuchEntity"


class TestConditions:
    def test_resource_tags(self, wharf, identities):
        """ABAC: a user may use the repositories that carry its team's tag."""
        ecr = wharf.client()
        names = {}
        for team in ("red", "blue"):
            names[team] = f"team/{uuid.uuid4().hex}"
            ecr.create_repository(repositoryName=names[team], tags=[{"Key": "team", "Value": team}])
        condition = {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
        user = identities.user(
            document(allow("ecr:ListImages", Condition=condition)), Tags=[{"Key": "team", "Value": "red"}]
        )
        user.client().list_images(repositoryName=names["red"])
        assert refusal(user.client().list_images, repositoryName=names["blue"])[0] == "AccessDeniedException"
        ecr.tag_resource(resourceArn=arn_of(names["blue"]), tags=[{"Key": "team", "Value": "red"}])
        user.client().list_images(repositoryName=names["blue"])

    def test_request_tags(self, identities):
        """A repository can only be created with the tags that the policy asks for."""
        condition = {
            "StringEquals": {"aws:RequestTag/team": "red"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
        }
        user = identities.user(document(allow("ecr:CreateRepository", "ecr:TagResource", Condition=condition)))
        create = user.client().create_repository

        def tags(**pairs):
            return [{"Key": key, "Value": value} for key, value in pairs.items()]

        name = f"request/{uuid.uuid4().hex}"
        assert refusal(create, repositoryName=name)[0] == "AccessDeniedException"
        assert refusal(create, repositoryName=name, tags=tags(team="blue"))[0] == "AccessDeniedException"
        assert refusal(create, repositoryName=name, tags=tags(team="red", x="y"))[0] == "AccessDeniedException"
        create(repositoryName=name, tags=tags(team="red"))

    def test_tagging_needs_its_action(self, identities):
        """reference/access.md 1: CreateRepository with tags needs TagResource too."""
        user = identities.user(document(allow("ecr:CreateRepository")))
        name = f"request/{uuid.uuid4().hex}"
        code, message = refusal(user.client().create_repository, repositoryName=name, tags=[{"Key": "k", "Value": "v"}])
        assert code == "AccessDeniedException" and "ecr:TagResource" in message
        user.client().create_repository(repositoryName=name)

    def test_image_tags(self, identities, name):
        """`ecr:ImageTag`: only who may push `prod-*` does, by API and at /v2/; deleting and pulling by tag likewise."""
        guarded = ["ecr:PutImage", "ecr:BatchDeleteImage", "ecr:BatchGetImage"]
        rules = deny(*guarded, Condition={"StringLike": {"ecr:ImageTag": "prod-*"}})
        developer = identities.user(document(allow("ecr:*"), rules))
        ci = identities.user(document(allow("ecr:*")))
        registry = developer.registry()
        repository = Repository(registry, name)
        image = repository.push_image("dev-1")
        refused = registry.put(repository.manifest("prod-1"), image.body, content_type=OCI_MANIFEST)
        refused.expect_error(403, "DENIED")
        parameters = {"repositoryName": name, "imageManifest": image.body.decode(), "imageTag": "prod-1"}
        assert refusal(developer.client().put_image, **parameters)[0] == "AccessDeniedException"
        ci.client().put_image(**parameters)
        registry.get(repository.manifest("prod-1")).expect_error(403, "DENIED")
        registry.delete(repository.manifest("prod-1")).expect_error(403, "DENIED")
        ids = [{"imageTag": "dev-1"}, {"imageTag": "prod-1"}]
        for call in (developer.client().batch_delete_image, developer.client().batch_get_image):
            assert refusal(call, repositoryName=name, imageIds=ids)[0] == "AccessDeniedException"
        registry.get(repository.manifest("dev-1")).expect(200)
        ci.client().batch_delete_image(repositoryName=name, imageIds=ids)

    def test_tags_that_go_along(self, identities, name):
        """`ecr:ImageTag`: a deletion by digest takes every tag along, so each of them is decided on; a read does not."""
        rules = deny("ecr:BatchDeleteImage", Condition={"StringLike": {"ecr:ImageTag": "prod-*"}})
        developer = identities.user(document(allow("ecr:*"), rules))
        registry = developer.registry()
        repository = Repository(registry, name)
        image, other = repository.push_image("dev-1"), repository.push_image("dev-2")
        repository.push_manifest(image.body, "prod-1")
        by_digest = [{"imageDigest": image.digest}]
        code, message = refusal(developer.client().batch_delete_image, repositoryName=name, imageIds=by_digest)
        reason = "with an explicit deny in an identity-based policy"
        expected = denied(developer, "ecr:BatchDeleteImage", arn_of(name), reason)
        assert (code, message) == ("AccessDeniedException", expected)
        answer = registry.delete(repository.manifest(image.digest)).expect_error(403, "DENIED")
        assert answer.messages == [expected]
        registry.get(repository.manifest(image.digest)).expect(200)
        registry.delete(repository.manifest(other.digest)).expect(202)
        registry.delete(repository.manifest("dev-1")).expect(202)
        registry.delete(repository.manifest(image.digest)).expect_error(403, "DENIED")
        registry.get(repository.manifest("prod-1")).expect(200)
        identities.user(document(allow("ecr:*"))).registry().delete(repository.manifest(image.digest)).expect(202)

    def test_tags_of_a_push_by_digest(self, identities, name):
        """`ecr:ImageTag`: every tag that a push gives is decided on, and one that is denied keeps all away."""
        rules = deny("ecr:PutImage", Condition={"StringLike": {"ecr:ImageTag": "prod-*"}})
        registry = identities.user(document(allow("ecr:*"), rules)).registry()
        repository = Repository(registry, name)
        image = repository.push_image("dev-1")
        target = repository.manifest(image.digest)
        refused = registry.put(f"{target}?tag=dev-2&tag=prod-1", image.body, content_type=OCI_MANIFEST)
        refused.expect_error(403, "DENIED")
        repository.pull("dev-2").expect(404)
        registry.put(f"{target}?tag=dev-2&tag=dev-3", image.body, content_type=OCI_MANIFEST).expect(201)
        # Whoever may give tags of one kind alone may not push without one.
        only = allow("ecr:PutImage", Condition={"StringLike": {"ecr:ImageTag": "dev-*"}})
        registry = identities.user(document(allow("ecr:GetAuthorizationToken"), only)).registry()
        registry.put(target, image.body, content_type=OCI_MANIFEST).expect_error(403, "DENIED")
        registry.put(f"{target}?tag=dev-4", image.body, content_type=OCI_MANIFEST).expect(201)

    def test_source_and_transport(self, identities, name):
        """What is known of the connection: the address, and that it is not encrypted."""
        from_here = {"IpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1/128"]}}
        secure = {"Bool": {"aws:SecureTransport": "true"}}
        user = identities.user(document(allow("ecr:ListImages", Condition=from_here)))
        user.client().list_images(repositoryName=name)
        user = identities.user(document(allow("ecr:ListImages", Condition=secure)))
        assert refusal(user.client().list_images, repositoryName=name)[0] == "AccessDeniedException"


class TestBoundaries:
    def test_boundary(self, identities, name):
        """A permissions boundary leaves of an administrator what it allows."""
        policy = identities.iam.create_policy(
            PolicyName=f"boundary-{uuid.uuid4().hex}", PolicyDocument=document(allow("ecr:List*"))
        )["Policy"]["Arn"]
        user = identities.user(managed=[ADMINISTRATOR], PermissionsBoundary=policy)
        user.client().list_images(repositoryName=name)
        code, message = refusal(user.client().describe_images, repositoryName=name)
        assert code == "AccessDeniedException"
        assert message.endswith("because no permissions boundary allows the ecr:DescribeImages action")

    def test_session_policy(self, identities, name):
        """A session policy narrows a role, by API and at /v2/."""
        role = identities.role({"AWS": "123456789012"}, managed=[ADMINISTRATOR])
        user = identities.user(document(allow("sts:AssumeRole")))
        narrow = document(allow("ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:ListImages"))
        session = identities.assume(role, by=user, Policy=narrow)
        session.client().list_images(repositoryName=name)
        code, message = refusal(session.client().describe_images, repositoryName=name)
        assert code == "AccessDeniedException"
        assert message.endswith("because no session policy allows the ecr:DescribeImages action")
        registry = session.registry()
        registry.get(Repository(registry, name).manifest("v1")).expect(200)
        registry.get(Repository(registry, name).tags).expect(200)
        registry.post(Repository(registry, name).uploads).expect_error(403, "DENIED")


class TestEndOfRights:
    def test_change_counts_at_once(self, wharf, identities, name):
        """A registry token has its principal's rights at the moment of use."""
        user = identities.user(document(allow("ecr:GetAuthorizationToken")))
        registry = user.registry()
        manifest = Repository(registry, name).manifest("v1")
        registry.get(manifest).expect_error(403, "DENIED")
        user_name = name_of(user.arn)
        text = document(allow("ecr:BatchGetImage"))
        identities.iam.put_user_policy(UserName=user_name, PolicyName="more", PolicyDocument=text)
        registry.get(manifest).expect(200)
        identities.iam.delete_user_policy(UserName=user_name, PolicyName="more")
        registry.get(manifest).expect_error(403, "DENIED")

    def test_inactive_key(self, wharf, identities, name):
        """A deactivated key signs nothing, and tokens made with it are worth nothing, until it is active again."""
        user = identities.user(managed=[READ_ONLY])
        registry, user_name = user.registry(), name_of(user.arn)
        manifest = Repository(registry, name).manifest("v1")
        change = identities.iam.update_access_key
        change(UserName=user_name, AccessKeyId=user.access_key_id, Status="Inactive")
        assert refusal(user.client().list_images, repositoryName=name)[0] == "UnrecognizedClientException"
        registry.get(manifest).expect_error(400, "DENIED")
        change(UserName=user_name, AccessKeyId=user.access_key_id, Status="Active")
        registry.get(manifest).expect(200)
        delete_user(identities.iam, user_name)
        registry.get(manifest).expect_error(400, "DENIED")

    def test_revoked_sessions(self, wharf, identities, name):
        """AWS's way to revoke sessions, a Deny by aws:TokenIssueTime, ends them; new ones work."""
        role = identities.role({"AWS": "123456789012"}, managed=[READ_ONLY])
        user = identities.user(document(allow("sts:AssumeRole")))
        session = identities.assume(role, by=user)
        session.client().list_images(repositoryName=name)
        rule = deny("*", Condition={"DateLessThan": {"aws:TokenIssueTime": "2999-01-01T00:00:00Z"}})
        identities.iam.put_role_policy(
            RoleName=name_of(role), PolicyName="AWSRevokeOlderSessions", PolicyDocument=document(rule)
        )
        assert refusal(session.client().list_images, repositoryName=name)[0] == "AccessDeniedException"

    def test_every_node(self, tmp_path):
        """A key that is deactivated through one node is refused by the other within 5 s."""
        shared = {
            "WHARF_DATABASE_URL": postgres.new_database(),
            "WHARF_SERVICE_KEY": "5e" * 32,
            "WHARF_ACCESS_KEY_ID": "AKIAROOTOFBOTHNODES1",
            "WHARF_SECRET_ACCESS_KEY": "the-same-on-both-nodes",
        }
        one, two = (Wharf(tmp_path / node, environment=shared).start() for node in ("one", "two"))
        identities = Identities(one)
        user = identities.user(managed=[READ_ONLY])

        def works_on_two():
            try:
                user.client("sts", server=two).get_caller_identity()
            except ClientError:
                return False
            return True

        wait_for(works_on_two, "the new key to be known on the other node", 5)
        identities.iam.update_access_key(UserName=name_of(user.arn), AccessKeyId=user.access_key_id, Status="Inactive")
        wait_for(lambda: not works_on_two(), "the inactive key to be refused on the other node", 5)
        one.finish()
        two.finish()


class TestSlowedDown:
    def test_guessing(self, tmp_path):
        """Failures beyond those that are free wait ever longer for their answer; whoever signs rightly does not."""
        server = Wharf(tmp_path / "wharf", environment={"WHARF_AUTHENTICATION_FAILURES_PER_MINUTE": "3"}).start()
        started = time.monotonic()
        for _ in range(6):
            registry = new_client(server)
            registry.authorization = "Basic QVdTOmd1ZXNz"
            registry.get("/v2/").expect_error(400, "DENIED")
        # The last three wait 100, 200 and 400 ms.
        assert time.monotonic() - started >= 0.7
        server.client().describe_repositories()
        server.finish()


class TestSecrets:
    def test_nothing_is_told(self, tmp_path):
        """Secret keys, session tokens and registry passwords are in no log and in no file of the data folder."""
        server = Wharf(tmp_path / "wharf", environment={"WHARF_LOG": "trace"}).start()
        identities = Identities(server)
        user = identities.user(managed=[ADMINISTRATOR])
        role = identities.role({"AWS": user.arn}, managed=[READ_ONLY])
        session = identities.assume(role, by=user)
        new_repository(server, "secrets").push_image("v1")
        registry = session.registry()
        registry.get("/v2/_catalog").expect(200)
        registry.get("/v2/absent/manifests/v1").expect_error(404, "NAME_UNKNOWN")
        refusal(session.client().create_repository, repositoryName="denied")
        wrong = Identities(server).user()
        object.__setattr__(wrong, "secret_access_key", "wrong" * 8)
        refusal(wrong.client().describe_repositories)
        secrets = {
            "secret key": user.secret_access_key,
            "session's secret key": session.secret_access_key,
            "session token": session.session_token,
            "registry password": session.password(),
            "registry token": session.authorization().removeprefix("Basic "),
            "root's password": server.password,
        }
        assert server.stop() == 0
        log = server.log_text()
        files = [path for path in server.data_dir.rglob("*") if path.is_file()]
        assert any(path.name == "wharf.db" for path in files)
        for what, secret in secrets.items():
            assert secret not in log, what
            for path in files:
                assert secret.encode() not in path.read_bytes(), f"{what} in {path}"
        assert server.credentials["AWS_SECRET_ACCESS_KEY"] not in log
        assert not re.search(r"Signature=[0-9a-f]{64}", log)


def new_client(wharf):
    return RegistryClient(wharf.host, wharf.authorization)


def delete_user(iam, user_name):
    for key in iam.list_access_keys(UserName=user_name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=user_name, AccessKeyId=key["AccessKeyId"])
    for policy in iam.list_user_policies(UserName=user_name)["PolicyNames"]:
        iam.delete_user_policy(UserName=user_name, PolicyName=policy)
    for policy in iam.list_attached_user_policies(UserName=user_name)["AttachedPolicies"]:
        iam.detach_user_policy(UserName=user_name, PolicyArn=policy["PolicyArn"])
    iam.delete_user(UserName=user_name)


def docker_image(docker, wharf, folder):
    return small_image(docker, folder, f"local-{uuid.uuid4().hex}")
