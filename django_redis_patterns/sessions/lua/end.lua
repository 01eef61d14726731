-- KEYS: session
-- ARGV: user
-- RETURNS: 1 ended, 0 there is no such session of this user
-- user: the stored value of the field that holds the user's id
if redis.call('HGET', KEYS[1], '._auth_user_id') ~= ARGV[1] then
  return 0
end
return redis.call('UNLINK', KEYS[1])
