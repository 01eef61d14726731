"""Whose rows are these: the members that a change of rows concerns, as the board names them."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, cast

from django.db import connections, models

from .truth import Rows, Truth

_ABSENT = object()


class Whose:
    """Finds members in instances where it can, else in the database; all rows count, hidden ones too."""

    def __init__(self, truth: Truth, text: Callable[[Any], str]) -> None:
        self.truth = truth
        self.text = text
        self.owner = truth.model
        self.is_row = truth.said.member is None

    def cares_for(self, names: Iterable[str] | None) -> bool:
        """Return whether a change of the columns *names* (None: all) can change the board."""
        return names is None or not self._columns.isdisjoint(names)

    def is_member_among(self, names: Iterable[str]) -> bool:
        """Return whether a change of those columns gives rows to other members."""
        field = self.truth.field
        return not self.is_row and not {field.name, field.attname}.isdisjoint(names)

    def may_change(self, instance: models.Model, update_fields: Iterable[str] | None, raw: bool) -> bool:
        """Return whether saving *instance* may concern another member than the one that it has in memory.

        A row of a fixture (*raw*) may be there already, though it looks new.
        """
        if instance.pk is None or self.is_row:
            return False
        is_new = instance._state.adding and instance._meta.pk.has_default() and not raw
        return not is_new and self.cares_for(update_fields)

    def before(self, using: str, instance: models.Model) -> set[str]:
        """Return the member that the row has now. Locks the row where it can: who gives it away next sees this one."""
        key = self._shared_key(type(instance))
        rows = self._all(using).filter(**{key: getattr(instance, key)})
        connection = connections[using]
        if self._is_plain and connection.in_atomic_block:
            rows = rows.select_for_update(no_key=connection.features.has_select_for_no_key_update)
        return self._texts(rows.values_list(self.truth.path, flat=True))

    def of(self, using: str, instances: Iterable[models.Model]) -> set[str]:
        """Return the members of saved *instances*, from memory as far as it is certain."""
        found: set[str] = set()
        uncertain: dict[str, list[Any]] = {}
        for instance in instances:
            value = self._value(instance)
            if value is _ABSENT:
                uncertain.setdefault(self._shared_key(type(instance)), []).append(instance)
            elif self._is_member(value):
                found.add(self.text(value))
        for key, those in uncertain.items():
            found |= self._by(using, key, [getattr(one, key) for one in those])
        return found

    def touched(self, rows: Rows) -> set[str]:
        """Return the members of *rows*, a queryset of this model or one of its kin."""
        return self._texts(self.truth.members(self._same(rows)))

    def keys(self, rows: Rows) -> list[Any]:
        """Return the primary keys of *rows*."""
        return list(self._same(rows).values_list("pk", flat=True))

    def by_key(self, using: str, keys: list[Any]) -> set[str]:
        """Return the members that the rows with those primary keys have now."""
        return self._by(using, "pk", keys)

    def is_uncertain(self, instances: Iterable[models.Model]) -> bool:
        """Return whether a database that tells no keys, after a bulk creation, leaves some members unknown."""
        return any(one.pk is None and (self.is_row or not self._is_plain) for one in instances)

    def last_key(self, using: str) -> Any:
        """Return the highest primary key."""
        return self._all(using).aggregate(last=models.Max("pk"))["last"]

    def since(self, using: str, key: Any) -> set[str]:
        """Return the members of rows with a higher primary key than *key*."""
        rows = self._all(using)
        return self._texts(self.truth.members(rows if key is None else rows.filter(pk__gt=key)))

    @cached_property
    def _columns(self) -> set[str]:
        said, meta = self.truth.said, cast(Any, self.owner._meta)
        fields = [meta.pk, *(meta.get_field(name) for name in (said.score, said.member, said.at) if name)]
        names = {name for field in fields for name in (field.name, field.attname)} | {"pk"}
        own_rows = type(self.truth.manager).get_queryset is models.Manager.get_queryset
        return names if own_rows else names | {f.attname for f in meta.fields} | {f.name for f in meta.fields}

    @property
    def _is_plain(self) -> bool:
        """The column holds what the board's names are made of."""
        field, target = self.truth.field, self.truth.target
        return self.is_row or target is None or field.target_field == target._meta.pk

    def _value(self, instance: models.Model) -> Any:
        if not self._is_plain or not isinstance(instance, self.owner):
            return _ABSENT
        value = instance.__dict__.get(self.truth.field.attname, _ABSENT)
        return _ABSENT if hasattr(value, "resolve_expression") else value

    def _all(self, using: str) -> Rows:
        return self.owner._base_manager.using(using).order_by()

    def _same(self, rows: Rows) -> Rows:
        key = self._shared_key(rows.model)
        return self._all(rows.db).filter(**{f"{key}__in": rows.order_by().values(key)})

    def _shared_key(self, model: type[models.Model]) -> str:
        """Return the primary key of the upper of the two models: both have it."""
        upper = self.owner if issubclass(model, self.owner) else model
        return str(upper._meta.pk.attname)

    def _by(self, using: str, key: str, values: list[Any], size: int = 500) -> set[str]:
        rows = self._all(using)
        chunks = [values[start : start + size] for start in range(0, len(values), size)]
        return set().union(*(self._texts(self.truth.members(rows.filter(**{f"{key}__in": some}))) for some in chunks))

    def _texts(self, members: Iterable[Any]) -> set[str]:
        return {self.text(member) for member in members if self._is_member(member)}

    def _is_member(self, value: Any) -> bool:
        """Return whether *value* names somebody; an empty text does if it is the key of a row."""
        return value is not None and (value != "" or self.truth.target is not None)
