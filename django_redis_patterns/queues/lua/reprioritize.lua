-- KEYS: jobs, ready, ranked, later, wake
-- ARGV: id, priority
-- RETURNS: 1, or 0 for one that does not wait
-- The next step gives it its place, as one that is due now. One that is not due yet stays where it is.
local clock = redis.call('TIME')
local record = redis.call('HGET', KEYS[1], ARGV[1])
local is_later = redis.call('ZSCORE', KEYS[4], ARGV[1])
if not record then
  return 0
elseif not is_later then
  if redis.call('ZREM', KEYS[3], ARGV[1]) == 0 and redis.call('LREM', KEYS[2], -1, ARGV[1]) == 0 then
    return 0
  end
  redis.call('ZADD', KEYS[4], string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000)), ARGV[1])
end
if redis.call('LLEN', KEYS[5]) == 0 then
  redis.call('LPUSH', KEYS[5], '')
end
redis.call('PEXPIRE', KEYS[5], 60000)
redis.call('HSET', KEYS[1], ARGV[1], (string.gsub(record, '^%-?%d+', ARGV[2], 1)))
return 1
