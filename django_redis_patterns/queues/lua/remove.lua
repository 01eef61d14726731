-- KEYS: jobs, ready, ranked, later, suspects, kills, past, unique, waits
-- ARGV: ids...
-- RETURNS: for each 1, or 0 for one that does not wait: it runs, is dead, or is not there
local function take_out(id)
  return redis.call('ZREM', KEYS[4], id) == 1 or redis.call('ZREM', KEYS[3], id) == 1
    or redis.call('LREM', KEYS[2], -1, id) == 1 or redis.call('LREM', KEYS[5], -1, id) == 1
end
local told = {}
for i, id in ipairs(ARGV) do
  local record = redis.call('HGET', KEYS[1], id)
  told[i] = record and take_out(id) and 1 or 0
  if told[i] == 1 then
    local mark = string.match(record, '^%-?%d+:%a(%S+)')
    if mark and redis.call('HGET', KEYS[8], mark) == id then
      redis.call('HDEL', KEYS[8], mark)
    end
    for channel in string.gmatch(redis.call('HGET', KEYS[9], id) or '', '%S+') do
      redis.call('PUBLISH', channel, id)
    end
    for _, key in ipairs({ KEYS[1], KEYS[6], KEYS[7], KEYS[9] }) do
      redis.call('HDEL', key, id)
    end
  end
end
return told
