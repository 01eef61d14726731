"""``manage.py redis consume``: run the handlers of streams, until it is told to stop."""

from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_redis_patterns.core.worker import options
from django_redis_patterns.core.worker.run import run
from django_redis_patterns.streams.workload import workload

HELP = "Run the handlers that events.py of the installed apps declares for streams."


def add_arguments(parser: CommandParser) -> None:
    """Declare the options."""
    parser.add_argument("streams", nargs="*", metavar="stream", help="All that have a handler if none is named.")
    parser.add_argument("--group", help="Run the handlers of this group only.")
    options.add_arguments(parser)


def handle(command: BaseCommand, *, streams: Sequence[str], group: str | None, **given: Any) -> int:
    """Consume; returns the exit code."""
    try:
        work = workload(streams, group)
    except ValueError as error:
        raise CommandError(str(error)) from error
    return run(work, options.options_from(given), command.stdout.write)
