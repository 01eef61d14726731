"""What a cache asks of its Redis and of its user there, beside its keys; ``manage.py redis doctor`` reads it."""

#: What the code sends for entries. What the scripts call is read from the scripts.
COMMANDS = (
    *("EXPIREAT", "GET", "INCRBY", "MGET", "PERSIST", "PEXPIRE", "PEXPIREAT", "PTTL", "SCAN", "SET", "TTL", "UNLINK"),
)
#: What happens when Redis evicts, and whether that is wrong or worth a warning; "" when nothing happens.
WHEN_EVICTED = ""
EVICTION_IS_WRONG = False
#: What happens when Redis restarts without its data; "" when nothing happens.
WHEN_FORGOTTEN = ""
