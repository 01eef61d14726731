-- KEYS: board, stamps
-- ARGV: members...
-- RETURNS: per member its stored name and its score, null for who is not there
local reply = {}
for i, member in ipairs(ARGV) do
  local stamp = redis.call('HGET', KEYS[2], member)
  local stored = stamp and stamp .. ':' .. member
  reply[2 * i - 1] = stored
  reply[2 * i] = stored and redis.call('ZSCORE', KEYS[1], stored)
end
return reply
