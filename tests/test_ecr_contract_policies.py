"""How repository policies, registry policies and those of creation templates are taken, refused and read back."""

import uuid

import pytest

from harness.ecr_client import Ecr
from harness.identities import Identities, document

pytestmark = pytest.mark.every_store

INVALID = "InvalidParameterException"
FRAME = "Invalid parameter at 'PolicyText' failed to satisfy constraint: '{}'"
INVALID_REPOSITORY = FRAME.format("Invalid repository policy provided")
NO_PRINCIPAL = FRAME.format("Principal not found")
STRANGER = "111122223333"


@pytest.fixture(scope="module")
def ecr(wharf):
    return Ecr(wharf)


@pytest.fixture
def clean_registry(ecr):
    """The shared registry, without a policy afterwards."""
    yield ecr
    if ecr.api.ecr("GetRegistryPolicy", {}).status == 200:
        ecr.call("DeleteRegistryPolicy")


def statement(action="ecr:ListImages", **members):
    return {"Effect": "Allow", "Principal": "*", "Action": action, **members}


def set_policy(ecr, name, *statements):
    return ecr.call("SetRepositoryPolicy", repositoryName=name, policyText=document(*statements))


class TestStatementNames:
    def test_repository(self, ecr):
        """reference/access.md 4: two statements may have one Sid, as in examples of the user guide."""
        name = ecr.repository()
        set_policy(ecr, name, *(statement(action, Sid="a") for action in ("ecr:BatchGetImage", "ecr:PutImage")))

    def test_registry(self, clean_registry):
        """The same in a registry's policy."""
        ecr = clean_registry
        principal = {"AWS": STRANGER}
        arn = ecr.arn("*")
        statements = [
            statement(action, Sid="a", Principal=principal, Resource=arn)
            for action in ("ecr:ReplicateImage", "ecr:CreateRepository")
        ]
        ecr.call("PutRegistryPolicy", policyText=document(*statements))

    def test_template(self, ecr):
        """The same in the policy that a template gives to repositories."""
        text = document(*(statement(action, Sid="a") for action in ("ecr:BatchGetImage", "ecr:PutImage")))
        create_template(ecr, repositoryPolicy=text)

    def test_identity(self, wharf):
        """IAM itself takes a Sid once, in identity and trust policies."""
        iam = wharf.client("iam")
        name = f"sid-{uuid.uuid4().hex[:8]}"
        twice = [{"Sid": "a", "Effect": "Allow", "Action": "ecr:*", "Resource": "*"}] * 2
        with pytest.raises(iam.exceptions.MalformedPolicyDocumentException) as refused:
            iam.create_policy(PolicyName=name, PolicyDocument=document(*twice))
        assert "Statement IDs (SID) in a single policy must be unique." in str(refused.value)
        twice = [{"Sid": "a", "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": STRANGER}}] * 2
        with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(*twice))


def create_template(ecr, **members):
    ecr.call(
        "CreateRepositoryCreationTemplate",
        prefix=f"template-{uuid.uuid4().hex}",
        appliedFor=["CREATE_ON_PUSH"],
        **members,
    )


class TestResources:
    RESOURCES = {
        "everything": {"Resource": "*"},
        "the repository": {"Resource": "arn:aws:ecr:us-east-1:123456789012:repository/app"},
        "a list": {"Resource": ["*"]},
        "all but one": {"NotResource": "arn:aws:ecr:us-east-1:123456789012:repository/app"},
    }

    @pytest.mark.parametrize("members", RESOURCES.values(), ids=RESOURCES.keys())
    def test_repository(self, ecr, members):
        """reference/access.md 4: a repository's policy is about the repository; no statement may name a resource."""
        name = ecr.repository()
        for statements in ([statement(**members)], [statement(), statement(**members)]):
            text = document(*statements)
            ecr.refuse("SetRepositoryPolicy", INVALID, INVALID_REPOSITORY, repositoryName=name, policyText=text)
        ecr.refuse("GetRepositoryPolicy", "RepositoryPolicyNotFoundException", repositoryName=name)

    @pytest.mark.parametrize("members", RESOURCES.values(), ids=RESOURCES.keys())
    def test_template(self, ecr, members):
        """The same for the policy of a creation template, when it is made and when it is changed."""
        prefix = f"template-{uuid.uuid4().hex}"
        made = {"prefix": prefix, "appliedFor": ["CREATE_ON_PUSH"]}
        bad = {"repositoryPolicy": document(statement(**members))}
        ecr.refuse("CreateRepositoryCreationTemplate", INVALID, INVALID_REPOSITORY, **made, **bad)
        ecr.call("CreateRepositoryCreationTemplate", **made)
        ecr.refuse("UpdateRepositoryCreationTemplate", INVALID, INVALID_REPOSITORY, prefix=prefix, **bad)

    def test_registry(self, ecr):
        """A registry's policy must name them."""
        message = FRAME.format("Invalid registry policy provided")
        text = document(statement("ecr:ReplicateImage"))
        ecr.refuse("PutRegistryPolicy", INVALID, message, policyText=text)


class TestPrincipals:
    def ghosts(self, account):
        name = uuid.uuid4().hex
        return [
            f"arn:aws:iam::{account}:role/{name}",
            f"arn:aws:iam::{account}:user/{name}",
            f"arn:aws:sts::{account}:assumed-role/{name}/session",
        ]

    def test_missing_in_a_repository(self, ecr):
        """reference/access.md 4: a principal that is not there is said as such; Terraform's provider waits for it."""
        name = ecr.repository()
        for ghost in self.ghosts(ecr.account):
            text = document(statement(Principal={"AWS": ghost}))
            ecr.refuse("SetRepositoryPolicy", INVALID, NO_PRINCIPAL, repositoryName=name, policyText=text)
            prefix = f"template-{uuid.uuid4().hex}"
            template = {"prefix": prefix, "appliedFor": ["CREATE_ON_PUSH"], "repositoryPolicy": text}
            ecr.refuse("CreateRepositoryCreationTemplate", INVALID, NO_PRINCIPAL, **template)

    def test_missing_in_a_registry(self, ecr):
        """The same in a registry's policy."""
        for ghost in self.ghosts(ecr.account):
            text = document(statement("ecr:ReplicateImage", Principal={"AWS": ghost}, Resource="*"))
            ecr.refuse("PutRegistryPolicy", INVALID, NO_PRINCIPAL, policyText=text)

    def test_no_form_of_a_principal(self, ecr):
        """What can name nobody is another fault than somebody who is not there."""
        name = ecr.repository()
        for nobody in ("alice", f"arn:aws:iam::{ecr.account}:user/*", f"arn:aws:iam::{ecr.account}:*"):
            text = document(statement(Principal={"AWS": nobody}))
            ecr.refuse("SetRepositoryPolicy", INVALID, INVALID_REPOSITORY, repositoryName=name, policyText=text)

    def test_one_that_comes(self, ecr, wharf):
        """The same policy is taken once the role is there."""
        name, identities = ecr.repository(), Identities(wharf)
        role_name = f"role-{uuid.uuid4().hex[:12]}"
        text = document(statement(Principal={"AWS": f"arn:aws:iam::{ecr.account}:role/{role_name}"}))
        ecr.refuse("SetRepositoryPolicy", INVALID, NO_PRINCIPAL, repositoryName=name, policyText=text)
        identities.role({"AWS": ecr.account}, name=role_name)
        ecr.call("SetRepositoryPolicy", repositoryName=name, policyText=text)

    def test_account_numbers_of_a_repository(self, ecr):
        """reference/access.md 4: an account's number reads back as the ARN of its root user; all else stays as it was written."""
        name = ecr.repository()
        text = (
            '{"Statement":[{"Sid":"%s", "Effect":"Allow","Principal": {"AWS": ["%s", "arn:aws:iam::%s:root"]},'
            '  "Action":"ecr:ListImages"}, {"Effect":"Deny","NotPrincipal":{"AWS":"%s"},"Action":"ecr:PutImage"}]}'
        ) % ((STRANGER,) * 3 + (ecr.account,))
        arn = f"arn:aws:iam::{STRANGER}:root"
        expected = text.replace(f'["{STRANGER}"', f'["{arn}"').replace(
            f'"AWS":"{ecr.account}"', f'"AWS":"arn:aws:iam::{ecr.account}:root"'
        )
        answers = [ecr.call("SetRepositoryPolicy", repositoryName=name, policyText=text)]
        answers += [ecr.call(f"{verb}RepositoryPolicy", repositoryName=name) for verb in ("Get", "Delete")]
        assert [answer["policyText"] for answer in answers] == [expected] * 3

    def test_account_numbers_of_a_registry(self, clean_registry):
        """The same of a registry's policy."""
        ecr = clean_registry
        text = document(statement("ecr:ReplicateImage", Principal={"AWS": STRANGER}, Resource="*"))
        expected = text.replace(f'"{STRANGER}"', f'"arn:aws:iam::{STRANGER}:root"')
        answers = [ecr.call("PutRegistryPolicy", policyText=text)]
        answers += [ecr.call(f"{verb}RegistryPolicy") for verb in ("Get", "Delete")]
        assert [answer["policyText"] for answer in answers] == [expected] * 3

    def test_account_numbers_mean_the_same(self, ecr, wharf):
        """The number and the ARN decide alike: the account's own policies have the say."""
        name = ecr.repository()
        set_policy(ecr, name, statement(Principal={"AWS": ecr.account}))
        user = Identities(wharf).user(document({"Effect": "Allow", "Action": "ecr:ListImages", "Resource": "*"}))
        user.client().list_images(repositoryName=name)
