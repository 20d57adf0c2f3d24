"""Times the same requests on a small and on a large registry, and prints how they compare; see bench/scale."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import postgres
from harness.registry_client import RegistryClient, Repository
from harness.server import Wharf

LARGE = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
SCALE = 1000
# Of each million images a tenth is in one repository, the rest is spread over 100,000.
ROUNDS = 300
PAGE = 100
# More than ECR lets one have.
QUOTAS = """
[quotas]
repositories = 10000000
images_per_repository = 10000000
"""

# The manifests cannot be opened: those that are pulled are pushed by the bench itself.
GENERATE = """
ALTER TABLE images DISABLE TRIGGER USER;
INSERT INTO repositories (account_id, region, name, created_at_ms, tag_mutability, tag_mutability_filters, scan_on_push,
                          encryption_type)
    SELECT '123456789012', 'us-east-1', 'team-' || lpad(n::text, 6, '0') || '/app', 1700000000000 + n, 'MUTABLE', '', 0,
           'AES256'
    FROM generate_series(1, {repositories}) n;
INSERT INTO images (repository_id, digest, media_type, artifact_media_type, size_bytes, manifest_bytes, manifest,
                    pushed_at_ms, status)
    SELECT CASE WHEN n % 10 = 0 THEN {big} ELSE {first} + n % {repositories} END,
           'sha256:' || encode(sha256(n::text::bytea), 'hex'), 'application/vnd.oci.image.manifest.v1+json',
           'application/vnd.oci.image.config.v1+json', 1000000 + n, 800, decode(repeat('00', 829), 'hex'),
           1700000000000 + n, 'ACTIVE'
    FROM generate_series(1, {images}) n;
INSERT INTO image_tags (repository_id, tag, image_id, tagged_at_ms)
    SELECT i.repository_id, 'v' || i.id || '-' || t, i.id, i.pushed_at_ms
    FROM images i, generate_series(1, 10) t WHERE i.media_type <> '';
INSERT INTO image_counts (repository_id, part, images)
    SELECT repository_id, id % 64, count(*) FROM images GROUP BY 1, 2
    ON CONFLICT (repository_id, part) DO UPDATE SET images = excluded.images;
ALTER TABLE images ENABLE TRIGGER USER;
ANALYZE;
"""


def sql(url, text):
    command = ["psql", "--quiet", "--no-psqlrc", "--csv", "--tuples-only", "--set", "ON_ERROR_STOP=1", "--dbname", url]
    return subprocess.run([*command, "--file", "-"], input=text, text=True, check=True, capture_output=True).stdout


class Registry:
    """A server with `images` generated images, a tenth of them in the repository `big`."""

    def __init__(self, folder, images):
        self.images = images
        url = postgres.new_database()
        self.server = Wharf(folder, environment={"WHARF_DATABASE_URL": url}, config=QUOTAS).start()
        self.ecr = self.server.client()
        self.ecr.create_repository(repositoryName="big")
        repositories = max(images // 10, 10)
        big, first = sql(url, "SELECT id, id + 1 FROM repositories").strip().split(",")
        began = time.monotonic()
        sql(url, GENERATE.format(repositories=repositories, big=big, first=first, images=images))
        counts = sql(
            url,
            "SELECT (SELECT count(*) FROM repositories), (SELECT count(*) FROM images), (SELECT count(*) FROM image_tags)",
        )
        print(f"stored {counts.strip()} repositories, images, tags in {time.monotonic() - began:.0f} s", flush=True)
        self.repository = Repository(RegistryClient(self.server.host, self.server.authorization), "big")
        self.digest = self.repository.push_image("real").digest
        last = sql(
            url, f"SELECT max(id) FROM images WHERE repository_id = {big} AND pushed_at_ms < 1710000000000"
        ).strip()
        self.tag = f"v{last}-5"
        self.name = f"team-{repositories // 2:06d}/app"
        self.last_names = [f"team-{repositories - PAGE - 1:06d}/app", "team-999999/app"]
        self.last_tag = "v999"

    def requests(self):
        """What is timed, by what it is called."""
        client, ecr = self.repository.client, self.ecr
        # The server has ended what was idle for minutes while the other registry was filled.
        client.close()
        base = self.repository.base
        operations = {
            "manifest GET by tag": lambda: self.repository.pull("real").expect(200),
            "manifest HEAD by digest": lambda: client.head(self.repository.manifest(self.digest)).expect(200),
            "tags/list, first page": lambda: client.get(f"{base}/tags/list?n={PAGE}").expect(200),
            "tags/list, last page": lambda: client.get(f"{base}/tags/list?n={PAGE}&last={self.last_tag}").expect(200),
            "catalog, first page": lambda: client.get(f"/v2/_catalog?n={PAGE}").expect(200),
            "catalog, last page": lambda: client.get(f"/v2/_catalog?n={PAGE}&last={self.last_names[0]}").expect(200),
            "DescribeRepositories by name": lambda: ecr.describe_repositories(repositoryNames=[self.name]),
            "DescribeRepositories, first page": lambda: ecr.describe_repositories(maxResults=PAGE),
            "DescribeImages by tag": lambda: ecr.describe_images(
                repositoryName="big", imageIds=[{"imageTag": self.tag}]
            ),
            "DescribeImages, first page": lambda: ecr.describe_images(repositoryName="big", maxResults=PAGE),
            "ListImages, first page": lambda: ecr.list_images(repositoryName="big", maxResults=PAGE),
            "BatchGetImage": lambda: ecr.batch_get_image(repositoryName="big", imageIds=[{"imageTag": "real"}]),
            "push of an image": lambda: self.repository.push_image("pushed"),
        }
        for name, operation, parameters in (
            ("DescribeImages, last page", "describe_images", {"repositoryName": "big"}),
            ("ListImages, last page", "list_images", {"repositoryName": "big"}),
            ("DescribeRepositories, last page", "describe_repositories", {}),
        ):
            operations[name] = self.last_page(operation, parameters)
        return operations

    def last_page(self, operation, parameters):
        call = getattr(self.ecr, operation)
        token = {}
        while True:
            answer = call(maxResults=1000, **parameters, **token)
            if "nextToken" not in answer:
                return lambda: call(maxResults=PAGE, **parameters, **token)
            token = {"nextToken": answer["nextToken"]}

    def finish(self):
        self.server.finish()


def timed(request):
    began = time.perf_counter()
    request()
    return (time.perf_counter() - began) * 1000


def main():
    with tempfile.TemporaryDirectory(prefix="wharf-scale-") as folder:
        registries = [Registry(Path(folder) / str(images), images) for images in (LARGE // SCALE, LARGE)]
        small, large = (registry.requests() for registry in registries)
        rows = []
        for name in small:
            samples = ([], [])
            for _ in range(10):
                small[name](), large[name]()
            for _ in range(ROUNDS):
                samples[0].append(timed(small[name]))
                samples[1].append(timed(large[name]))
            medians = [statistics.median(times) for times in samples]
            p99 = [statistics.quantiles(times, n=100)[98] for times in samples]
            rows.append((name, *medians, medians[1] / medians[0], *p99))
        print(f"{'request':34} {'small ms':>9} {'large ms':>9} {'ratio':>6} {'p99 small':>10} {'p99 large':>10}")
        for name, low, high, ratio, low99, high99 in rows:
            print(f"{name:34} {low:9.2f} {high:9.2f} {ratio:6.2f} {low99:10.2f} {high99:10.2f}")

        for registry in registries:
            registry.finish()


if __name__ == "__main__":
    main()
