"""Who is limited: text, a number, or a tuple of them such as ``("ip", "192.0.2.7")``."""

import json
from typing import TypeAlias
from uuid import UUID

from django_redis_patterns.core.keys import personal

Part: TypeAlias = str | int | UUID
Identity: TypeAlias = Part | tuple[Part, ...]


def tag(identity: Identity) -> str:
    """Return 22 characters that name *identity*, and no other, without telling it.

    ``7`` and ``"7"`` are one identity, ``("a", "b")`` and ``"ab"`` are two. Raises TypeError for anything that is no
    identity, such as None: it would be one for everybody.
    """
    parts = identity if isinstance(identity, tuple) else (identity,)
    for part in parts:
        if isinstance(part, bool) or not isinstance(part, str | int | UUID):
            raise TypeError(f"{part!r} is no identity: give text, a number, a UUID, or a tuple of them.")
    if not parts:
        raise TypeError("() is no identity: give text, a number, a UUID, or a tuple of them.")
    return personal(json.dumps([str(part) for part in parts]))
