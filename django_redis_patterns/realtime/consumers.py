"""The websocket of a page: `NotificationConsumer`, a Channels consumer to route to or to subclass.

Messages do not pass through Channels' dispatch, which hops to a thread for each: the hub of this process puts them
into the socket's outbox, and a task sends them.
"""

import asyncio
import logging
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import AnonymousUser

from django_redis_patterns.core import trace
from django_redis_patterns.core.keys import digest
from django_redis_patterns.exceptions import RedisDenied, RedisUnavailable

from . import envelope, origin
from .codes import Close
from .frames import BadFrame, TokenBucket, parse, size, topic_of
from .hub import Hub, get_hub
from .line import Line, cancel
from .login import Login
from .outbox import Outbox
from .permission import is_granted
from .sign_out import id_of
from .topics import UserTopic, declared
from .watch import Watch, watch

logger = logging.getLogger("django_redis_patterns.realtime")

BAD_FRAMES = 3


class NotificationConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels is not typed
    """A page's topics over one websocket; the user's own topic comes by itself.

    Stands inside Channels' ``AuthMiddlewareStack``. What is over a limit is closed with a code of `codes.Close`.
    A subclass may override ``connect`` and ``disconnect``, call `join`, and take frames of its own in `on_frame`.
    """

    channel_layer_alias = None
    login_required = True
    max_frame = 16 * 1024  #: bytes of one frame from the client
    max_topics = 64  #: the user's own topic counts
    max_rate = 20.0  #: frames a second from the client
    max_burst = 100  #: frames at once: more than max_topics, for a page that comes back
    max_waiting = 256  #: frames that may wait for a slow client
    max_waiting_bytes = 1024 * 1024

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bucket = TokenBucket(self.max_rate, self.max_burst)
        self._bad_frames = 0
        self._topics: set[str] = set()
        self._hub: Hub | None = None
        self._watch: Watch | None = None
        self._line: Line
        self._ended = False
        self._is_leaving = False
        self._login: Login | None = None
        self.digest: str | None = None
        self.user_id = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one socket. Whatever ends it, nothing of it stays: no task, no subscription."""
        self._line = Line(Outbox(self.max_waiting, self.max_waiting_bytes), self.send, self.close)
        reader = asyncio.create_task(super().__call__(scope, receive, send))
        try:
            await asyncio.wait({reader, self._line.over}, return_when=asyncio.FIRST_COMPLETED)
            if self._is_leaving:  # `disconnect` runs already, once and to its end
                await asyncio.wait({reader})
        finally:
            self._let_go()
            await cancel(reader)
            await self._line.stop()
        if reader.cancelled():
            await self.disconnect(self._line.over.result())
        else:
            reader.result()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Close when Redis cannot serve. Frames are spared the look at database connections that Channels takes."""
        try:
            if message["type"] == "websocket.receive":
                await self.websocket_receive(message)
            else:
                await super().dispatch(message)
        except (RedisUnavailable, RedisDenied) as error:
            if self._is_leaving:  # there is nothing left to close
                raise
            if isinstance(error, RedisDenied):
                logger.error("A websocket is closed: %s", error)
            self.end(Close.TRY_LATER)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """Let go first, so that nothing else ends the socket while a subclass's `disconnect` waits."""
        self._is_leaving = True
        self._let_go()
        await super().websocket_disconnect(message)

    async def connect(self) -> None:
        """Accept, then close again whom it must refuse: only after accepting can the browser see the code.

        A subclass that goes on after this asks `is_open`.
        """
        await self.accept()
        self.user = self.scope.get("user") or AnonymousUser()
        if not origin.is_allowed(self.scope):
            return self.end(Close.FOREIGN_ORIGIN)
        if self.login_required and not self.user.is_authenticated:
            return self.end(Close.LOGGED_OUT)
        self._hub = await get_hub()
        if self.user.is_authenticated:
            await self._enter()

    @property
    def is_open(self) -> bool:
        """Whether this socket was neither refused nor ended."""
        return not self._ended

    async def _enter(self) -> None:
        """Watch the session, look whether it has ended since the handshake, and join the user's own topic."""
        self.user_id = id_of(self.user)
        session = self.scope.get("session")
        if session is not None and session.session_key:
            self.digest = digest(session.session_key)
        self._watch = watch()
        await self._watch.add(self)
        self._login = await Login.of(self.user, session)
        if not await self._lives():
            return self.end(Close.LOGGED_OUT)
        await self.join(UserTopic.of(self.user).name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Take one frame of the client, within the limits."""
        if self._ended:
            return
        if not self._bucket.take():
            return self.end(Close.FLOOD)
        if size(text_data, bytes_data) > self.max_frame:
            return self.end(Close.FRAME_TOO_BIG)
        try:
            frame = parse(text_data)
            await self.on_frame(frame["kind"], frame)
        except BadFrame as error:
            self._complain(str(error))

    async def on_frame(self, kind: str, frame: dict[str, Any]) -> None:
        """Act on a frame. A subclass may take kinds of its own and leave the others to this method.

        Raises `frames.BadFrame`, which the client is told.
        """
        match kind:
            case "subscribe":
                await self._subscribe(topic_of(frame))
            case "unsubscribe":
                self._unsubscribe(topic_of(frame))
            case "ping":
                self.deliver(envelope.frame("pong"))
            case _:
                raise BadFrame('unknown "kind"')

    async def join(self, topic: str) -> None:
        """Subscribe this socket to *topic* without asking anybody.

        Raises `UnknownTopic` when no class declares it, `RedisUnavailable` and `RedisDenied`.
        """
        declared(topic)
        if self._hub is None or self._ended:
            return
        self._topics.add(topic)
        try:
            await self._hub.join(topic, self)
        except BaseException:
            self._topics.discard(topic)
            raise
        finally:
            if topic not in self._topics:  # the socket ended meanwhile
                self._hub.leave(topic, self)
        self.deliver(envelope.frame("subscribed", topic=topic, epoch=None, offset=None))

    def deliver(self, text: str) -> None:
        """Send a frame soon. Never blocks; a client that is too slow is closed."""
        if self._ended:
            return
        if not self._line.put(text):
            self.end(Close.SLOW)

    def reset(self, topic: str) -> None:
        """Tell the client that messages of *topic* may be missing."""
        self.deliver(envelope.frame("reset", topic=topic))

    def end(self, code: Close | int) -> None:
        """Close the socket with *code*. What waits to be sent is dropped. Never blocks."""
        if not self._ended:
            trace.count(f"realtime.closed.{int(code)}")
            self._let_go()
            self._line.hang_up(int(code))

    async def look(self) -> bool:
        """Close the socket if its login is no more. Returns False while nobody can know: then it stays."""
        try:
            lives = await self._lives()
        except Exception as error:  # whatever a foreign engine raises
            logger.debug("Whether a login holds is not known: %s", error)
            return False
        if not lives:
            self.end(Close.COME_AGAIN)
        return True

    async def _subscribe(self, topic: str) -> None:
        if topic in self._topics:
            self.deliver(envelope.frame("subscribed", topic=topic, epoch=None, offset=None))
        elif len(self._topics) >= self.max_topics:
            self.end(Close.TOO_MANY_TOPICS)
        elif await is_granted(self.user, topic):
            await self.join(topic)
        else:
            trace.count("realtime.denied")
            self.deliver(envelope.frame("denied", topic=topic))

    def _unsubscribe(self, topic: str) -> None:
        if topic in self._topics and self._hub is not None:
            self._topics.discard(topic)
            self._hub.leave(topic, self)
        self.deliver(envelope.frame("unsubscribed", topic=topic))

    def _complain(self, reason: str) -> None:
        self._bad_frames += 1
        if self._bad_frames < BAD_FRAMES:
            self.deliver(envelope.frame("error", reason=reason))
        else:
            self.end(Close.GARBAGE)

    async def _lives(self) -> bool:
        return self._login is None or await self._login.holds()

    def _let_go(self) -> None:
        """Leave the hub and the watch."""
        self._ended = True
        topics, self._topics = self._topics, set()
        for topic in topics:
            if self._hub is not None:
                self._hub.leave(topic, self)
        if self._watch is not None:
            self._watch.remove(self)
