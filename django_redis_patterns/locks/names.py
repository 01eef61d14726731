"""From what somebody wants to lock to its names."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Model

Lockable = str | Model | Iterable[str | Model]


def names(what: Any) -> tuple[str, ...]:
    """Return the names of *what*, each once and in the order in which everybody takes them.

    *what* is a text, a saved model instance ("app.model:pk"), or several of these. Raises TypeError and ValueError.
    """
    if isinstance(what, str | Model):
        return (_name(what),)
    if callable(what):
        raise TypeError('A lock needs a name: write @lock("name") instead of @lock.')
    if not isinstance(what, Iterable):
        raise TypeError(f"A lock is named by a text, a model instance, or several of them, not by {what!r}.")
    several = tuple(sorted({_name(one) for one in what}))
    if not several:
        raise ValueError("A lock on several names needs at least one.")
    return several


def _name(one: Any) -> str:
    if isinstance(one, Model):
        if one.pk is None:
            raise ValueError(f"{one!r} has no primary key yet: save it before it is locked.")
        concrete = one._meta.concrete_model or type(one)  # a proxy's row is the same row
        return f"{concrete._meta.label_lower}:{one.pk}"
    if not isinstance(one, str):
        raise TypeError(f"A lock is named by a text or a model instance, not by {one!r}.")
    if not one:
        raise ValueError("A lock's name is not empty.")
    return str.__str__(one)  # a member of an enum of texts is its text
