-- Notes that a worker lives and what it does, and returns what is known of its executor.
--
-- ARGV: worker, device, 1 if it is idle, number of the ticket that it has just taken or "",
--       milliseconds after which it counts as gone,
--       number of the record's fields, then for each: field, value
-- Returns 1 if the executor must be killed: the attempt that it took last is the one to kill, and has not ended by itself;
-- 2 if it neither holds a part nor waits for one, as between two parts, or because Redis lost its claim; else 0.
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
if idle == '1' then
  redis.call('HDEL', KEY.kill, worker)
  return 0
end
local id, part, nonce = string.match(redis.call('HGET', KEY.holders, worker) or '', '^(.*)|(.*)|(.*)$')
local wanted = redis.call('HGET', KEY.kill, worker)
if wanted and wanted == nonce then
  return 1 -- the kill record stays until the executor is gone: this reply may be lost
end
redis.call('HDEL', KEY.kill, worker)
if id and redis.call('HGET', key('parts', id), 'nonce:' .. part) == nonce then
  return 0
end
return tonumber(redis.call('ZSCORE', key('waiting', device), worker) or 0) > NOW and 0 or 2
