"""Who may subscribe to what: the topic's class is asked, and whatever is not a clear yes is a no."""

import logging
from inspect import isawaitable, iscoroutinefunction
from typing import Any

from channels.db import aclose_old_connections, database_sync_to_async

from .topics import find

logger = logging.getLogger("django_redis_patterns.realtime")


async def is_granted(user: Any, topic: str) -> bool:
    """Return what the topic's ``can_subscribe`` says; False for a topic nobody declares and for an error in it."""
    found = find(topic)
    if found is None:
        return False
    declared, params = found
    try:
        answer = await _ask(declared.can_subscribe, user, params)
    except Exception:
        logger.exception("%s.can_subscribe failed: the subscription is denied", type(declared).__name__)
        return False
    if not isinstance(answer, bool):  # a queryset that lacks its .exists() would be a yes
        kinds = type(declared).__name__, type(answer).__name__
        logger.error("%s.can_subscribe answered with a %s, not True or False: the subscription is denied", *kinds)
    return answer is True


async def _ask(can_subscribe: Any, user: Any, params: dict[str, Any]) -> Any:
    """Call a ``def`` in Django's thread, an ``async def`` here; either may use the ORM."""
    if not iscoroutinefunction(can_subscribe):
        answer = await database_sync_to_async(can_subscribe)(user, **params)
        return await answer if isawaitable(answer) else answer
    try:
        return await can_subscribe(user, **params)
    finally:
        await aclose_old_connections()
