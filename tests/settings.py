SECRET_KEY = "for the tests only"
USE_TZ = True
ALLOWED_HOSTS = ["*"]

DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django_redis_patterns",
    "tests.boards",
    "tests.vault",
    "tests.shelves",
    "tests.errands",
]
MIDDLEWARE = [
    "django_redis_patterns.sessions.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
SESSION_ENGINE = "django_redis_patterns.sessions"
DEFAULT_EXCEPTION_REPORTER_FILTER = "django_redis_patterns.debug.ExceptionReporterFilter"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# conftest.py starts a server and writes its address here, before anything asks for it.
REDIS_PATTERNS = {"CONNECTIONS": {"default": {"URL": "redis://127.0.0.1:1/0"}}}
TASKS = {
    "default": {"BACKEND": "django_redis_patterns.queues.tasks.RedisBackend", "QUEUES": ["default", "mail"]},
    "stock": {"BACKEND": "tests.errands.stock.Backend"},
    "any": {"BACKEND": "django_redis_patterns.queues.tasks.RedisBackend", "QUEUES": [], "OPTIONS": {"result_ttl": 0}},
}
