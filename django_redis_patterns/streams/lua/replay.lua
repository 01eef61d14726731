-- KEYS: log, checkpoints, due, tries, lanes, stirred
-- ARGV: group, before
-- RETURNS: 1 done, 0 there is no such group
-- The group is given again what came after before. What is to be run again from there on is forgotten: it comes anew.
local log, group, before = KEYS[1], ARGV[1], ARGV[2]

local function padded(id)
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end

if redis.pcall('XPENDING', log, group).err then
  return 0
end
redis.call('XGROUP', 'SETID', log, group, before)
redis.call('HSET', KEYS[2], group, before)
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  if padded(id) > padded(before) then
    redis.call('ZREM', KEYS[3], id)
    redis.call('HDEL', KEYS[4], id)
  end
end
for i, member in ipairs(redis.call('ZRANGE', KEYS[5], 0, -1, 'WITHSCORES')) do
  if i % 2 == 1 and member > padded(before) then
    redis.call('ZREM', KEYS[5], member)
  end
end
redis.call('DEL', KEYS[6])
return 1
