"""What the doctor has to say: findings, their levels, and the whole report."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from redis.exceptions import NoPermissionError

from django_redis_patterns.core.connections.errors import DRIVER_ERRORS
from django_redis_patterns.exceptions import without_secrets


class Level(StrEnum):
    """How bad it is. Only an error makes the command fail."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One line. ``values``: the same for a program."""

    topic: str
    level: Level
    text: str
    cure: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"topic": self.topic, "level": self.level.value, "text": self.text, "cure": self.cure} | {
            "values": dict(self.values)
        }


def _finding(level: Level, topic: str, text: str, cure: str = "", **values: Any) -> Finding:
    return Finding(topic, level, without_secrets(text), without_secrets(cure), values)


ok = partial(_finding, Level.OK)
unknown = partial(_finding, Level.UNKNOWN)
warning = partial(_finding, Level.WARNING)
error = partial(_finding, Level.ERROR)


@dataclass
class Patient:
    """One connection: its findings, and what else was learnt about it. ``nodes`` is empty when nobody answered."""

    alias: str
    place: str = ""
    findings: list[Finding] = field(default_factory=list)
    nodes: list[Any] = field(default_factory=list)

    def told(self, topic: str, name: str) -> set[Any]:
        """Return the values *name* of all findings about *topic*: one of each server that told it."""
        return {f.values[name] for f in self.findings if f.topic == topic and name in f.values}


@dataclass
class Room:
    """One room on one connection. ``acl``: the line that gives a user what the room needs."""

    name: str
    alias: str
    findings: list[Finding] = field(default_factory=list)
    acl: str = ""


@dataclass
class Report:
    """All of it."""

    patients: list[Patient]
    rooms: list[Room]

    def count(self, level: Level) -> int:
        """Return how many findings are of *level*."""
        return sum(finding.level is level for finding in self._findings())

    @property
    def code(self) -> int:
        """The exit code: 1 when something is wrong, 0 when all is well or there are but warnings."""
        return int(self.count(Level.ERROR) > 0)

    def document(self) -> dict[str, Any]:
        """Return it for JSON. Names stay; new ones may come."""
        return {
            "errors": self.count(Level.ERROR),
            "warnings": self.count(Level.WARNING),
            "unknown": self.count(Level.UNKNOWN),
            "connections": [
                {"alias": p.alias, "place": p.place, "findings": [f.document() for f in p.findings]}
                for p in self.patients
            ],
            "rooms": [
                {"room": r.name, "connection": r.alias, "acl": r.acl, "findings": [f.document() for f in r.findings]}
                for r in self.rooms
            ],
        }

    def _findings(self) -> Iterator[Finding]:
        for patient in self.patients:
            yield from patient.findings
        for room in self.rooms:
            yield from room.findings


def examined(topic: str, exam: Callable[..., Iterable[Finding]], *args: Any) -> list[Finding]:
    """Return what *exam* finds; what Redis refuses to tell, or never heard of, is not known and no failure."""
    try:
        return list(exam(*args))
    except KeyError as missing:
        return [unknown(topic, f"not known: INFO does not tell {missing.args[0]}")]
    except DRIVER_ERRORS as refusal:
        return [unknown(topic, f"not known: {reason(refusal)}")]


def reason(refusal: Exception) -> str:
    """Return why Redis did not tell, in one line."""
    text = " ".join(str(refusal).split())
    return f"NOPERM ({text})" if isinstance(refusal, NoPermissionError) else text
