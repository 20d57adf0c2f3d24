"""The servers, daemons and images that the tests share."""

import json

import pytest

pytest.register_assert_rewrite("harness")

pytest_plugins = ["harness.durations"]

from harness import bucket, postgres  # noqa: E402
from harness.cluster import Cluster  # noqa: E402
from harness.docker import DockerDaemon  # noqa: E402
from harness.events import sinks_configuration  # noqa: E402
from harness.mount_namespace import MountNamespace  # noqa: E402
from harness.rootfs import debian_rootfs  # noqa: E402
from harness.server import Wharf  # noqa: E402
from harness.tls import make_certificate  # noqa: E402
from harness.upstream import free_port  # noqa: E402
from harness.webhook import Receiver  # noqa: E402

DATABASES = ("sqlite", "postgres")
STORES = ("files", "s3")
# The host names of the server with TLS. They lead to ::1, which docker trusts no more than any address elsewhere,
# whereas it takes any certificate on 127.0.0.0/8.
DOMAIN = "wharf.test"
REGISTRY = f"123456789012.dkr.ecr.us-east-1.{DOMAIN}"


def pytest_addoption(parser):
    parser.addoption(
        "--database",
        choices=DATABASES,
        default="sqlite",
        help="where the servers under test keep their metadata, in tests that do not choose it themselves",
    )
    parser.addoption(
        "--store",
        choices=STORES,
        default="files",
        help="where the servers under test keep their blobs",
    )
    parser.addoption(
        "--nodes",
        type=int,
        default=1,
        help="how many nodes the shared servers under test have; more than one need --database postgres",
    )


def pytest_configure(config):
    bucket.is_default_store = config.getoption("--store") == "s3"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Remembers where each running server's log was when the test began."""
    item.stash[LOG_STARTS] = {id(server): server.log_size for server in Wharf.running}
    return (yield)


LOG_STARTS = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the servers logged during the test."""
    report = yield
    if report.failed:
        for server in Wharf.running:
            text = server.log_text(item.stash[LOG_STARTS].get(id(server), 0))
            report.sections.append((f"log of {server.url}", text[-6000:]))
    return report


def environment_of(database):
    """Where a server keeps its metadata, and its blobs as `--store` says."""
    metadata = {"WHARF_DATABASE_URL": postgres.new_database()} if database == "postgres" else {}
    return metadata | (bucket.environment_of_new() if bucket.is_default_store else {})


@pytest.fixture(scope="session")
def default_database(request):
    return request.config.getoption("--database")


@pytest.fixture(scope="session")
def make_server(request, default_database):
    """Makes a server, or as many nodes as `--nodes` says behind a balancer."""
    nodes = request.config.getoption("--nodes")

    def make(folder, config=None):
        environment = environment_of(default_database)
        if nodes == 1:
            return Wharf(folder, environment=environment, config=config)
        return Cluster(folder, nodes, environment=environment, config=config)

    return make


@pytest.fixture(scope="session")
def wharf(tmp_path_factory, make_server):
    """The server that most tests share; each uses repositories of its own."""
    server = make_server(tmp_path_factory.mktemp("wharf"))
    yield server.start()
    server.finish()


@pytest.fixture
def fresh_wharf(tmp_path, make_server):
    """A server for one test, which may kill it, restart it and change its files."""
    server = make_server(tmp_path / "wharf")
    yield server.start()
    server.finish()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Nodes over PostgreSQL and a bucket, for the tests of one file."""
    environment = {"WHARF_DATABASE_URL": postgres.new_database(), **bucket.environment_of_new()}
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), environment=environment)
    yield cluster.start()
    cluster.finish()


@pytest.fixture(params=DATABASES)
def wharf_on_each_database(request, tmp_path):
    """A server for one test, which runs once on SQLite and once on PostgreSQL."""
    server = Wharf(tmp_path / "wharf", environment=environment_of(request.param))
    yield server.start()
    server.finish()


@pytest.fixture(scope="module")
def start_wharf(tmp_path_factory, make_server):
    """Starts servers with several accounts (`{id: (access key id, secret)}`), regions and domains."""
    started = []

    def start(accounts, regions, domains=()):
        config = configuration(accounts, regions, domains)
        folder = tmp_path_factory.mktemp("wharf")
        started.append(make_server(folder, config))
        return started[-1].start()

    yield start
    for server in started:
        server.finish()


@pytest.fixture(scope="module")
def start_configured(tmp_path_factory):
    """Starts servers with these lines of configuration, in which `{port}` is a free port and `{folder}` the server's own;
    `metrics_url` is where the server tells of itself, if the port is for that."""
    started = []

    def start(config, arguments=(), **environment):
        port, folder = free_port(), tmp_path_factory.mktemp("configured")
        text = config.replace("{port}", str(port)).replace("{folder}", str(folder))
        started.append(Wharf(folder, config=text, arguments=arguments, environment=environment))
        started[-1].metrics_url = f"http://127.0.0.1:{port}"
        return started[-1].start()

    yield start
    for server in started:
        server.finish()


def configuration(accounts=(), regions=(), domains=(), tls=None):
    """The text of a wharf.toml."""
    lines = []
    if regions:
        lines.append(f"regions = {json.dumps(list(regions))}")
    if domains:
        lines.append(f"domains = {json.dumps(list(domains))}")
    if tls:
        certificate, key = tls
        lines += ["[tls]", f"certificate = {json.dumps(str(certificate))}", f"key = {json.dumps(str(key))}"]
    for account, (key_id, secret) in dict(accounts).items():
        lines += ["[[accounts]]", f'id = "{account}"', f'access_key_id = "{key_id}"', f'secret_access_key = "{secret}"']
    return "\n".join([*lines, ""])


@pytest.fixture
def serve(tmp_path, make_server):
    """Starts a server with sinks."""
    started = []

    def start(text="", **sinks):
        config = text + sinks_configuration(**sinks)
        server = make_server(tmp_path / f"wharf{len(started)}", config)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.finish()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="session")
def private_names(tmp_path_factory):
    """A view of /etc in which the names of the server with TLS are known."""
    namespace = MountNamespace(tmp_path_factory.mktemp("etc"), {DOMAIN: "::1", REGISTRY: "::1"})
    yield namespace
    namespace.close()


@pytest.fixture(scope="session")
def tls_wharf(tmp_path_factory, default_database, private_names):
    """A server with TLS and a domain of its own. Clients run with `private_names.prefix` and trust `certificate`."""
    folder = tmp_path_factory.mktemp("tls")
    authority, certificate, key = make_certificate(folder, ["localhost", DOMAIN, REGISTRY])
    config = configuration(domains=[DOMAIN], tls=(certificate, key))
    environment = environment_of(default_database)
    server = Wharf(folder / "wharf", listen="[::1]:0", environment=environment, config=config, name=DOMAIN)
    server.certificate = authority
    server.start()
    private_names.trust(f"{REGISTRY}:{server.port}", authority)
    yield server
    server.finish()


@pytest.fixture(scope="session")
def docker(tmp_path_factory, private_names):
    """A docker daemon and its client."""
    daemon = DockerDaemon(tmp_path_factory.mktemp("docker"), private_names.prefix).start()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="session")
def debian_image(docker):
    """A minimal Debian as an image of the docker daemon."""
    name = "debian-rootfs:test"
    docker("import", debian_rootfs(), name)
    return name
