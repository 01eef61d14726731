"""``python -m tests.queues.tortured redis worker``: a worker of `plays`."""

import json
import os
import sys

import django
from django.conf import settings
from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    settings.REDIS_PATTERNS["CONNECTIONS"]["default"] = json.loads(os.environ["TEST_REDIS_CONNECTION"])
    settings.REDIS_PATTERNS["QUEUES"] = {"LEASE": float(os.environ["LEASE"])}
    django.setup()

    from . import plays  # noqa: F401  # declares them

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
