"""What the room asks of its Redis and of its user there; ``manage.py redis doctor`` reads it."""

#: Patterns of its keys and its channels, each behind ``PREFIX:``.
KEYS = ("caching:*",)
CHANNELS = ("caching:*",)
#: What the code sends. What the scripts call is read from the scripts.
COMMANDS = ("GET", "HGETALL", "MGET", "SUBSCRIBE")
#: What happens when Redis evicts, and whether that is wrong or worth a warning; "" when nothing happens.
WHEN_EVICTED = ""
EVICTION_IS_WRONG = False
#: What happens when Redis restarts without its data; "" when nothing happens.
WHEN_FORGOTTEN = ""
