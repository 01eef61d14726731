-- KEYS: counter
-- ARGV: by
-- RETURNS: the new number
return redis.call('INCRBY', KEYS[1], ARGV[1])
