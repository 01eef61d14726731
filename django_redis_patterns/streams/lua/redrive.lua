-- KEYS: log, dead
-- ARGV: group, letters...
-- RETURNS: how many were appended again, nil when there is no such group
-- Each comes as a new event, at the end of the log, for this group alone.
if redis.pcall('XPENDING', KEYS[1], ARGV[1]).err then
  return false
end
local done = 0
for i = 2, #ARGV do
  local letter = redis.call('XRANGE', KEYS[2], ARGV[i], ARGV[i])[1]
  if letter then
    redis.call('XADD', KEYS[1], '*', 'd', letter[2][2], 'g', ARGV[1])
    done = done + redis.call('XDEL', KEYS[2], ARGV[i])
  end
end
return done
