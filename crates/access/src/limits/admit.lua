-- Admits a request of one caller, or not; one that is refused changes nothing. The formula of levels.rs.
-- KEYS: 1 the caller: a hash of levels, each the time at which all is free again: rate, cpu, stored.
-- ARGV, in microseconds: 1 interval of the rate, or 0; 2 its window; 3 period of the quotas; 4, 5 1 if there is a quota
-- of CPU time, of stored bytes; 6 longest debt.
-- Answers: 1 or 0, then how far the levels rate, cpu, stored are ahead, with this request if it is admitted.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, window, period = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'rate', 'cpu', 'stored')
local function ahead(level, max)
  return math.min(math.max(tonumber(level or 0) - now, 0), max)
end
local rate = ahead(kept[1], window)
local cpu, stored = ahead(kept[2], tonumber(ARGV[6])), ahead(kept[3], tonumber(ARGV[6]))
local admitted = not (ARGV[4] == '1' and cpu >= period)
  and not (ARGV[5] == '1' and stored >= period)
  and rate + interval <= window
if admitted and interval > 0 then
  rate = rate + interval
  redis.call('HSET', KEYS[1], 'rate', string.format('%.0f', now + rate))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(math.max(rate, cpu, stored) / 1000) + 1))
end
local function text(number)
  return string.format('%.0f', number)
end
return {admitted and '1' or '0', text(rate), text(cpu), text(stored)}
