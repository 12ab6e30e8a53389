-- Raises the attempt number of a part, unless the job has ended: every write of the attempt before is refused from now on.
--
-- KEYS: record
-- ARGV: part, states in which a part may be claimed as ",a,b,"
-- Returns the number of the new attempt, or 0.
local state = redis.call('HGET', KEYS[1], 'state')
if not state or not string.find(ARGV[2], ',' .. state .. ',', 1, true) then
  return 0
end
return redis.call('HINCRBY', KEYS[1], 'attempt:' .. ARGV[1], 1)
