"""Redis patterns for Django: sessions, caching, rate limits, locks, leaderboards, streams, queues, real time.

Import from a room's door, for example ``from django_redis_patterns import sessions``; this module exports nothing.
"""

__version__ = "0.1.0"
