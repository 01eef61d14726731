-- KEYS: value, lease, waiters
-- ARGV: token, lease_ms, rejected, channel
-- RETURNS: {2} the lease is yours; {1, value, ms left} somebody has stored another than the rejected; {0, ms of the lease}
-- The channel '!' takes the lease from whoever has it; on another one the waiter is told when the lease is free.
if ARGV[4] ~= '!' then
  local head = redis.call('GETRANGE', KEYS[1], 0, 8)
  if head ~= '' and head ~= ARGV[3] then
    return {1, redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
  end
  local holder = redis.call('GET', KEYS[2])
  if holder and holder ~= ARGV[1] then
    if ARGV[4] ~= '' then
      redis.call('SADD', KEYS[3], ARGV[4])
      redis.call('PEXPIRE', KEYS[3], 60000)
    end
    return {0, redis.call('PTTL', KEYS[2])}
  end
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {2}
