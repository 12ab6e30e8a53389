-- Ends an attempt's hold of its part, and the job with it if nothing is left to do.
--
-- KEYS: those of the job
-- ARGV: job id, part, attempt, token (see write.lua), now,
--       how: "done", "result" (done, and it brings the job's result), "back" (to be queued again), "lost" (its worker died), "stopped" (as it was asked to), "failed"
--       deaths in a row that are too many, event that tells of a loss,
--       events: queued, succeeded, cancelled, failed
--       bytes of the failure, digest of the result or "",
--       number of fields of the model that the job makes, then for each: field, value
--       number of blobs that this model points to, then each digest
-- Returns {"missing"}, {"refused"}, {"last"} if the part is the last one and its result is wanted, for which nothing has
-- been changed; else {"ok", sequence, cancel, state of the job, 1 if the part is queued again}.
local id, part, attempt, token, now, how = take(), take(), take(), take(), take(), take()
local most_deaths, lost_event = tonumber(take()), take()
local queued_event, succeeded_event, cancelled_event, failed_event = take(), take(), take(), take()
local failure, result = take(), take()

local function reply()
  local after = redis.call('HMGET', record, 'sequence', 'cancel', 'state')
  local again = redis.call('HGET', parts, 'state:' .. part) == 'queued'
  return { 'ok', tonumber(after[1]), after[2] or '', after[3], again and 1 or 0 }
end

if redis.call('EXISTS', record) == 0 then
  return { 'missing' }
end
if redis.call('HGET', written, part) == token then
  return reply() -- sent again, because the reply was lost
end
if not holds(part, attempt) then
  return { 'refused' }
end
local counts = redis.call('HMGET', record, 'parts', 'done', 'cancel')
local last = tonumber(counts[2]) + 1 == tonumber(counts[1])
if how == 'done' and last then
  return { 'last' }
end
redis.call('HSET', written, part, token)

-- Forgets the part; there is none of its fields once nobody has to look after it.
local function forget()
  for _, name in ipairs({ 'state', 'attempt', 'holder', 'carrier', 'deaths', 'kept' }) do
    redis.call('HDEL', parts, name .. ':' .. part)
  end
end

local function succeed()
  redis.call('HSET', record, 'result', result)
  set_fields(made)
  for _ = 1, tonumber(take()) do
    point(made_blobs, references, take())
  end
  end_job(id, 'succeeded', now, succeeded_event, result)
end

local function fail()
  redis.call('HSET', record, 'failure', failure)
  end_job(id, 'failed', now, failed_event, '')
end

local function queue(running)
  redis.call('HSET', parts, 'state:' .. part, 'queued')
  redis.call('HDEL', parts, 'holder:' .. part, 'carrier:' .. part)
  if running == 0 then
    redis.call('HSET', record, 'state', 'queued')
    append(record, events, notify, id, queued_event, '')
  end
end

local running = redis.call('HINCRBY', record, 'running', -1)
if how == 'lost' then
  append(record, events, notify, id, lost_event, '')
end
if how == 'failed' then
  fail()
elseif how == 'result' and last then
  redis.call('HINCRBY', record, 'done', 1)
  succeed()
elseif how == 'done' or how == 'result' or how == 'stopped' or counts[3] then
  forget()
  if how == 'done' or how == 'result' then
    redis.call('HINCRBY', record, 'done', 1)
  end
  if running == 0 and (how == 'stopped' or counts[3]) then
    end_job(id, 'cancelled', now, cancelled_event, '')
  end
elseif how == 'lost' and redis.call('HINCRBY', parts, 'deaths:' .. part, 1) >= most_deaths then
  fail()
else
  queue(running)
end
return reply()
