-- Finds attempts whose lease has run out, and marks executors to be killed that have not stopped although their jobs were
-- cancelled or have ended.
--
-- ARGV: most attempts to return
-- Returns for each attempt whose lease has run out: job id, part, attempt, nonce, worker.
local most = take()
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEY.cancelling, '-inf', whole(NOW), 'LIMIT', 0, most)) do
  redis.call('ZREM', KEY.cancelling, id)
  local fields = redis.call('HGETALL', key('parts', id))
  for index = 1, #fields, 2 do
    local part = string.match(fields[index], '^nonce:(.*)$')
    if part then
      redis.call('HSET', KEY.kill, redis.call('HGET', key('parts', id), 'holder:' .. part), fields[index + 1])
    end
  end
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEY.outrun, '-inf', whole(NOW), 'LIMIT', 0, most)) do
  redis.call('ZREM', KEY.outrun, member)
  local nonce, worker = string.match(member, '^([^|]*)|(.*)$')
  local held = redis.call('HGET', KEY.holders, worker) -- another attempt by now, or the worker has gone
  if held and string.match(held, '[^|]*$') == nonce then
    redis.call('HSET', KEY.kill, worker, nonce)
  end
end
local reply = {}
for _, lease in ipairs(redis.call('ZRANGEBYSCORE', KEY.leases, '-inf', whole(NOW), 'LIMIT', 0, most)) do
  local id, part = string.match(lease, '^(.*)|(.*)$')
  local held = redis.call('HMGET', key('parts', id), 'attempt:' .. part, 'nonce:' .. part, 'holder:' .. part)
  if held[2] then
    -- It may hang forever, holding its memory and its GPU.
    redis.call('HSET', KEY.kill, held[3], held[2])
    for _, value in ipairs({ id, tonumber(part), tonumber(held[1]), held[2], held[3] }) do
      reply[#reply + 1] = value
    end
  else
    redis.call('ZREM', KEY.leases, lease)
  end
end
return reply
