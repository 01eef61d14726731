-- KEYS: ready, taken, live, ends
-- ARGV: child, free, takes_over, done...
-- RETURNS: words that are taken now

-- Each of done is a word and what became of it: "ok", "failed" or "back".
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local child, free = ARGV[1], tonumber(ARGV[2])

for i = 4, #ARGV, 2 do
    local word, fate = ARGV[i], ARGV[i + 1]
    if redis.call('HGET', KEYS[2], word) == child then
        redis.call('HDEL', KEYS[2], word)
        if fate == 'back' then
            redis.call('RPUSH', KEYS[1], word)
        end
        redis.call('HINCRBY', KEYS[4], fate .. ' ' .. word, 1)
    else
        redis.call('HINCRBY', KEYS[4], 'refused ' .. word, 1)
    end
end

local words = {}
local taken = redis.call('HGETALL', KEYS[2])
for i = 1, #taken, 2 do
    local lease = tonumber(redis.call('ZSCORE', KEYS[3], taken[i + 1]) or '1')
    if #words < free and taken[i + 1] ~= child and (lease == 0 or (ARGV[3] == '1' and lease < now)) then
        redis.call('HSET', KEYS[2], taken[i], child)
        words[#words + 1] = taken[i]
    end
end
while #words < free do
    local word = redis.call('RPOP', KEYS[1])
    if not word then
        break
    end
    redis.call('HSET', KEYS[2], word, child)
    words[#words + 1] = word
end
return words
