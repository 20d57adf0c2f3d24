"""Several nodes over one database and store: any request to any node, and a node that stops or dies harms nothing."""

import os
import signal
import time

import pytest
from botocore.exceptions import ClientError

from harness import bucket, postgres
from harness.cluster import Cluster
from harness.registry_client import (
    RegistryClient,
    Repository,
    digest_of,
    with_query,
)
from harness.server import shifted
from harness.steady_pushes import steady_pushes

MIB = 1 << 20


@pytest.fixture
def cluster(tmp_path):
    environment = {"WHARF_DATABASE_URL": postgres.new_database(), **bucket.environment_of_new()}
    cluster = Cluster(tmp_path / "cluster", environment=environment)
    yield cluster.start()
    cluster.finish()


def repository_of(node, cluster, name):
    return Repository(RegistryClient(node.host, cluster.authorization), name)


def test_an_upload_moves_between_nodes_with_every_chunk(cluster):
    cluster.client().create_repository(repositoryName="moving")
    repositories = [repository_of(node, cluster, "moving") for node in cluster.nodes]
    sizes = [1, 65_536, 3 * MIB + 17, 5 * MIB, 11 * MIB + 1, 70_000, 9 * MIB]
    chunks = [os.urandom(size) for size in sizes]
    location = repositories[0].start_upload()
    at = 0
    for number, chunk in enumerate(chunks):
        client = repositories[number % 3].client
        answer = client.patch(
            location,
            chunk,
            content_type="application/octet-stream",
            content_range=f"{at}-{at + len(chunk) - 1}",
        ).expect(202)
        location, at = answer.header("Location"), at + len(chunk)
        # Every node knows at once how far it is.
        for repository in repositories:
            assert repository.client.get(location).expect(204).header("Range") == f"0-{at - 1}"
    content = b"".join(chunks)
    digest = digest_of(content)
    repositories[1].client.put(with_query(location, digest=digest), b"").expect(201)
    for repository in repositories:
        assert repository.client.get(repository.blob(digest)).expect(200).body == content
        part = repository.client.get(repository.blob(digest), range=f"bytes={4 * MIB}-{4 * MIB + 99}").expect(206)
        assert part.body == content[4 * MIB : 4 * MIB + 100]


def test_changes_of_rights_are_in_force_everywhere_at_once(cluster):
    """A key works on every node as soon as it is made, and on none once it is switched off or its policy has gone."""
    iam = cluster.client("iam")
    iam.create_user(UserName="ci")
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecr:*","Resource":"*"}]}'
    key = iam.create_access_key(UserName="ci")["AccessKey"]

    def lists(node):
        client = node.client()
        credentials = client._request_signer._credentials  # noqa: SLF001
        credentials.access_key, credentials.secret_key = key["AccessKeyId"], key["SecretAccessKey"]
        try:
            client.describe_repositories()
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "OK"

    for _ in range(5):
        iam.put_user_policy(UserName="ci", PolicyName="all", PolicyDocument=policy)
        assert [lists(node) for node in cluster.nodes] == ["OK"] * 3
        iam.delete_user_policy(UserName="ci", PolicyName="all")
        assert [lists(node) for node in cluster.nodes] == ["AccessDeniedException"] * 3
    iam.put_user_policy(UserName="ci", PolicyName="all", PolicyDocument=policy)
    iam.update_access_key(UserName="ci", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert [lists(node) for node in cluster.nodes] == ["UnrecognizedClientException"] * 3


def test_a_node_that_was_stopped_decides_by_what_is_in_force_now(cluster):
    """The change does not wait for a node that does not run, and that node looks before it decides anything."""
    iam, paused = cluster.client("iam"), cluster.nodes[2]
    asked = RegistryClient(paused.host, cluster.authorization)
    token = cluster.nodes[0].client()
    iam.create_user(UserName="gone")
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecr:*","Resource":"*"}]}'
    iam.put_user_policy(UserName="gone", PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName="gone")["AccessKey"]
    credentials = token._request_signer._credentials  # noqa: SLF001
    credentials.access_key, credentials.secret_key = key["AccessKeyId"], key["SecretAccessKey"]
    (data,) = token.get_authorization_token()["authorizationData"]
    authorization = f"Basic {data['authorizationToken']}"
    cluster.client().create_repository(repositoryName="kept")
    asked.request("GET", "/v2/kept/tags/list", authorization=authorization).expect(200)
    paused.process.send_signal(signal.SIGSTOP)
    iam.update_access_key(UserName="gone", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    paused.process.send_signal(signal.SIGCONT)
    asked.request("GET", "/v2/kept/tags/list", authorization=authorization).expect(400, 401, 403)


def test_a_wrong_clock_changes_nothing(cluster):
    """Nodes go by the clock of the database: one whose own is an hour ahead stamps images like the others."""
    wrong = cluster.nodes[1]
    assert wrong.stop() == 0
    wrong.environment |= shifted("+60m")
    cluster.start_node(wrong)
    ecr = cluster.client()
    ecr.create_repository(repositoryName="clock")
    pushed = []
    for number in range(9):
        repository = repository_of(cluster.nodes[number % 3], cluster, "clock")
        pushed.append(repository.push_image(f"v{number}").digest)
    details = ecr.describe_images(repositoryName="clock")["imageDetails"]
    times = {detail["imageDigest"]: detail["imagePushedAt"].timestamp() for detail in details}
    assert max(times.values()) - min(times.values()) < 120
    assert all(abs(at - time.time()) < 120 for at in times.values())
    # Not exactly: clocks are compared over the network, so that what follows at once may seem to be of the same moment.
    assert all(times[later] > times[earlier] - 0.5 for earlier, later in zip(pushed, pushed[1:], strict=False))


def test_rolling_restart(cluster):
    """Each node is replaced while clients push and pull through the balancer; who tries again as docker does sees no
    failure, and nothing that was acknowledged is missing."""
    cluster.client().create_repository(repositoryName="rolling")
    with steady_pushes(cluster, "rolling", 4) as more:
        for node in cluster.nodes:
            more(8)
            assert node.stop() == 0
            more(4)
            cluster.start_node(node)
