"""``manage.py redis worker``: run the tasks of ``TASKS``."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_redis_patterns.core.worker import options
from django_redis_patterns.core.worker.run import run

HELP = "Run tasks, until it is told to stop. A killed one's run again at once."


def add_arguments(parser: CommandParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--queues",
        default="",
        metavar="NAME[:N],...",
        help="Queues to work at, each with a number of threads of its own if you like; all of TASKS.",
    )
    parser.add_argument(
        "--threads", type=options.at_least_one, default=8, help="How many tasks of a queue a process runs at once; 8."
    )
    options.add_arguments(parser)


def handle(command: BaseCommand, *, queues: str, threads: int, **given: Any) -> int:
    """Work; returns the exit code."""
    try:
        from django_redis_patterns.queues.tasks.workload import workload
    except ImportError as error:
        raise CommandError("Django 5.2 needs django-tasks: pip install django-redis-patterns[tasks].") from error
    try:
        work = workload([name.strip() for name in queues.split(",") if name.strip()], threads)
    except ValueError as error:
        raise CommandError(str(error)) from error
    return run(work, options.options_from(given), command.stdout.write)
