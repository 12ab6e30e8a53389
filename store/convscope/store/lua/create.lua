-- Creates a job, the model that it is to make, and its first event, unless its request id was used before.
--
-- KEYS: request, record, event log, notify stream, index of jobs, set of active jobs,
--       record of the model that it makes, index of models,
--       record of the model that it needs, set of the jobs that wait for that model
-- ARGV: job id, request id or "", id of the model that it makes or "", id of the model that it needs or "",
--       state and event if it must wait, state and event if it need not,
--       number of the record's fields, then for each: field, value
--       number of the model's fields, then for each: field, value
-- Returns {"created", state}, {"exists", job id}, or {"model", state of the model that it needs or ""}.
local record = KEYS[2]
local id, request, makes, needs = take(), take(), take(), take()
local waiting, waiting_event, state, event = take(), take(), take(), take()
if request ~= '' then
  local known = redis.call('GET', KEYS[1])
  if known then
    return { 'exists', known }
  end
end

local made = redis.call('HGET', record, 'state')
if made then -- sent again, because the reply was lost
  return { 'created', made }
end

if needs ~= '' then
  local needed = redis.call('HGET', KEYS[9], 'state')
  if needed == 'pending' then
    state, event = waiting, waiting_event
    redis.call('SADD', KEYS[10], id)
  elseif needed ~= 'ready' then
    return { 'model', needed or '' }
  end
end

set_fields(record)
set_fields(KEYS[7])
if makes ~= '' then
  redis.call('ZADD', KEYS[8], 0, makes)
end
redis.call('HSET', record, 'state', state)
redis.call('ZADD', KEYS[5], 0, id)
redis.call('SADD', KEYS[6], id)
if request ~= '' then
  redis.call('SET', KEYS[1], id)
end
append(record, KEYS[3], KEYS[4], id, event, '')
return { 'created', state }
