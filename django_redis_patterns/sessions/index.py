"""The index of one user's sessions: a sorted set in a slot of its own, so it moves beside the session, not with it.

A writer tells the index before the session appears and again after it; a reader that finds an entry without a
session condemns it to be trimmed in a minute, looks a second time, and lists it again if the session has appeared
meanwhile. So in every interleaving a session that lives is found, and an entry that outlives its session goes.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from django.conf import settings as django_settings
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.utils.module_loading import import_string
from redis.exceptions import ResponseError

from django_redis_patterns.conf import settings
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.signals import session_ended

from .fields import Serializer, decode, encode
from .handle import Handle, index_key
from .header import AGENT, HEADER, IP, SEEN, Header

INDEX = Script("index.lua")
END = Script("end.lua")
CONDEMN = Script("condemn.lua")
USER_FIELD = "._auth_user_id"  # as the scripts know it
GRACE_MS = 60_000
MOST_PASSES = 20


class SessionInfo(NamedTuple):
    """One session of a user. ``id`` names it for `logout` and is no cookie; times are aware, in UTC."""

    id: str
    created: datetime
    last_seen: datetime
    ip: str
    agent: str
    current: bool


async def index(io: IO, user_id: str, handle: Handle, until: int) -> Any:
    """List *handle* under the user until that second."""
    return await io.run(INDEX, keys=[index_key(user_id)], args=[until * 1000, str(handle)])


async def unindex(io: IO, user_id: str, handle: Handle) -> Any:
    """Take *handle* off the user's list."""
    return await io.redis.zrem(index_key(user_id), str(handle))


async def end(io: IO, user_id: str, handle: Handle) -> tuple[bool, str]:
    """End the session of a user, then take it off the list. Returns whether it was there, and the user."""
    gone, _ = await io.gather(_unlink(io, handle), unindex(io, user_id, handle))
    return bool(gone), user_id


async def end_unread(io: IO, handle: Handle) -> tuple[bool, str | None]:
    """Do the same for a session that nobody has read: whose it is, is asked in the same trip."""
    stored, gone = await io.gather(_user_of(io, handle), _unlink(io, handle))
    user_id = _stored_id(stored)
    if user_id:
        await unindex(io, user_id, handle)
    return bool(gone), user_id


async def _for_user(io: IO, user: AbstractBaseUser, *, current: SessionBase | None = None) -> list[SessionInfo]:
    """Return the living sessions of *user*, the latest seen first; ``current`` marks the one of this request.

    Two trips. Raises `RedisUnavailable`.
    """
    io, user_id = io.on(settings().sessions.connection), _id_of(user)
    handles = await _listed(io, user_id)
    rows = await io.gather(*(_meta(io, handle) for handle in handles))
    here = Handle.of(current.session_key) if current is not None else None
    found = [_info(handle, row, handle == here) for handle, row in zip(handles, rows, strict=True) if row[0]]
    await _drop(io, user_id, [handle for handle, row in zip(handles, rows, strict=True) if not row[0]])
    return sorted((info for info in found if info), key=lambda info: (not info.current, -info.last_seen.timestamp()))


async def _logout(io: IO, user: AbstractBaseUser, id: str) -> bool:
    """End one session of *user*. Returns False, and does nothing, when *id* is not a session of this user."""
    io, handle = io.on(settings().sessions.connection), Handle.parse(id)
    return handle is not None and bool(await _end(io, _id_of(user), [handle]))


async def _logout_everywhere(io: IO, user: AbstractBaseUser, *, keep: SessionBase | None = None) -> int:
    """End every session of *user* but *keep*; returns how many.

    A session that gets a new id meanwhile is ended too: it looks again until the list stays the same and nothing
    on it lives.
    """
    io, user_id = io.on(settings().sessions.connection), _id_of(user)
    kept = Handle.of(keep.session_key) if keep is not None else None
    ended, before = 0, None
    for _ in range(MOST_PASSES):
        handles = [handle for handle in await _listed(io, user_id) if handle != kept]
        gone = await _end(io, user_id, handles)
        ended += gone
        if not gone and handles == before:
            break
        before = handles
    return ended


for_user, afor_user = both(_for_user)
logout, alogout = both(_logout)
logout_everywhere, alogout_everywhere = both(_logout_everywhere)


def _id_of(user: AbstractBaseUser) -> str:
    return str(user._meta.pk.value_to_string(user))


async def _listed(io: IO, user_id: str) -> list[Handle]:
    members = cast("list[bytes]", await io.redis.zrange(index_key(user_id), 0, -1))
    return [handle for handle in map(Handle.parse, members) if handle]


async def _meta(io: IO, handle: Handle) -> list[bytes | None]:
    names: list[Any] = [HEADER, SEEN, IP, AGENT]
    return cast("list[bytes | None]", await io.redis.hmget(handle.key, names))


def _info(handle: Handle, row: list[bytes | None], current: bool) -> SessionInfo | None:
    header = Header.parse(row[0])
    if header is None:
        return None
    created = datetime.fromtimestamp(header.created, UTC)
    last_seen = datetime.fromtimestamp(int(row[1]), UTC) if row[1] else created
    ip, agent = ((text or b"").decode("utf-8", "replace") for text in row[2:])
    return SessionInfo(str(handle), created, last_seen, ip, agent, current)


async def _drop(io: IO, user_id: str, missing: list[Handle]) -> None:
    """Condemn entries without a session; one that has appeared meanwhile is listed again for as long as it lives.

    They are not removed at once: a session that is just getting a new id must stay findable for `logout_everywhere`.
    """
    if not missing:
        return
    await io.run(CONDEMN, keys=[index_key(user_id)], args=[GRACE_MS, *map(str, missing)])
    rows = await io.gather(*(_meta(io, handle) for handle in missing))
    for handle, row in zip(missing, rows, strict=True):
        if header := Header.parse(row[0]):
            await index(io, user_id, handle, header.indexed_until)


async def _end(io: IO, user_id: str, handles: list[Handle]) -> int:
    """End those of *handles* that are sessions of the user; the script checks whose they are."""
    stored = _stored_user(user_id)
    replies = await io.gather(*(io.run(END, keys=[handle.key], args=[stored]) for handle in handles))
    gone = [handle for handle, reply in zip(handles, replies, strict=True) if reply]
    if gone:
        await io.redis.zrem(index_key(user_id), *map(str, gone))
    for handle in gone:
        await announce_end(io, SessionInfo, user_id, handle)
    return len(gone)


async def announce_end(io: IO, sender: type, user_id: str, handle: Handle) -> None:
    """Send `session_ended`."""
    if session_ended.has_listeners():
        told = {"user_id": user_id, "id": str(handle), "digest": handle.hashed}
        await io.call(session_ended.send_robust, sender=sender, **told)


async def _unlink(io: IO, handle: Handle) -> Any:
    return await io.redis.unlink(handle.key)


async def _user_of(io: IO, handle: Handle) -> Any:
    try:
        return await io.redis.hget(handle.key, USER_FIELD)
    except ResponseError:  # no hash: somebody else's key, and nobody's session
        return None


def _stored_user(user_id: str) -> bytes:
    return encode(user_id, _serializer())


def _stored_id(stored: bytes | None) -> str | None:
    try:
        return str(decode(stored, _serializer())) if stored else None
    except Exception:  # whatever a serializer raises: a session that cannot be read is nobody's
        return None


def _serializer() -> Serializer:
    serializer: type[Serializer] = import_string(django_settings.SESSION_SERIALIZER)
    return serializer()
