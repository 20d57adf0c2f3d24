"""`wharf migrate`: from the embedded default to PostgreSQL and a bucket and back, with nothing lost on the way."""

import json

import pytest

from harness import bucket, postgres
from harness.api_push import push_image, push_index
from harness.images import image, index
from harness.registry_client import RegistryClient, Repository
from harness.server import SESSION, Wharf, binary, wait_for
from harness.storage import fsck, query, run
from harness.stored import IN_A_STORE, objects


def place(folder, database=None, store="files"):
    """A server whose configuration says all of where it keeps things."""
    folder.mkdir()
    text = f"data_dir = {json.dumps(str(folder / 'wharf/data'))}\n"
    environment = {}
    if database:
        text += f"[database]\nurl = {json.dumps(database)}\n"
        environment = {"WHARF_DATABASE_URL": database}
    if store == "s3":
        environment |= bucket.environment_of_new()
        text += "[storage]\n"
        for name in ("bucket", "endpoint", "access_key_id", "secret_access_key", "prefix"):
            text += f"{name} = {json.dumps(environment[f'WHARF_STORAGE_{name.upper()}'])}\n"
    server = Wharf(folder / "wharf", config=text, environment=environment)
    (folder / "wharf" / "wharf.toml").write_text(text)
    return server


def migrate(source, target, *arguments, expect=0):
    files = ["--from", source.folder / "wharf.toml", "--to", target.folder / "wharf.toml"]
    return run(binary(), "migrate", *files, *arguments, expect=expect)


def dump(server):
    """Every row of the database, as lines of JSON; what changes whenever a server starts is left out."""
    lines = run(binary(), "dump", "--config", server.folder / "wharf.toml").stdout.splitlines()
    assert lines
    return lines


def fill(server):
    """Some of everything that a server keeps; returns what must be pulled afterwards."""
    ecr, iam = server.client(), server.client("iam")
    pulled = {}
    for number in range(3):
        name = f"app/{number}"
        ecr.create_repository(repositoryName=name, tags=[{"Key": "team", "Value": f"t{number}"}])
        for tag in ("v1", "v2"):
            made = image(f"{name}-{tag}", size=90_000)
            push_image(ecr, name, made, tag)
            pulled[name, tag] = made.manifest
    made = index("listed", size=30_000)
    push_index(ecr, "app/0", made, "list")
    pulled["app/0", "list"] = made.manifest
    # In parts, where the store is a bucket.
    made = image("large", size=20_000_000, layers=1)
    push_image(ecr, "app/0", made, "large")
    pulled["app/0", "large"] = made.manifest
    ecr.batch_delete_image(repositoryName="app/1", imageIds=[{"imageTag": "v2"}])
    del pulled["app/1", "v2"]
    pulled |= fill_by_keys(server)
    archive(ecr, server, "app/2", "v2")
    del pulled["app/2", "v2"]
    ecr.put_image_tag_mutability(repositoryName="app/2", imageTagMutability="IMMUTABLE")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
    ecr.set_repository_policy(
        repositoryName="app/0", policyText=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )
    ecr.put_lifecycle_policy(
        repositoryName="app/1",
        lifecyclePolicyText=json.dumps(
            {
                "rules": [
                    {
                        "rulePriority": 1,
                        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 50},
                        "action": {"type": "expire"},
                    }
                ]
            }
        ),
    )
    iam.create_user(UserName="someone")
    key = iam.create_access_key(UserName="someone")["AccessKey"]
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}}
    iam.put_user_policy(UserName="someone", PolicyName="all", PolicyDocument=json.dumps(policy))
    server.client("secretsmanager").create_secret(Name="upstream", SecretString="geheim")
    client = RegistryClient(server.host, server.authorization)
    for (name, tag), manifest in pulled.items():
        assert Repository(client, name).pull(tag).expect(200).body == manifest
    client.close()
    return pulled, key


def fill_by_keys(server):
    """Images of repositories that keys of their own encrypt, one of them rotated."""
    ecr, kms = server.client(), server.client("kms")
    key = kms.create_key(Tags=[{"TagKey": "team", "TagValue": "a"}])["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/images", TargetKeyId=key)
    pulled = {}
    for kind in ("KMS", "KMS_DSSE"):
        name = f"keys/{kind.lower()}"
        configuration = {"encryptionType": kind, "kmsKey": key}
        ecr.create_repository(repositoryName=name, encryptionConfiguration=configuration)
        made = image(name, size=90_000)
        push_image(ecr, name, made, "v1")
        pulled[name, "v1"] = made.manifest
        kms.rotate_key_on_demand(KeyId=key)
    return pulled


def archive(ecr, server, name, tag):
    ecr.update_image_storage_class(repositoryName=name, imageId={"imageTag": tag}, targetStorageClass="ARCHIVE")
    is_moved = "SELECT 1 FROM blobs WHERE tier = 'ARCHIVE'"
    wait_for(lambda: query(server, is_moved) and not query(server, "SELECT 1 FROM jobs"), "layers to be archived", 60)


def check_objects(server):
    """The store has each blob that is not small in the tier that its row names, and nothing else."""
    for tier, folder in (("STANDARD", "blobs"), ("ARCHIVE", "archive")):
        known = {row[0] for row in query(server, f"SELECT object_id FROM blobs WHERE tier = '{tier}' AND {IN_A_STORE}")}
        assert known and {path.name for path in objects(server, folder)} == known


def check(server, pulled, key):
    client = RegistryClient(server.host, server.authorization)
    for (name, tag), manifest in pulled.items():
        repository = Repository(client, name)
        assert repository.pull(tag).expect(200).body == manifest
        for layer in json.loads(manifest).get("layers", []):
            content = client.get(repository.blob(layer["digest"])).expect(200).body
            assert len(content) == layer["size"]
    client.close()
    someone = SESSION.client(
        "ecr",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    assert len(someone.describe_repositories()["repositories"]) == 5
    secret = server.client("secretsmanager").get_secret_value(SecretId="upstream")
    assert secret["SecretString"] == "geheim"
    assert fsck(server)["findings"] == []
    # What was deleted before can be brought back, out of its window and out of the archive.
    run(binary(), "image", "restore", "app/1:v2", "--data-dir", server.data_dir)
    ecr = server.client()
    assert ecr.batch_get_image(repositoryName="app/1", imageIds=[{"imageTag": "v2"}])["images"]
    ecr.update_image_storage_class(repositoryName="app/2", imageId={"imageTag": "v2"}, targetStorageClass="STANDARD")
    client = RegistryClient(server.host, server.authorization)
    repository = Repository(client, "app/2")
    wait_for(lambda: repository.pull("v2").status == 200, "the image to be restored", 60)
    client.close()
    # A key is what it was.
    server.client("kms").disable_key(
        KeyId=server.client("kms").describe_key(KeyId="alias/images")["KeyMetadata"]["Arn"]
    )
    assert not ecr.batch_get_image(repositoryName="keys/kms", imageIds=[{"imageTag": "v1"}])["images"]


@pytest.mark.parametrize("store", ["files", "s3"])
@pytest.mark.parametrize("way", ["prepared", "at once"])
def test_there_and_back(tmp_path, way, store):
    """Every digest, tag, policy, key and pull time is the same after the way to PostgreSQL and its store and back."""
    embedded = place(tmp_path / "embedded")
    cluster = place(tmp_path / "cluster", postgres.new_database(), store)
    back = place(tmp_path / "back")
    embedded.start()
    pulled, key = fill(embedded)
    if way == "prepared":
        told = migrate(embedded, cluster, "--prepare").stdout
        assert "Stop the server" in told
        push_image(embedded.client(), "app/2", image("late", size=40_000), "late")
        failed = migrate(embedded, cluster, expect=1)
        assert "another server is using the data folder" in failed.stderr
        # Which one, and the way out.
        pid = embedded.process.pid
        for part in (f"process {pid} and serves {embedded.url}", f"kill {pid}", "--prepare"):
            assert part in failed.stderr, failed.stderr
    embedded.stop()
    before = dump(embedded)
    times = query(embedded, "SELECT digest, last_pulled_at_ms FROM images ORDER BY id")
    assert any(time for _, time in times)
    told = migrate(embedded, cluster).stdout
    assert "copied and compared" in told
    if way == "prepared":
        assert "0 were there" not in told
    assert dump(cluster) == before
    assert query(cluster, "SELECT digest, last_pulled_at_ms FROM images ORDER BY id") == times
    told = migrate(cluster, back).stdout
    assert dump(back) == before
    for server in (cluster, back):
        check_objects(server)
    cluster.start()
    check(cluster, pulled, key)
    # Numbers go on where they were: an image id that was used is not used again.
    push_image(cluster.client(), "app/0", image("new", size=20_000), "new")
    cluster.finish()
    back.start()
    check(back, pulled, key)
    push_image(back.client(), "app/0", image("new", size=20_000), "new")
    back.finish()


def test_a_half_filled_database_is_not_served(tmp_path):
    """After a migration that was cut off no server starts, and the next migration does all of it."""
    embedded, cluster = place(tmp_path / "embedded"), place(tmp_path / "cluster", postgres.new_database())
    embedded.start()
    fill(embedded)
    embedded.stop()
    migrate(embedded, cluster)
    run(
        "psql", "--quiet", "--no-psqlrc", "--dbname", cluster.environment["WHARF_DATABASE_URL"], "--command",
        "INSERT INTO storage_moves (id) VALUES (1); DELETE FROM image_tags",
    )  # fmt: skip
    with pytest.raises(AssertionError):
        cluster.start()
    assert "a migration into this database has not come to its end" in cluster.log_text()
    migrate(embedded, cluster)
    assert dump(cluster) == dump(embedded)
    cluster.start()
    cluster.finish()


def test_a_database_in_use_is_left_alone(tmp_path):
    embedded, other = place(tmp_path / "embedded"), place(tmp_path / "other")
    for server in (embedded, other):
        server.start()
        server.client().create_repository(repositoryName="app")
        server.stop()
    before = dump(other)
    failed = migrate(embedded, other, expect=1)
    assert "holds repositories or users already" in failed.stderr
    assert dump(other) == before
