"""A backend that is not ours."""

from django_redis_patterns.queues.tasks import framework


class Backend(framework.ImmediateBackend):
    """Django's."""
