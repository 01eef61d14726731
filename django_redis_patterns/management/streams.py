"""``manage.py redis streams``: what is in the logs, how far the groups are, and what they have given up."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.dateparse import parse_datetime

from django_redis_patterns.core.operations import batch
from django_redis_patterns.streams import Entry, Lag, Stream
from django_redis_patterns.streams.ids import Moment
from django_redis_patterns.streams.registry import streams

HELP = "List streams, show how far their groups are, follow, replay, redrive and trim them."
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"([0-9]+)([smhdw])\Z", re.ASCII)
_WHEN = 'An id, a time such as "2026-11-01 12:00", or how long ago: 90s, 15m, 2h, 7d, 4w.'


def add_arguments(parser: CommandParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    listing = actions.add_parser("list", help="Each stream of the site, its length and its groups.")
    lag = actions.add_parser("lag", help="How far the groups of a stream are behind, and their consumers.")
    tail = actions.add_parser("tail", help="Show the newest events, and those that come.")
    pending = actions.add_parser("pending", help="What a group was given and has not acknowledged.")
    replay = actions.add_parser("replay", help="Give a group its events again.")
    redrive = actions.add_parser("redrive", help="Run the dead letters of a group again.")
    trim = actions.add_parser("trim", help="Drop what is old and acknowledged by all groups.")
    for action in (lag, tail, pending, replay, redrive, trim):
        action.add_argument("stream")
    lag.add_argument("group", nargs="?", help="All groups if none is named.")
    for action in (pending, replay, redrive):
        action.add_argument("group")
    tail.add_argument("--count", type=int, default=10, help="How many of the newest to begin with; 10.")
    tail.add_argument("--once", action="store_true", help="Do not wait for more.")
    pending.add_argument("--count", type=int, default=100, help="How many of the oldest to show; 100.")
    replay.add_argument("--since", required=True, help=_WHEN)
    redrive.add_argument("letters", nargs="*", help="Their ids; all of them if none is named.")
    redrive.add_argument("--show", action="store_true", help="Only show them, with their reasons.")
    trim.add_argument("--older-than", metavar="AGE", help="How old, such as 7d; if not said, its retention.")
    for action in (listing, lag, tail, pending, redrive):
        action.add_argument("--json", action="store_true")
    for action in (lag, tail, pending, replay, redrive, trim):
        action.add_argument("--connection", metavar="ALIAS", help="Where a stream is that events.py does not declare.")


def handle(command: BaseCommand, *, action: str, **options: Any) -> int:
    """Run one action; returns the exit code."""
    try:
        ACTIONS[action](command, options)
    except ValueError as error:
        raise CommandError(str(error)) from error
    return 0


def _list(command: BaseCommand, options: dict[str, Any]) -> None:
    told: list[dict[str, Any]] = []
    for stream in streams():
        with batch() as together:
            length, groups = together(stream.count), together(stream.groups)
        told.append({"stream": stream.name, "length": length.value, "groups": _lags(stream, groups.value)})
    if not told and not options["json"]:
        command.stdout.write("No stream is declared: events.py of an installed app is where they are looked for.")
    for row in told if not options["json"] else ():
        command.stdout.write(f"{row['length']:>9}  {row['stream']}")
        _write(command, [f"{'':>9}  {_line(lag)}" for lag in row["groups"]])
    if options["json"]:
        document = [{**row, "groups": [asdict(lag) for lag in row["groups"]]} for row in told]
        _write(command, [_json(document)])


def _lag(command: BaseCommand, options: dict[str, Any]) -> None:
    stream = _stream(options)
    found = _lags(stream, [options["group"]] if options["group"] else stream.groups())
    if options["json"]:
        _write(command, [_json([asdict(lag) for lag in found])])
        return
    for lag in found:
        _write(command, [_line(lag)])
        for one in lag.consumers:
            lease = f"lease {one.lease:.0f} s" if one.lease else "dead"
            _write(command, [f"    {one.name}  {one.pending} in hand, oldest {one.oldest:.0f} s, {lease}"])


def _tail(command: BaseCommand, options: dict[str, Any]) -> None:
    stream = _stream(options)
    newest = list(stream.read(reverse=True)[: options["count"]])[::-1]
    show = _json if options["json"] else _event
    _write(command, map(show, newest))
    if options["once"]:
        return
    try:
        for entry in stream.tail(after=newest[-1].id if newest else None):
            _write(command, [show(entry)])
    except KeyboardInterrupt:
        pass


def _pending(command: BaseCommand, options: dict[str, Any]) -> None:
    rows = _stream(options).pending(options["group"], options["count"])
    if options["json"]:
        _write(command, [_json([asdict(row) for row in rows])])
        return
    for row in rows:
        where = row.consumer or (f"due {_clock(row.due)}" if row.due else "waits for its turn")
        _write(command, [f"{row.id}  delivered {row.deliveries} times, {row.idle:.0f} s ago  {where}"])


def _replay(command: BaseCommand, options: dict[str, Any]) -> None:
    _stream(options).replay(options["group"], _moment(options["since"]))
    _write(command, [f"{options['stream']}/{options['group']} goes on from {options['since']}."])


def _redrive(command: BaseCommand, options: dict[str, Any]) -> None:
    dead = _stream(options).dead(options["group"])
    if options["show"]:
        letters = [{**letter._asdict(), "at": letter.at} for letter in dead]
        lines = (f"{one['id']}  {one['attempts']} attempts  {one['reason']}  {one['data']}" for one in letters)
        _write(command, [_json(letters)] if options["json"] else lines)
        return
    redriven = dead.redrive(*options["letters"])
    _write(command, [_json({"redriven": redriven}) if options["json"] else f"{redriven} run again."])


def _trim(command: BaseCommand, options: dict[str, Any]) -> None:
    age = options["older_than"] and _age(options["older_than"])
    _write(command, [f"{_stream(options).trim(age)} dropped."])


ACTIONS: dict[str, Callable[[BaseCommand, dict[str, Any]], None]] = {
    "list": _list,
    "lag": _lag,
    "tail": _tail,
    "pending": _pending,
    "replay": _replay,
    "redrive": _redrive,
    "trim": _trim,
}


def _stream(options: dict[str, Any]) -> Stream:
    declared = {stream.name: stream for stream in streams()}
    name, connection = options["stream"], options["connection"]
    return declared[name] if name in declared and connection is None else Stream(name, connection=connection)


def _lags(stream: Stream, groups: Iterable[str]) -> list[Lag]:
    with batch() as together:
        found = [together(stream.lag, group) for group in groups]
    return [lag.value for lag in found]


def _line(lag: Lag) -> str:
    behind = f"{lag.events} behind" + (f" ({lag.seconds:.0f} s)" if lag.events else "")
    parts = [behind, f"{lag.pending} pending"]
    parts += [f"{number} {what}" for number, what in ((lag.waiting, "waiting"), (lag.dead, "dead")) if number]
    parts += [f"{lag.dropped} dropped unread"] if lag.dropped else []
    return f"{lag.group}: {', '.join(parts)}"


def _event(entry: Entry) -> str:
    return f"{_clock(entry.at)}  {entry.id}  {json.dumps(entry.data, ensure_ascii=False)}"


def _moment(text: str) -> Moment:
    if _AGO.match(text):
        return _age(text)
    return parse_datetime(text) or text


def _age(text: str) -> timedelta:
    found = _AGO.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no age: write 90s, 15m, 2h, 7d or 4w.")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _json(value: Any) -> str:
    document = {"id": value.id, "at": value.at, "data": value.data} if isinstance(value, Entry) else value
    return json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False)


def _write(command: BaseCommand, lines: Iterable[str]) -> None:
    for line in lines:
        command.stdout.write(line)
