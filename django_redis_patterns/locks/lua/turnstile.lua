-- KEYS: holders, queue, facts
-- ARGV: action, card, limit, fence, is_queueing, arrival, name
-- RETURNS: enter: {1, fence, ttl_ms, now_us} or {0, arrival, place, free_in_ms, now_us, a holder's fact}; leave: 1, 0 if put out; evict: how many
-- Whoever comes or goes: first those whose time is up are put out, then free places go to waiters in their order.
-- A card is token, ttl_ms, channel and owner; a holder's fact is its fence, since when, its channel and owner.
local action, limit, floor = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local token, ttl, channel, owner = string.match(ARGV[2], '^([^\n]*)\n(%d+)\n([^\n]*)\n(.*)$')
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local known = redis.call('HMGET', KEYS[3], 'last', 'bad')
local last, bad = tonumber(known[1] or 0), tonumber(known[2] or 0)
local mine

local function text(number)
  return string.format('%.0f', number)
end
local function keep(lease)
  for _, key in ipairs({KEYS[1], KEYS[3]}) do
    if redis.call('PTTL', key) < lease + 3600000 then redis.call('PEXPIRE', key, text(lease + 3600000)) end
  end
end
local function fact_of(who)
  return redis.call('HGET', KEYS[3], who) or '0\n0\n\n?'
end
local function fence_of(who)
  return tonumber(string.match(fact_of(who), '^%d+'))
end
local function put_out(who)
  bad = math.max(bad, fence_of(who))
  redis.call('ZREM', KEYS[1], who)
  redis.call('HDEL', KEYS[3], who)
  redis.call('HSET', KEYS[3], 'bad', text(bad))
end
-- Whoever lets its time run out may be stopped: others of its process wait no longer, until they ask again.
local function forget_waiters_of(who)
  local of = string.match(fact_of(who), '^%d+\n%d+\n([^\n]*)')
  for _, card in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    if string.match(card, '^[^\n]*\n%d+\n([^\n]*)') == of then redis.call('ZREM', KEYS[2], card) end
  end
end
local function admit(who, lease, to, name)
  local is_first = last == 0
  last = math.max(last + 1, micros, floor)
  if is_first then -- whoever was in before, Redis has forgotten
    bad = last - 1
    redis.call('HSET', KEYS[3], 'bad', text(bad))
  end
  redis.call('ZADD', KEYS[1], text(now + lease), who)
  local fact = table.concat({text(last), text(now), to, name}, '\n')
  redis.call('HSET', KEYS[3], 'last', text(last), 'name', ARGV[7], who, fact)
  keep(lease)
  if who == token then mine = {1, last, lease, micros} end
end
local function hand_out()
  while redis.call('ZCARD', KEYS[1]) < limit do
    local first = redis.call('ZPOPMIN', KEYS[2])[1]
    if not first then return true end
    local who, full, to, name = string.match(first, '^([^\n]*)\n(%d+)\n([^\n]*)\n(.*)$')
    local lease = who == token and tonumber(full) or math.min(full, 3000)
    local grant = {'grant', who, text(math.max(last + 1, micros, floor)), text(lease), text(micros)}
    if who == token or redis.call('PUBLISH', to, table.concat(grant, '\n')) > 0 then
      admit(who, lease, to, name)
    end
  end
end
local function enter()
  if redis.call('ZSCORE', KEYS[1], token) then
    local fence = math.max(fence_of(token), floor)
    local fact = string.gsub(fact_of(token), '^%d+', text(fence), 1)
    redis.call('ZADD', KEYS[1], text(now + ttl), token)
    redis.call('HSET', KEYS[3], 'last', text(math.max(last, fence)), token, fact)
    keep(ttl)
    return {1, fence, tonumber(ttl), micros}
  end
  if ARGV[6] ~= '' then redis.call('ZADD', KEYS[2], 'NX', ARGV[6], ARGV[2]) end
  if hand_out() and not mine then admit(token, tonumber(ttl), channel, owner) end
  if mine then return mine end
  if ARGV[5] == '1' then
    local before = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')[2] or 0
    redis.call('ZADD', KEYS[2], 'NX', text(math.max(micros, before + 1)), ARGV[2])
  end
  redis.call('PEXPIRE', KEYS[2], 60000)
  local soonest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  local arrival, place = redis.call('ZSCORE', KEYS[2], ARGV[2]), redis.call('ZRANK', KEYS[2], ARGV[2])
  return {0, arrival or '', place or 0, soonest[2] - now, micros, fact_of(soonest[1])}
end
local function leave()
  if floor == 0 then redis.call('ZREM', KEYS[2], ARGV[2]) end
  local was_in = redis.call('ZREM', KEYS[1], token) == 1
  redis.call('HDEL', KEYS[3], token)
  hand_out()
  return (was_in or floor > bad and last >= floor) and 1 or 0
end
local function evict()
  local holders = redis.call('ZRANGE', KEYS[1], 0, -1)
  for _, who in ipairs(holders) do
    local to = string.match(fact_of(who), '^%d+\n%d+\n([^\n]*)')
    redis.call('PUBLISH', to, 'evicted\n' .. who)
    put_out(who)
  end
  hand_out()
  return #holders
end

for _, who in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  forget_waiters_of(who)
  put_out(who)
end
return ({enter = enter, leave = leave, evict = evict})[action]()
