-- KEYS: entry
-- ARGV: lease, token, ttl_ms, unreadable
-- RETURNS: the value if there is one; 1 if the lease is ours, 0 if it is somebody else's
-- A lease lies where the value will lie. Its deadline is in it: somebody may have prolonged the key.
-- A value whose SHA-1 is *unreadable* counts as none.
local lease, token = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local there = redis.call('GET', KEYS[1])
if there and string.sub(there, 1, #lease) == lease then
  local holder, deadline = string.match(string.sub(there, #lease + 1), '^(%x+):(%d+)$')
  if holder == token then return 1 end
  if tonumber(deadline) > now then return 0 end
elseif there and redis.sha1hex(there) ~= ARGV[4] then
  return there
end
redis.call('SET', KEYS[1], lease .. token .. ':' .. string.format('%.0f', now + ARGV[3]), 'PX', ARGV[3])
return 1
