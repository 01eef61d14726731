"""Websocket addresses of the arcade."""

from django.urls import path

from arcade.consumers import Chat, Hello, Notifications

websocket_urlpatterns = [
    path("ws/hello/", Hello.as_asgi()),
    path("ws/notifications/", Notifications.as_asgi()),
    path("ws/chat/<slug:game>/", Chat.as_asgi()),
]
