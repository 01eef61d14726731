"""Websockets of the arcade."""

import json
import time
from typing import Any

from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer

from arcade.topics import GAMES
from django_redis_patterns.realtime.codes import Close
from django_redis_patterns.realtime.consumers import NotificationConsumer

LONGEST_TEXT = 200  # characters
PAUSE = 0.5  # s between two messages of one window


class Hello(AsyncJsonWebsocketConsumer):
    """Tell the visitor who they are: the session that pages know is the one that sockets know."""

    async def connect(self) -> None:
        await self.accept()
        await self.send_json({"player": self.scope["user"].get_username()})
        await self.close()


class Notifications(NotificationConsumer):
    """News for every open page. The boards are public, so visitors who are not logged in listen too."""

    login_required = False


class Chat(AsyncWebsocketConsumer):
    """The talk beside one game, on plain Channels groups. Everybody may read, players may write; nothing is kept.

    The browser sends a line as it is, and is sent ``{"name": ..., "text": ...}``, which it shows as text.
    """

    async def connect(self) -> None:
        game = self.scope["url_route"]["kwargs"]["game"]
        if game not in GAMES:
            raise DenyConnection
        self.group = f"chat.{game}"
        self.last = 0.0
        await self.channel_layer.group_add(self.group, self.channel_name)
        self.groups = [self.group]  # which Channels leaves at the end
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Pass a player's line on to everybody; leave out what is none, and what comes too fast."""
        text = " ".join((text_data or "").split())[:LONGEST_TEXT]
        if not await self._may_write():
            await self.close(Close.LOGGED_OUT)
        elif text and time.monotonic() - self.last >= PAUSE:
            self.last = time.monotonic()
            line = {"type": "chat.line", "name": self.scope["user"].get_username(), "text": text}
            await self.channel_layer.group_send(self.group, line)

    async def chat_line(self, event: dict[str, Any]) -> None:
        """Send one line to the browser."""
        await self.send(json.dumps({"name": event["name"], "text": event["text"]}))

    async def _may_write(self) -> bool:
        """A socket outlives its session, so the session is asked for each time."""
        session = self.scope["session"]
        return self.scope["user"].is_authenticated and await session.aexists(session.session_key)
