-- Notes that an executor takes no parts any more, and passes on a call that has come for it.
--
-- ARGV: worker, device
-- Returns 1 if it had been called, else 0.
local worker, device = take(), take()
redis.call('ZREM', key('waiting', device), worker)
redis.call('ZREM', key('woken', device), worker)
redis.call('HDEL', KEY.warm, worker)
local called = redis.call('DEL', key('wake', worker))
if called == 1 then
  wake(device, '', 1)
end
return called
