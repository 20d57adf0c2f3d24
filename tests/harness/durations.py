"""Which test file a process takes next: the longest that is left, by how long each took when that was last recorded.

Of several processes none then begins the longest file when the others have ended. `--record-durations` renews durations.json,
which has the seconds of each file for each `--database`.
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
        config.pluginmanager.register(Recorder(config.getoption("--database")))


def pytest_collection_modifyitems(config, items):
    """Puts the longest files first where several processes take them in this order; alone, they stay as they were asked for."""
    if is_one_of_several(config):
        recorded = json.loads(RECORDED.read_text())[config.getoption("--database")]
        # A new file may take as long as any.
        usual = mean(recorded.values()) if recorded else 0
        items.sort(key=lambda item: -recorded.get(item.path.name, usual))


def is_one_of_several(config):
    return hasattr(config, "workerinput")


class Recorder:
    """Adds up the seconds of each file, and writes them down in the end."""

    def __init__(self, database):
        self.database = database
        self.seconds = defaultdict(float)

    def pytest_runtest_logreport(self, report):
        self.seconds[Path(report.nodeid.partition("::")[0]).name] += report.duration

    def pytest_sessionfinish(self):
        recorded = json.loads(RECORDED.read_text())
        seconds = recorded[self.database] | {name: round(seconds, 1) for name, seconds in self.seconds.items()}
        there = (name for name in sorted(seconds) if (TESTS / name).exists())
        recorded[self.database] = {name: seconds[name] for name in there}
        RECORDED.write_text(json.dumps(recorded, indent=2) + "\n")
