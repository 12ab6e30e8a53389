-- Gives a queued part to an attempt: raises its number, so that every write of the attempt before is refused, starts its
-- lease, and says so in an event.
--
-- KEYS: record, event log, notify stream, lease
-- ARGV: job id, part, number of the attempt before, milliseconds of the lease, now, worker, event
-- Returns the number of the new attempt, or 0 if the part is not queued or another attempt came first.
local record = KEYS[1]
local id, part, before, lease_ms, now, worker, event = take(), take(), take(), take(), take(), take(), take()
local attempt = 'attempt:' .. part
local held = redis.call('HMGET', record, 'state', attempt, 'holder:' .. part)
if held[1] == 'running' and held[2] == tostring(before + 1) and held[3] == worker then
  return tonumber(held[2]) -- sent again, because the reply was lost
end
if redis.call('HGET', record, 'state') ~= 'queued' or (redis.call('HGET', record, attempt) or '0') ~= before then
  return 0
end
local number = redis.call('HINCRBY', record, attempt, 1)
redis.call('HSET', record, 'state', 'running', 'holder:' .. part, worker)
redis.call('HSETNX', record, 'started', now)
redis.call('SET', KEYS[4], number, 'PX', lease_ms)
append(record, KEYS[2], KEYS[3], id, event, '')
return number
