-- Takes or keeps the lead. Who looks after a pause, in which Redis was away or all leaders were, finds every lease
-- late: whoever computes gets the time of a lease to say so.
--
-- ARGV: token, milliseconds of the lead, longest pause in milliseconds, milliseconds of a lease
-- Returns 1 if the token leads now, else 0.
local token, lead_ms, pause_ms, lease_ms = take(), take(), tonumber(take()), tonumber(take())
local leader = redis.call('GET', KEY.leader)
if leader and leader ~= token then
  return 0
end
redis.call('SET', KEY.leader, token, 'PX', lead_ms)
local last = tonumber(redis.call('GET', KEY.looked) or 0)
redis.call('SET', KEY.looked, whole(NOW))
if NOW - last > pause_ms then
  local late = whole(NOW + lease_ms) -- those that run out in a moment, too
  for _, each in ipairs(redis.call('ZRANGEBYSCORE', KEY.leases, '-inf', late)) do
    redis.call('ZADD', KEY.leases, late, each)
  end
end
return 1
