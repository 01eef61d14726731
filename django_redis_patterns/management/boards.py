"""``manage.py redis boards``: the boards that models declare."""

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from django_redis_patterns.core.operations import batch
from django_redis_patterns.leaderboards.followed import FollowedBoard
from django_redis_patterns.leaderboards.following import all_boards

HELP = "List, show, rebuild and reconcile the leaderboards of models."
WIDTH = 30


def add_arguments(parser: CommandParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    listing = actions.add_parser("list", help="Name every board and count its members.")
    show = actions.add_parser("show", help="Show the best of a board.")
    rebuild = actions.add_parser("rebuild", help="Make boards anew from the database; readers notice nothing.")
    reconcile = actions.add_parser("reconcile", help="Compare boards with the database; exit code 1 if they differ.")
    show.add_argument("board", help="app.model.manager; a part of it that only one board has will do.")
    show.add_argument("--window", help="hour, day, week, month or all.")
    show.add_argument("--count", type=int, default=10)
    for action in (rebuild, reconcile):
        action.add_argument("board", nargs="*", help="Boards; all of them if none is named.")
        action.add_argument("--database", help="The database to read; the one that is written to if none is named.")
        action.add_argument("--progress", action="store_true", help="Show a bar although this is no terminal.")
    reconcile.add_argument("--fix", action="store_true", help="Mend what differs.")
    for action in (listing, show, reconcile):
        action.add_argument("--json", action="store_true")


def handle(command: BaseCommand, *, action: str, **options: Any) -> int:
    """Run one action; returns the exit code."""
    return ACTIONS[action](command, options)


def _list(command: BaseCommand, options: dict[str, Any]) -> int:
    boards = all_boards()
    with batch() as together:
        counts = [[together(board.window(name).count) for name in board.windows] for board in boards]
    told: list[dict[str, Any]] = [
        {"board": board.name, "members": {name: n.value for name, n in zip(board.windows, numbers, strict=True)}}
        for board, numbers in zip(boards, counts, strict=True)
    ]
    _tell(command, options, told, (f"{_counted(row['members'])}  {row['board']}" for row in told))
    return 0


def _show(command: BaseCommand, options: dict[str, Any]) -> int:
    board = _find(options["board"])
    try:
        entries = board.window(options["window"] or board.shown).top(options["count"])
    except ValueError as error:
        raise CommandError(str(error)) from error
    told = [
        {"rank": e.rank, "score": e.score, "member": board.members.text(e.obj), "name": str(e.obj)} for e in entries
    ]
    _tell(command, options, told, (f"{e.rank:>6}  {e.score:>12}  {e.obj}" for e in entries))
    return 0


def _rebuild(command: BaseCommand, options: dict[str, Any]) -> int:
    for board in _found(options["board"]):
        members = _manager(board, options).rebuild(_bar(board, options))
        command.stdout.write(f"{board.name}: {members} members")
    return 0


def _reconcile(command: BaseCommand, options: dict[str, Any]) -> int:
    told = []
    for board in _found(options["board"]):
        drift = _manager(board, options).reconcile(options["fix"], _bar(board, options))
        told.append({"board": board.name, **drift._asdict()})
    lines = (f"{row['board']}: {row['missing']} missing, {row['wrong']} wrong, {row['ghost']} ghost" for row in told)
    _tell(command, options, told, lines)
    has_drift = any(row["missing"] or row["wrong"] or row["ghost"] for row in told)
    return 1 if has_drift and not options["fix"] else 0


ACTIONS: dict[str, Callable[[BaseCommand, dict[str, Any]], int]] = {
    "list": _list,
    "show": _show,
    "rebuild": _rebuild,
    "reconcile": _reconcile,
}


def _tell(command: BaseCommand, options: dict[str, Any], told: Any, lines: Iterable[str]) -> None:
    for line in [json.dumps(told)] if options["json"] else lines:
        command.stdout.write(line)


def _counted(members: dict[str, int]) -> str:
    return "  ".join(f"{window} {count:>7}" for window, count in members.items())


def _found(names: list[str]) -> list[FollowedBoard]:
    return [_find(name) for name in names] or all_boards()


def _find(name: str) -> FollowedBoard:
    boards = all_boards()
    found = [board for board in boards if board.name == name] or [board for board in boards if name in board.name]
    if len(found) != 1:
        known = ", ".join(board.name for board in found or boards) or "none"
        raise CommandError(f"{len(found)} boards are meant by {name!r}. There are: {known}.")
    return found[0]


def _manager(board: FollowedBoard, options: dict[str, Any]) -> Any:
    if options["database"] not in {None, *connections}:
        raise CommandError(f"There is no database {options['database']!r}. There are: {', '.join(connections)}.")
    return board.truth.manager.db_manager(options["database"])


def _bar(board: FollowedBoard, options: dict[str, Any]) -> "Bar | None":
    return Bar(board.name, sys.stderr) if options["progress"] or sys.stderr.isatty() else None


class Bar:
    """A line that grows: called with how much is done, and of how much."""

    def __init__(self, label: str, stream: TextIO) -> None:
        self.label, self.stream = label, stream

    def __call__(self, done: int, total: int) -> None:
        full = WIDTH * done // max(total, 1)
        end = "\n" if done >= total else ""
        self.stream.write(f"\r{self.label} {'█' * full}{'░' * (WIDTH - full)} {done}/{total}{end}")
        self.stream.flush()
