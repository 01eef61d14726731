"""A real websocket server (uvicorn, in a thread) and the cookie of a browser that is logged in."""

import socket as sockets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.realtime.consumers import NotificationConsumer

from .sockets import BACKEND, session_of

__all__ = ["BACKEND", "PLACE", "Server", "serving", "session_of"]

PLACE = "ws/notifications/"


class Server(uvicorn.Server):
    """One server. ``url`` is the address of its websocket."""

    def __init__(self, http: Any = None, port: int = 0) -> None:
        websocket = URLRouter([path(PLACE, NotificationConsumer.as_asgi())])
        router = {"websocket": AuthMiddlewareStack(websocket)} | ({"http": http} if http else {})
        super().__init__(uvicorn.Config(ProtocolTypeRouter(router), log_level="error", lifespan="off"))
        self._listener = sockets.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/{PLACE}"
        self._thread = threading.Thread(target=lambda: self.run(sockets=[self._listener]))

    async def shutdown(self, sockets: Any = None) -> None:
        await super().shutdown(sockets)
        await adisconnect()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.should_exit = True
        self._thread.join(20)
        self._listener.close()


@contextmanager
def serving() -> Iterator[Server]:
    """Serve while the block lasts."""
    server = Server()
    server.start()
    try:
        yield server
    finally:
        server.stop()
