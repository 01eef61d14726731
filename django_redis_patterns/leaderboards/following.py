"""Whom a change of rows concerns: the signals of the models that have boards, and the writes that send none.

A receiver only says which members to look at again after the commit. It never raises into the user's request.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property, wraps
from typing import Any, TypeAlias

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import DatabaseError, models, transaction
from django.db.models import signals
from django.db.models.fields.related import lazy_related_operation

from django_redis_patterns.core import trace

from .declared import Declaration, home_of
from .followed import FollowedBoard

logger = logging.getLogger("django_redis_patterns.leaderboards")

Model: TypeAlias = type[models.Model]
Rows: TypeAlias = "models.QuerySet[Any, Any]"


class _Declared:
    """A board that a model declares. It is made when it is first asked for: then all models are loaded."""

    def __init__(self, home: Model, name: str, said: Declaration) -> None:
        self.home, self.name, self.said = home, name, said
        self.owner: Model = home._meta.concrete_model or home

    @cached_property
    def board(self) -> FollowedBoard:
        return FollowedBoard(self.home, self.name, self.said)

    @property
    def target(self) -> Any:
        """The model of the members, or its name as long as it is not loaded; None for rows and plain columns."""
        try:
            field = self.owner._meta.get_field(self.said.member) if self.said.member else None
        except FieldDoesNotExist:  # the check tells it
            return None
        return field.remote_field.model if field is not None and field.remote_field else None


_declared: dict[str, _Declared] = {}


def declare(home: Model, name: str, said: Declaration) -> None:
    """Follow the rows of the board that *home* declares, from now on."""
    declared = _declared[f"{home._meta.label_lower}.{name}"] = _Declared(home, name, said)
    for model in {*declared.owner._meta.all_parents, *_with_subclasses(declared.owner)}:
        _connect_rows(model)
    if declared.target is not None:
        lazy_related_operation(_connect_members, declared.owner, declared.target)


def prepared(model: Model) -> None:
    """Follow a new subclass of a model that is followed: Django names the class itself as a signal's sender."""
    if _concerning(model):
        _connect_rows(model)
    if _membership(model):
        _connect_members(model, model)


def board(model: Model, name: str) -> FollowedBoard:
    """Return the board of the manager *name* of *model*. Raises `InvalidConfiguration` as the system check would."""
    return _declared[f"{home_of(model, name)._meta.label_lower}.{name}"].board


def all_boards() -> list[FollowedBoard]:
    """Return the boards of all installed models, by name."""
    installed = {*apps.get_models()}
    return [declared.board for _, declared in sorted(_declared.items()) if declared.home in installed]


def _concerning(model: Model) -> list[_Declared]:
    """Return the boards that rows of *model* are on, or that have parts of them in their rows."""
    concrete = model._meta.concrete_model or model
    return [one for one in _declared.values() if issubclass(model, one.owner) or issubclass(one.owner, concrete)]


def _boards(model: Model) -> list[FollowedBoard]:
    """Return those that can be followed; of the others the check tells, and the log."""
    found: list[FollowedBoard] = []
    for declared in _concerning(model):
        with _unharmed(model):
            found.append(declared.board)
    return found


def _membership(model: Model) -> list[_Declared]:
    targets = [(declared, declared.target) for declared in _declared.values()]
    return [declared for declared, target in targets if isinstance(target, type) and issubclass(model, target)]


def _with_subclasses(model: Model) -> set[Model]:
    return {model}.union(*(_with_subclasses(child) for child in model.__subclasses__()))


def _connect_rows(model: Model) -> None:
    signals.pre_save.connect(_before_save, sender=model)
    signals.post_save.connect(_after_save, sender=model)
    signals.pre_delete.connect(_before_delete, sender=model)


def _connect_members(owner: Model, target: Model) -> None:
    for model in _with_subclasses(target):
        signals.pre_delete.connect(_member_goes, sender=model)


@contextmanager
def _unharmed(model: Model, using: str | None = None) -> Iterator[None]:
    """Keep a fault of ours from the user's request, but for an error that has broken the transaction on *using*.

    Some databases roll such a transaction back at its commit, and say nothing.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DatabaseError) and using and transaction.get_connection(using).in_atomic_block:
            raise
        trace.count("leaderboards.not_followed")
        logger.exception("A board does not follow a change of %s; reconcile() will.", model.__name__)


def _quietly(receiver: Callable[..., None]) -> Callable[..., None]:
    @wraps(receiver)
    def quiet(*, sender: Model, using: str, **kwargs: Any) -> None:
        with _unharmed(sender, using):
            receiver(sender=sender, using=using, **kwargs)

    return quiet


@_quietly
def _before_save(*, sender: Model, instance: models.Model, using: str, update_fields: Any, raw: bool, **_: Any) -> None:
    """Remember whose row this was, if the save may give it to somebody else."""
    instance._state.leaderboards_before = {  # type: ignore[attr-defined]
        board.name: board.whose.before(using, instance)
        for board in _boards(sender)
        if board.whose.may_change(instance, update_fields, raw)
    }


@_quietly
def _after_save(*, sender: Model, instance: models.Model, using: str, update_fields: Any, **_: Any) -> None:
    before = instance._state.__dict__.pop("leaderboards_before", {})
    for board in _boards(sender):
        if board.whose.cares_for(update_fields):
            board.follow(using, {*before.get(board.name, ()), *board.whose.of(using, [instance])})


@_quietly
def _before_delete(*, sender: Model, instance: models.Model, using: str, **_: Any) -> None:
    """Django deletes inside of a transaction, whose commit this waits for; afterwards the row could not be asked."""
    for board in _boards(sender):
        known = board.whose.of(using, [instance])
        board.follow(using, known if board.whose.is_row else known | board.whose.before(using, instance))


@_quietly
def _member_goes(*, sender: Model, instance: models.Model, using: str, **_: Any) -> None:
    """Rows that a database cascade deletes, or that lose their member, send no signal."""
    for declared in _membership(sender):
        declared.board.follow(using, [declared.board.members.text(instance)])


@contextmanager
def updating(rows: Rows, names: Iterable[str]) -> Iterator[None]:
    """Follow an update of the columns *names* of *rows*."""
    model, using = rows.model, rows.db
    if not _concerning(model) or rows.query.is_sliced or rows.query.combinator:  # nobody cares, or Django refuses them
        yield
        return
    before: dict[FollowedBoard, set[str]] = {}
    reassigned: dict[FollowedBoard, list[Any]] = {}
    with transaction.atomic(using, savepoint=False):
        with _unharmed(model, using):
            boards = [board for board in _boards(model) if board.whose.cares_for(names)]
            before = {board: board.whose.touched(rows) for board in boards}
            reassigned = {board: board.whose.keys(rows) for board in boards if board.whose.is_member_among(names)}
        yield
        with _unharmed(model, using):
            for board, members in before.items():
                board.follow(using, members)
            for board, keys in reassigned.items():
                board.follow(using, board.whose.by_key(using, keys))


@contextmanager
def creating(model: Model, objects: list[Any], using: str) -> Iterator[None]:
    """Follow a bulk creation of *objects*."""
    if not _concerning(model):
        yield
        return
    last: dict[FollowedBoard, Any] = {}
    with transaction.atomic(using, savepoint=False):
        with _unharmed(model, using):
            last = {board: board.whose.last_key(using) for board in _boards(model) if board.whose.is_uncertain(objects)}
        yield
        with _unharmed(model, using):
            for board in _boards(model):
                board.follow(using, board.whose.of(using, objects))
            for board, key in last.items():
                board.follow(using, board.whose.since(using, key))
