"""``manage.py redis queues``: how queues are, and what is dead in them."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_redis_patterns.core.operations import batch
from django_redis_patterns.queues import Letter, Queue, Stats
from django_redis_patterns.queues.directory import all_queues, dead_ids, find

HELP = "List and show queues; retry and discard dead letters; pause, resume and purge."
#: Dead letters that one call takes care of.
AT_ONCE = 1000


def add_arguments(parser: CommandParser) -> None:
    """Declare the actions."""
    parser.add_argument("--connection", metavar="ALIAS", help="Another one than the queue is on.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    actions.add_parser("list", help="Count the jobs of every queue of TASKS, and of others that have some.")
    show = actions.add_parser("show", help="Show what waits, what is dead, and what happened lately.")
    show.add_argument("--count", type=int, default=10)
    retry = actions.add_parser("retry", help="Let dead letters run again, with all their attempts.")
    discard = actions.add_parser("discard", help="Remove dead letters.")
    pause = actions.add_parser("pause", help="Let nothing more be taken.")
    resume = actions.add_parser("resume", help="Let jobs be taken again.")
    purge = actions.add_parser("purge", help="Remove all jobs that wait.")
    for action in (show, retry, discard, pause, resume, purge):
        action.add_argument("queue")
    for action in (retry, discard):
        action.add_argument("id", nargs="*", help="Of a dead letter.")
        action.add_argument("--all", action="store_true", help="All of them.")
    for action in actions.choices.values():
        action.add_argument("--json", action="store_true", help="For programs.")


def handle(command: BaseCommand, *, action: str, **options: Any) -> int:
    """Run one action; returns the exit code."""
    try:
        for line in ACTIONS[action](options):
            command.stdout.write(line)
    except ValueError as error:
        raise CommandError(str(error)) from error
    return 0


def _list(options: dict[str, Any]) -> Iterator[str]:
    queues = all_queues(options["connection"])
    with batch() as together:
        found = [(queue.name, together(queue.stats)) for queue in queues]
    if options["json"]:
        yield json.dumps([{"queue": name, **one.value._asdict()} for name, one in found])
        return
    for name, one in found:
        yield f"{name}  {_summary(one.value)}"
    if not queues:
        yield "No queue has a job."


def _show(options: dict[str, Any]) -> Iterator[str]:
    queue = _queue(options)
    with batch() as together:
        stats, history = together(queue.stats), together(queue.history, 5)
        waiting, dead = together(queue.peek, options["count"]), together(queue.dead, options["count"])
        workers = together(queue.workers)
    if options["json"]:
        lists: dict[str, Any] = {"waiting": waiting.value, "dead": dead.value, "history": history.value}
        told = {name: [_document(row) for row in rows] for name, rows in lists.items()}
        told["workers"] = [_document(one) | {"jobs": list(map(_document, one.jobs))} for one in workers.value]
        yield json.dumps({"queue": queue.name, **stats.value._asdict(), **told}, default=str)
        return
    yield f"{queue.name}  {_summary(stats.value)}"
    for minute in history.value:
        yield f"    {minute.at.astimezone():%H:%M}  {minute.pushed} in, {minute.done} done, {minute.failed} failed"
    for one in workers.value:
        yield f"  works  {one.name}  lease {one.lease:.0f} s"
        yield from (f"    {job.id}  since {job.since.astimezone():%H:%M:%S}  {_short(job.data)}" for job in one.jobs)
    for job in waiting.value:
        yield f"  waits  {job.id}  {job.priority:+}  {_short(job.data)}"
    yield from map(_dead_line, dead.value)


def _retry(options: dict[str, Any]) -> Iterator[str]:
    count = _for_dead(options, Queue.retry)
    yield _told(options, f"{count} run again", retried=count)


def _discard(options: dict[str, Any]) -> Iterator[str]:
    count = _for_dead(options, Queue.discard)
    yield _told(options, f"{count} removed", removed=count)


def _pause(options: dict[str, Any]) -> Iterator[str]:
    _queue(options).pause()
    yield _told(options, f"{options['queue']} is paused: what runs goes on", is_paused=True)


def _resume(options: dict[str, Any]) -> Iterator[str]:
    was_paused = _queue(options).resume()
    line = f"{options['queue']} goes on" if was_paused else f"{options['queue']} was not paused"
    yield _told(options, line, is_paused=False, was_paused=was_paused)


def _purge(options: dict[str, Any]) -> Iterator[str]:
    count = _queue(options).purge()
    yield _told(options, f"{count} removed", removed=count)


ACTIONS: dict[str, Callable[[dict[str, Any]], Iterable[str]]] = {
    "list": _list,
    "show": _show,
    "retry": _retry,
    "discard": _discard,
    "pause": _pause,
    "resume": _resume,
    "purge": _purge,
}


def _told(options: dict[str, Any], line: str, **document: Any) -> str:
    return json.dumps({"queue": options["queue"], **document}) if options["json"] else line


def _for_dead(options: dict[str, Any], act: Callable[..., int]) -> int:
    """Do what is to be done to the dead letters that are named, or to all that there are now."""
    queue, ids = _queue(options), options["id"]
    if bool(ids) == options["all"]:
        raise CommandError(f"Name the ids (manage.py redis queues show {queue.name}), or say --all.")
    ids = ids or dead_ids(queue)  # no later ones: what runs again may be dead again at once
    return sum(act(queue, *ids[start : start + AT_ONCE]) for start in range(0, len(ids), AT_ONCE))


def _queue(options: dict[str, Any]) -> Queue:
    return find(options["queue"], options["connection"])


def _summary(stats: Stats) -> str:
    parts = [f"{stats.waiting} waiting", f"{stats.later} later", f"{stats.running} running", f"{stats.dead} dead"]
    parts += [f"{stats.suspects} to run alone"] if stats.suspects else []
    parts += [f"the next one since {stats.oldest:.0f} s"] if stats.oldest is not None else []
    return ", ".join([*parts, *(["paused"] if stats.is_paused else [])])


def _dead_line(letter: Letter) -> str:
    died = f"{letter.died_at.astimezone():%Y-%m-%d %H:%M:%S}"
    return f"  dead   {letter.id}  {died}  {_short(letter.reason)}  {_short(letter.data)}"


def _document(row: Any) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row._asdict().items()}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:79] + "…"
