"""Metrics of a server, read by Prometheus' own parser."""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families

# What parsers leave off the names of counters.
TOTAL = "_total"


class Scrape:
    """The metrics at one moment."""

    def __init__(self, text):
        self.text = text
        self.families = {}
        for family in text_string_to_metric_families(text):
            name = family.name + TOTAL if family.type == "counter" else family.name
            assert name not in self.families, f"{name} is there twice"
            assert family.documentation and family.type != "unknown", name
            self.families[name] = family

    def value(self, name, **labels):
        """The sum of the samples of that name with these labels."""
        suffixes = ("_bucket", "_sum", "_count", "")
        family = next(name.removesuffix(end) for end in suffixes if name.removesuffix(end) in self.families)
        return sum(
            sample.value
            for sample in self.families[family].samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def labels(self, name, label):
        """The values of a label."""
        return [sample.labels[label] for sample in self.families[name].samples]


def scrape(url, token=None):
    """Reads `/metrics` at the base URL."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/metrics", headers=headers), timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers["Content-Type"]
        return Scrape(answer.read().decode())
