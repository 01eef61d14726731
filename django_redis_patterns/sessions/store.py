"""The session store: Django's session API over one Redis hash per session."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.sessions.backends.base import VALID_KEY_CHARS, CreateError, SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils.crypto import get_random_string
from redis.exceptions import ResponseError

from django_redis_patterns.conf import settings
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.exceptions import RedisUnavailable

from .fields import DATA, Fields
from .handle import TAG, Handle
from .header import AGENT, HEADER, IP, SEEN, Header
from .index import announce_end, end, end_unread, index, unindex

SAVE = Script("save.lua")
CYCLE = Script("cycle.lua")
ID_LENGTH = 32
USER = "_auth_user_id"
LEFT_BEFORE_SLIDING = 0.9  # share of its life under which a read prolongs a sliding session


class SessionStore(SessionBase):
    """``SESSION_ENGINE = "django_redis_patterns.sessions"``.

    Only changed fields are written, by one script that refuses to bring an ended session back; two requests that
    write different keys both win. Raises `RedisUnavailable` when Redis is away: an outage never empties a session.
    """

    def __init__(self, session_key: str | None = None) -> None:
        self._modified = False
        self._replaced = False
        self._header: Header | None = None
        self._user: str | None = None
        self._device: dict[bytes, bytes] = {}
        self.device: tuple[str, str] | None = None  # ip and agent, from our middleware
        self.failure: RedisUnavailable | None = None
        super().__init__(session_key)

    @property
    def connection(self) -> str:
        """The alias of the connection that holds sessions."""
        return settings().sessions.connection

    @property
    def changed(self) -> bool:
        """Whether there is data to save."""
        fields = self.__dict__.get("_fields")
        return self._modified or (fields is not None and fields.changed())

    @property
    def modified(self) -> bool:
        """Whether Django should save: data changed, nested data too, or a sliding session is due."""
        return self.changed or self._is_due_to_slide()

    @modified.setter
    def modified(self, value: bool) -> None:
        self._modified = value
        if not value and "_fields" in self.__dict__:
            self._session_cache.note()

    @property
    def _session_cache(self) -> Fields:
        try:
            return self.__dict__["_fields"]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError("_session_cache") from None

    @_session_cache.setter
    def _session_cache(self, data: Any) -> None:
        if not isinstance(data, Fields):
            fields = Fields(self.serializer())
            fields.update(data)
            data, self._replaced = fields, True
        self.__dict__["_fields"] = data

    @_session_cache.deleter
    def _session_cache(self) -> None:
        del self.__dict__["_fields"]

    async def _load(self, io: IO) -> Fields:
        """Return the session's data, empty when there is no such session. One command, none for a malformed id."""
        handle = Handle.of(self.session_key)
        with self._noting_failure():
            stored = await _hash(io, handle.key) if handle else {}
        self._header = Header.parse(stored.get(HEADER))
        if self._header is None:
            self._session_key = None
            stored = {}
        self._device = {name: stored[name] for name in (SEEN, IP, AGENT) if name in stored}
        fields = Fields(self.serializer(), {k: v for k, v in stored.items() if k.startswith(DATA)})
        self._user = fields.get(USER)
        return fields

    load, aload = both(_load)  # type: ignore[assignment]

    async def _prefetch(self, io: IO) -> None:
        """Load, unless loaded, for whoever has a trip to share: nobody asked yet, so a failure is nobody's 503."""
        try:
            await self._ensure_loaded(io)
        except RedisUnavailable:
            self.failure = None
            raise

    prefetch, aprefetch = both(_prefetch)

    async def _exists(self, io: IO, session_key: str | None) -> bool:
        """Return whether a session of this id lives."""
        handle = Handle.of(session_key)
        return handle is not None and bool(await io.redis.exists(handle.key))

    exists, aexists = both(_exists)

    async def _create(self, io: IO) -> None:
        """Save under a new id."""
        while True:
            self._session_key = get_random_string(ID_LENGTH, VALID_KEY_CHARS)
            try:
                await self._save(io, must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    create, acreate = both(_create)

    async def _save(self, io: IO, must_create: bool = False) -> None:
        """Write what changed, in one script. Raises UpdateError when the session was ended meanwhile."""
        if self.session_key is None:
            return await self._create(io)
        if must_create:
            self._start_over()
        await self._ensure_loaded(io, no_load=must_create)
        if (handle := Handle.of(self.session_key)) is None:
            raise (CreateError if must_create else UpdateError)
        age = self.get_expiry_age()
        header, needs_index = self._next_header(age)
        written, removed = self._session_cache.changes()
        sent = {HEADER: header.encode(), **(self._device_fields() if self._session_cache.get(USER) else {}), **written}
        mode = "create" if must_create else "replace" if self._replaced else "update"
        with self._noting_failure():
            saved = await self._write(io, handle, mode, age, sent, removed, header if needs_index else None)
        if not saved:
            raise (CreateError if must_create else UpdateError)
        self._session_cache.saved(written, removed)
        self._header, self._replaced, self._user = header, False, self._session_cache.get(USER)

    save, asave = both(_save)

    async def _write(
        self, io: IO, handle: Handle, mode: str, age: float, sent: dict[bytes, bytes], removed: list[bytes],
        indexed: Header | None,
    ) -> bool:  # fmt: skip
        """Save, in one trip. The index is told before the session appears, and again after it (see `index`)."""
        pairs = [part for pair in sent.items() for part in pair]
        save = io.run(SAVE, keys=[handle.key], args=[mode, int(age * 1000), len(sent), *pairs, *removed])
        user: str = self._session_cache.get(USER, "")
        left = [unindex(io, self._user, handle)] if self._user and self._user != user else []
        if indexed is None:
            replies = await io.gather(save, *left)
            return bool(replies[0])
        until = indexed.indexed_until
        replies = await io.gather(index(io, user, handle, until), save, index(io, user, handle, until), *left)
        return bool(replies[1])

    async def _cycle_key(self, io: IO) -> None:
        """Give the session a new id: one atomic rename, so the old id is dead the moment the new one lives."""
        await self._ensure_loaded(io)
        if (old := Handle.of(self.session_key)) is None or self.session_key is None:
            self._session_key = None
            return await self._create(io)
        renamed = -1
        while renamed < 0:
            session_key = self.session_key[:TAG] + get_random_string(ID_LENGTH - TAG, VALID_KEY_CHARS)
            with self._noting_failure():
                renamed = await self._rename(io, old, Handle.made_of(session_key))
        if not renamed:
            raise SessionInterrupted("The session was ended before it could get a new key; log in again.")
        self._session_key = session_key
        self.modified = True

    cycle_key, acycle_key = both(_cycle_key)

    async def _rename(self, io: IO, old: Handle, new: Handle) -> int:
        rename = io.run(CYCLE, keys=[old.key, new.key], args=[])
        if self._user is None or self._header is None:
            return int(await rename)
        until = self._header.indexed_until
        replies = await io.gather(
            index(io, self._user, new, until), rename, index(io, self._user, new, until), unindex(io, self._user, old)
        )
        return int(replies[1])

    async def _delete(self, io: IO, session_key: str | None = None) -> None:
        """End the session of this id, or this session: gone first, then out of its user's index."""
        handle = Handle.of(session_key or self.session_key)
        if handle is None:
            return
        user = self._user if session_key in (None, self.session_key) else None
        with self._noting_failure():
            gone, user = await (end(io, user, handle) if user else end_unread(io, handle))
        if gone and user:
            await announce_end(io, SessionStore, user, handle)

    delete, adelete = both(_delete)

    async def _touch(self, io: IO) -> None:
        """Note when and from where the session was last seen. Does not prolong it."""
        handle, header = Handle.of(self.session_key), self._header
        left = header.expires - time.time() if header else 0
        if handle and left > 0:
            sent = self._device_fields()
            pairs = [part for pair in sent.items() for part in pair]
            await io.run(SAVE, keys=[handle.key], args=["update", int(left * 1000), len(sent), *pairs])

    touch, atouch = both(_touch)

    def is_due_for_touch(self) -> bool:
        """Whether this is a user's session, was read, and was last seen longer ago than ``TOUCH_EVERY``."""
        seen = int(self._device.get(SEEN, b"0"))
        every = settings().sessions.touch_every
        return self.device is not None and self._user is not None and time.time() - seen >= every

    async def adelete_test_cookie(self) -> None:
        """Forget the test cookie; Django's own forgets to say so."""
        await super().adelete_test_cookie()
        self.modified = True

    @classmethod
    def clear_expired(cls) -> None:
        """Nothing to do: every session has a TTL, and so has every index."""

    @classmethod
    async def aclear_expired(cls) -> None:
        """Nothing to do."""

    async def _ensure_loaded(self, io: IO, no_load: bool = False) -> None:
        if "_fields" not in self.__dict__:
            self._session_cache = Fields(self.serializer()) if no_load else await self._load(io)

    def _start_over(self) -> None:
        """Forget where the data came from: all of it is written under the new id, and its user's index hears of it."""
        self._header = self._user = None
        if "_fields" in self.__dict__:
            fields = Fields(self.serializer())
            fields.update(self._session_cache)
            self._session_cache = fields

    def _next_header(self, age: float) -> tuple[Header, bool]:
        """Return the header to write and whether the index has to learn of it.

        The index entry reaches one life further than the session, so that ordinary saves leave the index alone.
        """
        now = int(time.time())
        header = self._header or Header.new()
        expires, user = now + int(age), self._session_cache.get(USER)
        if not user:
            return Header(header.created, expires), False
        if user == self._user and expires <= header.indexed_until:
            return Header(header.created, expires, header.indexed_until), False
        return Header(header.created, expires, expires + max(int(age), 1)), True

    def _device_fields(self) -> dict[bytes, bytes]:
        if self.device is None:
            return {}
        ip, agent = self.device
        self._device = {SEEN: b"%d" % time.time(), IP: ip.encode(), AGENT: agent.encode()}
        return self._device

    def _is_due_to_slide(self) -> bool:
        if self._header is None or not settings().sessions.sliding:
            return False
        return self._header.expires - time.time() < LEFT_BEFORE_SLIDING * self.get_expiry_age()

    @contextmanager
    def _noting_failure(self) -> Iterator[None]:
        """Remember that Redis was away: whoever asked for the session, the middleware answers 503."""
        try:
            yield
        except RedisUnavailable as error:
            self.failure = error
            raise
        self.failure = None


async def _hash(io: IO, key: str) -> dict[bytes, bytes]:
    try:
        return await io.redis.hgetall(key)  # type: ignore[return-value]
    except ResponseError as error:
        if str(error).startswith("WRONGTYPE"):
            return {}
        raise
