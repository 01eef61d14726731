"""The site over HTTP and websockets."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from django.http import FileResponse, HttpRequest, HttpResponse

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "testproject.settings")
django_application = get_asgi_application()

from arcade.routing import websocket_urlpatterns  # noqa: E402  (models must be loaded first)


class StaticFiles(ASGIStaticFilesHandler):
    """Static files in one piece: Django streams them by a synchronous iterator, which warns under ASGI."""

    def serve(self, request: HttpRequest) -> HttpResponse | FileResponse:
        response = super().serve(request)
        if not response.streaming:
            return response
        try:
            return HttpResponse(b"".join(response), headers=response.headers)
        finally:
            response.close()


application = ProtocolTypeRouter(
    {
        "http": StaticFiles(django_application),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
