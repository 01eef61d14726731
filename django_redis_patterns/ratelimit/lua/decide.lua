-- KEYS: states...
-- ARGV: act, meters...
-- RETURNS: per state a text: used before, stamp, us until it is free, us until the cost fits, 1 if it was charged
-- act: hit, or peek, which writes nothing. meters: per state a text: group, kind, limit, cost, two numbers of its kind.
-- A group is charged whole or not at all; when group 0 is refused nobody is charged. When the clock is put back, a
-- state's newest stamp counts as now. A state's TTL ends when what it holds counts no more.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local stored = redis.call('MGET', unpack(KEYS)) -- nothing for a log, which is a list

local function save(key, state, us)
  redis.call('SET', key, cmsgpack.pack(state), 'PX', math.ceil(us / 1000))
end

-- { number of the present slice, its count, the count of the one before, ... }; the last `m.b` slices of `m.a` us count.
local function sliced(m, state)
  local newest = state[1] or math.floor(now / m.a)
  local number = math.max(math.floor(now / m.a), newest)
  local counts, used, last = { number, 0 }, 0, nil
  for i = 2, math.min(#state + number - newest, m.b + 1) do
    counts[i] = i + newest - number >= 2 and state[i + newest - number] or 0
    used, last = used + counts[i], last or counts[i] > 0 and i
  end
  local function ends(i)
    return (number - i + 2 + m.b) * m.a - now
  end
  m.used, m.stamp, m.free = used, math.max(now, number * m.a), last and ends(last) or 0
  function m.fits()
    local i, over = #counts + 1, used + m.cost - m.limit
    while over > 0 and i > 2 do
      i = i - 1
      over = over - counts[i]
    end
    return ends(i)
  end
  function m.charge()
    counts[2] = counts[2] + m.cost
    m.free = ends(2)
    save(m.key, counts, m.b * m.a)
  end
end

-- { level, stamp }; each unit of cost adds `m.a`, each microsecond drains `m.b`: integers, so nothing is ever rounded.
local function bucket(m, state)
  m.stamp = math.max(now, state[2] or 0)
  local level = math.max((state[1] or 0) - (m.stamp - (state[2] or 0)) * m.b, 0)
  local function drains(amount)
    return amount > 0 and math.ceil(amount / m.b) + m.stamp - now or 0
  end
  m.used, m.free = math.ceil(level / m.a), drains(level)
  function m.fits()
    return drains(level - (m.limit - m.cost) * m.a)
  end
  function m.charge()
    level = level + m.cost * m.a
    m.free = drains(level)
    save(m.key, { level, m.stamp }, level / m.b)
  end
end

-- A stamp for each unit of cost, newest first; those of the last `m.a` us count.
local function log(m)
  local length, newest = redis.call('LLEN', m.key), redis.call('LINDEX', m.key, 0)
  m.stamp = math.max(now, tonumber(newest or 0))
  local used, rest = 0, length
  while used < rest do
    local middle = math.floor((used + rest) / 2)
    if tonumber(redis.call('LINDEX', m.key, middle)) > m.stamp - m.a then
      used = middle + 1
    else
      rest = middle
    end
  end
  m.used, m.free = used, used > 0 and newest + m.a - now or 0
  function m.fits()
    return (redis.call('LINDEX', m.key, math.max(m.limit - m.cost, 0)) or now) + m.a - now
  end
  function m.charge()
    if used < length then
      redis.call('LTRIM', m.key, -length, used - length - 1)
    end
    local stamps = {}
    for i = 1, m.cost do
      stamps[i] = m.stamp
    end
    redis.call('LPUSH', m.key, unpack(stamps))
    redis.call('PEXPIRE', m.key, math.ceil(m.a / 1000))
    m.free = m.stamp + m.a - now
  end
end

local kinds = { sliced = sliced, bucket = bucket, log = log }
local meters, refused, reply = {}, {}, {}
for i = 2, #ARGV do
  local group, kind, limit, cost, a, b = string.match(ARGV[i], '(%d+) (%l+) (%d+) (%d+) (%d+) (%d+)')
  local m = { key = KEYS[i - 1], group = group, limit = tonumber(limit), cost = tonumber(cost) }
  m.a, m.b = tonumber(a), tonumber(b)
  kinds[kind](m, stored[i - 1] and cmsgpack.unpack(stored[i - 1]) or {})
  m.is_over = m.used + m.cost > m.limit
  meters[i - 1], refused[group] = m, refused[group] or m.is_over
end
for i, m in ipairs(meters) do
  local is_charged = ARGV[1] == 'hit' and not refused['0'] and not refused[m.group]
  if is_charged then
    m.charge()
  end
  local fits = m.is_over and m.fits() or 0
  reply[i] = string.format('%.0f %.0f %.0f %.0f %d', m.used, m.stamp, m.free, fits, is_charged and 1 or 0)
end
return reply
