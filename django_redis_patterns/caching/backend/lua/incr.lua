-- KEYS: entry
-- ARGV: delta
-- RETURNS: the sum as text, for Lua's numbers end at 2^53; nil if there is nothing
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
redis.call('INCRBY', KEYS[1], ARGV[1])
return redis.call('GET', KEYS[1])
