"""Writes that a lost lock cannot make: a row takes them only from a fence that is not older than its own."""

from typing import Any

from django.db import router, transaction
from django.db.models import QuerySet

from django_redis_patterns.exceptions import StaleFence


def save(obj: Any, fence: int, **options: Any) -> None:
    """Save *obj* by *fence*, with all that its ``save`` does. Raises `StaleFence`, and TypeError without the field.

    The row is claimed first and written in the same transaction, so the database itself decides between two writers.
    """
    using = options.pop("using", None) or _database(obj)
    row = _row(obj, using)
    before, obj.fence = obj.fence, fence
    try:
        with transaction.atomic(using=using):
            if not _claim(row, fence) and (not obj._state.adding or row.exists()):
                raise StaleFence(obj, fence)
            obj.save(using=using, **options)
    except BaseException:
        obj.fence = before
        raise


def refresh(obj: Any, fence: int) -> None:
    """Claim the row of *obj* by *fence*, then read it: no older fence writes after what is read now. Raises as `save`.

    A write of somebody who has lost the lock may still arrive until the row is claimed, and would be lost with the
    next write of who had read before.
    """
    using = _database(obj)
    with transaction.atomic(using=using):
        if not _claim(_row(obj, using), fence):
            raise StaleFence(obj, fence)
        obj.refresh_from_db(using=using)


def _database(obj: Any) -> str:
    return str(router.db_for_write(type(obj), instance=obj))


def _row(obj: Any, using: str) -> QuerySet[Any]:
    fields = {field.name: field for field in obj._meta.concrete_fields}
    if "fence" not in fields:
        hint = "derive it from django_redis_patterns.locks.models.FencedModel"
        raise TypeError(f"{obj._meta.label} has no field 'fence': {hint}.")
    owner = fields["fence"].model  # through a child's table Django would select first, and update then
    row: QuerySet[Any] = owner._base_manager.using(using).filter(pk=getattr(obj, owner._meta.pk.attname))
    return row


def _claim(row: QuerySet[Any], fence: int) -> bool:
    return bool(row.filter(fence__lte=fence).update(fence=fence))
