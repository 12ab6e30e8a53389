-- Gives a Redis without records its identity, or reports that its records have another layout.
--
-- ARGV: id, layout, number of keys one of which exists as soon as there are records, then each
-- Returns {"ok"}, or {"layout", layout of the records, "" if it is unknown}.
local id, layout = take(), take()
local stored = redis.call('HMGET', KEY.deployment, 'layout', 'id')
if not stored[1] and redis.call('EXISTS', unpack(take_list())) > 0 then
  return { 'layout', '' }
end
if stored[1] and stored[1] ~= layout then
  return { 'layout', stored[1] }
end
if not stored[1] or not stored[2] then
  redis.call('HSETNX', KEY.deployment, 'layout', layout)
  redis.call('HSETNX', KEY.deployment, 'id', id)
  redis.call('HSETNX', KEY.deployment, 'epoch', 0)
end
return { 'ok' }
