"""What the room asks of its Redis and of its user there; ``manage.py redis doctor`` reads it."""

#: Patterns of its keys and its channels, each behind ``PREFIX:``.
KEYS = ("queues:*",)
CHANNELS = ("queues:*",)
#: What the code sends. What the scripts call is read from the scripts, but for those of the runtime's leases.
COMMANDS = (
    *("BLPOP", "EXISTS", "HGETALL", "HLEN", "LINDEX", "LLEN", "PEXPIRE", "SCAN", "SET", "SUBSCRIBE", "TIME"),
    *("ZADD", "ZCARD", "ZRANGE", "ZSCORE"),
)
#: What happens when Redis evicts, and whether that is wrong or worth a warning; "" when nothing happens.
WHEN_EVICTED = "jobs are lost"
EVICTION_IS_WRONG = True
#: What happens when Redis restarts without its data; "" when nothing happens.
WHEN_FORGOTTEN = "all jobs are lost that have not ended"
