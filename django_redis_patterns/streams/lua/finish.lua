-- KEYS: log, due, tries, dead, lanes, stirred, wake
-- ARGV: group, consumer, first, last, done, records...
-- RETURNS: how many were acknowledged, then the ids that another consumer has by now: nothing was done with them
-- done: ids of what was delivered once, and needs no more. records: of each other event its verb, id, deliveries, a
-- number and a text. again: it failed, and is due in number ms. apart: it failed in a batch, and is due now, by itself; no attempt counts.
-- back: it was not run. dead: number attempts were made, text is why. drop: the same, and nobody wants the letter.
-- An event is this consumer's while it has it and it was not delivered again since: then somebody else may run it.
local log, group, me, clock = KEYS[1], ARGV[1], ARGV[2], redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local mine, acked, lost, is_ordered, woken = {}, {}, {}, redis.call('EXISTS', KEYS[5]) == 1, false

local function lane_of(id)
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  local member = string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
  return redis.call('ZSCORE', KEYS[5], member), member
end

local function stir(lane)
  if lane and redis.call('ZCOUNT', KEYS[5], lane, lane) > 0 then
    redis.call('SADD', KEYS[6], lane)
    woken = true
  end
end

local function is_mine(id, deliveries)
  if mine[id] == tonumber(deliveries) then
    return true
  end
  local rows = redis.pcall('XPENDING', log, group, id, id, 1)
  if rows[1] and rows[1][2] ~= 'waiting' then
    lost[#lost + 1] = id
  end
  if is_ordered then
    stir((lane_of(id)))
  end
end

local function finish(id)
  acked[#acked + 1] = id
  if is_ordered then
    local lane, member = lane_of(id)
    redis.call('ZREM', KEYS[5], member)
    stir(lane)
  end
end

local function park(id, wait, count)
  redis.call('XCLAIM', log, group, 'waiting', 0, id, 'RETRYCOUNT', count, 'JUSTID')
  local lane = is_ordered and lane_of(id)
  if wait == 0 and lane then
    stir(lane)
  else
    redis.call('ZADD', KEYS[2], string.format('%.0f', now + wait), id)
  end
end

local act = {}
function act.again(id, deliveries, wait)
  redis.call('HINCRBY', KEYS[3], id, 1)
  park(id, tonumber(wait), deliveries)
end
function act.apart(id, deliveries)
  redis.call('HSETNX', KEYS[3], id, 0)
  park(id, 0, deliveries - 1)
end
function act.back(id, deliveries)
  park(id, 0, deliveries - 1)
end
function act.dead(id, deliveries, attempts, why)
  local entry = redis.call('XRANGE', log, id, id)[1]
  local data = entry and entry[2][1] == 'd' and entry[2][2] or ''
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', 100000, '*', 'd', data, 'id', id, 'attempts', attempts, 'reason', why)
  act.drop(id)
end
function act.drop(id)
  redis.call('HDEL', KEYS[3], id)
  finish(id)
end

local rows = redis.pcall('XPENDING', log, group, ARGV[3], ARGV[4], 100000, me)
for _, row in ipairs(rows) do
  mine[row[1]] = row[4]
end
for id in string.gmatch(ARGV[5], '%S+') do
  if is_mine(id, 1) then
    finish(id)
  end
end
for i = 6, #ARGV, 5 do
  if is_mine(ARGV[i + 1], ARGV[i + 2]) then
    act[ARGV[i]](ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4])
  end
end
for i = 1, #acked, 1000 do
  redis.call('XACK', log, group, unpack(acked, i, math.min(i + 999, #acked)))
end
if woken then
  redis.call('XADD', KEYS[7], 'MAXLEN', 1, '*', 'x', '')
  redis.call('PEXPIRE', KEYS[7], 60000)
end
table.insert(lost, 1, #acked)
return lost
