"""What the room asks of its Redis and of its user there; ``manage.py redis doctor`` reads it."""

#: Patterns of its keys and its channels, each behind ``PREFIX:``.
KEYS = ("locks:*", "semaphores:*")
CHANNELS = ("locks:*",)
#: What the code sends. What the scripts call is read from the scripts.
COMMANDS = ("HGETALL", "SCAN", "SUBSCRIBE", "TIME", "ZRANGE")
#: What happens when Redis evicts, and whether that is wrong or worth a warning; "" when nothing happens.
WHEN_EVICTED = "a lock may be given to two holders"
EVICTION_IS_WRONG = True
#: What happens when Redis restarts without its data; "" when nothing happens.
WHEN_FORGOTTEN = "holders lose their locks, and are told so"
