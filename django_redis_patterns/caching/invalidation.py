"""Say that something has changed: by the arguments of a call, by tags, by models and their rows.

The sync faces wait for the commit of the transaction they are in (all of one commit in one trip, nothing on rollback),
on whatever database, and where several are open for each of them. Outside of one, with ``now=True``, and in the async
twins they act at once.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django.db.models import Model

from django_redis_patterns.conf import settings
from django_redis_patterns.core.commit import after_commit_together, open_databases
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import RedisUnavailable

from . import leases, near, owed
from .place import Place, Tag, Target


async def _forget(io: IO, *targets: Target) -> None:
    """Remove values and invalidate tags now, in one trip (per alias). Whatever is on its way for them is refused.

    Raises `RedisUnavailable`; then it is tried again behind the caller's back.
    """
    places = [target for target in targets if isinstance(target, Place)]
    tags = sorted({target for target in targets if isinstance(target, Tag)}, key=lambda tag: tag.connection)
    groups = [
        (alias, group)
        for alias, mine in groupby(tags, key=lambda tag: tag.connection)
        for group in leases.grouped(alias, list(mine))
    ]
    try:
        await io.gather(
            *(leases.drop(io.on(place.connection), place) for place in places),
            *(leases.drop_tags(io.on(alias), group) for alias, group in groups),
        )
        owed.paid(targets)
    except RedisUnavailable:
        owed.owe(targets, forget)
        raise
    finally:
        near.drop(targets)


forget, aforget = both(_forget)


def invalidate(what: Any, *, now: bool = False, using: str | None = None) -> None:
    """Invalidate what depends on a row (a saved model instance), or on a whole model.

    What depends on the whole model depends on each of its rows. *using* is the only database whose commit is waited
    for; ``now`` does not wait. Guarantee: what was computed from data of before is never served once this, or
    the commit, has returned. Raises TypeError, and outside of a transaction `RedisUnavailable`.
    """
    send(*_tags(names_of(what)), now=now, using=using)


async def ainvalidate(what: Any) -> None:
    """Do the same at once. Raises `RedisUnavailable`."""
    await aforget(*_tags(names_of(what)))


def invalidate_tags(*tags: str, now: bool = False, using: str | None = None) -> None:
    """Invalidate everything that was stored under any of *tags*, however much it is: one command.

    Otherwise as `invalidate`.
    """
    send(*_tags(tags), now=now, using=using)


async def ainvalidate_tags(*tags: str) -> None:
    """Do the same at once. Raises `RedisUnavailable`."""
    await aforget(*_tags(tags))


def send(*targets: Target, now: bool = False, using: str | None = None) -> None:
    """Forget *targets* when each open transaction (or that on *using*) commits; at once if there is none, or *now*."""
    awaited = [] if now else [alias for alias in open_databases() if using in (None, alias)]
    for alias in awaited:
        after_commit_together(alias, forget, *targets)
    if not awaited:
        forget(*targets)


def names_of(what: Any) -> list[str]:
    """Return the tags that are invalidated with a row: its own and its model's; or with any rows of a model.

    A model's tag is "app.model", a row's "app.model:pk"; what depends on a row also has "app.model:*", for changes of
    many rows. Rows of parents and children are one row.
    """
    model = what if isinstance(what, type) else type(what)
    if not issubclass(model, Model) and isinstance(what, Model):  # behind a lazy object
        model = what.__class__
    if not issubclass(model, Model):
        raise TypeError(f"Models and saved instances are invalidated, not {what!r}. For tags: invalidate_tags().")
    names = labels(model)
    if isinstance(what, type):
        return [*names, *(f"{name}:*" for name in names)]
    if what.pk is None:
        raise TypeError(f"{what!r} is not saved: nothing depends on it. A model: invalidate({model.__name__}).")
    return [*names, *(f"{name}:{what.pk}" for name in names)]


def labels(model: type[Model]) -> list[str]:
    """Return the names of all models that have a part in *model*'s rows: its parents, its children, their proxies."""
    parts = tables(model)
    children = [one for one in descendants(parts[0]) if not one._meta.abstract]
    proxies = [one for part in parts for one in descendants(part) if one._meta.concrete_model is part]
    return list(dict.fromkeys(one._meta.label_lower for one in (*parts, *children, *proxies)))


def tables(model: type[Model]) -> list[type[Model]]:
    """Return the concrete models whose tables hold a part of *model*'s rows, its own first."""
    concrete = model._meta.concrete_model or model
    return [concrete, *(parent for parent in concrete._meta.all_parents if not parent._meta.proxy)]


def descendants(model: type[Model]) -> list[type[Model]]:
    """Return all subclasses of *model*."""
    direct = model.__subclasses__()
    return [*direct, *(grandchild for child in direct for grandchild in descendants(child))]


def _tags(names: Iterable[str]) -> list[Tag]:
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"A tag is a text, not {name!r}. Models and rows: invalidate().")
    return [Tag(settings().caching.connection, name) for name in names]
