-- Notes that an executor takes no more parts, and passes a call that has arrived for it on to another.
--
-- ARGV: worker, device
-- Returns 1 if it had been called, else 0.
local worker, device = take(), take()
redis.call('ZREM', key('waiting', device), worker)
redis.call('HDEL', KEY.warm, worker)
local awaited = tonumber(redis.call('ZSCORE', key('woken', device), worker) or 0) > NOW -- it has read the call, but not claimed
redis.call('ZREM', key('woken', device), worker)
local called = redis.call('DEL', key('wake', worker)) == 1 or awaited
if called and wake(device, '', 1) > 0 and claimable('any') > 0 then
  wake('any', '', 1)
end
return called and 1 or 0
