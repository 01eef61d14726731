"""Real-time: tell users and topics; every page that listens hears it over one websocket, on every server.

    notify(user, "order.created", {"id": 7}); broadcast("orders.7", "paid", {"id": 7})
    class OrderTopic(Topic): pattern = "orders.{pk:int}"; async def can_subscribe(self, user, pk): ...
    path("ws/notifications/", NotificationConsumer.as_asgi())       # from realtime.consumers

Publish: PUBLISH, one trip, after the commit. Listen: one SUBSCRIBE per topic and process, on one connection, however
many sockets there are.
Promises: at most once, in order; a link that was lost is there again by itself and whoever may have missed something
is told `reset`; undeclared topics do not exist; who logs out loses their sockets on every server.
"""

from .layers import channel_layer
from .publish import abroadcast, anotify, broadcast, notify
from .topics import Topic, UserTopic

__all__ = ["Topic", "UserTopic", "abroadcast", "anotify", "broadcast", "channel_layer", "notify"]
