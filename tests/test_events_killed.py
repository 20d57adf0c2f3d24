"""Events: none of an acknowledged change is lost, however often the server is killed.

A hundred times in the long form (`harness.soak`), and twenty times else.
"""

import json
import threading

from botocore.exceptions import BotoCoreError

from harness import api_push, images
from harness.events import jobs, make_repository, push_variant
from harness.killed import Killer
from harness.server import wait_for
from harness.soak import rounds

KILLS = rounds(100, 20)


class Pusher(threading.Thread):
    """Pushes image after image until the server is gone; `acknowledged` has the digests that were answered."""

    def __init__(self, server, name, made, number, acknowledged):
        super().__init__()
        self.ecr = server.client()
        self.name_of_repository, self.made, self.number = name, made, number
        self.acknowledged = acknowledged
        self.failure = None

    def run(self):
        try:
            for count in range(1_000_000):
                number = f"{self.number}-{count}"
                digest = push_variant(self.ecr, self.name_of_repository, self.made, number)
                self.acknowledged.append(digest)
        except BotoCoreError:
            pass
        except BaseException as failure:
            self.failure = failure


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def push_until_killed(server, name, made, round_number, acknowledged, killer):
    pushers = [Pusher(server, name, made, f"{round_number}-{each}", acknowledged) for each in range(3)]
    count = len(acknowledged)
    for pusher in pushers:
        pusher.start()
    wait_for(lambda: len(acknowledged) > count, "a push")
    killer.kill(server, 0.06)
    for pusher in pushers:
        pusher.join()
        assert pusher.failure is None, pusher.failure


def test_no_event_is_lost_when_the_server_is_killed(serve, receiver, tmp_path):
    killer = Killer()
    # Some answers are no, and some come late, so that kills hit every state of a delivery.
    receiver.answer = lambda event: 500 if killer.chance.random() < 0.1 else 200
    path = tmp_path / "events.jsonl"
    server = serve(webhooks=[{"url": receiver.url, "name": "hook"}], file={"path": str(path)})
    name = make_repository(server)
    made = images.image("events", size=1000)
    api_push.push_image(server.client(), name, made)
    acknowledged = [made.digest]
    while killer.kills < KILLS:
        push_until_killed(server, name, made, killer.kills, acknowledged, killer)
        server.start()
    wait_for(lambda: jobs(server) == [], "an empty queue", 300)

    def pushes(events):
        return [event for event in events if event["detail"].get("action-type") == "PUSH"]

    for sink, events in (("webhook", pushes(receiver.events)), ("file", pushes(lines_of(path)))):
        told = {}
        for event in events:
            told.setdefault(event["id"], event["detail"]["image-digest"])
            assert told[event["id"]] == event["detail"]["image-digest"]
        missing = set(acknowledged) - set(told.values())
        assert not missing, f"{sink}: {len(missing)} of {len(acknowledged)} pushes were not told"
        assert len(set(told.values())) == len(told), f"{sink}: a push has events of several ids"
    stored = server.client().get_paginator("list_images").paginate(repositoryName=name)
    digests = {each["imageDigest"] for page in stored for each in page["imageIds"]}
    # Nothing is told that is not there.
    assert {event["detail"]["image-digest"] for event in pushes(receiver.events)} <= digests


def test_the_file_has_every_push_of_many_at_once(serve, tmp_path):
    path = tmp_path / "log" / "events.jsonl"
    path.parent.mkdir()
    server = serve(file={"path": str(path), "filter": {"detail": {"action-type": ["PUSH"]}}})
    name = make_repository(server)
    made = images.image("events", size=1000)
    api_push.push_image(server.client(), name, made)
    acknowledged = [made.digest]
    wait_for(lambda: len(lines_of(path)) == 1, "the first line")
    assert path.stat().st_mode & 0o777 == 0o600
    push_until_killed(server, name, made, 0, acknowledged, Killer())
    with path.open("a") as file:
        file.write('{"cut off by a cras')
    server.start()
    wait_for(lambda: jobs(server) == [], "an empty queue", 120)
    push_variant(server.client(), name, made, "last")
    wait_for(lambda: jobs(server) == [], "an empty queue")
    told = [event["detail"]["image-digest"] for event in lines_of(path)]
    assert set(acknowledged) <= set(told)
