"""Topics: what can be listened to, and by whom. Whatever no class declares is refused.

class OrderTopic(Topic):
    pattern = "orders.{pk:int}"

    async def can_subscribe(self, user, pk):
        return await Order.objects.filter(pk=pk, owner=user).aexists()
"""

from typing import Any, ClassVar, Self

from django.db import DEFAULT_DB_ALIAS

from django_redis_patterns.core.keys import LONGEST_PART, digest
from django_redis_patterns.exceptions import InvalidConfiguration, UnknownTopic

from . import envelope
from .patterns import CONVERTERS, Pattern
from .transmit import Message, atransmit, send

LONGEST_NAME = 200
HASHED = "%7E"  # a tilde: no key that begins with one can pass for the hash of another

_declared: dict[str, type["Topic"]] = {}


class Topic:
    """A family of topics. A subclass with a ``pattern`` is declared by being defined; without one it is abstract.

    A pattern is segments between dots; ``{pk:int}`` is the whole of one: ``str`` (the default), ``int``, ``slug`` or
    ``uuid``. Two patterns that match one name raise `InvalidConfiguration`. Classes in an app's ``topics.py`` are
    found.

    ``OrderTopic(pk=7)`` is one topic: ``.name`` is ``"orders.7"``, ``.params`` is ``{"pk": 7}``. Raises TypeError for
    parameters that do not fit.
    """

    pattern: ClassVar[str]
    _pattern: ClassVar[Pattern]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "pattern" in cls.__dict__:
            cls._pattern = Pattern(cls.pattern)
            _declare(cls)
        elif "can_subscribe" in cls.__dict__ and hasattr(cls, "_pattern"):
            raise InvalidConfiguration(
                f"{cls.__qualname__}.can_subscribe would never be asked: {cls.pattern!r} belongs to the class it "
                "inherits from. Give it a pattern of its own, or the other none."
            )

    def __init__(self, **params: Any) -> None:
        if not hasattr(self, "_pattern"):
            raise TypeError(f"{type(self).__name__} has no pattern, so there is no such topic.")
        self.name = self._pattern.name(params)
        self.params = params
        if len(self.name) > LONGEST_NAME:
            raise TypeError(f"The topic {self.name[:40]}... has a name of over {LONGEST_NAME} characters.")

    def can_subscribe(self, user: Any, *args: Any, **params: Any) -> Any:
        """Return whether *user* may listen: a ``def`` or an ``async def`` with the pattern's parameters. Nobody may."""
        return False

    def publish(self, type: str, data: Any = None, *, now: bool = False, using: str = DEFAULT_DB_ALIAS) -> None:
        """Send the event *type* with *data* to everybody who listens, as `broadcast` does."""
        send(self._message(type, data), now=now, using=using)

    async def apublish(self, type: str, data: Any = None) -> None:
        """Do the same at once. Raises `RedisUnavailable`."""
        await atransmit(self._message(type, data))

    def _message(self, type: str, data: Any) -> Message:
        return Message(self.name, envelope.event(self.name, type, data))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def find(name: str) -> tuple[Topic, dict[str, Any]] | None:
    """Return the topic called *name* and its parameters, None when no class declares it."""
    if len(name) > LONGEST_NAME:
        return None
    for cls in _declared.values():
        params = cls._pattern.parse(name)
        if params is not None:
            return cls(**params), params
    return None


def declared(name: str) -> Topic:
    """Return the topic called *name*. Raises `UnknownTopic`, which names the declared patterns."""
    found = find(name)
    if found is None:
        known = ", ".join(sorted(_declared))
        raise UnknownTopic(f"No Topic class declares {name!r:.{LONGEST_NAME}}. Declared: {known}.")
    return found[0]


def _declare(cls: type[Topic]) -> None:
    for other in list(_declared.values()):
        is_namesake = (other.__module__, other.__qualname__) == (cls.__module__, cls.__qualname__)
        is_reloaded = is_namesake and "<locals>" not in cls.__qualname__
        if not is_reloaded and cls._pattern.meets(other._pattern):
            raise InvalidConfiguration(
                f"Topic patterns {cls.pattern!r} ({cls.__module__}.{cls.__qualname__}) and {other.pattern!r} "
                f"({other.__module__}.{other.__qualname__}) match the same names. Change one of them."
            )
        if is_reloaded:
            del _declared[other.pattern]
    _declared[cls.pattern] = cls


class UserTopic(Topic):
    """What concerns one user; only that user may listen. `notify` publishes here."""

    pattern = "user.{pk}"

    @classmethod
    def of(cls, user: Any) -> Self:
        """Return the topic of *user*, an instance or a primary key. Raises ValueError for one without a key.

        A long key is hashed.
        """
        pk = getattr(user, "pk", user)
        if pk is None or pk == "":
            raise ValueError(f"{user!r} has no primary key, so nobody can be notified.")
        text = CONVERTERS["str"].show(pk)
        is_short = len(text) <= LONGEST_PART and not text.startswith(HASHED)
        return cls(pk=pk if is_short else f"~{digest(str(pk))}")

    def can_subscribe(self, user: Any, pk: str) -> bool:
        """Only the user whose key it is."""
        return bool(user.is_authenticated) and self.of(user).name == self.name
