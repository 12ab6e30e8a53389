-- Shared by all scripts, and prepended to them after `KEY`, the names of keys, which `keys.py` generates.

-- Redis 6.2 replicates a script that reads the time by its effects only on request.
redis.replicate_commands()

-- Milliseconds since 1970: times come from Redis alone, so that the clocks of other machines decide nothing.
local function milliseconds()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local NOW = milliseconds()

-- ARGV, taken one by one.
local at = 1
local function take()
  at = at + 1
  return ARGV[at - 1]
end

-- A list of values, preceded by their number.
local function take_list()
  local values = {}
  for index = 1, tonumber(take()) do
    values[index] = take()
  end
  return values
end

-- Sets the fields that follow in ARGV: their number, then names and values.
local function set_fields(key)
  for _ = 1, tonumber(take()) do
    local name, value = take(), take()
    redis.call('HSET', key, name, value)
  end
end

local function key(name, ...)
  return string.format(KEY[name], ...)
end

-- Numbers as text, without an exponent.
local function whole(number)
  return string.format('%.0f', number)
end

-- Number of ready parts for each of these devices.
local function claimable(...)
  local names, counts = {}, {}
  for _, device in ipairs({ ... }) do
    for _, priority in ipairs({ 'high', 'normal', 'low' }) do
      names[#names + 1] = 'parts:' .. priority .. ':' .. device
    end
  end
  local parts = redis.call('HMGET', KEY.backlog, unpack(names))
  for index = 1, #parts, 3 do
    counts[#counts + 1] = (parts[index] or 0) + (parts[index + 1] or 0) + (parts[index + 2] or 0)
  end
  return unpack(counts)
end

-- Blobs ------------------------------------------------------------------------------------------------------------------
--
-- The owners that refer to a blob are counted. A blob without references goes to `unreferenced`, with the time; the
-- collector condemns such blobs in batches, deletes their files and strikes them off. `batch` is increased by condemning and
-- by striking off: a file that was written while it was condemned may have been deleted, so a strike has a separate number.

-- Whether a blob may be gone, although it was written when `since` was the newest batch: before referring to it, a writer
-- must write it again after it has been struck off.
local function is_gone(digest, since)
  if digest == '' or redis.call('HEXISTS', KEY.references, digest) == 1 then
    return false
  end
  if redis.call('HEXISTS', KEY.condemned, digest) == 1 then
    return true
  end
  local struck = tonumber(redis.call('ZSCORE', KEY.struck, digest) or 0)
  return math.max(struck, tonumber(redis.call('GET', KEY.struck_floor) or 0)) > since
end

-- Notes that the files of condemned blobs may have been deleted: a writer that wrote one before must write it again.
local function strike(digests)
  local number = redis.call('INCR', KEY.batch)
  for _, digest in ipairs(digests) do
    redis.call('HDEL', KEY.condemned, digest)
    redis.call('ZADD', KEY.struck, number, digest)
  end
end

-- Key of an owner's further references to blobs: two of its features may have equal candidates, for example.
local function further_refs(owner)
  return owner .. ':further'
end

-- Notes a reference in an owner's set of blobs. Owners are counted, once for each blob.
local function add_ref(owner, digest)
  if digest == '' then
    return
  elseif redis.call('SADD', owner, digest) == 1 then
    redis.call('HINCRBY', KEY.references, digest, 1)
  else
    redis.call('HINCRBY', further_refs(owner), digest, 1)
  end
end

-- Removes a reference from the count.
local function release_ref(digest)
  if redis.call('HINCRBY', KEY.references, digest, -1) <= 0 then
    redis.call('HDEL', KEY.references, digest)
    redis.call('ZADD', KEY.unreferenced, whole(NOW), digest)
  end
end

local function drop_ref(owner, digest)
  local further = tonumber(redis.call('HGET', further_refs(owner), digest) or 0)
  if further > 1 then
    redis.call('HINCRBY', further_refs(owner), digest, -1)
  elseif further == 1 then
    redis.call('HDEL', further_refs(owner), digest)
  elseif redis.call('SREM', owner, digest) == 1 then
    release_ref(digest)
  end
end

-- Moves a set that may be large to the trash, whose references the collector releases in slices.
local function discard(name, kind)
  redis.call('UNLINK', further_refs(name))
  if redis.call('EXISTS', name) == 1 then
    local trash = KEY.trash .. ':' .. redis.call('INCR', KEY.trash_count)
    redis.call('RENAME', name, trash)
    redis.call('RPUSH', KEY.trash, kind .. ' ' .. trash)
  end
end

-- Protobuf ---------------------------------------------------------------------------------------------------------------

local function varint(number)
  local bytes = {}
  while number >= 128 do
    bytes[#bytes + 1] = string.char(number % 128 + 128)
    number = math.floor(number / 128)
  end
  bytes[#bytes + 1] = string.char(number)
  return table.concat(bytes)
end

-- A field with a non-negative integer; empty for 0, which is the default.
local function number_field(field, value)
  return value == 0 and '' or varint(field * 8) .. varint(value)
end

local function message_field(field, bytes)
  return varint(field * 8 + 2) .. varint(#bytes) .. bytes
end
