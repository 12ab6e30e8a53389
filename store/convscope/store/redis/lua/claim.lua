-- Gives a queued part to an attempt: raises its number, so that every write of the attempt before is refused, starts its
-- lease, says so in an event, and queues the part that comes next, if no other is.
--
-- KEYS: those of the job, lease
-- ARGV: job id, part, number of the attempt before, milliseconds of the lease, now, worker, carrier, event
-- Returns the number of the new attempt, or 0 if the part is not queued or another attempt came first; and the part that
-- is to be dispatched, or -1.
local id, part, before, lease_ms, now, worker = take(), take(), take(), take(), take(), take()
local carrier, event = take(), take()
local held = redis.call('HMGET', parts, 'state:' .. part, 'attempt:' .. part, 'holder:' .. part)
if held[1] == 'running' and held[2] == tostring(before + 1) and held[3] == worker then
  return { tonumber(held[2]), -1 } -- sent again, because the reply was lost; the reconciler dispatches what was queued
end
local job = redis.call('HMGET', record, 'state', 'cancel')
local open = (job[1] == 'queued' or job[1] == 'running') and not job[2]
if not open or held[1] ~= 'queued' or (held[2] or '0') ~= before then
  return { 0, -1 }
end
local number = redis.call('HINCRBY', parts, 'attempt:' .. part, 1)
redis.call('HSET', parts, 'state:' .. part, 'running', 'holder:' .. part, worker, 'carrier:' .. part, carrier)
redis.call('HINCRBY', record, 'running', 1)
redis.call('HSET', record, 'state', 'running')
redis.call('HSETNX', record, 'started', now)
redis.call('SET', KEYS[JOB_KEYS + 1], number, 'PX', lease_ms)
append(record, events, notify, id, event, '')
return { number, queued_count() < WINDOW and queue_next() or -1 }
