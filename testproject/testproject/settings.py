"""Settings of Redis Arcade. The environment decides: REDIS_URL, DATABASE_URL, SQLITE_PATH, SECRET_KEY, DEBUG."""

import os
from pathlib import Path

from django_redis_patterns.realtime import channel_layer
from testproject.database import postgresql, sqlite

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ.get("SECRET_KEY", "insecure-key-of-the-demo-never-use-it-on-a-real-site")
DEBUG = os.environ.get("DEBUG", "1").lower() in {"1", "true", "yes", "on"}
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")

# Redis: everything that this package needs to know.
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
REDIS_PATTERNS = {
    "CONNECTIONS": {"default": {"URL": REDIS_URL}},
    "PREFIX": "arcade",
    "CACHING": {"LEASE": 2},  # short, so that nobody waits long for the successor of a process that was killed
    "STREAMS": {"LEASE": 5},  # short, for the same reason
    "QUEUES": {
        "LEASE": 5,
        "SCHEDULES": {
            "nightly": {
                "task": "arcade.tasks.season_report",
                "cron": "0 3 * * *",
                "kwargs": {"ordered_by": "the night shift"},
            }
        },
    },
    "RATELIMIT": {
        "RULES": {
            "score": {"rate": "60/m", "key": "user_or_ip", "methods": "POST", "match": {"route": "quick-draw-*"}},
            "hall": {"rate": "10/m", "key": "user_or_ip", "methods": "POST", "match": {"route": "hall-*"}},
            "herd": {"rate": "20/m", "key": "user_or_ip", "methods": "POST", "match": {"route": "caching-*"}},
            "plays": {"rate": "120/m", "key": "user_or_ip", "methods": "POST", "match": {"route": "streams-*"}},
            "errands": {"rate": "120/m", "key": "user_or_ip", "methods": "POST", "match": {"route": "queues-*"}},
            "machine": {
                "rate": "5/s",
                "key": "ip",
                "match": {"route": "rate-limits-*"},
                "algorithm": "bucket",
                "burst": 30,
            },
        }
    },
}
TASKS = {
    "default": {
        "BACKEND": "django_redis_patterns.queues.tasks.RedisBackend",
        "QUEUES": ["reports", "errands"],
        "OPTIONS": {"result_ttl": 3600},
    }
}
AUTHENTICATION_BACKENDS = ["django_redis_patterns.ratelimit.backends.RateLimitedModelBackend"]
DEFAULT_EXCEPTION_REPORTER_FILTER = "django_redis_patterns.debug.ExceptionReporterFilter"  # no passwords in reports
SESSION_ENGINE = "django_redis_patterns.sessions"
CHANNEL_LAYERS = {"default": channel_layer()}  # for the chat's groups

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_redis_patterns",
    "arcade",
]

MIDDLEWARE = [
    # First, so that it also hears what the session middleware says to Redis after the view.
    "arcade.middleware.ToldMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django_redis_patterns.sessions.SessionMiddleware",
    "django_redis_patterns.ratelimit.RateLimitMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "testproject.urls"
ASGI_APPLICATION = "testproject.asgi.application"
WSGI_APPLICATION = "testproject.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASE_URL = os.environ.get("DATABASE_URL", "")
SQLITE_PATH = Path(os.environ.get("SQLITE_PATH", BASE_DIR / "db.sqlite3"))
DATABASES = {"default": postgresql(DATABASE_URL) if DATABASE_URL else sqlite(SQLITE_PATH)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "log-in"
LOGIN_REDIRECT_URL = "devices"
LOGOUT_REDIRECT_URL = "home"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
