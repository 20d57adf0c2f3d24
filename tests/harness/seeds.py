"""What tests choose at random comes from a seed, fresh in each run; a failing test shows it."""

import os
import random


def fresh_seed():
    """A seed that is printed, or the one that WHARF_TEST_SEED says, to repeat a run."""
    seed = int(os.environ.get("WHARF_TEST_SEED") or random.randrange(1 << 30))
    print(f"WHARF_TEST_SEED={seed}")
    return seed
