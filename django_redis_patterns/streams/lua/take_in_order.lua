-- KEYS: log, live, due, tries, lanes, stirred, wake
-- ARGV: group, consumer, most, alone, field
-- RETURNS: as take.lua, then the newest ids of log and wake
-- A lane is all events of a group that have one value in field. lanes has what is not acknowledged of each, in order:
-- the first is running, or due, and who comes behind it later waits ('waiting' has it). Only the first is ever due. Who
-- takes it takes those that wait behind it too, to run them one after another.
local log, group, me, most = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local held, gone, again, is_alone = 0, {}, {}, false
local ids, lanes, new, mine = {}, {}, {}, {}

local function padded(id)
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end

local function pending(id)
  return redis.call('XPENDING', log, group, id, id, 1)[1]
end

local function forget(id)
  local lane = redis.call('ZSCORE', KEYS[5], padded(id))
  redis.call('ZREM', KEYS[3], id)
  redis.call('HDEL', KEYS[4], id)
  redis.call('ZREM', KEYS[5], padded(id))
  return lane and redis.call('SADD', KEYS[6], lane)
end

local function in_lane(lane, from, count)
  local ids = redis.call('ZRANGEBYSCORE', KEYS[5], lane, lane, 'LIMIT', from, count)
  for i, member in ipairs(ids) do
    ids[i] = string.gsub(member, '0*(%d+)%-0*(%d+)', '%1-%2')
  end
  return ids
end

local function wake(lane)
  local id = in_lane(lane, 0, 1)[1]
  local row = id and pending(id)
  if row and row[2] == 'waiting' then
    redis.call('ZADD', KEYS[3], 'NX', string.format('%.0f', now), id)
  elseif id and not row then
    forget(id)
  end
end

local function claim(id, row, failures, lane)
  local entry = redis.call('XCLAIM', log, group, me, 0, id)[1]
  if not entry or not entry[2] then
    redis.call('XACK', log, group, id)
    forget(id)
    gone[#gone + 1] = id
    return false
  end
  redis.call('ZREM', KEYS[3], id)
  local data, n = entry[2][1] == 'd' and entry[2][2] or '', #again
  again[n + 1], again[n + 2], again[n + 3] = id, data, row[4] + 1
  again[n + 4], again[n + 5] = failures or -1, lane or ''
  return true
end

local function retake(id)
  local row, lane = pending(id), redis.call('ZSCORE', KEYS[5], padded(id))
  local failures = tonumber(redis.call('HGET', KEYS[4], id))
  if not row then
    return forget(id)
  elseif lane and in_lane(lane, 0, 1)[1] ~= id then -- its turn will come
    return redis.call('ZREM', KEYS[3], id)
  end
  local is_suspect = row[4] - (failures or 0) >= 2
  if is_alone or (is_suspect and (ARGV[4] ~= '1' or #again > 0)) then
    held = is_suspect and 1 or held
    return
  end
  is_alone = is_suspect
  if not claim(id, row, failures, lane) or failures or is_suspect or not lane then
    return
  end
  local room = most - #again / 5
  local behind = in_lane(lane, 1, room)
  for _, next in ipairs(behind) do
    local row = pending(next)
    if not row or row[2] ~= 'waiting' or row[4] >= 2 or not claim(next, row, nil, lane) then
      return
    end
  end
  mine[lane] = #behind < room
end

local function lane_of(fields)
  local ok, value = pcall(cjson.decode, string.sub(fields[2], 2))
  local key = ok and type(value) == 'table' and value[ARGV[5]]
  local text = type(key) == 'number' and string.format('%.17g', key) or type(key) == 'string' and key or ''
  return string.format('%.0f', tonumber(string.sub(redis.sha1hex(text), 1, 13), 16))
end

local function arrange(id, fields)
  local lane = lane_of(fields)
  local is_free = mine[lane] or #in_lane(lane, 0, 1) == 0
  redis.call('ZADD', KEYS[5], lane, padded(id))
  if is_free then
    mine[lane] = true
    local n = #new + 1
    ids[n], lanes[n], new[n] = id, lane, fields[1] == 'd' and fields[2] or ''
  else
    redis.call('XCLAIM', log, group, 'waiting', 0, id, 'RETRYCOUNT', 0, 'JUSTID')
    wake(lane)
  end
end

if not redis.pcall('XPENDING', log, group)[1] then
  return false
end
local lease = redis.call('ZSCORE', KEYS[2], me)
if lease and tonumber(lease) <= now then
  return { -1, 2, gone, again, '', '', new, '0-0', '0-0' }
end
for _, lane in ipairs(redis.call('SPOP', KEYS[6], 1000)) do
  wake(lane)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, math.ceil(most / 2))) do
  if #again / 5 < most then
    retake(id)
  end
end
local rounds, read = 0, true
while read and not is_alone and #again / 5 + #new < most and (rounds == 0 or (rounds < 4 and #again + #new == 0)) do
  local room = most - #again / 5 - #new
  read = redis.call('XREADGROUP', 'GROUP', group, me, 'COUNT', room, 'STREAMS', log, '>')
  for _, entry in ipairs(read and read[1][2] or {}) do
    if entry[2][3] == 'g' and entry[2][4] ~= group then
      redis.call('XACK', log, group, entry[1])
    else
      arrange(entry[1], entry[2])
    end
  end
  rounds = rounds + 1
end

local function newest(log)
  local entry = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  return entry and entry[1] or '0-0'
end

local first = redis.call('EXISTS', KEYS[6]) == 1 and now or redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
local next = first and math.max(first - now, 0) or -1
ids, lanes = table.concat(ids, ' '), table.concat(lanes, ' ')
return { next, held, gone, again, ids, lanes, new, newest(log), newest(KEYS[7]) }
