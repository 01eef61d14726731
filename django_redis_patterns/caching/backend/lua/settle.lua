-- KEYS: entry
-- ARGV: lease and token, value, ttl_ms
-- RETURNS: 1 if the lease was still there and the value has taken its place, else 0
-- Without a value the lease is given back; a ttl of 0 is for ever.
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('UNLINK', KEYS[1]) end
if ARGV[3] == '0' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
