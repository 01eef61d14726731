"""What the room asks of its Redis and of its user there; ``manage.py redis doctor`` reads it."""

#: Patterns of its keys and its channels, each behind ``PREFIX:``.
KEYS = ("ratelimit:*",)
CHANNELS = ()
#: What the code sends. What the scripts call is read from the scripts.
COMMANDS = ("UNLINK",)
#: What happens when Redis evicts, and whether that is wrong or worth a warning; "" when nothing happens.
WHEN_EVICTED = "some limits start afresh before their time"
EVICTION_IS_WRONG = False
#: What happens when Redis restarts without its data; "" when nothing happens.
WHEN_FORGOTTEN = "all limits start afresh"
