-- KEYS: jobs, ready, ranked, later, suspects, kills, past, unique, waits
-- ARGV: most
-- RETURNS: how many of those that wait were removed, at most most
local ids, most = {}, tonumber(ARGV[1])
local function add(found, step)
  for i = 1, #found, step do
    ids[#ids + 1] = found[i]
  end
end
for _, key in ipairs({ KEYS[4], KEYS[3] }) do
  add(#ids < most and redis.call('ZPOPMIN', key, most - #ids) or {}, 2)
end
for _, key in ipairs({ KEYS[2], KEYS[5] }) do
  add(#ids < most and redis.call('RPOP', key, most - #ids) or {}, 1)
end
for _, id in ipairs(ids) do
  local mark = string.match(redis.call('HGET', KEYS[1], id) or '', '^%-?%d+:%a(%S+)')
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
return #ids
