-- KEYS: states...
-- ARGV: charges...
-- RETURNS: null
-- charges: per state kind, cost, stamp of the charge, and two numbers of its kind. What counts no more is not given back:
-- a bucket has drained some of it, and without this charge the rest could have drained no more than it did.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function sliced(state, cost, stamp, a)
  local i = 2 + state[1] - math.floor(stamp / a)
  if i >= 2 and state[i] then
    state[i] = math.max(state[i] - cost, 0)
  end
  return state
end

local function bucket(state, cost, stamp, a, b)
  local present = math.max(now, state[2])
  local level = state[1] - (present - state[2]) * b
  local back = math.max(cost * a - math.max(present - stamp, 0) * b, 0)
  return { math.max(level - back, 0), present }
end

local kinds = { sliced = sliced, bucket = bucket }
for i, key in ipairs(KEYS) do
  local kind, cost, stamp, a, b = unpack(ARGV, 5 * i - 4, 5 * i)
  if kind == 'log' then
    redis.call('LREM', key, cost, stamp)
  else
    local stored = redis.call('GET', key)
    if stored then
      local state = kinds[kind](cmsgpack.unpack(stored), tonumber(cost), tonumber(stamp), tonumber(a), tonumber(b))
      redis.call('SET', key, cmsgpack.pack(state), 'KEEPTTL')
    end
  end
end
return false
