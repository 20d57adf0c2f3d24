"""Images of Alpine made here, of few bytes: a system, and packages as apk notes them."""

import functools
import json

from harness.images import Image, layer, noise

# Of little weight, and long to read.
LARGE = {"data/zeros": bytes(200_000_000)}


@functools.cache
def system(release, is_large=False):
    """A layer that says which Alpine it is."""
    words = {"ID": "alpine", "VERSION_ID": f"{release}.1", "PRETTY_NAME": f'"Alpine Linux v{release}"'}
    told = "".join(f"{key}={word}\n" for key, word in words.items())
    return layer({"etc/os-release": told.encode(), **(LARGE if is_large else {})})


def installed(packages):
    """A layer with apk's database: `{name: version}`."""
    stanzas = [f"P:{name}\nV:{version}\nA:x86_64\n" for name, version in sorted(packages.items())]
    return layer({"lib/apk/db/installed": "\n".join(stanzas).encode()})


def data(name, size):
    """A layer with nothing of interest in it."""
    return layer({f"data/{name}": noise(name, size)})


@functools.cache
def large():
    """A layer of the same kind that takes so long to be read that whoever reads it can be met."""
    return layer(LARGE)


def alpine(name, packages, release="3.22", between=(), below=None):
    """An image with these packages. `between` are layers that lie under apk's database; `below` is the lowest one, in place of
    that which says which Alpine it is."""
    made = [below or system(release), *between, installed(packages)]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"name": name}},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in made]},
    }
    return Image(json.dumps(config).encode(), tuple(packed for packed, _ in made))
