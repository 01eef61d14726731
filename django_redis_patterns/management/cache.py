"""``manage.py redis cache``: what caching saves, and how to say that something has changed."""

import json
from dataclasses import asdict
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_redis_patterns.caching.invalidation import forget, names_of
from django_redis_patterns.caching.place import Tag
from django_redis_patterns.caching.tally import Stats, all_stats
from django_redis_patterns.conf import settings

HELP = "Show what the cached functions of the site did, or invalidate by tags, models and rows."


def add_arguments(parser: CommandParser) -> None:
    """Declare the actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    stats = actions.add_parser("stats", help="What happened to the calls of each function, in the whole fleet.")
    stats.add_argument("--json", action="store_true")
    stats.add_argument("--connection", metavar="ALIAS", help="Another one than the CACHING of REDIS_PATTERNS is on.")
    invalidate = actions.add_parser("invalidate", help="Make everything useless that has one of the tags.")
    invalidate.add_argument("tags", nargs="*", metavar="TAG")
    invalidate.add_argument(
        "--model", action="append", default=[], metavar="APP.MODEL[:PK]", help="What depends on a model, or on a row."
    )


def handle(command: BaseCommand, *, action: str, **options: Any) -> int:
    """Run the action; returns the exit code."""
    if action == "stats":
        _show(command, all_stats(options["connection"]), is_json=options["json"])
    else:
        _invalidate(command, [*options["tags"], *(name for one in options["model"] for name in _names(one))])
    return 0


def _show(command: BaseCommand, found: dict[str, Stats], *, is_json: bool) -> None:
    if is_json:
        command.stdout.write(json.dumps({name: asdict(stats) for name, stats in found.items()}))
        return
    for name, stats in found.items():
        command.stdout.write(name)
        told = ", ".join(f"{number} {what}" for what, number in asdict(stats).items() if number)
        command.stdout.write(f"    {_served(stats):.1%} served without a call: {told}")
    if not found:
        command.stdout.write("No cached function has been called, or none has told yet.")


def _served(stats: Stats) -> float:
    spared = stats.hits + stats.near + stats.waits
    return spared / (spared + stats.calls) if spared + stats.calls else 0.0


def _invalidate(command: BaseCommand, names: list[str]) -> None:
    if not names:
        raise CommandError("Name at least one tag, or --model app.Model.")
    forget(*(Tag(settings().caching.connection, name) for name in names))
    command.stdout.write(f"Invalidated: {', '.join(names)}")


def _names(said: str) -> list[str]:
    label, _, pk = said.partition(":")
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError) as error:
        raise CommandError(f"--model {label}: {error} Write app.Model, such as auth.User.") from error
    return names_of(model(pk=pk) if pk else model)
