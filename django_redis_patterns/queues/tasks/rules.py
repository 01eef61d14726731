"""What a task may say of itself."""

import inspect
import string
from typing import Any

UNTIL = ("started", "finished")


def complaint(task: Any) -> str:
    """Return what is wrong with the options of *task* that Django does not know; nothing, if all is well."""
    most = task.max_attempts
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        return f"max_attempts is a whole number from 1 on, not {most!r}."
    if task.backoff is not None and not callable(task.backoff):
        return f"backoff is called with an exception and a result, which {task.backoff!r} cannot be: exponential(2)?"
    if task.unique_until not in UNTIL:
        return f"unique_until is {' or '.join(map(repr, UNTIL))}, not {task.unique_until!r}."
    return _of_timeout(task) or _of_unique(task)


def _of_timeout(task: Any) -> str:
    try:
        return "" if task.seconds is None or task.seconds > 0 else "timeout is more than 0 seconds."
    except (TypeError, ValueError) as error:
        return str(error)


def _of_unique(task: Any) -> str:
    try:
        named = [name for _, name, *_ in string.Formatter().parse(task.unique or "") if name is not None]
    except (TypeError, ValueError) as error:
        return f"unique={task.unique!r} is no template, such as {{user_id}}: {error}."
    names = {name.partition(".")[0].partition("[")[0] for name in named}
    if unknown := names - set(inspect.signature(task.func).parameters):
        return f"unique={task.unique!r} names no argument of it: {', '.join(map(repr, sorted(unknown)))}."
    return ""
