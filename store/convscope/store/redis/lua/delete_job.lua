-- Deletes an ended job. What may be large is left to the collector.
--
-- ARGV: job id
-- Returns {"ok"}, {"missing"}, or {"state", the one that forbids it}.
open_job(take())
local found = redis.call('HMGET', record, 'state', 'kind', 'request_id', 'owner')
if not found[1] then
  return { 'missing' }
end
if found[1] == 'waiting' or found[1] == 'queued' or found[1] == 'running' then
  return { 'state', found[1] }
end
redis.call('ZREM', KEY.jobs, id)
redis.call('ZREM', KEY.ended, id)
redis.call('ZREM', key('jobs_in_state', found[1]), id)
redis.call('ZREM', key('jobs_of_kind', found[2], found[1]), id)
if (found[3] or '') ~= '' then
  redis.call('DEL', key('request', found[4], found[3]))
end
discard(blobs, 'blobs')
redis.call('UNLINK', record, events, parts, written, images, candidates)
return { 'ok' }
