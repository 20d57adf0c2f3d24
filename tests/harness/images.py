"""Small images made here, byte for byte the same in every run: as an OCI layout, for every client to push."""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

from harness.registry_client import (
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    descriptor,
    digest_of,
    image_manifest,
    index_manifest,
)


def noise(seed, size):
    """Bytes that do not compress, always the same for the same seed."""
    return hashlib.shake_256(seed.encode()).digest(size)


def layer(files):
    """A gzip layer and the digest of what is in it. `files` maps names to contents."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
    plain = packed.getvalue()
    return gzip.compress(plain, compresslevel=1, mtime=0), digest_of(plain)


@dataclass(frozen=True)
class Image:
    """An image for one platform: its blobs and its manifest."""

    config: bytes
    layers: tuple
    architecture: str = "amd64"
    media_type: str = OCI_MANIFEST

    @property
    def manifest(self):
        return image_manifest(self.config, self.layers, self.media_type)

    @property
    def digest(self):
        return digest_of(self.manifest)

    @property
    def blobs(self):
        return [self.config, *self.layers]

    @property
    def descriptor(self):
        platform = {"architecture": self.architecture, "os": "linux"}
        return descriptor(self.media_type, self.manifest, platform=platform)

    @property
    def size(self):
        return sum(map(len, self.blobs))


def image(name, size=100_000, layers=2, architecture="amd64", media_type=OCI_MANIFEST):
    """An image whose name decides its content."""
    made = [layer({f"data/{name}-{number}": noise(f"{name} {number}", size)}) for number in range(layers)]
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Labels": {"name": name}},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in made]},
        "history": [{"created_by": f"layer {number}"} for number in range(layers)],
    }
    return Image(json.dumps(config).encode(), tuple(packed for packed, _ in made), architecture, media_type)


def docker_image(name, **options):
    return image(name, media_type=DOCKER_MANIFEST, **options)


@dataclass(frozen=True)
class Index:
    """An image for several platforms."""

    images: tuple
    media_type: str = OCI_INDEX

    @property
    def manifest(self):
        return index_manifest([child.descriptor for child in self.images], self.media_type)

    @property
    def digest(self):
        return digest_of(self.manifest)

    @property
    def descriptor(self):
        return descriptor(self.media_type, self.manifest)


def index(name, architectures=("amd64", "arm64"), **options):
    return Index(tuple(image(f"{name}-{each}", architecture=each, **options) for each in architectures))


def write_layout(folder, made, tag):
    """Writes an OCI layout with one image or index; returns what skopeo calls it."""
    folder = Path(folder)
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    children = made.images if isinstance(made, Index) else (made,)
    contents = [blob for child in children for blob in [*child.blobs, child.manifest]] + [made.manifest]
    for content in contents:
        (blobs / digest_of(content).partition(":")[2]).write_bytes(content)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    named = {**made.descriptor, "annotations": {"org.opencontainers.image.ref.name": tag}}
    top = {"schemaVersion": 2, "manifests": [named]}
    (folder / "index.json").write_text(json.dumps(top))
    return f"oci:{folder}:{tag}"


def write_directory(folder, made):
    """Writes an image as skopeo's `dir:` layout, which keeps every kind of manifest as it is."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
    (folder / "manifest.json").write_bytes(made.manifest)
    for content in made.blobs:
        (folder / digest_of(content).partition(":")[2]).write_bytes(content)
    return f"dir:{folder}"


def write_archive(path, made, tag):
    """Writes the OCI layout as a tar file, which ctr imports."""
    layout = Path(f"{path}.layout")
    write_layout(layout, made, tag)
    with tarfile.open(path, "w") as archive:
        for name in ("oci-layout", "index.json", "blobs"):
            archive.add(layout / name, arcname=name)
    return path
