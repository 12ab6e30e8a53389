-- Asks a job to stop: one that no executor computes ends at once, an ended one stays as it is.
--
-- ARGV: job id, event of the request, event of the end, milliseconds after which its executors are killed
-- Returns 0 if the job does not exist, else 1.
open_job(take())
local request_event, ended_event, grace = take(), take(), tonumber(take())
local job = redis.call('HMGET', record, 'state', 'cancel', 'running')
if not job[1] then
  return 0
end
if job[2] or not (job[1] == 'waiting' or job[1] == 'queued' or job[1] == 'running') then
  return 1
end
redis.call('HSET', record, 'cancel', 1)
append(request_event, '')
if tonumber(job[3]) == 0 then
  end_job('cancelled', ended_event, '')
else
  withdraw()
  redis.call('ZADD', KEY.cancelling, whole(NOW + grace), id)
end
return 1
