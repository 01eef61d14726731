"""``python -m tests.core.worker.program``: the runtime at work on words."""

import json
import os
import sys

import django
from django.conf import settings
from django.core.management.base import CommandParser


def main() -> int:
    settings.REDIS_PATTERNS["CONNECTIONS"]["default"] = json.loads(os.environ["TEST_REDIS_CONNECTION"])
    settings.DATABASES["default"]["NAME"] = os.environ["DIARY"] + ".sqlite3"
    settings.DATABASES["default"].pop("TEST", None)
    django.setup()

    from django_redis_patterns.core.worker.options import add_arguments, options_from
    from django_redis_patterns.core.worker.run import run
    from tests.core.worker.room import Work

    parser = CommandParser()
    parser.add_argument("--lease", type=float)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--verbosity", type=int, default=1)
    add_arguments(parser)
    given = vars(parser.parse_args())
    if extra := os.environ.get("EXTRA_MODULE"):
        __import__(extra)
    work = Work(given["lease"], given["concurrency"])
    return run(work, options_from(given), lambda line: print(line, flush=True))


if __name__ == "__main__":
    sys.exit(main())
