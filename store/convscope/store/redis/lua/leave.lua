-- Notes that an executor takes no more parts, and passes a wake-up that has arrived for it on to another.
--
-- ARGV: worker, device
-- Returns 1 if it had been woken, else 0.
local worker, device = take(), take()
redis.call('ZREM', key('waiting', device), worker)
redis.call('HDEL', KEY.warm, worker)
local awaited = tonumber(redis.call('ZSCORE', key('woken', device), worker) or 0) > NOW -- it has read the wake-up, but not claimed
redis.call('ZREM', key('woken', device), worker)
local was_woken = redis.call('DEL', key('wake', worker)) == 1 or awaited
if was_woken and wake(device, '', 1) > 0 and claimable('any') > 0 then
  wake('any', '', 1)
end
return was_woken and 1 or 0
