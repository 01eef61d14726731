-- KEYS: log, dropped, once...
-- ARGV: maxlen, once_ms, entries...
-- RETURNS: the id of each entry; that of the first time where its key was there
-- entries: of each the place of its key in once (0: it has none) and its data. maxlen 0 is none. What a full log drops
-- unread is counted for each group: what was not delivered to it, or not acknowledged.
local log, ids = KEYS[1], {}
for i = 3, #ARGV, 2 do
  local place = tonumber(ARGV[i])
  local once = place > 0 and place <= #KEYS - 2 and KEYS[place + 2]
  local id = once and redis.call('GET', once)
  if not id then
    id = redis.call('XADD', log, '*', 'd', ARGV[i + 1])
    if once then
      redis.call('SET', once, id, 'PX', ARGV[2])
    end
  end
  ids[#ids + 1] = id
end
local over = redis.call('XLEN', log) - ARGV[1]
if ARGV[1] == '0' or over <= 0 then
  return ids
end
local going = redis.call('XRANGE', log, '-', '+', 'COUNT', over)
local first, last = going[1][1], going[#going][1]
for _, group in ipairs(redis.call('XINFO', 'GROUPS', log)) do
  local unread = #redis.call('XRANGE', log, '(' .. group[8], last)
  local unacknowledged = group[6] > 0 and #redis.call('XPENDING', log, group[2], first, last, over) or 0
  if unread + unacknowledged > 0 then
    redis.call('HINCRBY', KEYS[2], group[2], unread + unacknowledged)
  end
end
redis.call('XTRIM', log, 'MAXLEN', ARGV[1])
return ids
