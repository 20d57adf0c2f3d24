"""`kill -9` at random moments of what a server does, up to a number of kills."""

import random
import time

from harness.seeds import fresh_seed

# Longer without a change, the work is taken to be done, or to wait for something.
QUIET_SECONDS = 0.5


class Killer:
    """Kills servers at moments that come from a seed, which a failing test shows. `kills` counts them."""

    def __init__(self):
        self.chance = random.Random(fresh_seed())
        self.kills = 0

    def kill(self, server, seconds, progress=None, steps=0):
        """Kills a server at a random moment and leaves it down.

        `progress()` is a value that changes as the server works: the moment is up to `steps` changes of it from now, or
        when it changes no more, and up to `seconds` after that.
        """
        if progress:
            self._wait_for_steps(progress, self.chance.randint(0, steps))
        # The moment is the subject of such a test: any instant between two changes.
        time.sleep(self.chance.uniform(0, seconds))
        server.kill()
        self.kills += 1

    @staticmethod
    def _wait_for_steps(progress, steps):
        seen, changed_at = progress(), time.monotonic()
        while steps > 0 and time.monotonic() < changed_at + QUIET_SECONDS:
            # Looking takes time from the server.
            time.sleep(0.001)
            now = progress()
            if now != seen:
                seen, changed_at, steps = now, time.monotonic(), steps - 1
