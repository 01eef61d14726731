-- KEYS: log, live, seen, checkpoints, due, lanes, stirred, wake, tries
-- ARGV: group, consumer, takes_over, is_ordered, dead...
-- RETURNS: the group's checkpoint ('' when there is no such group), then the ids of events that were trimmed unread
-- The checkpoint is the end of a millisecond, before which everything is done: a new log may begin within the next.
-- The group is there, and what dead consumers had is due now. Dead is who is named, who was released (a lease of 0) and,
-- if takes_over is 1, whose lease has run out; never the consumer itself. 'waiting' has what nobody runs. Nothing counts as an attempt here.
local log, group, clock = KEYS[1], ARGV[1], redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local stamp, told, named = string.format('%.0f', now), { '' }, {}

for i = 5, #ARGV do
  named[ARGV[i]] = true
end

local function is_dead(name)
  local lease = tonumber(redis.call('ZSCORE', KEYS[2], name) or 1)
  return named[name] or lease == 0 or (ARGV[3] == '1' and lease <= now)
end

local function padded(id)
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end

local function park(id)
  local lane = redis.call('ZSCORE', KEYS[6], padded(id))
  if #redis.call('XCLAIM', log, group, 'waiting', 0, id, 'JUSTID') == 0 then -- it has left the log
    told[#told + 1] = id
    redis.call('XACK', log, group, id)
    redis.call('HDEL', KEYS[9], id)
  elseif not lane then
    redis.call('ZADD', KEYS[5], stamp, id)
  end
  if lane then
    redis.call('SADD', KEYS[7], lane)
    redis.call('XADD', KEYS[8], 'MAXLEN', 1, '*', 'x', '')
    redis.call('PEXPIRE', KEYS[8], 60000)
  end
end

local groups, found = redis.pcall('XINFO', 'GROUPS', log), nil
for _, row in ipairs(groups) do
  found = row[2] == group and row or found
end
if not found then
  return told
end
redis.call('ZADD', KEYS[3], stamp, group)
for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', log, group)) do
  local name = row[2]
  if name ~= 'waiting' and name ~= ARGV[2] and is_dead(name) then
    repeat
      local had = redis.call('XPENDING', log, group, '-', '+', 1000, name)
      for _, pending in ipairs(had) do
        park(pending[1])
      end
    until #had == 0
    redis.call('XGROUP', 'DELCONSUMER', log, group, name)
  end
end
if ARGV[4] ~= '1' then -- it may have been, before a deployment
  for _, member in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do
    redis.call('ZADD', KEYS[5], stamp, (string.gsub(member, '0*(%d+)%-0*(%d+)', '%1-%2')))
  end
  redis.call('DEL', KEYS[6], KEYS[7])
end
local oldest = redis.call('XPENDING', log, group)[2] or found[8]
local ms = tonumber(string.match(oldest, '%d+'))
told[1] = ms > 0 and string.format('%.0f-18446744073709551615', ms - 1) or '0-0'
redis.call('HSET', KEYS[4], group, told[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], 1, now - 86400000)
return told
