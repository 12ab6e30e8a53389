-- Creates a job, the model that it is to make, and its first event, unless its request id was used before.
--
-- KEYS: those of the job, request, index of jobs, index of models,
--       record of the model that it needs, set of the jobs that wait for that model
-- ARGV: job id, request id or "", id of the model that it makes or "", id of the model that it needs or "",
--       state and event if it must wait, state and event if it need not,
--       number of the record's fields, then for each: field, value
--       number of the model's fields, then for each: field, value
--       digest of its plan or ""
-- Returns {"created", state}, {"exists", job id}, or {"model", state of the model that it needs or ""}.
local request_key, jobs, models, needed_model, waiters = unpack(KEYS, JOB_KEYS + 1)
local id, request, makes, needs = take(), take(), take(), take()
local waiting, waiting_event, state, event = take(), take(), take(), take()
if request ~= '' then
  local known = redis.call('GET', request_key)
  if known then
    return { 'exists', known }
  end
end

local before = redis.call('HGET', record, 'state')
if before then -- sent again, because the reply was lost
  return { 'created', before }
end

if needs ~= '' then
  local needed = redis.call('HGET', needed_model, 'state')
  if needed == 'pending' then
    state, event = waiting, waiting_event
    redis.call('SADD', waiters, id)
  elseif needed ~= 'ready' then
    return { 'model', needed or '' }
  end
end

set_job_fields()
set_fields(made)
point(blobs, references, take())
if makes ~= '' then
  redis.call('ZADD', models, 0, makes)
end
redis.call('HSET', record, 'state', state, 'next', 0, 'done', 0, 'running', 0)
if state ~= waiting then
  queue_next()
end
redis.call('ZADD', jobs, 0, id)
redis.call('SADD', active, id)
if request ~= '' then
  redis.call('SET', request_key, id)
end
append(record, events, notify, id, event, '')
return { 'created', state }
