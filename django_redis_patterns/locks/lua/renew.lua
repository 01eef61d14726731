-- KEYS: holders..., facts...
-- ARGV: tokens..., ttls_ms...
-- RETURNS: for each lease 1, or 0 if its token does not hold it any more
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = {}
for i = 1, #KEYS / 2 do
  local holders, token, ttl = KEYS[i], ARGV[i], tonumber(ARGV[#ARGV / 2 + i])
  local till = redis.call('ZSCORE', holders, token)
  local is_held = till and tonumber(till) > now
  if is_held then
    for _, key in ipairs({holders, KEYS[#KEYS / 2 + i]}) do -- first: with its memory full Redis lets a script end that has begun
      redis.call('PEXPIRE', key, math.max(redis.call('PTTL', key), ttl + 3600000))
    end
    redis.call('ZADD', holders, string.format('%.0f', now + ttl), token)
  end
  kept[i] = is_held and 1 or 0
end
return kept
