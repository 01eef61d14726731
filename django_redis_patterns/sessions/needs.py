"""What the room asks of its Redis and of its user there; ``manage.py redis doctor`` reads it."""

#: Patterns of its keys and its channels, each behind ``PREFIX:``.
KEYS = ("sessions:*",)
CHANNELS = ()
#: What the code sends. What the scripts call is read from the scripts.
COMMANDS = ("EXISTS", "HGET", "HGETALL", "HMGET", "UNLINK", "ZRANGE", "ZREM")
#: What happens when Redis evicts, and whether that is wrong or worth a warning; "" when nothing happens.
WHEN_EVICTED = "users are logged out at random"
EVICTION_IS_WRONG = True
#: What happens when Redis restarts without its data; "" when nothing happens.
WHEN_FORGOTTEN = "everybody is logged out"
