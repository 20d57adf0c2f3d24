"""What one account is told of another's: nothing that its policies do not say, and the same of what is there and what is not."""

import base64
import json
import uuid

import pytest
from botocore.exceptions import ClientError

from harness.api_push import push_image
from harness.aws_api import AwsApi, Signing
from harness.identities import Identities, Principal, allow, deny, document
from harness.images import image
from harness.server import wait_for

OWNER, OTHER = "123456789012", "210987654321"
ROOT_KEYS = {OWNER: ("AKIAROOT000000000001", "root-secret-1"), OTHER: ("AKIAROOT000000000002", "root-secret-2")}
REGION = "us-east-1"
NO_RESOURCE_POLICY = "because no resource-based policy allows the {} action"


@pytest.fixture(scope="module")
def server(start_wharf):
    return start_wharf(ROOT_KEYS, [REGION, "eu-west-1"])


def root(server, service, account=OWNER):
    return Principal(server, f"arn:aws:iam::{account}:root", *ROOT_KEYS[account]).client(service)


def refused(call, *arguments, **parameters):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def key_arn(key, account=OWNER):
    return f"arn:aws:kms:{REGION}:{account}:{key if key.startswith('alias/') else f'key/{key}'}"


def secret_arn(name, account=OWNER):
    return f"arn:aws:secretsmanager:{REGION}:{account}:secret:{name}"


def denied(arn, action, who=f"arn:aws:iam::{OTHER}:root"):
    reason = NO_RESOURCE_POLICY.format(action)
    return "AccessDeniedException", f"User: {who} is not authorized to perform: {action} on resource: {arn} {reason}"


@pytest.fixture(scope="module")
def key(server):
    """A key of the owner's, with an alias and a tag."""
    kms = root(server, "kms")
    key = kms.create_key(Tags=[{"TagKey": "env", "TagValue": "prod"}])["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/falcon", TargetKeyId=key)
    return key


@pytest.fixture(scope="module")
def secret(server):
    """The ARN of a secret of the owner's, with a tag."""
    tags = [{"Key": "env", "Value": "prod"}]
    return root(server, "secretsmanager").create_secret(Name="prod/db", SecretString="v", Tags=tags)["ARN"]


@pytest.fixture(scope="module")
def alice(server):
    """A user of the owner's."""
    identities = Identities(server, root(server, "iam"))
    return identities.user(document(allow("ecr:*", Sid="Falcon"), deny("iam:*", Sid="Secret"))).arn


class TestExplanations:
    """ExplainAccess shows what policies say, so only those of the caller's own account."""

    def explain(self, server, principal, action="ecr:BatchGetImage", resource="*", account=OTHER):
        members = {"principalArn": principal, "action": action, "resourceArn": resource}
        return AwsApi(server, Signing(*ROOT_KEYS[account], REGION)).wharf("ExplainAccess", members)

    def test_own(self, server, alice):
        answer = self.explain(server, alice, account=OWNER)
        assert answer.status == 200 and b"Falcon" in answer.body, answer

    @pytest.mark.parametrize("account", [OTHER, OWNER])
    def test_of_others(self, server, alice, account):
        """Not even whether they exist; the account that the server is run with is no exception."""
        if account == OWNER:
            theirs = Identities(server, root(server, "iam", OTHER)).user(document(allow("ecr:*", Sid="Falcon"))).arn
        else:
            theirs = alice
        of = theirs.split(":")[4]
        named = [
            theirs,
            theirs + "-not",
            f"arn:aws:iam::{of}:root",
            f"arn:aws:iam::{of}:role/nobody",
            f"arn:aws:sts::{of}:assumed-role/nobody/session",
        ]
        for principal in named:
            for action, resource in (("ecr:BatchGetImage", "*"), ("iam:ListUsers", "*")):
                answer = self.explain(server, principal, action, resource, account=account)
                error = json.loads(answer.body)
                assert answer.status == 400 and error["__type"] == "PrincipalNotFoundException", (principal, answer)
                assert principal in error["message"] and b"Falcon" not in answer.body
                own = f"arn:aws:ecr:{REGION}:{account}:repository/x"
                assert self.explain(server, principal, action, own, account=account).body == answer.body


class TestDenials:
    """Who is refused is told the name that was asked for, and no more."""

    def test_keys(self, server, key):
        other = root(server, "kms", OTHER)
        for name in ("alias/falcon", "alias/nothing", key, str(uuid.uuid4())):
            arn = key_arn(name)
            assert refused(other.describe_key, KeyId=arn) == denied(arn, "kms:DescribeKey")
            assert refused(other.encrypt, KeyId=arn, Plaintext=b"x") == denied(arn, "kms:Encrypt")

    def test_secrets(self, server, secret):
        other = root(server, "secretsmanager", OTHER)
        whole = secret.rpartition(":")[2]
        for name in ("prod/db", "prod/nothing", whole, f"{whole[:-6]}AbCdEf"):
            arn = secret_arn(name)
            action = "secretsmanager:GetSecretValue"
            assert refused(other.get_secret_value, SecretId=arn) == denied(arn, action)
            (error,) = other.batch_get_secret_value(SecretIdList=[arn])["Errors"]
            assert (error["ErrorCode"], error["Message"]) == denied(arn, action)
            assert refused(other.describe_secret, SecretId=arn) == denied(arn, "secretsmanager:DescribeSecret")

    def test_what_a_policy_denies(self, server):
        """That a policy is there and denies shows no more than what has none."""
        owner, other = root(server, "secretsmanager"), root(server, "secretsmanager", OTHER)
        made = owner.create_secret(Name=f"denying-{uuid.uuid4().hex[:8]}", SecretString="v")
        policy = document({**deny("secretsmanager:GetSecretValue"), "Principal": "*"})
        owner.put_resource_policy(SecretId=made["Name"], ResourcePolicy=policy)
        arn = secret_arn(made["Name"])
        assert refused(other.get_secret_value, SecretId=arn) == denied(arn, "secretsmanager:GetSecretValue")
        assert "with an explicit deny" in refused(owner.get_secret_value, SecretId=arn)[1]

    def test_what_a_repository_policy_denies(self, server):
        ecr, other = root(server, "ecr"), root(server, "ecr", OTHER)
        name = f"denying-{uuid.uuid4().hex[:8]}"
        ecr.create_repository(repositoryName=name, tags=[{"Key": "env", "Value": "prod"}])
        policy = document({"Effect": "Deny", "Action": "ecr:BatchGetImage", "Principal": "*"})
        ecr.set_repository_policy(repositoryName=name, policyText=policy)
        arn = f"arn:aws:ecr:{REGION}:{OWNER}:repository/{name}"
        told = refused(other.batch_get_image, registryId=OWNER, repositoryName=name, imageIds=[{"imageTag": "v1"}])
        assert told == denied(arn, "ecr:BatchGetImage")

    def test_questions_of_own_policies(self, server, key, secret):
        """The caller's own policies ask about tags, aliases, ids and the characters at the end of another's ARN: the text
        says nothing of the answer."""
        name = f"tagged-{uuid.uuid4().hex[:8]}"
        root(server, "ecr").create_repository(repositoryName=name, tags=[{"Key": "env", "Value": "prod"}])
        identities = Identities(server, root(server, "iam", OTHER))
        characters = secret[-6:]
        for question in (
            deny("*", Condition={"StringEquals": {"aws:ResourceTag/env": "prod"}}),
            deny("*", Condition={"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/falcon"}}),
            deny("*", on=[f"arn:aws:kms:*:*:key/{key[0]}*", f"arn:aws:secretsmanager:*:*:*-{characters[0]}?????"]),
        ):
            asking = identities.user(document(allow("*"), question))
            arn = key_arn("alias/falcon")
            told = refused(asking.client("kms").describe_key, KeyId=arn)
            assert told == denied(arn, "kms:DescribeKey", asking.arn), question
            arn = secret_arn("prod/db")
            told = refused(asking.client("secretsmanager").get_secret_value, SecretId=arn)
            assert told == denied(arn, "secretsmanager:GetSecretValue", asking.arn), question
            told = refused(asking.client("ecr").list_images, registryId=OWNER, repositoryName=name)
            arn = f"arn:aws:ecr:{REGION}:{OWNER}:repository/{name}"
            assert told == denied(arn, "ecr:ListImages", asking.arn), question

    def test_who_is_let_in(self, server):
        """Whom the owner's policy lets in is told that the own account does not."""
        owner = root(server, "secretsmanager")
        made = owner.create_secret(Name=f"shared-{uuid.uuid4().hex[:8]}", SecretString="v")
        statement = {**allow("secretsmanager:GetSecretValue"), "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}}
        owner.put_resource_policy(SecretId=made["Name"], ResourcePolicy=document(statement))
        user = Identities(server, root(server, "iam", OTHER)).user().client("secretsmanager")
        code, text = refused(user.get_secret_value, SecretId=made["ARN"])
        assert code == "AccessDeniedException" and "because no identity-based policy allows" in text, text

    def test_own_users(self, server, key, secret):
        """As AWS does: the name as it was asked for."""
        user = Identities(server, root(server, "iam")).user()
        for name in ("prod/db", "prod/nothing", secret):
            text = refused(user.client("secretsmanager").get_secret_value, SecretId=name)[1]
            assert f"on resource: {name} because" in text, text
        text = refused(user.client("kms").describe_key, KeyId="alias/falcon")[1]
        assert f"on resource: {key_arn('alias/falcon')} because" in text, text

    def test_ciphertexts(self, server, key):
        """Whose key a ciphertext needs shows to nobody, nor whether that exists."""
        other = root(server, "kms", OTHER)
        mine = other.create_key()["KeyMetadata"]["KeyId"]
        sealed = root(server, "kms").encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        identifier = uuid.UUID(key).bytes
        assert sealed.count(identifier) == 1
        of_nothing = sealed.replace(identifier, uuid.uuid4().bytes)
        told = refused(other.decrypt, CiphertextBlob=sealed)
        assert told[0] == "AccessDeniedException" and key not in told[1] and OWNER not in told[1], told
        assert refused(other.decrypt, CiphertextBlob=of_nothing) == told
        for ciphertext in (sealed, of_nothing):
            assert refused(other.re_encrypt, CiphertextBlob=ciphertext, DestinationKeyId=mine) == told
            assert refused(other.decrypt, CiphertextBlob=ciphertext, KeyId=mine)[0] == "IncorrectKeyException"

    def test_aliases_of_a_key(self, server, key):
        other = root(server, "kms", OTHER)
        for name in (key, str(uuid.uuid4())):
            arn = key_arn(name)
            assert refused(other.list_aliases, KeyId=arn) == ("NotFoundException", f"Key '{arn}' does not exist")


@pytest.fixture(scope="module")
def made(server, key):
    """Grants on the owner's key."""
    kms, me = root(server, "kms"), f"arn:aws:iam::{OWNER}:root"
    parts = {"GranteePrincipal": me, "RetiringPrincipal": me, "Operations": ["Decrypt"]}
    return [kms.create_grant(KeyId=key, **parts) for _ in range(4)]


class TestGrants:
    def pages(self, kms, retiring):
        """The ids of grants on every page, and how many pages there are."""
        marker, found, pages = {}, [], 0
        while True:
            page = kms.list_retirable_grants(RetiringPrincipal=retiring, Limit=1, **marker)
            found += [grant["GrantId"] for grant in page["Grants"]]
            pages += 1
            if not page["Truncated"]:
                assert "NextMarker" not in page
                return found, pages
            marker = {"Marker": page["NextMarker"]}

    def test_retirable(self, server, made):
        """Grants of other accounts' keys are on no page, and no page is empty for them."""
        me = f"arn:aws:iam::{OWNER}:root"
        assert self.pages(root(server, "kms", OTHER), me) == ([], 1)
        assert self.pages(root(server, "kms"), me) == (sorted(grant["GrantId"] for grant in made), 4)
        theirs = root(server, "kms", OTHER)
        key = theirs.create_key()["KeyMetadata"]["KeyId"]
        one = theirs.create_grant(KeyId=key, GranteePrincipal=me, RetiringPrincipal=me, Operations=["Decrypt"])
        assert self.pages(theirs, me) == ([one["GrantId"]], 1)

    def test_tokens(self, server, made):
        """A token of another account's grant is to whoever may not retire it as one of no grant."""
        other = root(server, "kms", OTHER)
        identifier, token = made[0]["GrantId"], made[0]["GrantToken"]
        absent = uuid.uuid4().hex * 2
        told = refused(other.retire_grant, GrantToken=token)
        of_nothing = refused(other.retire_grant, GrantToken=token.replace(identifier, absent))
        assert told == (of_nothing[0], of_nothing[1].replace(absent, identifier))
        user = Identities(server, root(server, "iam", OTHER)).user().client("kms")
        absent_token = token.replace(identifier, absent)
        assert refused(user.retire_grant, GrantToken=token) == refused(user.retire_grant, GrantToken=absent_token)


class TestIdentities:
    """Of others' users, roles, policies and keys of theirs nothing shows but what SECURITY.md names."""

    def test_simulations(self, server):
        theirs = Identities(server, root(server, "iam")).user().arn
        iam = root(server, "iam", OTHER)
        for arn in (theirs, f"{theirs}-not"):
            for call in (iam.simulate_principal_policy, iam.get_context_keys_for_principal_policy):
                more = {"ActionNames": ["ecr:PutImage"]} if call == iam.simulate_principal_policy else {}
                assert refused(call, PolicySourceArn=arn, **more) == ("InvalidInput", f"Invalid Entity Arn: {arn}")

    def test_last_use(self, server):
        theirs = Identities(server, root(server, "iam")).user()
        theirs.client("sts").get_caller_identity()
        iam = root(server, "iam", OTHER)
        told = refused(iam.get_access_key_last_used, AccessKeyId=theirs.access_key_id)
        absent = "AKIANOPENOPENOPENOPE"
        of_nothing = refused(iam.get_access_key_last_used, AccessKeyId=absent)
        assert told == (of_nothing[0], of_nothing[1].replace(absent, theirs.access_key_id))

    def test_access_keys(self, server):
        """As in AWS, GetAccessKeyInfo tells whose a key is, and its account alone."""
        theirs = Identities(server, root(server, "iam")).user()
        answer = root(server, "sts", OTHER).get_access_key_info(AccessKeyId=theirs.access_key_id)
        assert {name for name in answer if name != "ResponseMetadata"} == {"Account"}
        assert answer["Account"] == OWNER


def test_markers_are_of_ones_own(server, key):
    """A marker of another account's list is a place in the caller's own list, and nothing more."""
    owner, other = root(server, "kms"), root(server, "kms", OTHER)
    for _ in range(2):
        owner.create_key()
    marker = owner.list_keys(Limit=1)["NextMarker"]
    mine = {found["KeyId"] for found in other.list_keys()["Keys"]}
    assert {found["KeyId"] for found in other.list_keys(Marker=marker)["Keys"]} <= mine
    assert base64.urlsafe_b64decode(marker + "==").startswith(b"keys:")


def test_replication_into_another_account(server):
    """Why an image does not arrive names no KMS key of the destination's."""
    kms, owner, other = root(server, "kms"), root(server, "ecr"), root(server, "ecr", OTHER)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    name = f"arriving-{uuid.uuid4().hex[:8]}"
    owner.create_repository(repositoryName=name, encryptionConfiguration={"encryptionType": "KMS", "kmsKey": key})
    kms.disable_key(KeyId=key)
    statement = {**allow("ecr:ReplicateImage"), "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}}
    owner.put_registry_policy(policyText=document({**statement, "Resource": [f"arn:aws:ecr:*:{OWNER}:repository/*"]}))
    destinations = [{"region": REGION, "registryId": OWNER}]
    other.put_replication_configuration(replicationConfiguration={"rules": [{"destinations": destinations}]})
    other.create_repository(repositoryName=name)
    push_image(other, name, image(name, size=1000), "v1")
    api = AwsApi(server, Signing(*ROOT_KEYS[OTHER], REGION))

    def failed():
        found = json.loads(api.wharf("ListReplications", {"repositoryName": name}).body)["replications"]
        return [line for line in found if line["status"] == "FAILED"]

    wait_for(failed, "the image cannot be replicated")
    (line,) = failed()
    assert line["failureCode"] == "KmsException" and key not in line["failureReason"], line
    assert f"account {OWNER} has to see to it" in line["failureReason"]


def test_records_of_what_others_asked(server, secret):
    """The owner of a secret sees that another account reached for it, which account, and no name or key of its users."""
    user = Identities(server, root(server, "iam", OTHER)).user(document(allow("*")))
    refused(user.client("secretsmanager").put_secret_value, SecretId=secret, SecretString="x")

    def found(account):
        events = root(server, "cloudtrail", account).lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "PutSecretValue"}]
        )["Events"]
        return [event["CloudTrailEvent"] for event in events]

    (theirs,), (mine,) = found(OTHER), found(OWNER)
    assert user.arn in theirs and user.access_key_id in theirs
    assert json.loads(mine)["sharedEventID"] == json.loads(theirs)["sharedEventID"]
    assert user.arn.rpartition("/")[2] not in mine and user.access_key_id not in mine and OTHER in mine


def test_records_of_what_else_others_asked(server, key):
    """The owner of a key sees that another account reached for it, and nothing of what is not the owner's in the same call."""
    kms = root(server, "kms", OTHER)
    own = kms.create_key()["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/very-private", TargetKeyId=own)
    content = kms.encrypt(KeyId=own, Plaintext=b"x")["CiphertextBlob"]
    call = {"CiphertextBlob": content, "SourceKeyId": "alias/very-private", "DestinationKeyId": key_arn(key)}
    refused(kms.re_encrypt, **call)

    def found(account):
        # The newest comes first.
        event, *_ = root(server, "cloudtrail", account).lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ReEncrypt"}]
        )["Events"]
        return event, json.loads(event["CloudTrailEvent"])

    (theirs, of_caller), (mine, of_owner) = found(OTHER), found(OWNER)
    assert of_caller["requestParameters"]["sourceKeyId"] == "alias/very-private"
    alias = own.partition(":key/")[0] + ":alias/very-private"
    assert {resource["ARN"] for resource in of_caller["resources"]} == {alias, key_arn(key)}
    assert of_owner["requestParameters"] == {"destinationKeyId": key_arn(key)}
    assert [resource["ARN"] for resource in of_owner["resources"]] == [key_arn(key)]
    assert of_owner["responseElements"] is None and of_owner["sharedEventID"] == of_caller["sharedEventID"]
    assert {resource["ResourceName"] for resource in mine["Resources"]} == {key_arn(key), key}
    # Listed are keys, and an alias is none.
    assert {resource["ResourceName"] for resource in theirs["Resources"]} == {key_arn(key), key}
    told = json.dumps(mine, default=str)
    assert "very-private" not in told and own not in told and base64.b64encode(content).decode() not in told
