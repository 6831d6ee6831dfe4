-- Adds what a program of one caller has cost. The formula of levels.rs.
-- KEYS, levels, now, keep: clock.lua. ARGV, in microseconds: 1 cost of CPU time, 2 of stored bytes; 3 longest debt.
-- Answers: nothing.
local function after(level, cost)
  return math.min(math.max(level, now) + tonumber(cost), now + tonumber(ARGV[3]))
end
levels[2], levels[3] = after(levels[2], ARGV[1]), after(levels[3], ARGV[2])
keep()
return {}
