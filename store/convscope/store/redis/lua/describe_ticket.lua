-- Describes what the executor of a ticket does; a ticket that is gone is not made again.
--
-- ARGV: key of RQ's record of the ticket, description
local ticket, description = take(), take()
if redis.call('EXISTS', ticket) == 1 then
  redis.call('HSET', ticket, 'description', description)
end
return 0
