-- Takes or keeps the lead, and counts what there is to repair, mostly nothing. After a pause, in which Redis was away or all
-- leaders were, all leases are late: executors get the time of another lease to renew theirs. So they do after Redis' clock
-- was set back, because a replica with another clock was promoted: what ends at a time would last longer by as much.
--
-- ARGV: token, milliseconds of the lead, longest pause in milliseconds, milliseconds of a lease
-- Returns {} if the token does not lead; else the numbers of {jobs that ran longer than their timeouts, models whose waiters
-- must be settled, overdue attempts and executors, devices that may lack tickets}.
local token, lead_ms, pause_ms, lease_ms = take(), take(), tonumber(take()), tonumber(take())
local leader = redis.call('GET', KEY.leader)
if leader and leader ~= token then
  return {}
end
redis.call('SET', KEY.leader, token, 'PX', lead_ms)
local last = tonumber(redis.call('GET', KEY.looked) or 0)
redis.call('SET', KEY.looked, whole(NOW))
if math.abs(NOW - last) > pause_ms then
  local late = whole(NOW + lease_ms) -- those that are about to run out, too
  for _, lease in ipairs(redis.call('ZRANGE', KEY.leases, 0, -1)) do
    redis.call('ZADD', KEY.leases, late, lease)
  end
end
if last - NOW > pause_ms then
  for _, device in ipairs({ 'cpu', 'gpu' }) do -- executors and workers that are there are noted again
    redis.call('UNLINK', key('tickets', device), key('woken', device), key('waiting', device), key('idle', device))
  end
  local latest = whole(NOW + 2 * lease_ms)
  for _, name in ipairs({ 'cancelling', 'outrun' }) do
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEY[name], latest, '+inf')) do
      redis.call('ZADD', KEY[name], latest, member)
    end
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
