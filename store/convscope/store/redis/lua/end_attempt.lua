-- Ends an attempt's hold of its part, and the job with it if nothing is left to do.
--
-- ARGV: job id, part, nonce, token and the token before or "" (see write.lua),
--       newest batch when the first of its blobs was written, number of blobs that it refers to, then each digest
--       how: "done", "result" (done, with the job's result), "released" (to be queued again), "lost" (its worker died),
--       "stopped" (as requested), "failed"
--       deaths in a row that end the job, event of a loss,
--       events: queued, succeeded, cancelled, failed
--       bytes of the failure, digest of the result or "",
--       number of fields of the record to set with the result, then for each: field, value
--       number of blobs that the job refers to in addition to its result, then each digest
--       number of fields of the model that the job trains, then for each: field, value
--       number of blobs that this model refers to, then each digest
-- Returns {"missing"}, {"refused"}, {"gone", digests} (see write.lua), {"last"} if the part is the last one and the result is
-- missing, and nothing has been changed; else {"ok", sequence, cancel, state}.
open_job(take())
local part, nonce, token, before, since = take(), take(), take(), take(), tonumber(take())

local function reply()
  local after = redis.call('HMGET', record, 'sequence', 'cancel', 'state')
  return { 'ok', tonumber(after[1]), after[2] or '', after[3] }
end

if redis.call('EXISTS', record) == 0 then
  return { 'missing' }
end
if redis.call('HGET', written, part) == token then
  return reply() -- sent again, because the reply was lost
end
local refused = refusal(part, nonce, before, take_list(), since)
if refused then
  return refused
end
local how, most_deaths, lost_event = take(), tonumber(take()), take()
local queued_event, succeeded_event, cancelled_event, failed_event = take(), take(), take(), take()
local failure, result = take(), take()
local counts = redis.call('HMGET', record, 'parts', 'done', 'cancel')
local last = tonumber(counts[2]) + 1 == tonumber(counts[1])
if how == 'done' and last then
  return { 'last' }
end
redis.call('HSET', written, part, token)

-- Deletes the part's fields, once it needs no more attempts.
local function forget()
  for _, name in ipairs({ 'attempt', 'deaths', 'kept' }) do
    redis.call('HDEL', parts, name .. ':' .. part)
  end
end

local function succeed()
  redis.call('HSET', record, 'result', result)
  set_fields(record)
  for _, digest in ipairs(take_list()) do
    add_ref(blobs, digest)
  end
  local model = trained_model()
  set_fields(key('model', model))
  for _, digest in ipairs(take_list()) do
    add_ref(key('model_blobs', model), digest)
  end
  end_job('succeeded', succeeded_event, result)
end

local function fail()
  redis.call('HSET', record, 'failure', failure)
  end_job('failed', failed_event, '')
end

local function return_part(running)
  redis.call('LPUSH', returned, part)
  if running == 0 then
    set_state('queued')
    append(queued_event, '')
  end
  offer(1)
end

-- A request to kill the executor does not apply to an attempt that has ended by itself.
local function forget_holder()
  local holder = redis.call('HGET', parts, 'holder:' .. part)
  if redis.call('HGET', KEY.holders, holder) == id .. '|' .. part .. '|' .. nonce then
    redis.call('HDEL', KEY.holders, holder)
  end
end

if how ~= 'lost' then
  forget_holder()
end
local running = let_go(part)
if how == 'lost' then
  append(lost_event, '')
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
    end_job('cancelled', cancelled_event, '')
  end
elseif how == 'lost' and redis.call('HINCRBY', parts, 'deaths:' .. part, 1) >= most_deaths then
  fail()
else
  return_part(running)
end
return reply()
