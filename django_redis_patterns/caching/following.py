"""Models that results depend on: their changes become invalidations, at the commit."""

import logging
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import CASCADE, DO_NOTHING, PROTECT, RESTRICT, Model, signals
from django.db.models.fields.related import lazy_related_operation
from django.db.models.signals import class_prepared

from django_redis_patterns.conf import settings
from django_redis_patterns.core import trace
from django_redis_patterns.core.commit import after_commit_together, is_manual
from django_redis_patterns.exceptions import RedisPatternsError

from .invalidation import descendants, forget, labels, names_of, tables
from .place import Tag

logger = logging.getLogger("django_redis_patterns.caching")

_UID = "redis_patterns.caching"
#: What a deletion does to rows that refer to what is deleted, when Django tells of it, or nothing happens to them.
_TOLD = (CASCADE, PROTECT, RESTRICT, DO_NOTHING)

_followed: set[type[Model]] = set()


def depend(models: Iterable[type[Model] | str]) -> list[str]:
    """Follow *models* from now on, and return the tags that their changes invalidate.

    "shop.Book" may be loaded later; "shop.Book:{book_id}" is one row of it.
    """
    several = [models] if isinstance(models, str | type) or not isinstance(models, Iterable) else list(models)
    return [tag for model in several for tag in _tags(model)]


def _tags(model: Any) -> list[str]:
    if isinstance(model, type) and issubclass(model, Model) and not model._meta.abstract:
        follow(model)
        return [(model._meta.concrete_model or model)._meta.label_lower]
    label, _, row = model.lower().partition(":") if isinstance(model, str) else ("", "", "")
    if label.count(".") != 1:
        raise TypeError(f'depends_on takes models, as classes, "app.Model" or "app.Model:{{pk}}", not {model!r}.')
    apps.lazy_model_operation(follow, tuple(label.split(".")))
    return [f"{label}:{model.partition(':')[2]}", f"{label}:*"] if row else [label]


def follow(model: type[Model]) -> None:
    """Invalidate at each change of a row of *model*, also through its parents, children and proxies."""
    for one in tables(model):
        if one not in _followed:
            _followed.add(one)
            _connect(one)


def changed(model: type[Model], using: str, *names: str) -> None:
    """Invalidate *names* when the transaction on *using* commits; a fault of ours does not harm the change."""
    targets = [Tag(settings().caching.connection, name) for name in names]
    try:
        if is_manual(transaction.get_connection(using)):  # nobody will tell of its commit
            forget(*targets)
        else:
            after_commit_together(using, forget, *targets)
    except RedisPatternsError as error:
        trace.count("caching.not_invalidated")
        logger.error("A change of %s did not invalidate what depends on it: %s", model.__name__, error)


def is_followed(model: type[Model]) -> bool:
    """Return whether something depends on rows of *model*."""
    return not _followed.isdisjoint(tables(model))


def _connect(model: type[Model]) -> None:
    """By sender, so that Django may still delete the rows of other models without looking at them."""
    for one in [model, *descendants(model)]:
        for before in (signals.pre_save, signals.pre_delete):
            before.connect(_row_changes, sender=one, dispatch_uid=_UID)
        for after in (signals.post_save, signals.post_delete):
            after.connect(_row_changed, sender=one, dispatch_uid=_UID)
    for field in model._meta.local_fields:
        relation: Any = field.remote_field
        if relation is not None and relation.on_delete not in _TOLD:
            lazy_related_operation(_lose, model, relation.model)


def _row_changes(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    """From now on the transaction does not store what it reads: also when a receiver of somebody's asks before ours."""
    if transaction.get_connection(using).in_atomic_block:
        changed(sender, using, *(labels(sender) if instance.pk is None else names_of(instance)))


def _row_changed(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    changed(sender, using, *names_of(instance))


def _lose(model: type[Model], other: type[Model]) -> None:
    """When rows of *other* are deleted, Django (SET_NULL and the like) or the database changes those of *model*, and
    tells nobody.
    """

    def lost(sender: type[Model], using: str, **_: Any) -> None:
        changed(model, using, *names_of(model))

    for one in [other, *descendants(other)]:
        signals.post_delete.connect(lost, sender=one, weak=False, dispatch_uid=f"{_UID} {model._meta.label}")


def _relation_changed(sender: Any, instance: Model, action: str, model: type[Model], using: str, **_: Any) -> None:
    """Rows that were related, or are not any more, are on both sides."""
    if action.startswith("post_") or transaction.get_connection(using).in_atomic_block:
        for one in (instance, model):
            if is_followed(one if isinstance(one, type) else type(one)):
                changed(model, using, *names_of(one))


def _prepared(sender: type[Model], **_: Any) -> None:
    """Follow a child or a proxy that is made later: Django names the class itself as a signal's sender."""
    if not sender._meta.abstract and is_followed(sender):
        _connect(sender)


signals.m2m_changed.connect(_relation_changed, dispatch_uid=_UID)
class_prepared.connect(_prepared, dispatch_uid=_UID)
