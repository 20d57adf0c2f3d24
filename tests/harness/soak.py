"""How often tests try again whose subject is chance: kills, races, faults, random requests.

Every run begins from a fresh seed (`harness.seeds`), so that many short runs try as many moments as a long one.
WHARF_TEST_SOAK=1, which `tests/run --thorough` sets, asks for the long form, as before a release.
"""

import os


def rounds(full, short):
    """How many rounds, requests or seconds: the first number in the long form, the second one else."""
    return full if os.environ.get("WHARF_TEST_SOAK") == "1" else short
