"""Which test file a process takes next: the longest that is left, by how long each took when that was last recorded.

Of several processes none then begins the longest file when the others have ended. durations.json has the seconds of each file
for each variant of the servers under test: their `--database` and `--store`. `--record-durations` renews those of the variant
that is run, so that `tests/run --record-durations` renews all.
"""

import json
from collections import defaultdict
from pathlib import Path
from statistics import mean

TESTS = Path(__file__).parents[1]
RECORDED = TESTS / "durations.json"


def pytest_addoption(parser):
    parser.addoption(
        "--record-durations",
        action="store_true",
        help="write down how many seconds the tests of each file took, by which later runs begin with the longest",
    )


def pytest_configure(config):
    if config.getoption("--record-durations") and not is_one_of_several(config):
        config.pluginmanager.register(Recorder(variant_of(config)))


def pytest_collection_modifyitems(config, items):
    """Puts the longest files first where several processes take them in this order; alone, they stay as they were asked for."""
    if is_one_of_several(config):
        recorded = seconds_of(json.loads(RECORDED.read_text()), variant_of(config))
        # A new file may take as long as any.
        usual = mean(recorded.values()) if recorded else 0
        items.sort(key=lambda item: -recorded.get(item.path.name, usual))


def variant_of(config):
    """What of the servers under test decides how long tests take: `sqlite`, `postgres-s3` and so on."""
    database, store = config.getoption("--database"), config.getoption("--store")
    return database if store == "files" else f"{database}-{store}"


def seconds_of(recorded, variant):
    """How long each file takes; of a variant that was never recorded, what the first one takes is the best guess."""
    return recorded.get(variant) or next(iter(recorded.values()), {})


def is_one_of_several(config):
    return hasattr(config, "workerinput")


class Recorder:
    """Adds up the seconds of each file, and writes them down in the end."""

    def __init__(self, variant):
        self.variant = variant
        self.seconds = defaultdict(float)

    def pytest_runtest_logreport(self, report):
        self.seconds[Path(report.nodeid.partition("::")[0]).name] += report.duration

    def pytest_sessionfinish(self):
        recorded = json.loads(RECORDED.read_text())
        seconds = recorded.get(self.variant, {}) | {name: round(seconds, 1) for name, seconds in self.seconds.items()}
        there = (name for name in sorted(seconds) if (TESTS / name).exists())
        recorded[self.variant] = {name: seconds[name] for name in there}
        RECORDED.write_text(json.dumps(recorded, indent=2) + "\n")
