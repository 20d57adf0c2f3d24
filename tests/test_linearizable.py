"""The search for an order, on histories whose answer is known."""

import math
import random

import pytest

from harness.linearizable import ABSENT, Operation, is_linearizable
from harness.seeds import fresh_seed


def op(kind, called, returned, value=ABSENT, succeeded=True):
    return Operation(kind, called, returned, value, succeeded)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], True),
        ([op("write", 0, 1, "a"), op("read", 2, 3, "a")], True),
        ([op("write", 0, 1, "a"), op("read", 2, 3, ABSENT)], False),
        # Overlapping: either is right, but not first the new and then the old.
        ([op("write", 0, 9, "a"), op("read", 1, 2, ABSENT), op("read", 3, 4, "a")], True),
        ([op("write", 0, 9, "a"), op("read", 1, 2, "a"), op("read", 3, 4, ABSENT)], False),
        # A write that nobody knows of may take place at any time after it was called, or never.
        ([op("write", 0, math.inf, "a"), op("read", 5, 6, ABSENT), op("read", 7, 8, "a")], True),
        ([op("write", 0, math.inf, "a"), op("read", 5, 6, "a"), op("read", 7, 8, ABSENT)], False),
        ([op("write", 4, math.inf, "a"), op("read", 1, 2, "a")], False),
        # Two creations of different values cannot both succeed; one must.
        ([op("create", 0, 9, "a"), op("create", 1, 8, "b", False)], True),
        ([op("create", 0, 9, "a"), op("create", 1, 8, "b")], False),
        ([op("create", 0, 9, "a", False), op("create", 1, 8, "b", False)], False),
        ([op("create", 0, 1, "a"), op("create", 2, 3, "a")], True),
        ([op("write", 0, 1, "a"), op("remove", 2, 3), op("read", 4, 5, ABSENT)], True),
        ([op("write", 0, 1, "a"), op("remove", 2, 3, succeeded=False)], False),
        ([op("write", 0, 1, "a"), op("remove", 2, 9), op("remove", 3, 8, succeeded=False)], True),
        ([op("write", 0, 1, "a"), op("remove", 2, 9), op("remove", 3, 8)], False),
    ],
)
def test_known(history, expected):
    assert is_linearizable(history) is expected
    assert is_linearizable(list(reversed(history))) is expected, "the order in a list means nothing"


def test_a_real_register_passes_and_a_lost_write_does_not():
    """Histories of a register that is right; then one write in each is said to have been another."""
    first = fresh_seed()
    for seed in range(first, first + 30):
        chance = random.Random(seed)
        state, now, history = ABSENT, 0.0, []
        for number in range(60):
            now += chance.random()
            kind = chance.choice(["read", "write", "remove"])
            succeeded = kind != "remove" or state is not ABSENT
            value = f"v{number}" if kind == "write" else state if kind == "read" else ABSENT
            # What each takes around the moment at which it takes place, so that they overlap.
            history.append(op(kind, now - 2 * chance.random(), now + 2 * chance.random(), value, succeeded))
            state = {"write": value, "remove": ABSENT}.get(kind, state)
        assert is_linearizable(history), seed
        last = max(operation.returned for operation in history)
        assert not is_linearizable([*history, op("read", last + 1, last + 2, "never written")]), seed
