-- Notes that a worker lives and what it does, and returns whether its executor must be killed: whether the attempt that it
-- took last is the one to kill, and has not ended by itself.
--
-- ARGV: worker, device, 1 if it is idle, number of the ticket that it has just taken or "",
--       milliseconds after which it counts as gone,
--       number of the record's fields, then for each: field, value
-- Returns 1 or 0.
local worker, device, idle, ticket, lasts = take(), take(), take(), take(), tonumber(take())
local record = key('worker', worker)
set_fields(record)
redis.call('HSET', record, 'device', device, 'idle', idle, 'seen', whole(NOW))
redis.call('PEXPIRE', record, lasts)
redis.call('ZADD', KEY.workers, whole(NOW), worker)
local forgotten = whole(NOW - 60 * lasts)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEY.workers, '-inf', forgotten)) do
  for _, hash in ipairs({ KEY.holders, KEY.kill, KEY.warm }) do
    redis.call('HDEL', hash, gone)
  end
end
redis.call('ZREMRANGEBYSCORE', KEY.workers, '-inf', forgotten)
if idle == '1' then
  redis.call('ZADD', key('idle', device), whole(NOW + 3000), worker)
else
  redis.call('ZREM', key('idle', device), worker)
end
if ticket ~= '' then
  redis.call('ZREM', key('tickets', device), ticket)
end
local wanted = redis.call('HGET', KEY.kill, worker)
if not wanted then
  return 0
end
-- The kill record stays until the executor is gone: this reply may be lost.
local held = redis.call('HGET', KEY.holders, worker)
if idle ~= '1' and held and string.match(held, '[^|]*$') == wanted then
  return 1
end
redis.call('HDEL', KEY.kill, worker)
return 0
