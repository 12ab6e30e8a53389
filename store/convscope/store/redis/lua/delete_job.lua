-- Deletes an ended job. Values that may be large are left to the collector.
--
-- ARGV: job id
-- Returns {"ok"}, {"missing"}, or {"state", the state that forbids it}.
open_job(take())
local job = redis.call('HMGET', record, 'state', 'kind', 'request_id', 'owner')
if not job[1] then
  return { 'missing' }
end
if job[1] == 'waiting' or job[1] == 'queued' or job[1] == 'running' then
  return { 'state', job[1] }
end
redis.call('ZREM', KEY.jobs, id)
for_labels('ZREM', id)
redis.call('ZREM', KEY.ended, id)
redis.call('ZREM', key('jobs_in_state', job[1]), id)
redis.call('ZREM', key('jobs_of_kind', job[2], job[1]), id)
if (job[3] or '') ~= '' then
  redis.call('DEL', key('request', job[4], job[3]))
end
discard(blobs, 'blobs')
redis.call('UNLINK', record, events, parts, written, images, candidates)
return { 'ok' }
