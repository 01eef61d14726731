-- KEYS: jobs, ready, ranked, later, running, live, suspects, kills, past, wake, paused, unique, dead, reasons, waits, stats, results...
-- ARGV: me, token, how, ends...
-- RETURNS: ms until the next look, held back (1: until you are alone, 2: until you have a lease), how many ends were not ours, columns, of each claim id, record and, if there are 4 columns, past and kills
-- ends: each its verb, token, number and the length of its past; its id; past and text in one; and a key of results.
-- done: text is the result, kept for number ms. again: it failed, and is due in number ms. back: it was not run, and goes
-- to the front. dead: text says why. how: numbers, of which lease is 0 for who has one, -1 to end it, else what a taker
-- gets that has none. What is claimed is fenced by me and token.
local BAND = 2 ^ 44
local jobs, ready, ranked, later, running, live = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local suspects, kills, past, wake, unique, dead, waits = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[12], KEYS[13], KEYS[15]
local me, token, HOW = ARGV[1], ARGV[2], '(%S+) (%d) (%d) (%d) (%d) (%d+) (%d+) (%d+) (%d+) (%d+)'
local lease, alone, takes_over, looks_around, is_again, free, max_kills, max_dead, minute, ran = string.match(ARGV[3], HOW)
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local stamp = string.format('%.0f', now)
lease, free = tonumber(lease), math.min(tonumber(free), 1000)
local is_special = redis.call('EXISTS', unique, waits) > 0
local has_notes = redis.call('EXISTS', past, kills, KEYS[14]) > 0
local gone, backs, told, is_held, lost = {}, {}, {}, 0, 0
local is_paused, is_left = redis.call('EXISTS', KEYS[11]) == 1, true

local function count(kind, by)
  if by > 0 and redis.call('HINCRBY', KEYS[16], minute .. ':' .. kind, by) == by then
    redis.call('PEXPIRE', KEYS[16], 90000000)
  end
end

local function place(id, at_front)
  local priority = tonumber(string.match(redis.call('HGET', jobs, id) or '0', '^%-?%d+'))
  if priority == 0 then
    return redis.call(at_front and 'RPUSH' or 'LPUSH', ready, id)
  end
  local low, high, next = -priority * BAND, -priority * BAND + BAND - 1
  if at_front then
    next = redis.call('ZRANGEBYSCORE', ranked, low, high, 'WITHSCORES', 'LIMIT', 0, 1)[2]
  else
    next = redis.call('ZREVRANGEBYSCORE', ranked, high, low, 'WITHSCORES', 'LIMIT', 0, 1)[2]
  end
  redis.call('ZADD', ranked, string.format('%.0f', next and next + (at_front and -1 or 1) or low + BAND / 2), id)
end

local function unmark(id, record, kind)
  local mark = string.match(record or '', '^%-?%d+:' .. kind .. '(%S+)')
  if mark and redis.call('HGET', unique, mark) == id then
    redis.call('HDEL', unique, mark)
  end
end

-- Whoever may have the mark of an ended job does so from now on, and who waits for its end is told.
local function leave(id)
  if is_special then
    unmark(id, redis.call('HGET', jobs, id), '%a')
    for channel in string.gmatch(redis.call('HGET', waits, id) or '', '%S+') do
      redis.call('PUBLISH', channel, id)
    end
    redis.call('HDEL', waits, id)
  end
end

local function forget(ids)
  for i = 1, #ids do
    leave(ids[i])
  end
  for _, key in ipairs(#ids == 0 and {} or has_notes and { jobs, past, kills, KEYS[14] } or { jobs }) do
    redis.call('HDEL', key, unpack(ids))
  end
end

local function die(id, why)
  has_notes = true
  redis.call('ZADD', dead, stamp, id)
  redis.call('HSET', KEYS[14], id, why)
  leave(id)
  count('dead', 1)
  while redis.call('ZCARD', dead) > tonumber(max_dead) do
    forget({ redis.call('ZPOPMIN', dead)[1] })
  end
end

local act = {}
function act.done(id, ttl, _, text, result, mine)
  redis.call('SET', result, text == '' and '=' .. mine or text, 'PX', ttl)
  gone[#gone + 1] = id
end
function act.again(id, delay, notes)
  has_notes = true
  redis.call('HSET', past, id, notes)
  redis.call('ZADD', later, string.format('%.0f', now + delay), id)
  count('failed', 1)
end
function act.back(id)
  backs[#backs + 1] = id
end
function act.dead(id, _, notes, why)
  redis.call('HSET', past, id, notes)
  die(id, why)
end

local function finish()
  local ids, ended = {}, {}
  for i = 5, #ARGV, 3 do
    ids[#ids + 1] = ARGV[i]
  end
  local claims = #ids > 0 and redis.call('HMGET', running, unpack(ids))
  for n, id in ipairs(ids) do
    local verb, fence, number, length = string.match(ARGV[3 * n + 1], '(%l+) (%S+) (%d+) (%d+)')
    local mine, result, text = me .. ' ' .. fence .. ' ', KEYS[#KEYS - #ids + n], ARGV[3 * n + 3]
    if claims[n] and string.sub(claims[n], 1, #mine) == mine then
      ended[#ended + 1] = id
      act[verb](id, number, string.sub(text, 1, length), string.sub(text, length + 1), result, mine)
    elseif verb ~= 'done' or redis.call('GET', result) ~= '=' .. mine then -- it is not us who did that already
      lost = lost + 1
    end
  end
  if #ended > 0 then
    redis.call('HDEL', running, unpack(ended))
  end
  for i = #backs, 1, -1 do
    local id = backs[i]
    if tonumber(string.match(redis.call('HGET', kills, id) or '', '^%d+') or 0) > 1 then
      redis.call('RPUSH', suspects, id)
    else
      place(id, true)
    end
  end
  count('done', #gone)
  forget(gone)
end

-- Whoever steps lives, though its lease may have run out: others may take over what it has, but not it.
local function lives(name)
  if name == me then
    return true
  end
  local till = tonumber(redis.call('ZSCORE', live, name) or takes_over == '0' and now or 0)
  return till > now or (till > 0 and takes_over == '0')
end

-- A death counts for all that its process had. After the second one a job is a suspect, and runs alone.
local function bury()
  local claims, names = redis.call('HGETALL', running), {}
  for i = 1, #claims, 2 do
    local id, name = claims[i], string.match(claims[i + 1], '^%S+')
    if not lives(name) then
      local before = redis.call('HGET', kills, id) or '0'
      local deaths = tonumber(string.match(before, '^%d+') or 0) + 1
      redis.call('HSET', kills, id, deaths .. string.match(before, '^%d*(.*)') .. ' ' .. name)
      redis.call('HDEL', running, id)
      has_notes = true
      if deaths >= tonumber(max_kills) then
        die(id, deaths .. ' processes died while they had it')
      elseif deaths > 1 then
        redis.call('LPUSH', suspects, id)
      else
        place(id, true)
      end
    end
  end
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', live, '-inf', takes_over == '1' and stamp or 0)) do
    if name ~= me then
      redis.call('ZREM', live, name)
    end
  end
end

local function promote()
  local first = redis.call('ZRANGE', later, 0, 0, 'WITHSCORES')[2]
  if not first or tonumber(first) > now then
    return first
  end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', later, '-inf', stamp, 'LIMIT', 0, 100)) do
    redis.call('ZREM', later, id)
    place(id, false)
  end
  return redis.call('ZRANGE', later, 0, 0, 'WITHSCORES')[2]
end

local function take_over()
  local first = redis.call('ZRANGE', live, 0, 0, 'WITHSCORES')[2]
  if looks_around == '1' or first and tonumber(first) <= (takes_over == '1' and now or 0) then
    bury()
    first = redis.call('ZRANGE', live, 0, 0, 'WITHSCORES')[2]
  end
  return first
end

local function is_welcome()
  if lease == 0 and tonumber(redis.call('ZSCORE', live, me) or 0) <= now then
    is_held = 2
  elseif alone == '0' and redis.call('EXISTS', suspects) == 1 then
    is_held = 1
  end
  return is_held == 0 and not is_paused
end

local function pick()
  local is_plain = redis.call('EXISTS', suspects, ranked) == 0
  local suspect = not is_plain and redis.call('RPOP', suspects)
  if suspect then
    return { suspect }
  end
  local ids = is_plain and {} or redis.call('ZRANGEBYSCORE', ranked, '-inf', '(0', 'LIMIT', 0, free)
  if #ids > 0 then
    redis.call('ZREM', ranked, unpack(ids))
  end
  for _, id in ipairs(#ids < free and redis.call('RPOP', ready, free - #ids) or {}) do
    ids[#ids + 1] = id
  end
  local rest = not is_plain and #ids < free and redis.call('ZPOPMIN', ranked, free - #ids) or {}
  for i = 1, #rest, 2 do
    ids[#ids + 1] = rest[i]
  end
  is_left = #ids == free
  return ids
end

-- What is no id of ours, or has no record, somebody else has written.
local function pick_known()
  local own, records, ids = {}, {}, pick()
  while #ids > 0 and #own == 0 do
    for i, record in ipairs(redis.call('HMGET', jobs, unpack(ids))) do
      if record and #ids[i] <= 64 and not string.find(ids[i], '[^ -~]') then
        own[#own + 1], records[#records + 1] = ids[i], record
      else
        die(ids[i], 'there is no such job')
      end
    end
    ids = #own == 0 and pick() or {}
  end
  return own, records
end

local function hand_over(ids, records)
  local notes = has_notes and redis.call('HMGET', past, unpack(ids))
  local deaths = has_notes and redis.call('HMGET', kills, unpack(ids))
  for i, id in ipairs(ids) do
    local n = #told
    told[n + 1], told[n + 2] = id, records[i]
    if has_notes then
      told[n + 3], told[n + 4] = notes[i], deaths[i]
    end
  end
end

local function claim()
  local pairs, ids, records = {}, pick_known()
  if #ids == 0 then
    return
  end
  for i, id in ipairs(ids) do
    pairs[2 * i - 1], pairs[2 * i] = id, me .. ' ' .. token .. ' ' .. stamp
  end
  redis.call('HSET', running, unpack(pairs))
  hand_over(ids, records)
  for i = 1, is_special and #ids or 0 do
    unmark(ids[i], records[i], 's')
  end
  if lease > 0 then
    redis.call('ZADD', live, string.format('%.0f', now + lease), me)
    redis.call('PEXPIRE', live, string.format('%.0f', lease + 86400000))
  end
end

-- Who takes without a lease has a name for each take: if it is there, the take was made, and its reply lost.
local function claim_again()
  local claims, ids = redis.call('HGETALL', running), {}
  for i = 1, #claims, 2 do
    if string.match(claims[i + 1], '^%S+') == me then
      ids[#ids + 1] = claims[i]
    end
  end
  if #ids > 0 then
    hand_over(ids, redis.call('HMGET', jobs, unpack(ids)))
  end
end

finish()
count('ms', tonumber(ran))
if is_again == '0' then
  count('lost', lost)
end
if lease < 0 then
  redis.call('ZREM', live, me)
end
local lease_end, due = take_over(), promote()
if free > 0 and lease > 0 and redis.call('ZSCORE', live, me) then
  claim_again()
elseif free > 0 and is_welcome() then
  claim()
end
is_left = is_left and not is_paused and redis.call('EXISTS', ready, ranked, suspects) > 0
if is_left and redis.call('LLEN', wake) == 0 then
  redis.call('LPUSH', wake, '')
  redis.call('PEXPIRE', wake, 60000)
end
local look = math.min(15000, (due or now + 15000) - now, (lease_end or now + 15000) - now)
return { (is_left and is_held == 0 or look < 0) and 0 or look, is_held, lost, has_notes and 4 or 2, unpack(told) }
