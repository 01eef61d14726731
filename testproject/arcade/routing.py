"""Websocket addresses of the arcade."""

from django.urls import path

from arcade.consumers import Hello

websocket_urlpatterns = [path("ws/hello/", Hello.as_asgi())]
