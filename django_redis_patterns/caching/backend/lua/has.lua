-- KEYS: entry
-- ARGV: lease
-- RETURNS: 1 if something is there, 0 if nothing or a lease
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'string' then return kind == 'none' and 0 or 1 end
return redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) == ARGV[1] and 0 or 1
