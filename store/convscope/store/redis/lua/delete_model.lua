-- Deletes a model that is not being trained. Values that may be large are left to the collector.
--
-- ARGV: model id, when the ready model was created for which there is a tombstone, "" if there is none;
--       left out to delete it without one
-- Returns {"ok"}, {"missing"}, {"state", the state that forbids it}, or {"changed"} if it is ready and lacks its tombstone.
local id, buried = take(), take()
local record = key('model', id)
local state, created = unpack(redis.call('HMGET', record, 'state', 'created'))
if not state then
  return { 'missing' }
end
if state == 'pending' then
  return { 'state', state }
end
if buried and state == 'ready' and (created or '') ~= buried then
  return { 'changed' }
end
redis.call('ZREM', KEY.models, id)
discard(key('model_blobs', id), 'blobs')
redis.call('UNLINK', record, key('cached', id))
redis.call('SADD', KEY.unsettled, id) -- jobs may still wait for it
return { 'ok' }
