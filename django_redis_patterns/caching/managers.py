"""A manager whose writes invalidate, also those of which Django tells nobody."""

from collections.abc import Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models, router
from django.db.models.signals import class_prepared

from .following import changed, follow
from .invalidation import names_of

M = TypeVar("M", bound=models.Model)


class InvalidatingQuerySet(models.QuerySet[M]):
    """``update`` and the bulk methods invalidate what depends on the model, when they commit."""

    def update(self, **kwargs: Any) -> int:
        """Update, and invalidate what depends on any row of the model."""
        self._for_write = True
        rows = super().update(**kwargs)
        if rows:
            changed(self.model, self.db, *names_of(self.model))
        return rows

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        """Create, and invalidate what depends on any row of the model."""
        self._for_write = True
        created = super().bulk_create(objs, *args, **kwargs)
        if created:
            changed(self.model, self.db, *names_of(self.model))
        return created


if TYPE_CHECKING:
    _Manager = models.Manager
else:
    _Manager = models.Manager.from_queryset(InvalidatingQuerySet, "_Manager")


class InvalidatingManager(_Manager[M]):
    """``objects = InvalidatingManager()``: every write through it invalidates what depends on its model.

    Without it ``objects.update()``, ``bulk_create()`` and ``bulk_update()`` need an ``invalidate(Model)`` after them.
    ``save()``, ``delete()`` and changes of relations are followed for each model in a ``depends_on``, whatever its
    manager. SQL is not.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Related managers are classes that Django makes of this one."""
        super().__init_subclass__(**kwargs)
        if cls.__qualname__.startswith(("create_reverse_many_to_one_manager", "create_generic_related_manager")):
            cls.add = _invalidating_add(cls.add)  # type: ignore[attr-defined]


def _invalidating_add(add: Any) -> Any:
    """Follow what ``author.books.add(book)`` updates through the model's base manager; so with generic relations."""

    @wraps(add)
    def added(self: Any, *objs: Any, bulk: bool = True) -> None:
        add(self, *objs, bulk=bulk)
        if objs:
            using = router.db_for_write(self.model, instance=self.instance)
            changed(self.model, using, *names_of(self.model))

    return added


def _prepared(sender: type[models.Model], **_: Any) -> None:
    if any(isinstance(manager, InvalidatingManager) for manager in sender._meta.managers):
        follow(sender)


class_prepared.connect(_prepared, dispatch_uid="redis_patterns.caching.managers")
