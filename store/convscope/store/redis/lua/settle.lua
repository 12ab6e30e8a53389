-- Queues a job that waited for its model, or marks it to be planned first, or fails it, now that the model's training has
-- ended or the model is deleted.
--
-- ARGV: job id, id of the model, event if it is queued,
--       event and failure if the model's training failed, event and failure if the model was deleted
-- Returns {"queued"}, {"unplanned"}, {"failed", id of the model that it should have trained or ""}, or {} if it does
-- not wait, or must wait longer.
open_job(take())
local model = take()
local queued_event = take()
local failures = { untrained = { take(), take() }, deleted = { take(), take() } }
local state = redis.call('HGET', key('model', model), 'state')
if state == 'pending' then
  return {}
end
local waits = redis.call('SREM', key('waiters', model), id) == 1 -- else another process has settled it
if not waits or redis.call('HGET', record, 'state') ~= 'waiting' then
  return {}
end
if state == 'ready' then
  keep_model(key('model', model))
  if not is_planned() then
    redis.call('SADD', KEY.unplanned, id)
    return { 'unplanned' }
  end
  set_state('queued')
  append(queued_event, '')
  offer(count_ready())
  return { 'queued' }
end
local event, failure = unpack(state and failures.untrained or failures.deleted)
redis.call('HSET', record, 'failure', failure)
end_job('failed', event, '')
return { 'failed', trained_model() }
