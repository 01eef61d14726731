-- KEYS: jobs, running, kills, past, dead, reasons, waits, result
-- ARGV: id, channel
-- RETURNS: record, past, kills, claim, when it died in ms, reason, result; nil for what there is not
-- With a channel, the end of a job that has not ended is told there.
local id = ARGV[1]
local record, result = redis.call('HGET', KEYS[1], id), redis.call('GET', KEYS[8])
local died = redis.call('ZSCORE', KEYS[5], id)
if ARGV[2] ~= '' and record and not died then
  local channels = redis.call('HGET', KEYS[7], id) or ''
  if not string.find(channels, ARGV[2], 1, true) then
    redis.call('HSET', KEYS[7], id, channels .. ' ' .. ARGV[2])
  end
  redis.call('PEXPIRE', KEYS[7], 86400000)
end
local claim, reason = redis.call('HGET', KEYS[2], id), died and redis.call('HGET', KEYS[6], id)
return { record, redis.call('HGET', KEYS[4], id), redis.call('HGET', KEYS[3], id), claim, died, reason, result }
