-- Admits a request of one caller, or not; one that is refused uses nothing. The formula of levels.rs.
-- KEYS, levels, now, keep: clock.lua.
-- ARGV, in microseconds: 1 interval of the rate, or 0; 2 its window; 3 period of the quotas; 4, 5 1 if there is a quota
-- of CPU time, of stored bytes; 6 longest debt.
-- Answers: 1 or 0, then how far the levels rate, cpu, stored are ahead, with this request if it is admitted.
local interval, window, period = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local function ahead(level, max)
  return math.min(math.max(level - now, 0), max)
end
local rate = ahead(levels[1], window)
local cpu, stored = ahead(levels[2], tonumber(ARGV[6])), ahead(levels[3], tonumber(ARGV[6]))
local admitted = not (ARGV[4] == '1' and cpu >= period)
  and not (ARGV[5] == '1' and stored >= period)
  and rate + interval <= window
if admitted and interval > 0 then
  rate = rate + interval
  levels[1] = now + rate
  keep()
elseif back > 0 or now - seen >= 1000000 then
  -- Only the time, and at most once a second: a flood of refused requests must not cause as many writes.
  keep()
end
return {admitted and '1' or '0', text(rate), text(cpu), text(stored)}
