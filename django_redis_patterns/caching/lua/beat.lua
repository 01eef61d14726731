-- KEYS: anchor
-- ARGV: channel, moment
-- RETURNS: 1
-- The key only says at which node: what that node said before has been heard when this is.
redis.call('EXISTS', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1
