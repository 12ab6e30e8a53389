-- Takes or keeps the lead, and tells whether there is anything to look after: most looks find nothing. Who looks after a
-- pause, in which Redis was away or all leaders were, finds every lease late: whoever computes gets the time of a lease to
-- say so.
--
-- ARGV: token, milliseconds of the lead, longest pause in milliseconds, milliseconds of a lease
-- Returns {} if the token does not lead; else {jobs that have run longer than they may, models whose waiters are to be told,
-- attempts and executors that are overdue, devices that may lack tickets}, the number of each.
local token, lead_ms, pause_ms, lease_ms = take(), take(), tonumber(take()), tonumber(take())
local leader = redis.call('GET', KEY.leader)
if leader and leader ~= token then
  return {}
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

local function due(name)
  return redis.call('ZCOUNT', KEY[name], '-inf', whole(NOW))
end

local lacking, any, cpu, gpu = 0, claimable('any', 'cpu', 'gpu')
for device, parts in pairs({ cpu = any + cpu, gpu = any + gpu }) do
  local idle = redis.call('ZCOUNT', key('idle', device), whole(NOW), '+inf')
  if idle > 0 and parts > 0 then
    lacking = lacking + 1
  end
end
local overdue = due('leases') + due('cancelling') + due('outrun')
return { due('deadlines'), redis.call('SCARD', KEY.unsettled), overdue, lacking }
