-- KEYS: jobs, ready, ranked, later, wake, unique, stats, results...
-- ARGV: minute, jobs...
-- RETURNS: for each job 1: it is new, 0: it was there, or the id of another that has its mark
-- jobs: of each its id, when it is due (ms from now, or @ and ms since 1970; 0: now), and its record. A record begins
-- with the priority and the mark, if it has one. results has a key for each job: there for one that has ended.
local BAND = 2 ^ 44
local told, pushed, is_news = {}, 0, false

local function place(id, priority)
  if priority == 0 then
    return redis.call('LPUSH', KEYS[2], id)
  end
  local low, high = -priority * BAND, -priority * BAND + BAND - 1
  local last = redis.call('ZREVRANGEBYSCORE', KEYS[3], high, low, 'WITHSCORES', 'LIMIT', 0, 1)[2]
  redis.call('ZADD', KEYS[3], string.format('%.0f', last and last + 1 or low + BAND / 2), id)
end

local function put_off(id, due)
  local first = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')[2]
  is_news = is_news or not first or due < tonumber(first)
  redis.call('ZADD', KEYS[4], string.format('%.0f', due), id)
end

local function when(due)
  if due == '0' then
    return nil -- the usual case needs no clock
  end
  local clock = redis.call('TIME')
  local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  local at = tonumber(string.match(due, '^@(.*)') or now + due)
  return at > now and at or nil
end

local function push(id, due, record, result)
  local priority, mark = string.match(record, '^(%-?%d+):?%a?(%S*) ')
  local other = mark ~= '' and redis.call('HGET', KEYS[6], mark)
  if other and other ~= id then
    return other
  elseif redis.call('EXISTS', result) == 1 or redis.call('HSETNX', KEYS[1], id, record) == 0 then
    return 0
  end
  if mark ~= '' then
    redis.call('HSET', KEYS[6], mark, id)
  end
  local at = when(due)
  if at then
    put_off(id, at)
  else
    is_news = true
    place(id, tonumber(priority))
  end
  pushed = pushed + 1
  return 1
end

for i = 2, #ARGV, 3 do
  told[#told + 1] = push(ARGV[i], ARGV[i + 1], ARGV[i + 2], KEYS[#KEYS - (#ARGV - i - 2) / 3])
end
if pushed > 0 and redis.call('HINCRBY', KEYS[7], ARGV[1] .. ':in', pushed) == pushed then
  redis.call('PEXPIRE', KEYS[7], 90000000)
end
if is_news and redis.call('LLEN', KEYS[5]) == 0 then
  redis.call('LPUSH', KEYS[5], '')
  redis.call('PEXPIRE', KEYS[5], 60000)
end
return told
