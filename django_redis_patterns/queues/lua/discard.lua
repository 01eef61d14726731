-- KEYS: jobs, kills, past, dead, reasons
-- ARGV: ids...
-- RETURNS: for each 1, or 0 for one that is not dead
local told = {}
for i, id in ipairs(ARGV) do
  told[i] = redis.call('ZREM', KEYS[4], id)
  if told[i] == 1 then
    for _, key in ipairs({ KEYS[1], KEYS[2], KEYS[3], KEYS[5] }) do
      redis.call('HDEL', key, id)
    end
  end
end
return told
