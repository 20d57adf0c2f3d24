"""Operations that Terraform and scripts ask for: service-linked roles, the details of an account, federated users."""

import base64
import json
import urllib.parse
import uuid

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from harness.identities import Identities, Principal, allow, document, name_of
from harness.query_check import check_every_answer
from harness.registry_client import new_repository
from harness.server import SESSION

ACCOUNT = "123456789012"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
REPLICATION = "replication.ecr.amazonaws.com"
REPLICATION_ROLE = "AWSServiceRoleForECRReplication"


@pytest.fixture(scope="module")
def identities(wharf):
    return Identities(wharf)


@pytest.fixture
def iam(wharf):
    # The server is to check parameters, and not botocore.
    return check_every_answer(wharf.client("iam", parameter_validation=False))


def fails(code, call, **parameters):
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    error = raised.value.response["Error"]
    assert error["Code"] == code, error
    return error["Message"]


@pytest.mark.every_store
class TestServiceLinkedRoles:
    @pytest.fixture
    def role(self, iam):
        role = iam.create_service_linked_role(AWSServiceName=REPLICATION, Description="copies")["Role"]
        yield role
        try:
            iam.delete_service_linked_role(RoleName=REPLICATION_ROLE)
        except iam.exceptions.NoSuchEntityException:
            pass

    def test_life(self, iam, role):
        """As Terraform's aws_iam_service_linked_role goes through it."""
        path = f"/aws-service-role/{REPLICATION}/"
        assert (role["RoleName"], role["Path"]) == (REPLICATION_ROLE, path)
        assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role{path}{REPLICATION_ROLE}"
        read = iam.get_role(RoleName=REPLICATION_ROLE)["Role"]
        assert read["Description"] == "copies"
        (statement,) = read["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": REPLICATION}
        message = fails("InvalidInput", iam.create_service_linked_role, AWSServiceName=REPLICATION)
        assert message == (
            f"Service role name {REPLICATION_ROLE} has been taken in this account, please try a different suffix."
        )
        iam.update_role(RoleName=REPLICATION_ROLE, Description="copies images")
        iam.tag_role(RoleName=REPLICATION_ROLE, Tags=[{"Key": "team", "Value": "a"}])
        task = iam.delete_service_linked_role(RoleName=REPLICATION_ROLE)["DeletionTaskId"]
        assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
        fails("NoSuchEntity", iam.get_role, RoleName=REPLICATION_ROLE)
        fails("NoSuchEntity", iam.delete_service_linked_role, RoleName=REPLICATION_ROLE)

    def test_protected(self, iam, role):
        named = {"RoleName": REPLICATION_ROLE}
        policy = document(allow("*"))
        for call, parameters in (
            (iam.delete_role, {}),
            (iam.attach_role_policy, {"PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
            (iam.detach_role_policy, {"PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
            (iam.put_role_policy, {"PolicyName": "p", "PolicyDocument": policy}),
            (iam.delete_role_policy, {"PolicyName": "p"}),
            (iam.update_role, {"MaxSessionDuration": 7200}),
            (
                iam.put_role_permissions_boundary,
                {"PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"},
            ),
            (iam.delete_role_permissions_boundary, {}),
            (
                iam.update_assume_role_policy,
                {
                    "PolicyDocument": json.dumps(
                        {
                            "Version": "2012-10-17",
                            "Statement": [{"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"}],
                        }
                    )
                },
            ),
        ):
            message = fails("UnmodifiableEntity", call, **named, **parameters)
            assert f"the protected role '{REPLICATION_ROLE}'" in message

    def test_refused(self, wharf, identities, iam):
        assert REPLICATION in fails("InvalidInput", iam.create_service_linked_role, AWSServiceName="ecs.amazonaws.com")
        fails("InvalidInput", iam.create_service_linked_role, AWSServiceName=REPLICATION, CustomSuffix="a")
        fails("ValidationError", iam.create_service_linked_role)
        task = f"task/aws-service-role/{REPLICATION}/{REPLICATION_ROLE}"
        for unknown in ("task", f"{task}/1", f"task/aws-service-role/a/b/{uuid.uuid4()}"):
            fails("NoSuchEntity", iam.get_service_linked_role_deletion_status, DeletionTaskId=unknown)
        plain = identities.role({"AWS": ROOT})
        fails("NoSuchEntity", iam.delete_service_linked_role, RoleName=name_of(plain))
        trust = document({"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"})
        call = {"RoleName": uuid.uuid4().hex, "AssumeRolePolicyDocument": trust, "Path": "/aws-service-role/a/"}
        fails("InvalidInput", iam.create_role, **call)

    def test_service_in_conditions(self, identities, role):
        for service, holds in ((REPLICATION, True), ("other.amazonaws.com", False)):
            condition = {"StringLike": {"iam:AWSServiceName": service}}
            user = identities.user(document(allow("iam:*ServiceLinkedRole", Condition=condition))).client("iam")
            code = "InvalidInput" if holds else "AccessDenied"
            fails(code, user.create_service_linked_role, AWSServiceName=REPLICATION)


@pytest.mark.every_store
class TestAuthorizationDetails:
    def test_everything(self, fresh_wharf):
        iam = check_every_answer(fresh_wharf.client("iam", parameter_validation=False))
        identities = Identities(fresh_wharf, iam)
        inline = document(allow("ecr:*"))
        own = iam.create_policy(PolicyName="own", PolicyDocument=inline, Description="d")["Policy"]["Arn"]
        iam.create_policy_version(PolicyArn=own, PolicyDocument=document(allow("kms:*")), SetAsDefault=True)
        user = identities.user(inline, managed=[own], name="user", PermissionsBoundary=own)
        iam.create_group(GroupName="group")
        iam.put_group_policy(GroupName="group", PolicyName="g", PolicyDocument=inline)
        iam.attach_group_policy(GroupName="group", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        iam.add_user_to_group(GroupName="group", UserName="user")
        identities.role({"AWS": user.arn}, inline, name="role", Tags=[{"Key": "k", "Value": "v"}])

        details = iam.get_account_authorization_details()
        assert not details["IsTruncated"]
        (found,) = details["UserDetailList"]
        assert (found["Arn"], found["GroupList"]) == (user.arn, ["group"])
        assert found["UserPolicyList"] == [{"PolicyName": "inline-0", "PolicyDocument": json.loads(inline)}]
        assert found["AttachedManagedPolicies"] == [{"PolicyName": "own", "PolicyArn": own}]
        assert found["PermissionsBoundary"]["PermissionsBoundaryArn"] == own
        (found,) = details["GroupDetailList"]
        assert found["GroupPolicyList"][0]["PolicyDocument"] == json.loads(inline)
        assert found["AttachedManagedPolicies"][0]["PolicyName"] == "AdministratorAccess"
        (found,) = details["RoleDetailList"]
        assert found["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"AWS": user.arn}
        assert (found["InstanceProfileList"], found["Tags"]) == ([], [{"Key": "k", "Value": "v"}])
        found = {policy["PolicyName"]: policy for policy in details["Policies"]}
        assert set(found) == {"own", "AdministratorAccess"}
        assert (found["own"]["AttachmentCount"], found["own"]["PermissionsBoundaryUsageCount"]) == (1, 1)
        versions = {version["VersionId"]: version for version in found["own"]["PolicyVersionList"]}
        assert versions["v2"]["IsDefaultVersion"]
        assert versions["v1"]["Document"] == json.loads(inline)

    def test_filters_and_pages(self, fresh_wharf):
        iam = check_every_answer(fresh_wharf.client("iam", parameter_validation=False))
        for number in range(5):
            iam.create_user(UserName=f"u{number}")
            iam.create_group(GroupName=f"g{number}")
            iam.create_policy(PolicyName=f"p{number}", PolicyDocument=document(allow("ecr:*")))
        only_users = iam.get_account_authorization_details(Filter=["User"])
        assert [user["UserName"] for user in only_users["UserDetailList"]] == [f"u{number}" for number in range(5)]
        assert (only_users["GroupDetailList"], only_users["Policies"]) == ([], [])
        seen, parameters = [], {"Filter": ["User", "LocalManagedPolicy"], "MaxItems": 3}
        while True:
            page = iam.get_account_authorization_details(**parameters)
            names = [user["UserName"] for user in page["UserDetailList"]]
            names += [policy["PolicyName"] for policy in page["Policies"]]
            assert len(names) <= 3
            seen += names
            if not page["IsTruncated"]:
                break
            parameters["Marker"] = page["Marker"]
        assert seen == [f"u{number}" for number in range(5)] + [f"p{number}" for number in range(5)]
        fails("ValidationError", iam.get_account_authorization_details, Filter=["Other"])
        fails("ValidationError", iam.get_account_authorization_details, MaxItems=99999999999999999999)


@pytest.mark.every_store
class TestFederationTokens:
    def federated(self, principal, name="partner", **parameters):
        sts = check_every_answer(principal.client("sts"))
        answer = sts.get_federation_token(Name=name, **parameters)
        keys = answer["Credentials"]
        arn = answer["FederatedUser"]["Arn"]
        return Principal(principal.server, arn, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    @pytest.fixture
    def user(self, identities):
        return identities.user(document(allow("ecr:*", "sts:GetFederationToken", "iam:*", "sts:AssumeRole")))

    def test_who_it_is(self, user):
        federated = self.federated(user)
        assert federated.arn == f"arn:aws:sts::{ACCOUNT}:federated-user/partner"
        identity = federated.client("sts").get_caller_identity()
        assert (identity["Arn"], identity["UserId"]) == (federated.arn, f"{ACCOUNT}:partner")

    def test_rights(self, wharf, user):
        """Those of the user that the session's policies allow as well; none without a policy."""
        repository = new_repository(wharf)
        named = {"repositoryName": repository.name}
        fails("AccessDeniedException", self.federated(user).client().list_images, **named)
        policy = document(allow("ecr:ListImages", "ecr:GetAuthorizationToken", "kms:*"))
        federated = self.federated(user, Policy=policy)
        federated.client().list_images(**named)
        fails("AccessDeniedException", federated.client().describe_images, **named)
        fails("AccessDeniedException", federated.client("kms").list_keys)
        assert federated.registry().request("GET", f"/v2/{repository.name}/tags/list").status == 200
        arns = [{"arn": "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"}]
        read_only = self.federated(user, PolicyArns=arns)
        read_only.client().describe_images(**named)
        fails("AccessDeniedException", read_only.client().delete_repository, **named)

    def test_resource_policies(self, wharf, identities, user):
        """One that names the federated user allows by itself; one that names the user as far as the session goes."""

        def of(arn):
            statement = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "ecr:ListImages"}
            return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

        maker = identities.user(document(allow("sts:GetFederationToken")))
        federated = self.federated(maker)
        repository = new_repository(wharf)
        named = {"repositoryName": repository.name}
        wharf.client().set_repository_policy(**named, policyText=of(federated.arn))
        federated.client().list_images(**named)
        fails("AccessDeniedException", self.federated(maker, name="other").client().list_images, **named)
        wharf.client().set_repository_policy(**named, policyText=of(maker.arn))
        fails("AccessDeniedException", federated.client().list_images, **named)
        self.federated(maker, Policy=document(allow("ecr:*"))).client().list_images(**named)

    def test_nothing_widens(self, wharf, identities, user):
        federated = self.federated(user, Policy=document(allow("*")))
        fails("AccessDenied", federated.client("iam").list_users)
        fails("AccessDenied", federated.client("iam").create_access_key, UserName=name_of(user.arn))
        for call in (federated.client("sts").get_session_token, federated.client("sts").get_federation_token):
            parameters = {"Name": "again"} if call.__name__ == "get_federation_token" else {}
            fails("AccessDenied", call, **parameters)
        role = identities.role({"AWS": ROOT}, document(allow("*")))
        fails("AccessDenied", federated.client("sts").assume_role, RoleArn=role, RoleSessionName="session")

    def test_root(self, wharf):
        keys = wharf.credentials
        root = Principal(wharf, ROOT, keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
        repository = new_repository(wharf)
        named = {"repositoryName": repository.name}
        fails("AccessDeniedException", self.federated(root).client().list_images, **named)
        self.federated(root, Policy=document(allow("ecr:ListImages"))).client().list_images(**named)

    def test_it_ends_with_its_user(self, wharf, identities):
        user = identities.user(document(allow("sts:GetFederationToken")))
        federated = self.federated(user)
        name = name_of(user.arn)
        identities.iam.delete_access_key(UserName=name, AccessKeyId=user.access_key_id)
        identities.iam.delete_user_policy(UserName=name, PolicyName="inline-0")
        identities.iam.delete_user(UserName=name)
        fails("InvalidClientTokenId", federated.client("sts").get_caller_identity)

    def test_refused(self, user, identities):
        sts = check_every_answer(user.client("sts"))
        for parameters in ({"Name": "a" * 33}, {"Name": "a b"}, {"Name": "ab", "DurationSeconds": 129601}):
            fails("ValidationError", sts.get_federation_token, **parameters)
        fails("MalformedPolicyDocument", sts.get_federation_token, Name="ab", Policy="{}")
        nobody = identities.user(document(allow("ecr:*")))
        fails("AccessDenied", nobody.client("sts").get_federation_token, Name="ab")


@pytest.mark.every_store
class TestOthers:
    def test_authorization_messages(self, wharf, identities):
        sts = check_every_answer(wharf.client("sts"))
        encoded = base64.b64encode(b"message").decode()
        fails("InvalidAuthorizationMessageException", sts.decode_authorization_message, EncodedMessage=encoded)
        nobody = identities.user(document(allow("ecr:*"))).client("sts")
        fails("AccessDenied", nobody.decode_authorization_message, EncodedMessage=encoded)

    def test_saml(self, wharf):
        unsigned = SESSION.client(
            "sts", endpoint_url=wharf.url, region_name="us-east-1", config=Config(signature_version=UNSIGNED)
        )
        call = {
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/a",
            "PrincipalArn": f"arn:aws:iam::{ACCOUNT}:saml-provider/a",
            "SAMLAssertion": urllib.parse.quote("x" * 8),
        }
        message = fails("InvalidAction", unsigned.assume_role_with_saml, **call)
        assert message.startswith("Could not find operation AssumeRoleWithSAML for version 2011-06-15")

    def test_rotation(self, wharf, identities):
        secrets = wharf.client("secretsmanager")
        secret = secrets.create_secret(Name=uuid.uuid4().hex, SecretString="s")
        named = {"SecretId": secret["ARN"]}
        rules = {"AutomaticallyAfterDays": 30}
        lambda_arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:rotate"
        message = fails("InvalidRequestException", secrets.rotate_secret, **named)
        assert message == "No Lambda rotation function ARN is associated with this secret."
        call = {**named, "RotationLambdaARN": lambda_arn, "RotationRules": rules}
        for more in ({}, {"RotateImmediately": False}):
            assert "PutSecretValue" in fails("InvalidRequestException", secrets.rotate_secret, **call, **more)
        fails("ResourceNotFoundException", secrets.rotate_secret, SecretId="other")
        both = {"AutomaticallyAfterDays": 30, "ScheduleExpression": "rate(10 days)"}
        fails("InvalidParameterException", secrets.rotate_secret, **named, RotationRules=both)
        assert secrets.cancel_rotate_secret(**named)["ARN"] == secret["ARN"]
        condition = {"StringEquals": {"secretsmanager:RotationLambdaARN": "other"}}
        user = identities.user(document(allow("secretsmanager:RotateSecret", Condition=condition)))
        fails("AccessDeniedException", user.client("secretsmanager").rotate_secret, **call)

    @pytest.mark.parametrize("kind", ["user", "role", "policy"])
    def test_keys_of_tags(self, wharf, identities, kind):
        iam = check_every_answer(wharf.client("iam", parameter_validation=False))
        if kind == "policy":
            made = iam.create_policy(PolicyName=uuid.uuid4().hex, PolicyDocument=document(allow("ecr:*")))
            named = {"PolicyArn": made["Policy"]["Arn"]}
        elif kind == "role":
            named = {"RoleName": name_of(identities.role({"AWS": ROOT}))}
        else:
            named = {"UserName": name_of(identities.user().arn)}
        call = getattr(iam, f"untag_{kind}")
        call(**named, TagKeys=[f"k{number}" for number in range(50)])
        fails("ValidationError", call, **named, TagKeys=[f"k{number}" for number in range(51)])

    def test_numbers_past_any_range(self, wharf):
        iam = check_every_answer(wharf.client("iam", parameter_validation=False))
        for number in (2**63, 99999999999999999999, -(2**63) - 1):
            fails("ValidationError", iam.list_users, MaxItems=number)
            sts = check_every_answer(wharf.client("sts", parameter_validation=False))
            fails("ValidationError", sts.get_session_token, DurationSeconds=number)

    def test_type_of_a_member(self, wharf):
        secrets = wharf.client("secretsmanager", parameter_validation=False)
        call = {"Name": uuid.uuid4().hex, "SecretString": "s", "ForceOverwriteReplicaSecret": "yes"}
        fails("SerializationException", secrets.create_secret, **call)
