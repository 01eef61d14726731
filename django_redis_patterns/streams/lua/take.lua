-- KEYS: log, live, due, tries
-- ARGV: group, consumer, most, alone
-- RETURNS: nil when there is no such group, else next, held, gone, again, ids, lanes, new
-- next: ms until something is due (-1: nothing is). held: 1 if a suspect, which has killed consumers, waits until this
-- one has nothing else in hand (alone is 1); 2 if this one's lease has run out, so that it is given nothing. gone: ids that have left the log. again: id, data, deliveries, failures
-- (-1: none), lane of each event that was delivered before. ids, lanes and data of new ones.
local log, group, me, most = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local held, gone, again, ids, new, is_alone = 0, {}, {}, {}, {}, false

local function forget(id)
  redis.call('ZREM', KEYS[3], id)
  redis.call('HDEL', KEYS[4], id)
end

local function claim(id, deliveries, failures)
  local entry = redis.call('XCLAIM', log, group, me, 0, id)[1]
  if entry and entry[2] then
    redis.call('ZREM', KEYS[3], id)
    local data, n = entry[2][1] == 'd' and entry[2][2] or '', #again
    again[n + 1], again[n + 2], again[n + 3], again[n + 4], again[n + 5] = id, data, deliveries + 1, failures or -1, ''
  else
    redis.call('XACK', log, group, id)
    forget(id)
    gone[#gone + 1] = id
  end
end

local function retake(id)
  local row = redis.call('XPENDING', log, group, id, id, 1)[1]
  local failures = tonumber(redis.call('HGET', KEYS[4], id))
  if not row then -- somebody has acknowledged it
    return forget(id)
  end
  local is_suspect = row[4] - (failures or 0) >= 2
  if is_suspect and (ARGV[4] ~= '1' or #again > 0) then
    held = 1
  elseif not is_alone then
    claim(id, row[4], failures)
    is_alone = is_suspect
  end
end

if not redis.pcall('XPENDING', log, group)[1] then
  return false
end
local lease = redis.call('ZSCORE', KEYS[2], me)
if lease and tonumber(lease) <= now then
  return { -1, 2, gone, again, '', '', new }
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, math.ceil(most / 2))) do
  retake(id)
end
local room = most - #again / 5
if room > 0 and not is_alone then
  local read = redis.call('XREADGROUP', 'GROUP', group, me, 'COUNT', room, 'STREAMS', log, '>')
  for _, entry in ipairs(read and read[1][2] or {}) do
    local fields = entry[2]
    if fields[3] == 'g' and fields[4] ~= group then -- a copy for another group
      redis.call('XACK', log, group, entry[1])
    else
      ids[#ids + 1], new[#new + 1] = entry[1], fields[1] == 'd' and fields[2] or ''
    end
  end
end
local first = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
return { first and math.max(first - now, 0) or -1, held, gone, again, table.concat(ids, ' '), '', new }
