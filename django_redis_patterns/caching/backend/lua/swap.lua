-- KEYS: entry
-- ARGV: old, new
-- RETURNS: 1 if the entry was old and is new now, else 0
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
