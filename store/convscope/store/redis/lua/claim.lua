-- Gives a part to an attempt: counts it, notes its nonce, without which every write is refused, and its lease, says so in
-- an event, and returns everything that the executor needs.
--
-- ARGV: job id, part, nonce, worker, milliseconds of the lease, number of the field of JobEvent that holds the start of an
--       attempt, the start of the attempt without the fields that follow, numbers of its fields part, attempt, resumed from
-- Returns {} if the part is not to be had; else {part, attempt, how much of it is kept, newest batch, part to be dispatched
-- now or -1, number of the record's fields and values, then these}.
local part, nonce, worker, lease_ms = take(), take(), take(), tonumber(take())
local event_field, start = tonumber(take()), take()
local part_field, attempt_field, resumed_field = tonumber(take()), tonumber(take()), tonumber(take())

local function reply(following)
  local held = redis.call('HMGET', parts, 'attempt:' .. part, 'kept:' .. part)
  local fields = redis.call('HGETALL', record)
  local batch = tonumber(redis.call('GET', KEY.batch) or 0)
  return { tonumber(part), tonumber(held[1]), tonumber(held[2] or 0), batch, following, #fields, unpack(fields) }
end

if redis.call('HGET', parts, 'nonce:' .. part) == nonce then
  return reply(-1) -- sent again, because the reply was lost; the reconciler dispatches what was queued
end
local job = redis.call('HMGET', record, 'state', 'cancel')
local open = (job[1] == 'queued' or job[1] == 'running') and not job[2]
if not open or redis.call('HGET', parts, 'state:' .. part) ~= 'queued' then
  return {}
end
local attempt = redis.call('HINCRBY', parts, 'attempt:' .. part, 1)
redis.call('HSET', parts, 'state:' .. part, 'running', 'nonce:' .. part, nonce, 'holder:' .. part, worker)
redis.call('ZADD', KEY.leases, whole(NOW + lease_ms), id .. '|' .. part)
redis.call('HSET', KEY.holders, worker, id .. '|' .. part .. '|' .. nonce)
redis.call('HINCRBY', record, 'running', 1)
if job[1] ~= 'running' then
  set_state('running')
end
redis.call('HSETNX', record, 'started', whole(NOW))
local checkpoint = tonumber(string.match(redis.call('HGET', record, 'checkpoint') or '', '^(%d+):'))
local resumed = checkpoint or tonumber(redis.call('HGET', parts, 'kept:' .. part) or 0)
local told = start .. number_field(part_field, tonumber(part)) .. number_field(attempt_field, attempt)
append(message_field(event_field, told .. number_field(resumed_field, resumed)), '')
return reply(queued_count() < WINDOW and queue_next() or -1)
