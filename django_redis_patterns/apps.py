"""The Django app: registers checks and forgets settings and clients when tests override them."""

from typing import Any

from django.apps import AppConfig
from django.core.signals import setting_changed


class RedisPatternsConfig(AppConfig):
    """``INSTALLED_APPS = [..., "django_redis_patterns"]``."""

    name = "django_redis_patterns"
    verbose_name = "Redis patterns"

    def ready(self) -> None:
        """Wire what has to be wired once."""
        from . import checks

        checks.register_all()
        setting_changed.connect(_settings_changed, dispatch_uid="django_redis_patterns")


def _settings_changed(*, setting: str, **_: Any) -> None:
    from . import conf
    from .core import connections

    conf.forget(setting=setting)
    if setting in ("REDIS_PATTERNS", "CACHES"):
        connections.reset()
