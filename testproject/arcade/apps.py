"""The arcade as a Django app."""

from django.apps import AppConfig


class ArcadeConfig(AppConfig):
    """Pages, styles and the ``demo`` command."""

    name = "arcade"
    verbose_name = "Redis Arcade"

    def ready(self) -> None:
        """Listen to the boards, to new records and to every game."""
        from django.db.models.signals import post_save

        from arcade.events import log
        from arcade.hall import note
        from arcade.models import Play
        from arcade.receivers import tell
        from django_redis_patterns.signals import rank_changed

        rank_changed.connect(tell, sender=Play, dispatch_uid="arcade")
        post_save.connect(note, sender=Play, dispatch_uid="arcade.hall")
        post_save.connect(log, sender=Play, dispatch_uid="arcade.events")
