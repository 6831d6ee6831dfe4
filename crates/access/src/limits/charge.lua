-- Adds what a program of one caller has cost. The formula of levels.rs.
-- KEYS: 1 the caller, as in admit.lua. ARGV, in microseconds: 1 cost of CPU time, 2 of stored bytes; 3 longest debt.
-- Answers: nothing.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local kept = redis.call('HMGET', KEYS[1], 'rate', 'cpu', 'stored')
local function after(level, cost)
  return math.min(math.max(tonumber(level or 0), now) + tonumber(cost), now + tonumber(ARGV[3]))
end
local cpu, stored = after(kept[2], ARGV[1]), after(kept[3], ARGV[2])
redis.call('HSET', KEYS[1], 'cpu', string.format('%.0f', cpu), 'stored', string.format('%.0f', stored))
local last = math.max(tonumber(kept[1] or 0), cpu, stored)
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((last - now) / 1000) + 1))
return {}
