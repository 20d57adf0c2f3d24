"""A damaged row denies what it governs, is named in the log and by `wharf fsck`, and keeps nobody from the rest."""

import http.client
import json
import sqlite3

import pytest
from botocore.exceptions import ClientError

from harness import pages
from harness.registry_client import RegistryClient, new_repository
from harness.server import SESSION
from harness.storage import execute, fsck, kinds, query

ALLOW_ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
DENY_PULLS = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "ecr:BatchGetImage", "Resource": "*"}]}
)
REPOSITORY_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["ecr:BatchGetImage"]}],
    }
)


def flipped(text, at):
    """A text with one bit of one character changed."""
    return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def restart_with(wharf, sql):
    """Changes rows while the server is stopped."""
    wharf.stop()
    execute(wharf, sql)
    wharf.start()


def new_user(wharf, name, *policies):
    """A user with inline policies; a client with its key."""
    iam = wharf.client("iam")
    iam.create_user(UserName=name)
    for number, policy in enumerate(policies):
        iam.put_user_policy(UserName=name, PolicyName=f"policy-{number}", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return SESSION.client(
        "ecr",
        endpoint_url=wharf.url,
        region_name=wharf.region,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def pull(client, name):
    answer = client.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])
    assert answer["images"], answer
    return answer


def expect_denied(call):
    with pytest.raises(ClientError) as raised:
        call()
    assert raised.value.response["Error"]["Code"] == "AccessDeniedException", raised.value
    return raised.value.response["Error"]["Message"]


def findings(wharf, kind):
    found = [finding for finding in fsck(wharf, expect=1)["findings"] if finding["kind"] == kind]
    assert found and all(finding["advice"] for finding in found), found
    return found


@pytest.fixture
def repository(fresh_wharf):
    made = new_repository(fresh_wharf, "damaged")
    made.push_image("v1")
    made.client.close()
    return made


class TestIdentities:
    @pytest.mark.parametrize("policies", [(ALLOW_ALL,), (ALLOW_ALL, DENY_PULLS)], ids=["allow", "deny"])
    def test_a_damaged_policy_denies_all(self, fresh_wharf, repository, policies):
        """Whatever the damaged policy said: its user may do nothing, others go on, and putting it again mends it."""
        damaged, other = new_user(fresh_wharf, "a", *policies), new_user(fresh_wharf, "b", ALLOW_ALL)
        document = quoted(flipped(policies[-1], policies[-1].index("Effect")))
        restart_with(
            fresh_wharf,
            f"UPDATE iam_inline_policies SET document = {document} WHERE name = 'policy-{len(policies) - 1}' "
            "AND entity_id = (SELECT id FROM iam_entities WHERE name = 'a')",
        )
        expect_denied(lambda: damaged.describe_repositories())
        expect_denied(lambda: pull(damaged, repository.name))
        pull(other, repository.name)
        assert f"the inline policy policy-{len(policies) - 1} of " in fresh_wharf.log_text(0)
        (finding,) = findings(fresh_wharf, "DAMAGED_POLICY")
        assert "user/a" in str(finding["affected"]), finding
        fresh_wharf.client("iam").put_user_policy(
            UserName="a", PolicyName=f"policy-{len(policies) - 1}", PolicyDocument=ALLOW_ALL
        )
        pull(damaged, repository.name)
        assert fsck(fresh_wharf)["findings"] == []

    def test_a_damaged_boundary_and_managed_policy(self, fresh_wharf, repository):
        """A managed policy governs all that it is attached to, groups and boundaries included."""
        iam = fresh_wharf.client("iam")
        arn = iam.create_policy(PolicyName="all", PolicyDocument=ALLOW_ALL)["Policy"]["Arn"]
        bounded, member, free = (new_user(fresh_wharf, name, ALLOW_ALL) for name in ("bounded", "member", "free"))
        iam.put_user_permissions_boundary(UserName="bounded", PermissionsBoundary=arn)
        iam.create_group(GroupName="group")
        iam.attach_group_policy(GroupName="group", PolicyArn=arn)
        iam.add_user_to_group(GroupName="group", UserName="member")
        for client in (bounded, member, free):
            pull(client, repository.name)
        restart_with(fresh_wharf, f"UPDATE iam_policy_versions SET document = {quoted(flipped(ALLOW_ALL, 3))}")
        for client in (bounded, member):
            expect_denied(lambda client=client: pull(client, repository.name))
        pull(free, repository.name)
        assert f"the managed policy {arn}" in fresh_wharf.log_text(0)

    def test_an_identity_that_cannot_be_read(self, fresh_wharf, repository):
        """Its key lets nobody in, and all others are listed."""
        damaged, other = new_user(fresh_wharf, "a", ALLOW_ALL), new_user(fresh_wharf, "b", ALLOW_ALL)
        restart_with(fresh_wharf, "UPDATE iam_entities SET tags = 'x' WHERE name = 'a'")
        with pytest.raises(ClientError):
            pull(damaged, repository.name)
        pull(other, repository.name)
        assert [user["UserName"] for user in fresh_wharf.client("iam").list_users()["Users"]] == ["b"]
        findings(fresh_wharf, "DAMAGED_ROW")


class TestResources:
    def test_a_damaged_repository_policy(self, fresh_wharf, repository):
        """Nobody may pull, with a clear answer, until the root user has put another policy."""
        ecr = fresh_wharf.client()
        user = new_user(fresh_wharf, "a", ALLOW_ALL)
        ecr.set_repository_policy(repositoryName=repository.name, policyText=REPOSITORY_POLICY)
        other = new_repository(fresh_wharf, "whole")
        other.push_image("v1")
        text = ecr.get_repository_policy(repositoryName=repository.name)["policyText"]
        restart_with(
            fresh_wharf,
            f"UPDATE repositories SET policy = {quoted(flipped(text, text.index('Effect')))} "
            f"WHERE name = '{repository.name}'",
        )
        expect_denied(lambda: pull(user, repository.name))
        expect_denied(lambda: pull(ecr, repository.name))
        client = RegistryClient(fresh_wharf.host, fresh_wharf.authorization)
        client.get(f"/v2/{repository.name}/manifests/v1").expect_error(403, "DENIED")
        client.close()
        expect_denied(lambda: user.set_repository_policy(repositoryName=repository.name, policyText=REPOSITORY_POLICY))
        pull(user, other.name)
        assert f"repository/{repository.name}" in fresh_wharf.log_text(0)
        (finding,) = findings(fresh_wharf, "DAMAGED_POLICY")
        assert repository.name in finding["subject"], finding
        ecr.set_repository_policy(repositoryName=repository.name, policyText=REPOSITORY_POLICY)
        pull(user, repository.name)
        assert fsck(fresh_wharf)["findings"] == []

    def test_a_damaged_registry_policy(self, fresh_wharf, repository):
        """As for a repository, for all of the registry."""
        ecr = fresh_wharf.client()
        user = new_user(fresh_wharf, "a", ALLOW_ALL)
        statement = {
            "Sid": "a",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
            "Action": ["ecr:ReplicateImage"],
            "Resource": "*",
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        ecr.put_registry_policy(policyText=policy)
        restart_with(fresh_wharf, "UPDATE registry_policies SET document = '{'")
        expect_denied(lambda: user.create_repository(repositoryName="not-allowed"))
        findings(fresh_wharf, "DAMAGED_POLICY")
        ecr.put_registry_policy(policyText=policy)
        user.create_repository(repositoryName="allowed")
        assert fsck(fresh_wharf)["findings"] == []

    def test_a_damaged_key_policy_and_secret_policy(self, fresh_wharf):
        """The root user still mends both."""
        kms, secrets = fresh_wharf.client("kms"), fresh_wharf.client("secretsmanager")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        secrets.create_secret(Name="secret", SecretString="value")
        own = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Resource": "*"}]}
        own["Statement"][0]["Action"] = "secretsmanager:GetSecretValue"
        secrets.put_resource_policy(SecretId="secret", ResourcePolicy=json.dumps(own), BlockPublicPolicy=False)
        key_policy = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        restart_with(fresh_wharf, "UPDATE kms_keys SET policy = '{'; UPDATE secrets SET policy = '{'")
        kms, secrets = fresh_wharf.client("kms"), fresh_wharf.client("secretsmanager")
        expect_denied(lambda: kms.encrypt(KeyId=key, Plaintext=b"x"))
        expect_denied(lambda: secrets.get_secret_value(SecretId="secret"))
        assert len(findings(fresh_wharf, "DAMAGED_POLICY")) == 2
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=key_policy)
        secrets.put_resource_policy(SecretId="secret", ResourcePolicy=json.dumps(own), BlockPublicPolicy=False)
        kms.encrypt(KeyId=key, Plaintext=b"x")
        assert secrets.get_secret_value(SecretId="secret")["SecretString"] == "value"


class TestTags:
    def test_a_damaged_tag(self, fresh_wharf, repository):
        """A tag that cannot be read is left out of lists and found; the others of the repository are there."""
        repository.push_image("v2")
        repository.client.close()
        blob = "CAST(x'76ff' AS TEXT)"
        if "WHARF_DATABASE_URL" in fresh_wharf.environment:
            pytest.skip("PostgreSQL takes no text that is not UTF-8")
        restart_with(fresh_wharf, f"UPDATE image_tags SET tag = {blob} WHERE tag = 'v2'")
        ecr = fresh_wharf.client()
        images = ecr.describe_images(repositoryName=repository.name)["imageDetails"]
        assert sorted(tag for image in images for tag in image.get("imageTags", [])) == ["v1"]
        tags = [image.get("imageTag") for image in ecr.list_images(repositoryName=repository.name)["imageIds"]]
        assert "v1" in tags
        pull(ecr, repository.name)
        (finding,) = findings(fresh_wharf, "DAMAGED_ROW")
        assert "image_tags" in finding["subject"], finding

    def test_a_damaged_job(self, fresh_wharf):
        """A job that cannot be read is given up, and those after it are done."""
        execute(
            fresh_wharf,
            "INSERT INTO jobs (kind, key, payload, generation, attempts, created_at_ms, due_at_ms, is_dead) "
            "VALUES ('move_blob', 'broken', 'x', 1, 0, 0, 0, 0)",
        )
        fresh_wharf.client().create_repository(repositoryName="goes-on")
        fsck(fresh_wharf, expect=1)
        ((is_dead, error),) = query(fresh_wharf, "SELECT is_dead, last_error FROM jobs WHERE key = 'broken'")
        assert is_dead == "1" and "cannot be read" in error, error


class TestSmallObjects:
    def test_a_damaged_small_object(self, fresh_wharf, repository):
        """It is an answer that says so, not a connection that is closed, and is named in the log."""
        digest = repository.push_blob(b"small")
        repository.client.close()
        row = f"(SELECT id FROM blobs WHERE digest = '{digest}')"
        length = query(fresh_wharf, f"SELECT length(sealed) FROM small_blobs WHERE blob_id = {row}")[0][0]
        zeros = "00" * int(length)
        blob = f"'\\x{zeros}'" if "WHARF_DATABASE_URL" in fresh_wharf.environment else f"x'{zeros}'"
        execute(fresh_wharf, f"UPDATE small_blobs SET sealed = {blob} WHERE blob_id = {row}")
        start = fresh_wharf.log_size
        connection = http.client.HTTPConnection(fresh_wharf.host, timeout=60)
        connection.request("GET", repository.blob(digest), headers={"Authorization": fresh_wharf.authorization})
        answer = connection.getresponse()
        assert answer.status == 500 and "is damaged" in answer.read().decode()
        connection.close()
        assert digest in fresh_wharf.log_text(start)


class TestPages:
    """Bits that a disk changes in the file itself, behind SQLite's back."""

    @pytest.mark.parametrize("which", [0, -1], ids=["first", "last"])
    def test_a_policy_that_can_still_be_read(self, fresh_wharf, repository, which):
        """It is kept twice, and where the two differ it denies until it is put again."""
        if "WHARF_DATABASE_URL" in fresh_wharf.environment:
            pytest.skip("PostgreSQL keeps pages of its own")
        marked = ALLOW_ALL.replace('"Version"', '"Id": "marked-by-this-test", "Version"')
        user, other = new_user(fresh_wharf, "a", marked), new_user(fresh_wharf, "b", ALLOW_ALL)
        pull(user, repository.name)
        fresh_wharf.stop()
        path = without_old_copies(fresh_wharf)
        content = bytearray(path.read_bytes())
        # The row and its copy; not what a record of the call quotes.
        places = places_of(content, b' "marked-by-this-test')
        assert len(places) == 2
        content[places[which] + 2] ^= 1
        path.write_bytes(content)
        fresh_wharf.start()
        expect_denied(lambda: pull(user, repository.name))
        pull(other, repository.name)
        assert "is not what was stored" in fresh_wharf.log_text(0)
        assert "its checksum does not fit" in fresh_wharf.log_text(0)
        (finding,) = findings(fresh_wharf, "DAMAGED_POLICY")
        assert "user/a" in str(finding["affected"]), finding
        fresh_wharf.client("iam").put_user_policy(UserName="a", PolicyName="policy-0", PolicyDocument=marked)
        pull(user, repository.name)
        # What was wrong has been written over, first by the mark: nobody could see it in the pages any more.
        assert kinds(fsck(fresh_wharf, expect=1)) == ["REWRITTEN_PAGE"]
        fresh_wharf.restart()
        assert fsck(fresh_wharf)["findings"] == []

    def test_a_tag_that_points_elsewhere(self, fresh_wharf, repository):
        """An index of the table contradicts the row, which the check tells."""
        if "WHARF_DATABASE_URL" in fresh_wharf.environment:
            pytest.skip("PostgreSQL keeps pages of its own")
        repository.push_image("marked-tag-of-this-test")
        repository.client.close()
        fresh_wharf.stop()
        path = without_old_copies(fresh_wharf)
        content = bytearray(path.read_bytes())
        # In texts such as records of who did what, it follows a character.
        places = [at for at in places_of(content, b"marked-tag-of-this-test") if not 32 <= content[at - 1] < 127]
        content[places[0]] ^= 1
        path.write_bytes(content)
        assert findings_offline(fresh_wharf, "DAMAGED_DATABASE")
        (finding,) = findings_offline(fresh_wharf, "DAMAGED_PAGE")
        assert "image_tags" in finding["detail"], finding
        fresh_wharf.start()
        pull(fresh_wharf.client(), repository.name)


def without_old_copies(wharf):
    """The file of a stopped server's database, without what was moved in it."""
    path = wharf.data_dir / "wharf.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("VACUUM")
    connection.close()
    pages.seal(path)
    return path


def places_of(content, text):
    """Where a text stands in a file."""
    places, at = [], content.find(text)
    while at >= 0:
        places.append(at)
        at = content.find(text, at + 1)
    return places


def findings_offline(wharf, kind):
    return [finding for finding in fsck(wharf, "--offline", expect=1)["findings"] if finding["kind"] == kind]
