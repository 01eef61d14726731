"""Redis Arcade: a real Django site on top of django_redis_patterns."""
