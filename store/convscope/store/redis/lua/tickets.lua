-- Allots the tickets that a device's queue lacks: one for each ready part that no executor has been woken for, but no more
-- than there are idle workers. They count as created until they expire.
--
-- ARGV: device, milliseconds for which a ticket lasts
-- Returns the number of each ticket to create.
local device, lasts = take(), tonumber(take())
local idle, tickets, woken = key('idle', device), key('tickets', device), key('woken', device)
for _, set in ipairs({ idle, tickets, woken }) do
  redis.call('ZREMRANGEBYSCORE', set, '-inf', whole(NOW))
end
local own, any = claimable(device, 'any')
local ready = own + any - redis.call('ZCARD', woken)
local reply = {}
for _ = 1, math.min(ready, redis.call('ZCARD', idle)) - redis.call('ZCARD', tickets) do
  local ticket = redis.call('INCR', KEY.ticket_count)
  redis.call('ZADD', tickets, whole(NOW + lasts), ticket)
  reply[#reply + 1] = ticket
end
return reply
