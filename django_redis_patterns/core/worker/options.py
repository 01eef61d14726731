"""What one may ask of the runtime, on the command line of each program that uses it."""

import argparse
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.core.management.base import CommandParser


@dataclass(frozen=True)
class Options:
    """``grace``: seconds that running handlers get when the program is asked to stop.

    A child that has run ``max_jobs`` or fills ``max_rss`` MB of memory finishes what it has begun; another follows it.
    """

    processes: int = 1
    grace: float = 25.0
    max_jobs: int | None = None
    max_rss: int | None = None
    reload: bool = False
    verbosity: int = 1
    child: int | None = None  # The file descriptor of its lifeline makes a process a child,
    watched: int | None = None  # or the supervisor under a reloader.


def add_arguments(parser: CommandParser) -> None:
    """Declare them."""
    parser.add_argument("--processes", type=at_least_one, default=Options.processes, help="How many run handlers.")
    parser.add_argument(
        "--grace", type=_seconds, default=Options.grace, help="Seconds that running handlers get at the end; 25."
    )
    parser.add_argument("--max-jobs", type=at_least_one, help="Replace a process when it has run about so many.")
    parser.add_argument(
        "--max-rss", type=at_least_one, metavar="MB", help="Replace a process that fills so much memory."
    )
    parser.add_argument("--reload", action="store_true", help="Start anew when code changes: for development.")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--watched", type=int, help=argparse.SUPPRESS)


def options_from(given: dict[str, Any]) -> Options:
    """Return what the command line said."""
    return Options(**{name: given[name] for name in Options.__dataclass_fields__})


def at_least_one(text: str) -> int:
    """Return the number that *text* is; argparse says what is wrong with another."""
    if not text.isdecimal() or (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return number


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (number := float(text)) < float("inf"):
            return number
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
