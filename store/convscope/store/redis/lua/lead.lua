-- Takes or keeps the lead.
--
-- KEYS: leader
-- ARGV: token, milliseconds
-- Returns 1 if the token leads now, else 0.
local token, lead_ms = take(), take()
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= token then
  return 0
end
redis.call('SET', KEYS[1], token, 'PX', lead_ms)
return 1
