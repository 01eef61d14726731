"""What the room asks of its Redis and of its user there; ``manage.py redis doctor`` reads it."""

#: Patterns of its keys and its channels, each behind ``PREFIX:``.
KEYS = ("boards:*", "trending:*")
CHANNELS = ()
#: What the code sends. What the scripts call is read from the scripts.
COMMANDS = (
    *("GET", "HSET", "PEXPIRE", "SET", "UNLINK", "ZADD", "ZCARD", "ZMSCORE", "ZRANGE", "ZRANK", "ZREM"),
    *("ZREVRANGE", "ZREVRANK", "ZSCAN", "ZSCORE"),
)
#: What happens when Redis evicts, and whether that is wrong or worth a warning; "" when nothing happens.
WHEN_EVICTED = "boards vanish, and only those of a model can be rebuilt"
EVICTION_IS_WRONG = False
#: What happens when Redis restarts without its data; "" when nothing happens.
WHEN_FORGOTTEN = "boards of models have to be rebuilt (manage.py redis boards rebuild), the others are gone"
