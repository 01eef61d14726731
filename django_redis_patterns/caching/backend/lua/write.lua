-- KEYS: entry
-- ARGV: lease, mode, value, ttl_ms
-- RETURNS: 1 if it was written, else 0
-- Mode nx writes where there is nothing, xx where there is something; a lease is nothing. A ttl of 0 is for ever.
local kind = redis.call('TYPE', KEYS[1]).ok
local is_lease = kind == 'string' and redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) == ARGV[1]
local is_there = kind ~= 'none' and not is_lease
if is_there ~= (ARGV[2] == 'xx') then return 0 end
if ARGV[4] == '0' then
  redis.call('SET', KEYS[1], ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return 1
