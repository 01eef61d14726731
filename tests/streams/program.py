"""``python -m tests.streams.program redis consume``: a site that consumes one stream."""

import json
import os
import sys
import time

import django
from django.conf import settings
from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    settings.REDIS_PATTERNS["CONNECTIONS"]["default"] = json.loads(os.environ["TEST_REDIS_CONNECTION"])
    settings.REDIS_PATTERNS["STREAMS"] = {"LEASE": 1}
    django.setup()

    from django_redis_patterns.streams import Event, Stream

    @Stream("works").consumer(group="ordered", start="beginning", ordered_by="key")
    def write_down(event: Event) -> None:
        time.sleep(0.02)
        with open(os.environ["DIARY"], "a") as diary:
            diary.write(f"{event.id} {event.data['key']} {os.getpid()}\n")

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
