-- Queues a job that waited for its model.
--
-- KEYS: those of the job
-- ARGV: job id, event
-- Returns 1 if it did wait, else 0.
local id, event = take(), take()
if redis.call('HGET', record, 'state') ~= 'waiting' then
  return 0
end
redis.call('HSET', record, 'state', 'queued')
queue_next()
append(record, events, notify, id, event, '')
return 1
