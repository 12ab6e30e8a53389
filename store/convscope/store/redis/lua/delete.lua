-- Deletes a record and what belongs to it, if its state allows.
--
-- KEYS: record, index, its blobs, references, then every further key that goes with it
-- ARGV: id, states in which it may be deleted as ",a,b,"
-- Returns {"ok", digest of each blob that nothing points to any more}, {"missing"}, or {"state", the one that forbids it}.
local id, allowed = take(), take()
local state = redis.call('HGET', KEYS[1], 'state')
if not state then
  return { 'missing' }
end
if not allows(allowed, state) then
  return { 'state', state }
end
local reply = { 'ok' }
for _, digest in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  if unpoint(KEYS[3], KEYS[4], digest) then
    reply[#reply + 1] = digest
  end
end
redis.call('ZREM', KEYS[2], id)
redis.call('DEL', KEYS[1], unpack(KEYS, 5))
return reply
