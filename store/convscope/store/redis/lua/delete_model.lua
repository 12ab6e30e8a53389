-- Deletes a model that is not being trained. Values that may be large are left to the collector.
--
-- ARGV: model id
-- Returns {"ok"}, {"missing"}, or {"state", the state that forbids it}.
local id = take()
local record = key('model', id)
local state = redis.call('HGET', record, 'state')
if not state then
  return { 'missing' }
end
if state == 'pending' then
  return { 'state', state }
end
redis.call('ZREM', KEY.models, id)
discard(key('model_blobs', id), 'blobs')
redis.call('UNLINK', record, key('cached', id))
redis.call('SADD', KEY.unsettled, id) -- jobs may still wait for it
return { 'ok' }
