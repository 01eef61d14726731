"""What the room asks of its Redis and of its user there; ``manage.py redis doctor`` reads it."""

#: Patterns of its keys and its channels, each behind ``PREFIX:``.
KEYS = ("streams:*",)
CHANNELS = ()
#: What the code sends. What the scripts call is read from the scripts.
COMMANDS = (
    *("PEXPIRE", "TIME", "XACK", "XADD", "XDEL", "XINFO GROUPS", "XLEN", "XPENDING", "XRANGE", "XREAD"),
    *("XREADGROUP", "XREVRANGE", "ZADD", "ZMSCORE", "ZRANGE", "ZREM", "ZSCORE"),
)
#: What happens when Redis evicts, and whether that is wrong or worth a warning; "" when nothing happens.
WHEN_EVICTED = "whole logs vanish, with what nobody has handled yet"
EVICTION_IS_WRONG = True
#: What happens when Redis restarts without its data; "" when nothing happens.
WHEN_FORGOTTEN = "logs are empty, and what nobody has handled yet is lost"
