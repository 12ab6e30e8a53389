-- Deletes a record and what belongs to it, if its state allows.
--
-- KEYS: record, index, then every further key that goes with it
-- ARGV: id, states in which it may be deleted as ",a,b,"
-- Returns "ok", "missing", or the state that forbids it.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then
  return 'missing'
end
if not string.find(ARGV[2], ',' .. state .. ',', 1, true) then
  return state
end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[1], unpack(KEYS, 3))
return 'ok'
