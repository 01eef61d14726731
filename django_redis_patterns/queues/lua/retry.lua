-- KEYS: jobs, later, kills, past, unique, dead, reasons, wake
-- ARGV: ids...
-- RETURNS: for each 1, or 0 for one that is not dead, or whose mark another has now
-- Its attempts begin anew. The next step gives it its place, as one that is due now.
local told, clock = {}, redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
for i, id in ipairs(ARGV) do
  local mark = string.match(redis.call('HGET', KEYS[1], id) or '', '^%-?%d+:%a(%S+)')
  local other = mark and redis.call('HGET', KEYS[5], mark)
  told[i] = (not other or other == id) and redis.call('ZREM', KEYS[6], id) or 0
  if told[i] == 1 then
    if mark then
      redis.call('HSET', KEYS[5], mark, id)
    end
    local notes = redis.call('HGET', KEYS[4], id)
    if notes then
      redis.call('HSET', KEYS[4], id, (string.gsub(notes, '^%d+', '0', 1)))
    end
    redis.call('HDEL', KEYS[3], id)
    redis.call('HDEL', KEYS[7], id)
    redis.call('ZADD', KEYS[2], now, id)
  end
end
if redis.call('LLEN', KEYS[8]) == 0 then
  redis.call('LPUSH', KEYS[8], '')
end
redis.call('PEXPIRE', KEYS[8], 60000)
return told
