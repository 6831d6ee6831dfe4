-- The time, and what one caller has used. Both scripts begin with it: admit.lua and charge.lua.
-- KEYS: 1 the caller: a hash of levels, each the time at which all is free again: rate, cpu, stored; seen: the time when it
-- was written last. All in microseconds.
-- If the clock was set back since, the levels go back with it: nobody gets a fresh budget by that, and nobody waits until the
-- clock is where it was.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local kept = redis.call('HMGET', KEYS[1], 'rate', 'cpu', 'stored', 'seen')
local seen = tonumber(kept[4] or 0)
local back = math.max(seen - now, 0)
local levels = {}
for index = 1, 3 do
  levels[index] = math.max(tonumber(kept[index] or 0) - back, 0)
end
local function text(number)
  return string.format('%.0f', number)
end
local function keep()
  local last = math.max(levels[1], levels[2], levels[3])
  if last > now then
    redis.call('HSET', KEYS[1], 'rate', text(levels[1]), 'cpu', text(levels[2]), 'stored', text(levels[3]), 'seen', text(now))
    redis.call('PEXPIRE', KEYS[1], text(math.ceil((last - now) / 1000) + 1))
  end
end
