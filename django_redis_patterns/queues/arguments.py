"""What one may say to a queue, and what is said of what one may not, before anything is sent."""

from collections.abc import Sequence
from typing import Any

from .ids import new_id
from .keys import LONGEST_NAME
from .records import whole

#: Most ids of one call, and jobs of one take or look.
MOST = 1000


def checked_name(name: Any) -> str:
    """Return the name of a queue."""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise ValueError(f"A queue's name is a text of 1 to {LONGEST_NAME} characters, not {name!r}.")
    return name


def checked_attempts(most: Any) -> int | None:
    """Return how often a job may fail; None where nobody says it."""
    if most is not None and whole(most, "max_attempts") < 1:
        raise ValueError(f"max_attempts is 1 or more, not {most}.")
    return None if most is None else int(most)


def checked_backoff(backoff: Any) -> Any:
    """Return what chooses the seconds until the next attempt; None where nobody says it."""
    if backoff is not None and not callable(backoff):
        raise TypeError(f"backoff is called with an error and a number, which {backoff!r} cannot be: exponential(2)?")
    return backoff


def checked_id(id: Any) -> str:
    """Return the id of a job that is to be pushed, a new one for None."""
    if id is None:
        return new_id()
    if not isinstance(id, str) or not 0 < len(id) <= 64 or not (id.isascii() and id.isprintable()):
        raise ValueError(f"A job's id is a text of 1 to 64 ASCII characters, not {id!r}.")
    return id


def checked_ids(ids: Sequence[Any]) -> list[str]:
    """Return the ids of one call."""
    if len(ids) > MOST:
        raise ValueError(f"At most {MOST} ids a call, not {len(ids)}.")
    for id in ids:
        if not isinstance(id, str):
            raise TypeError(f"Ids are texts, each an argument of its own, not {id!r}.")
    return list(ids)


def checked_count(count: Any) -> int:
    """Return how many jobs to take, or to look at."""
    if not 1 <= whole(count, "count") <= MOST:
        raise ValueError(f"count is from 1 to {MOST}, not {count}.")
    return int(count)


def checked_items(items: Any) -> Any:
    """Return what is to be pushed, each an item of its own."""
    if isinstance(items, str | bytes | dict):
        raise TypeError(f"push_many() takes a list of what to push, not {items!r}: push() takes one.")
    return items
