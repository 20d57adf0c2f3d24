"""Creation templates in use: a push creates its repository where a template covers it and the pusher may create it."""

import json
import shlex
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from harness.ecr_client import Ecr
from harness.identities import Identities, allow, document
from harness.registry_client import (
    OCI_MANIFEST,
    RegistryClient,
    Repository,
    digest_of,
    image_manifest,
    index_manifest,
    random_content,
)
from harness.server import AWS
from harness.skopeo import Skopeo
from harness.terraform import Terraform
from test_ctl import Program, basic

pytestmark = pytest.mark.every_store

ABSENT = "sha256:" + "0" * 64
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}]}
)
PUSHER = allow(
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
    "ecr:PutImage",
)


def new_prefix():
    return f"on-push/{uuid.uuid4().hex}"


def add_template(server, prefix=None, applied_for=("CREATE_ON_PUSH",), **members):
    prefix = prefix or new_prefix()
    server.client().create_repository_creation_template(prefix=prefix, appliedFor=list(applied_for), **members)
    return prefix


def as_root(server, name):
    return Repository(RegistryClient(server.host, server.authorization), name)


def find(server, name):
    """The repository as DescribeRepositories shows it, or none."""
    ecr = server.client()
    try:
        return ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
    except ecr.exceptions.RepositoryNotFoundException:
        return None


def expect_unknown(server, name, registry=None, ecr=None):
    """Every step of a push says that the repository is not there, and does not make it."""
    registry = registry or RegistryClient(server.host, server.authorization)
    repository = Repository(registry, name)
    text = f"The repository with name '{name}' does not exist in the registry with id '{server.account}'"
    manifest = index_manifest([])
    for answer in (
        registry.post(repository.uploads),
        registry.post(f"{repository.uploads}?digest={digest_of(b'x')}", b"x"),
        registry.post(f"{repository.uploads}?mount={ABSENT}&from=another/one"),
        registry.put(repository.manifest("v1"), manifest, Content_Type="application/vnd.oci.image.index.v1+json"),
    ):
        answer.expect(404)
        assert answer.json()["errors"] == [{"code": "NAME_UNKNOWN", "message": text}], repr(answer)
    registry.head(repository.blob(ABSENT)).expect(404)
    ecr = ecr or server.client()
    for call in (
        lambda: ecr.initiate_layer_upload(repositoryName=name),
        lambda: ecr.put_image(repositoryName=name, imageManifest=manifest.decode(), imageTag="v1"),
        lambda: ecr.batch_check_layer_availability(repositoryName=name, layerDigests=[ABSENT]),
    ):
        with pytest.raises(ecr.exceptions.RepositoryNotFoundException) as refused:
            call()
        assert refused.value.response["Error"]["Message"] == text
    assert find(server, name) is None


def test_all_that_a_template_says(wharf_on_each_database):
    """Mutability with filters, policy and tags are those of the template, and the image is there."""
    server = wharf_on_each_database
    ecr = server.client()
    filters = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    prefix = add_template(
        server,
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=filters,
        repositoryPolicy=POLICY,
        resourceTags=[{"Key": "team", "Value": "a"}, {"Key": "empty", "Value": ""}],
        customRoleArn=f"arn:aws:iam::{server.account}:role/creator",
    )
    name = f"{prefix}/app"
    as_root(server, name).push_image("v1")
    made = find(server, name)
    assert made["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert made["imageTagMutabilityExclusionFilters"] == filters
    assert made["encryptionConfiguration"] == {"encryptionType": "AES256"}
    assert ecr.get_repository_policy(repositoryName=name)["policyText"] == POLICY
    tags = ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"]
    assert sorted((tag["Key"], tag["Value"]) for tag in tags) == [("empty", ""), ("team", "a")]
    assert [entry["imageTag"] for entry in ecr.list_images(repositoryName=name)["imageIds"]] == ["v1"]
    # What was made stays as it is when the template goes.
    ecr.delete_repository_creation_template(prefix=prefix)
    assert find(server, name) == made
    expect_unknown(server, f"{prefix}/another")


def test_which_names_are_covered(fresh_wharf):
    """The assumed slash, the longest prefix, ROOT as the last resort, and only templates for create on push."""
    server = fresh_wharf
    expect_unknown(server, "no/template")
    add_template(server, "prod", imageTagMutability="IMMUTABLE")
    add_template(server, "prod/cache", ("PULL_THROUGH_CACHE", "REPLICATION"))
    add_template(server, "prod/team/", imageTagMutability="MUTABLE")
    for name in ("prod", "production/x", "other/x"):
        expect_unknown(server, name)
    for name, mutability in {
        "prod/x": "IMMUTABLE",
        "prod/teams/x": "IMMUTABLE",
        "prod/cache/x": "IMMUTABLE",
        "prod/team": "IMMUTABLE",
        "prod/team/x": "MUTABLE",
    }.items():
        as_root(server, name).start_upload()
        assert find(server, name)["imageTagMutability"] == mutability, name
    add_template(server, "ROOT", ("REPLICATION",))
    expect_unknown(server, "other/x")
    server.client().update_repository_creation_template(prefix="ROOT", appliedFor=["CREATE_ON_PUSH"])
    as_root(server, "other/x").start_upload()
    assert find(server, "other/x")


def test_every_way_of_beginning(wharf):
    """A session, a whole blob at once, a mount that is not possible, and a manifest that needs nothing."""
    prefix = add_template(wharf)
    content = random_content()
    digest = digest_of(content)
    repository = as_root(wharf, f"{prefix}/at-once")
    repository.client.head(repository.blob(digest)).expect(404)
    assert find(wharf, repository.name) is None, "asking creates nothing"
    repository.client.post(f"{repository.uploads}?digest={digest}", content).expect(201)
    repository.client.head(repository.blob(digest)).expect(200)

    mounted = as_root(wharf, f"{prefix}/mounted")
    mounted.client.post(f"{mounted.uploads}?mount={digest}&from={repository.name}").expect(202)
    assert find(wharf, mounted.name)

    index = as_root(wharf, f"{prefix}/index")
    index.push_manifest(index_manifest([]), "v1", "application/vnd.oci.image.index.v1+json")
    assert find(wharf, index.name)


def test_what_cannot_be_stored_creates_nothing(wharf):
    """A manifest that names absent layers, or that is none, leaves no empty repository behind."""
    name = f"{add_template(wharf)}/app"
    ecr = wharf.client()
    manifest = image_manifest(b"{}", [b"layer"])
    registry = RegistryClient(wharf.host, wharf.authorization)
    answer = registry.put(f"/v2/{name}/manifests/v1", manifest, Content_Type=OCI_MANIFEST)
    assert answer.json()["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN", repr(answer)
    with pytest.raises(ecr.exceptions.LayersNotFoundException):
        ecr.put_image(repositoryName=name, imageManifest=manifest.decode())
    with pytest.raises(ecr.exceptions.InvalidParameterException):
        ecr.put_image(repositoryName=name, imageManifest="{")
    assert find(wharf, name) is None


def test_through_the_api(wharf):
    """The API's own push: layers are not there rather than the repository, then everything is made on the way."""
    name = f"{add_template(wharf)}/app"
    ecr = Ecr(wharf)
    found = ecr.call("BatchCheckLayerAvailability", repositoryName=name, layerDigests=[ABSENT, "bad"])
    assert [layer["layerAvailability"] for layer in found["layers"]] == ["UNAVAILABLE"]
    assert [failure["failureCode"] for failure in found["failures"]] == ["InvalidLayerDigest"]
    assert find(wharf, name) is None
    ecr.image(name, "v1")
    assert ecr.image_ids(name)
    empty = f"{name}/empty"
    ecr.call("PutImage", repositoryName=empty, imageManifest=index_manifest([]).decode(), imageTag="v1")
    assert find(wharf, empty)


def test_whoever_may_not_create(wharf):
    """A pusher without ecr:CreateRepository sees what there would be without a template; one with it creates."""
    prefix = add_template(wharf)
    identities = Identities(wharf)
    everywhere = f"arn:aws:ecr:us-east-1:{wharf.account}:repository"
    pusher = identities.user(document(PUSHER))
    expect_unknown(wharf, f"{prefix}/app", pusher.registry(), pusher.client())
    elsewhere = identities.user(document(PUSHER, allow("ecr:CreateRepository", on=f"{everywhere}/other/*")))
    expect_unknown(wharf, f"{prefix}/app", elsewhere.registry(), elsewhere.client())
    creator = identities.user(document(PUSHER, allow("ecr:CreateRepository", on=f"{everywhere}/{prefix}/*")))
    Repository(creator.registry(), f"{prefix}/app").push_image("v1")
    assert find(wharf, f"{prefix}/app")
    # Creating is not pushing: without the right to push nothing is said and nothing is made.
    other = f"{prefix}/other"
    nobody = identities.user(document(allow("ecr:GetAuthorizationToken", "ecr:CreateRepository")))
    answer = nobody.registry().post(f"/v2/{other}/blobs/uploads/")
    answer.expect(403)
    assert answer.json()["errors"][0]["code"] == "DENIED"
    with pytest.raises(ClientError, match="AccessDenied"):
        nobody.client().initiate_layer_upload(repositoryName=other)
    assert find(wharf, other) is None


def test_robot_tokens(wharf):
    """A token that may push creates what its scope covers, if its owner may; one that may only pull does not."""
    prefix = add_template(wharf)
    cli = Program(wharf)

    def of_token(name, *scope):
        arguments = ("token", "create", "--expires", "1h", "--name", uuid.uuid4().hex, *scope)
        return Repository(
            RegistryClient(wharf.host, basic("AWS", cli.json(*arguments)["password"])["Authorization"]), name
        )

    of_token(f"{prefix}/ci", "--repository", f"{prefix}/ci", "--actions", "pull,push").push_image("v1")
    assert find(wharf, f"{prefix}/ci")
    for name, *scope in (
        (f"{prefix}/other", "--repository", f"{prefix}/ci", "--actions", "pull,push"),
        (f"{prefix}/pulled", "--repository", f"{prefix}/*", "--actions", "pull"),
    ):
        refused = of_token(name, *scope)
        refused.client.post(f"/v2/{name}/blobs/uploads/").expect_error(403, "DENIED")
        assert find(wharf, name) is None


def test_who_may_make_templates(wharf):
    """A template does things to repositories; whoever makes it must be allowed to do them under its prefix."""
    identities = Identities(wharf)
    prefix = new_prefix()
    under = f"arn:aws:ecr:us-east-1:{wharf.account}:repository/{prefix}/*"
    role = f"arn:aws:iam::{wharf.account}:role/creator"
    lifecycle = json.dumps(
        {
            "rules": [
                {
                    "rulePriority": 1,
                    "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5},
                    "action": {"type": "expire"},
                }
            ]
        }
    )
    members = {"repositoryPolicy": POLICY, "lifecyclePolicy": lifecycle, "customRoleArn": role}
    rights = [
        allow("ecr:CreateRepositoryCreationTemplate"),
        allow("ecr:CreateRepository", on=under),
        allow("ecr:SetRepositoryPolicy", on=under),
        allow("ecr:PutLifecyclePolicy", on=under),
        allow("iam:PassRole", on=role),
    ]
    for number, action in enumerate(
        [
            "CreateRepositoryCreationTemplate",
            "CreateRepository",
            "SetRepositoryPolicy",
            "PutLifecyclePolicy",
            "PassRole",
        ]
    ):
        user = identities.user(document(*rights[:number], *rights[number + 1 :]))
        with pytest.raises(ClientError, match=f"not authorized to perform: .*{action}"):
            user.client().create_repository_creation_template(prefix=prefix, appliedFor=["REPLICATION"], **members)
    maker = identities.user(document(*rights)).client()
    maker.create_repository_creation_template(prefix=prefix, appliedFor=["REPLICATION"], **members)
    with pytest.raises(ClientError, match="AccessDenied"):
        maker.create_repository_creation_template(prefix=new_prefix(), appliedFor=["REPLICATION"])


def test_who_may_change_templates(wharf):
    """Whoever changes one must be allowed all that it will do, also what it does already."""
    identities, prefix = Identities(wharf), new_prefix()
    under = f"arn:aws:ecr:us-east-1:{wharf.account}:repository/{prefix}/*"
    role = f"arn:aws:iam::{wharf.account}:role/creator"
    key = wharf.client("kms").create_key()["KeyMetadata"]["Arn"]
    wharf.client().create_repository_creation_template(
        prefix=prefix,
        appliedFor=["REPLICATION"],
        customRoleArn=role,
        repositoryPolicy=POLICY,
        encryptionConfiguration={"encryptionType": "KMS", "kmsKey": key},
    )
    rights = [
        allow("ecr:UpdateRepositoryCreationTemplate"),
        allow("ecr:CreateRepository", "ecr:SetRepositoryPolicy", on=under),
        allow("iam:PassRole", on=role),
        allow("kms:*", on=key),
    ]
    wider = {"prefix": prefix, "appliedFor": ["REPLICATION", "CREATE_ON_PUSH"]}
    for number, action in enumerate(["UpdateRepositoryCreationTemplate", "CreateRepository", "PassRole", "kms:"]):
        user = identities.user(document(*rights[:number], *rights[number + 1 :]))
        with pytest.raises(ClientError, match=f"not authorized to perform: .*{action}"):
            user.client().update_repository_creation_template(**wider)
    user = identities.user(document(*rights)).client()
    changed = user.update_repository_creation_template(**wider)["repositoryCreationTemplate"]
    assert sorted(changed["appliedFor"]) == ["CREATE_ON_PUSH", "REPLICATION"]
    # What is taken away needs no right.
    allowed = [*rights[:2], rights[3]]
    user = identities.user(document(*allowed)).client()
    changed = user.update_repository_creation_template(prefix=prefix, customRoleArn="")["repositoryCreationTemplate"]
    assert "customRoleArn" not in changed


def test_kms_template(wharf):
    """A template whose key cannot be used fails the push as it fails CreateRepository, and nothing is made."""
    key = f"arn:aws:kms:us-east-1:{wharf.account}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    prefix = add_template(wharf, encryptionConfiguration={"encryptionType": "KMS", "kmsKey": key})
    name = f"{prefix}/app"
    text = Ecr(wharf).refuse("InitiateLayerUpload", "KmsException", repositoryName=name)["message"]
    assert text == f"Key '{key}' does not exist"
    answer = RegistryClient(wharf.host, wharf.authorization).post(f"/v2/{name}/blobs/uploads/")
    answer.expect(403)
    assert answer.json()["errors"] == [{"code": "DENIED", "message": text}]
    assert find(wharf, name) is None


def test_pushes_at_once(wharf_on_each_database):
    """Many pushes to one new name: one creates it, all go on, and every image is there."""
    server = wharf_on_each_database
    prefix = add_template(server, resourceTags=[{"Key": "k", "Value": "v"}])
    for number in range(10):
        name = f"{prefix}/app-{number}"
        pushers = [as_root(server, name) for _ in range(8)]
        with ThreadPoolExecutor(len(pushers)) as pool:
            list(pool.map(lambda pair: pair[1].push_image(f"v{pair[0]}"), enumerate(pushers)))
        tags = {entry["imageTag"] for entry in server.client().list_images(repositoryName=name)["imageIds"]}
        assert tags == {f"v{number}" for number in range(8)}


def test_limit(fresh_wharf):
    """50 templates of a registry, and no more; one that goes makes room."""
    ecr = fresh_wharf.client()
    for number in range(50):
        add_template(fresh_wharf, f"limit-{number}")
    with pytest.raises(ecr.exceptions.LimitExceededException):
        add_template(fresh_wharf, "one-more")
    with pytest.raises(ecr.exceptions.TemplateAlreadyExistsException):
        add_template(fresh_wharf, "limit-0")
    ecr.delete_repository_creation_template(prefix="limit-7")
    add_template(fresh_wharf, "one-more")
    assert len(ecr.describe_repository_creation_templates()["repositoryCreationTemplates"]) == 50


def test_docker(wharf, docker, debian_image):
    """As people do it: a template with the AWS CLI, docker push to a name that is not there, and pull it back."""
    prefix = new_prefix()
    script = f"""
aws() {{ {AWS} "$@"; }}
aws ecr create-repository-creation-template --prefix {prefix} --applied-for CREATE_ON_PUSH \\
  --image-tag-mutability IMMUTABLE --resource-tags Key=team,Value=a
aws ecr get-login-password | docker login --username AWS --password-stdin "$HOST"
docker tag {shlex.quote(debian_image)} "$HOST/{prefix}/team/app:v1"
docker push "$HOST/{prefix}/team/app:v1"
docker rmi "$HOST/{prefix}/team/app:v1"
docker pull "$HOST/{prefix}/team/app:v1"
aws ecr describe-repository-creation-templates --prefixes {prefix}
aws ecr delete-repository-creation-template --prefix {prefix}
"""
    said = docker.shell(script, HOST=wharf.host, **wharf.aws_environment()).stdout
    assert "CREATE_ON_PUSH" in said
    assert find(wharf, f"{prefix}/team/app")["imageTagMutability"] == "IMMUTABLE"
    docker("tag", debian_image, f"{wharf.host}/{prefix}/team/other:v1")
    assert "does not exist in the registry" in docker.refused("push", f"{wharf.host}/{prefix}/team/other:v1")


CONFIGURATION = """
resource "aws_ecr_repository_creation_template" "all" {
  prefix               = "tf-templates"
  description          = "@description@"
  image_tag_mutability = "@mutability@"
  applied_for          = @applied_for@
  resource_tags        = { team = "a", stage = "@description@" }

  encryption_configuration {
    encryption_type = "AES256"
  }

  repository_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{ Sid = "new policy", Effect = "Allow", Principal = "*", Action = "ecr:BatchGetImage" }]
  })

  lifecycle_policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "@description@"
      selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 14 }
      action       = { type = "expire" }
    }]
  })
}

resource "aws_ecr_repository_creation_template" "root" {
  prefix      = "ROOT"
  applied_for = ["PULL_THROUGH_CACHE"]
}

data "aws_ecr_repository_creation_template" "all" {
  prefix = aws_ecr_repository_creation_template.all.prefix
}

output "mutability" {
  value = data.aws_ecr_repository_creation_template.all.image_tag_mutability
}
"""


def configuration(**values):
    text = CONFIGURATION
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


@pytest.mark.timeout(1800)
def test_terraform(fresh_wharf, tmp_path):
    """Apply, an empty plan, a change, an empty plan, destroy."""
    terraform = Terraform(fresh_wharf, tmp_path / "terraform", ("ecr", "iam", "sts"))
    ecr = fresh_wharf.client()
    first = configuration(description="first", mutability="IMMUTABLE", applied_for='["PULL_THROUGH_CACHE"]')
    assert terraform.apply(first) == {"mutability": "IMMUTABLE"}
    second = configuration(
        description="second", mutability="MUTABLE", applied_for='["PULL_THROUGH_CACHE", "REPLICATION"]'
    )
    terraform.apply(second)
    (template,) = ecr.describe_repository_creation_templates(prefixes=["tf-templates"])["repositoryCreationTemplates"]
    assert (template["description"], template["imageTagMutability"]) == ("second", "MUTABLE")
    assert sorted(template["appliedFor"]) == ["PULL_THROUGH_CACHE", "REPLICATION"]
    terraform.destroy()
    assert ecr.describe_repository_creation_templates()["repositoryCreationTemplates"] == []


def test_skopeo(wharf):
    """skopeo copies to a name that is not there."""
    prefix = add_template(wharf)
    source = as_root(wharf, f"{prefix}/source")
    image = source.push_image("v1")
    tool = Skopeo(wharf)
    tool.copy(tool.image(source.name, "v1"), tool.image(f"{prefix}/copy", "v1"), "--preserve-digests")
    assert as_root(wharf, f"{prefix}/copy").pull("v1").expect(200).body == image.body
