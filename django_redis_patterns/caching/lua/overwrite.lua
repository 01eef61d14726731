-- KEYS: value, lease, waiters
-- ARGV: value, life_ms, near, note
-- RETURNS: 1; the value is replaced, or (when empty) removed, and who computes it has lost the lease
for _, channel in ipairs(redis.call('SMEMBERS', KEYS[3])) do redis.call('PUBLISH', channel, KEYS[1]) end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
if ARGV[1] ~= '' then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
if ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[3], ARGV[4]) end
return 1
