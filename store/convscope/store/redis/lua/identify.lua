-- Gives a Redis without records its identity, or tells that its records are laid out in another way.
--
-- ARGV: id, layout, number of keys one of which is there as soon as there are records, then each
-- Returns {"ok"}, or {"layout", that of the records, "" if they do not tell}.
local id, layout = take(), take()
local found = redis.call('HMGET', KEY.deployment, 'layout', 'id')
if not found[1] and redis.call('EXISTS', unpack(take_list())) > 0 then
  return { 'layout', '' }
end
if found[1] and found[1] ~= layout then
  return { 'layout', found[1] }
end
if not found[1] or not found[2] then
  redis.call('HSETNX', KEY.deployment, 'layout', layout)
  redis.call('HSETNX', KEY.deployment, 'id', id)
  redis.call('HSETNX', KEY.deployment, 'epoch', 0)
end
return { 'ok' }
