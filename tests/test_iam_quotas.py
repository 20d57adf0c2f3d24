"""How many identities an account may have, as the configuration sets it."""

import pytest
from botocore.exceptions import ClientError

from conftest import environment_of
from harness.identities import allow, document
from harness.server import Wharf

TRUST = document({"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"})
POLICY = document(allow("ecr:*"))


@pytest.fixture
def small(tmp_path, default_database):
    """A server whose accounts may have two of each."""
    quotas = "".join(f"{name} = 2\n" for name in ("users", "groups", "roles", "managed_policies", "oidc_providers"))
    server = Wharf(tmp_path / "wharf", config=f"[quotas]\n{quotas}", environment=environment_of(default_database))
    yield server.start()
    server.finish()


@pytest.mark.parametrize(
    ("create", "delete", "quota"),
    [
        (
            lambda iam, name: iam.create_user(UserName=name),
            lambda iam, name: iam.delete_user(UserName=name),
            "UsersPerAccount",
        ),
        (
            lambda iam, name: iam.create_group(GroupName=name),
            lambda iam, name: iam.delete_group(GroupName=name),
            "GroupsPerAccount",
        ),
        (
            lambda iam, name: iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST),
            lambda iam, name: iam.delete_role(RoleName=name),
            "RolesPerAccount",
        ),
        (
            lambda iam, name: iam.create_policy(PolicyName=name, PolicyDocument=POLICY),
            lambda iam, name: iam.delete_policy(PolicyArn=f"arn:aws:iam::123456789012:policy/{name}"),
            "PoliciesPerAccount",
        ),
        (
            lambda iam, name: iam.create_open_id_connect_provider(Url=f"https://{name}.example.com"),
            lambda iam, name: iam.delete_open_id_connect_provider(
                OpenIDConnectProviderArn=f"arn:aws:iam::123456789012:oidc-provider/{name}.example.com"
            ),
            "OpenIdConnectProvidersPerAccount",
        ),
    ],
    ids=["users", "groups", "roles", "policies", "providers"],
)
def test_quotas(small, create, delete, quota):
    iam = small.client("iam")
    create(iam, "a")
    create(iam, "b")
    with pytest.raises(ClientError) as refused:
        create(iam, "c")
    assert refused.value.response["Error"]["Code"] == "LimitExceeded"
    assert refused.value.response["Error"]["Message"] == f"Cannot exceed quota for {quota}: 2"
    # A name that is taken is said to be.
    with pytest.raises(ClientError, match="EntityAlreadyExists"):
        create(iam, "b")
    delete(iam, "a")
    create(iam, "c")
    summary = iam.get_account_summary()["SummaryMap"]
    assert [summary[f"{kind}Quota"] for kind in ("Users", "Groups", "Roles", "Policies")] == [2, 2, 2, 2]


def test_roles_of_services_go_over_the_quota(small):
    iam = small.client("iam")
    for name in ("a", "b"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    iam.create_service_linked_role(AWSServiceName="replication.ecr.amazonaws.com")
    assert len(iam.list_roles()["Roles"]) == 3


def test_defaults(wharf):
    summary = wharf.client("iam").get_account_summary()["SummaryMap"]
    found = [summary[f"{kind}Quota"] for kind in ("Users", "Groups", "Roles", "Policies")]
    assert found == [5000, 300, 1000, 1500]
