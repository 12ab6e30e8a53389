-- Creates a job, the model that it is to make, and its first event, unless its request id was used before.
--
-- ARGV: job id, request id or "", its owner, id of the model that it makes or "", id of the model that it needs or "",
--       event if it must wait, event if it need not,
--       number of the record's fields, then for each: field, value
--       number of the model's fields, then for each: field, value
--       number of the layout of records
-- Returns {"created", state}, {"exists", job id}, or {"model", state of the model that it needs or ""}.
open_job(take())
local request, owner, makes, needs = take(), take(), take(), take()
local waiting_event, queued_event = take(), take()
if request ~= '' then
  local made_before = redis.call('GET', key('request', owner, request))
  if made_before then
    return { 'exists', made_before }
  end
end
local before = redis.call('HGET', record, 'state')
if before then -- sent again, because the reply was lost
  return { 'created', before }
end

local needed = needs ~= '' and redis.call('HGET', key('model', needs), 'state')
if needs ~= '' and needed ~= 'pending' and needed ~= 'ready' then
  return { 'model', needed or '' }
end

set_fields(record)
set_fields(made)
local state, event = 'queued', queued_event
if needed == 'pending' or not is_planned() then
  state, event = 'waiting', waiting_event
end
redis.call('HSETNX', KEY.deployment, 'layout', take())
redis.call('HSET', record, 'created', whole(NOW), 'next', 0, 'done', 0, 'running', 0)
redis.call('ZADD', KEY.jobs, 0, id)
set_state(state)
if makes ~= '' then
  redis.call('HSET', made, 'created', whole(NOW))
  redis.call('ZADD', KEY.models, 0, makes)
end
if needed == 'pending' then
  redis.call('SADD', key('waiters', needs), id)
elseif needed then
  keep_model(key('model', needs))
end
if state == 'queued' then
  offer(tonumber(redis.call('HGET', record, 'parts')))
elseif needed == 'ready' then -- it has just been made
  redis.call('SADD', KEY.unplanned, id)
end
if request ~= '' then
  redis.call('SET', key('request', owner, request), id)
end
append(event, '')
return { 'created', state }
