-- Shared by all scripts: put in front of each.

-- ARGV, taken one by one from the given place on.
local at = 1
local function take()
  at = at + 1
  return ARGV[at - 1]
end

-- Appends an event under the next sequence number, and carries it to the watchers. An empty digest means no blob;
-- `completed` is the number of images so far, for the event of an image. Its token, `link` in events.py, is a link of a
-- chain: it depends on every event before.
local function append(record, events, notify, id, event, blob, completed)
  local sequence = redis.call('HINCRBY', record, 'sequence', 1)
  local token = string.sub(redis.sha1hex((redis.call('HGET', record, 'log_token') or '') .. event .. blob), 1, 16)
  redis.call('HSET', record, 'log_token', token)
  redis.call('XADD', events, sequence .. '-0', 'event', event, 'blob', blob, 'token', token, 'completed', completed or 0)
  redis.call('XADD', notify, 'MAXLEN', '~', 10000, '*',
    'job', id, 'sequence', sequence, 'event', event, 'blob', blob, 'token', token, 'completed', completed or 0)
end

-- Sets the fields that follow in ARGV: their number, then each name and value.
local function set_fields(key)
  for _ = 1, tonumber(take()) do
    local name, value = take(), take()
    redis.call('HSET', key, name, value)
  end
end

-- Counts a reference from an owner's set of blobs, once for each blob.
local function point(owner, references, digest)
  if digest ~= '' and redis.call('SADD', owner, digest) == 1 then
    redis.call('HINCRBY', references, digest, 1)
  end
end

-- Takes a reference back; returns whether it was the last one.
local function unpoint(owner, references, digest)
  if redis.call('SREM', owner, digest) == 0 then
    return false
  end
  if redis.call('HINCRBY', references, digest, -1) > 0 then
    return false
  end
  redis.call('HDEL', references, digest)
  return true
end

-- Whether a comma-separated list, with commas at both ends, has a value; an absent value counts as "".
local function allows(list, value)
  return string.find(list, ',' .. (value or '') .. ',', 1, true) ~= nil
end
