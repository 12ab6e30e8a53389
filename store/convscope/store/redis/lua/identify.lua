-- Gives a Redis without records its identity, or tells that its records are laid out in another way.
--
-- KEYS: deployment, then keys that are there as soon as there are records
-- ARGV: id, layout
-- Returns {"ok"}, or {"layout", that of the records, "" if they do not tell}.
local id, layout = take(), take()
local found = redis.call('HMGET', KEYS[1], 'layout', 'id')
if not found[1] and redis.call('EXISTS', unpack(KEYS, 2)) > 0 then
  return { 'layout', '' }
end
if found[1] and found[1] ~= layout then
  return { 'layout', found[1] }
end
if not found[1] or not found[2] then
  redis.call('HSETNX', KEYS[1], 'layout', layout)
  redis.call('HSETNX', KEYS[1], 'id', id)
  redis.call('HSETNX', KEYS[1], 'epoch', 0)
end
return { 'ok' }
