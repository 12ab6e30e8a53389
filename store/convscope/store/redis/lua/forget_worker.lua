-- Forgets a worker that stops.
--
-- ARGV: worker, device
-- Returns 1.
local worker, device = take(), take()
redis.call('DEL', key('worker', worker))
redis.call('ZREM', KEY.workers, worker)
redis.call('ZREM', key('idle', device), worker)
redis.call('HDEL', KEY.holders, worker)
redis.call('HDEL', KEY.kill, worker)
return 1
