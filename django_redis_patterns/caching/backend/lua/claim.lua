-- KEYS: entry
-- ARGV: lease, token, ttl_ms, unreadable
-- RETURNS: the value if there is one; 1 if it is on us to compute it, 0 if on somebody else
-- A lease lies where the value will lie: "lease", its deadline, the tokens of all who compute, the latest first. It is
-- kept after its deadline, so that who is late may still store. A value whose SHA-1 is *unreadable* counts as none.
local lease, token = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local there = redis.call('GET', KEYS[1])
local others = ''
if there and string.sub(there, 1, #lease) == lease then
  local deadline, tokens = string.match(string.sub(there, #lease + 1), '^(%d+)(.*)$')
  if string.find(tokens, token, 1, true) then return 1 end
  if tonumber(deadline) > now then return 0 end
  others = string.sub(tokens, 1, 500)
elseif there and redis.sha1hex(there) ~= ARGV[4] then
  return there
end
local deadline = string.format('%.0f', now + ARGV[3])
redis.call('SET', KEYS[1], lease .. deadline .. ':' .. token .. others, 'PX', string.format('%.0f', ARGV[3] + 600000))
return 1
