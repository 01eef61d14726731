-- KEYS: log, live, seen, dropped, due, tries, dead
-- ARGV: group, most
-- RETURNS: nil when there is no such group, else now, unread, first_unread, pending, first_pending, due, failed, dead,
-- dropped, seen, then of each consumer its name, pending, first_pending, idle_ms, lease_end
-- unread is counted, up to most; from there on it is the server's own count, if it has one (7.0), else most.
local log, group, clock = KEYS[1], ARGV[1], redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local groups, row = redis.pcall('XINFO', 'GROUPS', log), nil

for _, one in ipairs(groups) do
  row = one[2] == group and one or row
end
if not row then
  return false
end
local from, unread, first, most = row[8], 0, false, tonumber(ARGV[2])
repeat
  local page = redis.call('XRANGE', log, '(' .. from, '+', 'COUNT', 1000)
  unread = unread + #page
  first = first or (page[1] and page[1][1] or false)
  from = page[#page] and page[#page][1]
until #page < 1000 or unread >= most
if unread >= most and type(row[12]) == 'number' then
  unread = row[12]
end
local told = { now, unread, first, row[6], redis.call('XPENDING', log, group)[2], redis.call('ZCARD', KEYS[5]) }
told[7], told[8] = redis.call('HLEN', KEYS[6]), redis.call('XLEN', KEYS[7])
told[9], told[10] = redis.call('HGET', KEYS[4], group), redis.call('ZSCORE', KEYS[3], group)
for _, one in ipairs(redis.call('XINFO', 'CONSUMERS', log, group)) do
  local oldest = one[4] > 0 and redis.call('XPENDING', log, group, '-', '+', 1, one[2])[1]
  local n = #told
  told[n + 1], told[n + 2], told[n + 3] = one[2], one[4], oldest and oldest[1] or false
  told[n + 4], told[n + 5] = one[6], redis.call('ZSCORE', KEYS[2], one[2])
end
return told
