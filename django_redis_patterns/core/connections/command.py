"""One command, on its way from an operation to the wire."""

from dataclasses import dataclass, field
from typing import Any

from redis.commands import READ_COMMANDS

_HARMLESS = READ_COMMANDS | {"ECHO", "INFO", "PING", "TIME", "XINFO GROUPS"}


@dataclass
class Command:
    """One command for the connection *alias*; ``block`` is how many seconds it may block, ``script`` its name.

    ``idempotent``: running it twice is as good as once.
    """

    alias: str
    args: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)
    block: float = 0
    script: str | None = None
    idempotent: bool = False

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent again when nobody knows if it has run."""
        return self.idempotent or (self.args[0] in _HARMLESS and not self.block)
