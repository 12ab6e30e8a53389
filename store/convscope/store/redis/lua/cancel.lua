-- Asks a job to stop: one that nobody computes ends at once, a running one is told, an ended one is left alone.
--
-- KEYS: those of the job
-- ARGV: job id, now, event of the request, event of the end
-- Returns 0 if there is no such job, else 1.
local id, now, asked_event, ended_event = take(), take(), take(), take()
local job = redis.call('HMGET', record, 'state', 'cancel', 'running')
if not job[1] then
  return 0
end
if job[2] or not allows(',waiting,queued,running,', job[1]) then
  return 1
end
redis.call('HSET', record, 'cancel', 1, 'cancel_time', now)
append(record, events, notify, id, asked_event, '')
if tonumber(job[3]) == 0 then
  end_job(id, 'cancelled', now, ended_event, '')
end
return 1
