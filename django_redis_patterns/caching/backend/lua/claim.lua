-- KEYS: entry
-- ARGV: lease, token, ttl_ms, unreadable
-- RETURNS: the value if there is one; 1 if it is on us to compute it, 0 if on somebody else
-- A lease lies where the value will lie: "lease", its deadline, the tokens of all who compute, the latest first. It is
-- kept after its deadline, so that who is late may still store. A deadline further away than a lease lasts is none: a
-- server with another clock has taken over. A value whose SHA-1 is *unreadable* counts as none.
local lease, token = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local there = redis.call('GET', KEYS[1])
local others = ''
if there and string.sub(there, 1, #lease) == lease then
  local deadline, tokens = string.match(string.sub(there, #lease + 1), '^(%d+)(.*)$')
  local left = (tonumber(deadline) or now) - now
  others = string.sub(tokens or '', 1, 500)
  if string.find(others, token, 1, true) then return 1 end
  if left > 0 and left <= tonumber(ARGV[3]) then return 0 end
elseif there and redis.sha1hex(there) ~= ARGV[4] then
  return there
end
local deadline = string.format('%.0f', now + ARGV[3])
redis.call('SET', KEYS[1], lease .. deadline .. ':' .. token .. others, 'PX', string.format('%.0f', ARGV[3] + 600000))
return 1
