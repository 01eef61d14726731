-- KEYS: states...
-- ARGV: charges...
-- RETURNS: null
-- charges: per state a text: kind, cost, stamp of the charge, two numbers of its kind. What counts no more is not given back:
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
  return { level - back, present } -- below 0 is empty
end

local kinds = { sliced = sliced, bucket = bucket }
local stored = redis.call('MGET', unpack(KEYS)) -- nothing for a log, which is a list
for i, text in ipairs(ARGV) do
  local kind, cost, stamp, a, b = string.match(text, '(%l+) (%d+) (%d+) (%d+) (%d+)')
  if kind == 'log' then
    redis.call('LREM', KEYS[i], cost, stamp)
  elseif stored[i] then
    local state = kinds[kind](cmsgpack.unpack(stored[i]), tonumber(cost), tonumber(stamp), tonumber(a), tonumber(b))
    redis.call('SET', KEYS[i], cmsgpack.pack(state), 'KEEPTTL')
  end
end
return false
