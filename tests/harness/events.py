"""Servers with sinks of events: their configuration, their jobs, and changes that make events."""

import json
import uuid

from harness.commands import run
from harness.registry_client import OCI_MANIFEST
from harness.server import binary


def toml(value):
    """A value as TOML; tables are inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def sinks_configuration(webhooks=(), file=None, nats=()):
    lines = []
    for section, tables in (
        ("[[events.webhooks]]", webhooks),
        ("[events.file]", [file] if file else []),
        ("[[events.nats]]", nats),
    ):
        for table in tables:
            lines += [section, *(f"{key} = {toml(value)}" for key, value in table.items())]
    return "\n".join([*lines, ""])


def cli(server, *arguments, expect=0):
    return run(binary(), *arguments, "--data-dir", server.data_dir, expect=expect, environment=server.environment)


def jobs(server, *arguments):
    return json.loads(cli(server, "jobs", "list", *arguments, "--output", "json").stdout)


def make_repository(server, name=None):
    name = name or f"app-{uuid.uuid4().hex[:8]}"
    server.client().create_repository(repositoryName=name)
    return name


def variant(made, number):
    """The manifest of an image with an annotation that makes it another image of the same layers."""
    manifest = json.loads(made.manifest)
    manifest["annotations"] = {"number": str(number)}
    return json.dumps(manifest)


def push_variant(ecr, name, made, number, tag=None):
    tags = {"imageTag": tag} if tag else {}
    answer = ecr.put_image(
        repositoryName=name, imageManifest=variant(made, number), imageManifestMediaType=OCI_MANIFEST, **tags
    )
    return answer["image"]["imageId"]["imageDigest"]
