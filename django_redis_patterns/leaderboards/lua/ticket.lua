-- KEYS: last, tickets, rebuild
-- ARGV: kept_ms
-- RETURNS: a ticket, higher than every one before it (as a string)
-- Who takes a ticket reads the database after it, so the higher ticket has seen whatever a lower one has seen.
-- Tickets of members are forgotten after kept_ms, but not while a rebuild that started before them is running.
local now = redis.call('TIME')
local now_us = now[1] * 1000000 + now[2]
local ticket = math.max(tonumber(redis.call('GET', KEYS[1]) or 0) + 1, now_us)
redis.call('SET', KEYS[1], string.format('%.0f', ticket), 'PX', ARGV[1])
local started = string.match(redis.call('GET', KEYS[3]) or '', '%d+$')
local oldest = math.min(now_us - ARGV[1] * 1000, tonumber(started or now_us))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', oldest))
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return string.format('%.0f', ticket)
