"""The Django app: registers checks, finds topics and events, forgets settings and clients when tests override them."""

from typing import Any

from django.apps import AppConfig
from django.core.signals import setting_changed
from django.utils.module_loading import autodiscover_modules


class RedisPatternsConfig(AppConfig):
    """``INSTALLED_APPS = [..., "django_redis_patterns"]``."""

    name = "django_redis_patterns"
    verbose_name = "Redis patterns"

    def ready(self) -> None:
        """Wire what has to be wired once."""
        from . import checks
        from .realtime import sign_out

        checks.register_all()
        sign_out.connect()
        setting_changed.connect(_settings_changed, dispatch_uid="django_redis_patterns")
        autodiscover_modules("topics", "events")


def _settings_changed(*, setting: str, **_: Any) -> None:
    from . import conf
    from .core import connections
    from .ratelimit.denials import denials

    conf.forget(setting=setting)
    if setting in ("REDIS_PATTERNS", "CACHES"):
        connections.reset()
        denials.begin()
