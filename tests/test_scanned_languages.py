"""Images of programs: the packages that a scan lists, beside what the tools of their languages tell of the same files."""

import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from harness.commands import program, run
from harness.downloads import debian_files, go_tool
from harness.feeds import FeedServer
from harness.scans import Scanned, advisory, feeds_configuration, image_of, serve_advisories, tree_layer
from harness.server import Wharf

# Each with the version that its advisory says is fixed, and one that has an advisory for versions before its own alone.
VULNERABLE = [
    advisory("PYSEC-2018-28", "PyPI", "requests", "2.20.0"),
    advisory("PYSEC-2019-217", "PyPI", "jinja2", "2.10.1"),
    advisory("PYSEC-2019-133", "PyPI", "urllib3", "1.23"),
    advisory("GHSA-p6mc-m468-83gw", "npm", "lodash", "4.17.19"),
    advisory("GHSA-vh95-rmgr-6w4m", "npm", "minimist", "1.2.3"),
    advisory("GHSA-xxxx-none-here", "npm", "express", "4.16.0"),
    advisory("GHSA-hfq9-hggm-c56q", "Maven", "com.thoughtworks.xstream:xstream", "1.4.21"),
    advisory("GHSA-jfh8-c2jp-5v3q", "Maven", "org.apache.logging.log4j:log4j-core", "2.15.0"),
    advisory("GO-2023-1840", "Go", "stdlib", "1.19.10"),
    advisory("GO-2022-0493", "Go", "golang.org/x/sys", "0.0.0-20220412211240-33da011f77ad"),
]
PYTHON = ["jinja2==2.10", "requests==2.19.0", "urllib3==1.23", "ruamel.yaml==0.17.21"]
NPM = ["lodash@4.17.15", "minimist@1.2.0", "express@4.16.0", "@sindresorhus/is@4.0.0"]
JAVA = ["liblog4j2-java", "libxstream-java", "libcommons-io-java", "libjackson2-databind-java", "libspring-core-java"]
# Programs of Go as npm brings them: one of the toolchain whose flaws are known, and one with many modules.
GO = {"@esbuild/linux-x64@0.17.0": "bin/esbuild", "lefthook-linux-x64@2.2.2": "bin/lefthook"}


@pytest.fixture(scope="module")
def feeds():
    server = FeedServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def wharf(tmp_path_factory, feeds):
    """A server that has advisories for what is in these images."""
    serve_advisories(feeds, VULNERABLE)
    server = Wharf(tmp_path_factory.mktemp("scanned"), config=feeds_configuration(feeds.url))
    yield server.start()
    server.finish()


def findings(described):
    return sorted((found["vulnerability"], found["name"], found["version"]) for found in described["findings"])


def normal(name):
    """A name as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_python(wharf, tmp_path):
    root = tmp_path / "root"
    environment = root / "opt/venv"
    run(sys.executable, "-m", "venv", environment)
    pip = [environment / "bin/python", "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "install", "--quiet", *PYTHON)
    told = json.loads(run(*pip, "list", "--format=json").stdout)
    scanned = Scanned(wharf, "languages/python")
    described = scanned.push(image_of(tree_layer(root)))
    packages = scanned.packages("python")
    assert sorted((each["name"], each["version"]) for each in packages) == sorted(
        (normal(each["name"]), each["version"]) for each in told
    )
    assert all(path.startswith("opt/venv/lib/python3.") for each in packages for path in each["paths"])
    assert findings(described) == [("PYSEC-2018-28", "requests", "2.19.0"), ("PYSEC-2019-217", "jinja2", "2.10")]


def test_npm(wharf, tmp_path):
    root = tmp_path / "root"
    app = root / "srv/app"
    app.mkdir(parents=True)
    (app / "package.json").write_text('{"name": "app", "version": "1.0.0", "license": "MIT"}')
    run(program("npm"), "install", "--ignore-scripts", "--no-audit", "--no-fund", *NPM, cwd=app)
    told = run(program("npm"), "ls", "--all", "--parseable", "--long", cwd=app).stdout.splitlines()
    # Where it is, its name and its version, each once: the first is the application itself.
    expected = set()
    for line in told[1:]:
        path, _, spec = line.partition(":")
        name, _, version = spec.partition(":")[0].rpartition("@")
        expected.add((name, version, f"{Path(path).relative_to(root)}/package.json"))
    assert len(expected) > 50
    scanned = Scanned(wharf, "languages/npm")
    described = scanned.push(image_of(tree_layer(root)))
    packages = scanned.packages("npm")
    listed = {(each["name"], each["version"], path) for each in packages for path in each["paths"]}
    assert listed - {("app", "1.0.0", "srv/app/package.json")} == expected
    assert not any(each["isDeclared"] for each in packages)
    assert findings(described) == [
        ("GHSA-p6mc-m468-83gw", "lodash", "4.17.15"),
        ("GHSA-vh95-rmgr-6w4m", "minimist", "1.2.0"),
    ]


def poms(jar):
    """What the files that Maven puts into an archive say that it is: group, artifact and version."""
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            if re.fullmatch(r"META-INF/maven/[^/]+/[^/]+/pom\.properties", name):
                lines = archive.read(name).decode().splitlines()
                fields = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
                yield f"{fields['groupId']}:{fields['artifactId']}", fields["version"]


def test_java(wharf, tmp_path):
    """Debian's archives, with the links by which each has several names."""
    root = tmp_path / "root"
    for package in JAVA:
        shutil.copytree(debian_files(package), root, symlinks=True, dirs_exist_ok=True)
    jars = [path for path in root.rglob("*.jar") if not path.is_symlink()]
    expected = {(name, version, str(jar.relative_to(root))) for jar in jars for name, version in poms(jar)}
    assert len(expected) > 10 and len(jars) > len({path for *_, path in expected})
    scanned = Scanned(wharf, "languages/java")
    described = scanned.push(image_of(tree_layer(root)))
    listed = set()
    for each in scanned.packages("maven"):
        listed |= {(each["name"], each["version"], re.sub(r"\.jar/META-INF.*", ".jar", path)) for path in each["paths"]}
    of_maven = {path for *_, path in expected}
    assert {each for each in listed if each[2] in of_maven} == expected
    # One that has no such files is known by its manifest or its name.
    others = {path for *_, path in listed} - of_maven
    assert others <= {str(jar.relative_to(root)) for jar in jars}, others
    ((_, _, version),) = findings(described)
    assert version.startswith("1.4.20")


@pytest.fixture(scope="module")
def go_programs(tmp_path_factory):
    """Programs of Go by what they are called: Debian's own, which are built without modules, and some with them."""
    folder = tmp_path_factory.mktemp("go")
    run(program("npm"), "install", "--ignore-scripts", "--no-audit", "--no-fund", "--force", *GO, cwd=folder)
    programs = {
        name.rpartition("@")[0]: folder / "node_modules" / name.rpartition("@")[0] / path for name, path in GO.items()
    }
    return programs | {name: Path("/usr/bin") / name for name in ("skopeo", "containerd")}


def go_version(path):
    """The modules that `go version -m` tells of a program, with their versions, and the toolchain."""
    tool, environment = go_tool()
    first, *lines = run(tool, "version", "-m", path, environment=environment).stdout.splitlines()
    modules = []
    for line in lines:
        kind, *fields = line.strip().split("\t")
        if kind == "=>":
            modules[-1] = tuple(fields[:2])
        elif kind in ("mod", "dep"):
            modules.append(tuple(fields[:2]))
    toolchain = first.rpartition(": go")[2]
    return sorted(
        [("stdlib", toolchain), *((name, "" if version == "(devel)" else version) for name, version in modules)]
    )


@pytest.mark.parametrize("name", ["@esbuild/linux-x64", "lefthook-linux-x64", "skopeo", "containerd"])
def test_go_program_alone(wharf, go_programs, tmp_path, name):
    """An image of nothing but one program, as `FROM scratch` makes it."""
    path = go_programs[name]
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy2(path, root / "program")
    expected = go_version(path)
    scanned = Scanned(wharf, f"languages/go/{name.strip('@')}")
    described = scanned.push(image_of(tree_layer(root)))
    assert sorted((each["name"], each["version"]) for each in scanned.packages("go")) == expected
    old = {version for package, version in expected if package == "stdlib"} <= {"1.19.4", "1.19.8"}
    assert [found[:2] for found in findings(described)] == ([("GO-2023-1840", "stdlib")] if old else [])
