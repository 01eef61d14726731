"""``python -m tests.streams.tortured redis consume``: three groups of one stream, which write down what they do."""

import json
import os
import sys
import time

import django
from django.conf import settings
from django.core.management import execute_from_command_line

from django_redis_patterns.streams import Event, Stream

#: Attempts that an event gets; one whose data say so fails them all, and every 50th the first.
ATTEMPTS, OFTEN = 3, 50
GROUPS = ("each", "ordered", "batches")

plays = Stream("plays")


def note(what: str, group: str, *events: Event) -> None:
    """Append a line for each event, in one write, which the system does not tear."""
    lines = "".join(f"{what} {group} {event.data['number']}\n" for event in events)
    os.write(diary, lines.encode())


def play(group: str, *events: Event) -> None:
    note("began", group, *events)
    time.sleep(0.05)
    for event in events:
        if event.data["is_poison"] or (event.data["number"] % OFTEN == 0 and event.attempt == 1):
            raise ValueError("as was asked for")
    note("ended", group, *events)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    settings.REDIS_PATTERNS["CONNECTIONS"]["default"] = json.loads(os.environ["TEST_REDIS_CONNECTION"])
    settings.REDIS_PATTERNS["STREAMS"] = {"LEASE": float(os.environ["LEASE"])}
    django.setup()
    options = {"start": "beginning", "max_attempts": ATTEMPTS, "backoff": lambda error, attempt: 0.05, "concurrency": 4}
    plays.consumer(group="each", **options)(lambda event: play("each", event))
    plays.consumer(group="ordered", ordered_by="key", **options)(lambda event: play("ordered", event))
    plays.consumer(group="batches", batch=20, **options)(lambda events: play("batches", *events))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    diary = os.open(os.environ["DIARY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    main()
