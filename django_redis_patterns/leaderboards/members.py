"""Members: their text in Redis, and what comes back for it."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models, router

ROW = "@"


class Members:
    """Text, whole numbers (they come back as text) and model instances (they come back as instances)."""

    def text(self, member: Any) -> str:
        """Return how *member* is stored.

        Raises ValueError for an empty text and for an instance that is not saved, TypeError for another type.
        """
        if isinstance(member, models.Model):
            return self._row(member)
        if isinstance(member, bool) or not isinstance(member, str | int):
            raise TypeError(f"A member is text, a whole number or a model instance, not {member!r}.")
        text = str.__str__(member) if isinstance(member, str) else str(int(member))  # of an enum its value
        if not text:
            raise ValueError("An empty text cannot be a member.")
        text.encode()  # now, rather than among the commands of a batch
        return ROW + text if text.startswith(ROW) else text

    def plain(self, text: str) -> Any:
        """Return the member of a stored *text* that is no row."""
        return text[1:] if text.startswith(ROW * 2) else text

    def is_row(self, text: str) -> bool:
        """Return whether the member of a stored *text* is in the database."""
        return text.startswith(ROW) and not text.startswith(ROW * 2)

    def load(self, texts: Iterable[str]) -> dict[str, Any]:
        """Return the instances of stored *texts*, without those whose row is gone. One query per model."""
        by_model: dict[type[models.Model], dict[str, Any]] = defaultdict(dict)
        found: dict[str, Any] = {}
        for text in texts:
            try:
                model, pk = self.parse(text)
                by_model[model][text] = pk
            except (LookupError, ValueError, ValidationError):  # of a model that this site does not have
                found[text] = text
        for model, pks in by_model.items():
            instances = rows_by_pk(model, pks.values())
            found |= {text: instances[pk] for text, pk in pks.items() if pk in instances}
        return found

    def parse(self, text: str) -> tuple[type[models.Model], Any]:
        """Return the model and the primary key of a stored *text*. Raises LookupError, ValueError, ValidationError."""
        label, _, pk = text[1:].partition(":")
        model = apps.get_model(label)
        return model, _pk_of(model).to_python(pk)

    def _row(self, instance: models.Model) -> str:
        if instance.pk is None:
            raise ValueError(f"{instance!r} has no primary key yet: save it first.")
        model: Any = instance._meta.concrete_model
        return f"{ROW}{model._meta.label_lower}:{_pk_of(model).value_to_string(instance)}"


def rows_by_pk(model: type[models.Model], pks: Iterable[Any]) -> dict[Any, Any]:
    """Return instances by primary key, from the database that is written to: a replica may not have them yet."""
    return model._base_manager.using(router.db_for_write(model)).in_bulk(list(pks))


def _pk_of(model: type[models.Model]) -> Any:
    return model._meta.pk
