-- KEYS: value, lease, waiters
-- ARGV: token, value, life_ms, near, note
-- RETURNS: 1 if the lease was still the token's: the value is stored, or (when empty) the lease given back; else 0
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  -- If what is there is what we bring, this is the second run of a command whose reply was lost.
  return ARGV[2] ~= '' and redis.call('GETRANGE', KEYS[1], 0, 8) == string.sub(ARGV[2], 1, 9) and 1 or 0
end
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
redis.call('UNLINK', KEYS[2])
for _, channel in ipairs(redis.call('SMEMBERS', KEYS[3])) do redis.call('PUBLISH', channel, KEYS[1]) end
redis.call('UNLINK', KEYS[3])
if ARGV[4] ~= '' then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
return 1
