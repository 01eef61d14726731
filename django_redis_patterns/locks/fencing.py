"""Writes that a lost lock cannot make: a row takes them only from a fence that is not older than its own."""

from typing import Any

from django.db import router, transaction

from django_redis_patterns.exceptions import StaleFence


def save(obj: Any, fence: int, **options: Any) -> None:
    """Save *obj* by *fence*, with all that its ``save`` does. Raises `StaleFence`, and TypeError without the field.

    The row is taken by its fence first and written in the same transaction, so the database itself decides between
    two writers.
    """
    if not any(field.name == "fence" for field in obj._meta.concrete_fields):
        raise TypeError(
            f"{obj._meta.label} has no field 'fence': derive it from django_redis_patterns.locks.models.FencedModel."
        )
    using = options.pop("using", None) or router.db_for_write(type(obj), instance=obj)
    before, obj.fence = obj.fence, fence
    try:
        _write(obj, fence, using, options)
    except BaseException:
        obj.fence = before
        raise


def _write(obj: Any, fence: int, using: str, options: dict[str, Any]) -> None:
    owner = obj._meta.get_field("fence").model  # through a child's table Django would select first, and update then
    row = owner._base_manager.using(using).filter(pk=getattr(obj, owner._meta.pk.attname))
    with transaction.atomic(using=using):
        is_ours = row.filter(fence__lte=fence).update(fence=fence)
        if not is_ours and (not obj._state.adding or row.exists()):
            raise StaleFence(obj, fence)
        obj.save(using=using, **options)
