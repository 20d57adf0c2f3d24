"""The background scrub finds damage by itself, wherever it is, and goes on where it was when its server ended."""

import json

import pytest

from harness.registry_client import new_repository, random_content
from harness.server import wait_for
from harness.storage import execute, fsck, query, wharf_command
from harness.stored import objects, read_object, write_object

pytestmark = pytest.mark.every_store

SLOW = {"WHARF_SCRUB_KIB_PER_SECOND": "16"}
FAST = {"WHARF_SCRUB_KIB_PER_SECOND": "1000000"}
LAYERS = 12
LAYER_BYTES = 40_000


def told(wharf):
    """What is known without a new check."""
    return json.loads(wharf_command(wharf, "fsck", "--last", "--output", "json", expect=None))


def round_of(wharf):
    """Where the scrub is, read past the server, which may be away."""
    rows = query(wharf, "SELECT started_at_ms, finished_at_ms, last_blob_id, objects_read FROM storage_scrubs")
    return [int(value) if value else None for value in rows[0]] if rows else [None] * 4


def wait_for_the_end(wharf):
    wait_for(lambda: round_of(wharf)[1], "the scrub's round to end", 120)


def push_layers(repository):
    """Layers by their digests, in the order in which the scrub reads them."""
    contents = [random_content(LAYER_BYTES) for _ in range(LAYERS)]
    return {repository.push_blob(content): content for content in contents}


def damage(wharf, digest):
    """Flips a bit in a blob's object; the object's name."""
    ((name,),) = query(wharf, f"SELECT object_id FROM blobs WHERE digest = '{digest}'")
    (key,) = [key for key in objects(wharf, "blobs") if key.name == name]
    content = bytearray(read_object(wharf, key))
    content[len(content) // 2] ^= 1
    write_object(wharf, key, bytes(content))
    return name


def begin_a_round(wharf, environment):
    """Lets the server start with a scrub that is due."""
    wharf.stop()
    execute(wharf, "DELETE FROM storage_scrubs")
    run_at(wharf, environment)


def run_at(wharf, environment):
    for server in getattr(wharf, "nodes", [wharf]):
        server.environment |= environment
    wharf.start()


def test_damage_is_found_and_forgotten_once_it_is_mended(fresh_wharf):
    repository = new_repository(fresh_wharf, "scrub")
    layers = push_layers(repository)
    damaged = list(layers)[5]
    name = damage(fresh_wharf, damaged)
    begin_a_round(fresh_wharf, FAST)
    wait_for_the_end(fresh_wharf)
    report = told(fresh_wharf)
    assert report["scrub"]["objectsRead"] == LAYERS and report["scrub"]["bytesRead"] == LAYERS * LAYER_BYTES
    (found,) = report["damagedObjects"]
    assert found["object"] == name and found["problem"], found
    assert f"the scrub found blob {damaged} damaged" in fresh_wharf.log_text()
    # The next round takes nothing back that is still so.
    begin_a_round(fresh_wharf, FAST)
    wait_for_the_end(fresh_wharf)
    assert [known["object"] for known in told(fresh_wharf)["damagedObjects"]] == [name]
    # And what is stored anew is whole.
    new_repository(fresh_wharf, "again").push_blob(layers[damaged])
    assert told(fresh_wharf)["damagedObjects"] == []
    begin_a_round(fresh_wharf, FAST)
    wait_for_the_end(fresh_wharf)
    assert query(fresh_wharf, "SELECT object_id FROM damaged_objects") == []
    assert fsck(fresh_wharf)["findings"] == []


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_round_goes_on_after_a_restart(fresh_wharf, end):
    """No blob is read again, and none is left out, whether the server was told to end or was killed."""
    digests = list(push_layers(new_repository(fresh_wharf, "scrub")))
    begin_a_round(fresh_wharf, SLOW)
    wait_for(lambda: (round_of(fresh_wharf)[3] or 0) >= 3, "the scrub to read some blobs", 60)
    getattr(fresh_wharf, end)()
    began_at, ended_at, last, read = round_of(fresh_wharf)
    assert ended_at is None and 3 <= read < LAYERS
    assert [int(row[0]) for row in query(fresh_wharf, "SELECT id FROM blobs ORDER BY id")].index(last) == read - 1
    damage(fresh_wharf, digests[0])
    later = damage(fresh_wharf, digests[-1])
    run_at(fresh_wharf, FAST)
    wait_for_the_end(fresh_wharf)
    assert round_of(fresh_wharf)[0] == began_at and round_of(fresh_wharf)[3] == LAYERS
    assert [known["object"] for known in told(fresh_wharf)["damagedObjects"]] == [later]
    # What was damaged behind its back is found by the round after, and by a check in any case.
    assert fsck(fresh_wharf, expect=1)["check"]["progress"]["found"] == {"DAMAGED_OBJECT": 2}
