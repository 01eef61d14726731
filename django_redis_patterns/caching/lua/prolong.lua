-- KEYS: lease
-- ARGV: token, lease_ms
-- RETURNS: 1 if the lease is still the token's, and longer; else 0
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
