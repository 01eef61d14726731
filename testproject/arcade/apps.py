"""The arcade as a Django app."""

from django.apps import AppConfig


class ArcadeConfig(AppConfig):
    """Pages, styles and the ``demo`` command."""

    name = "arcade"
    verbose_name = "Redis Arcade"
