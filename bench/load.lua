-- Repeats one request that Python made, with another id each time: ids in a session must differ.
-- Arguments: the file of the request, and the id in it.
local before, after, first, count

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local request = file:read("*a")
  file:close()
  local from, to = string.find(request, args[2], 1, true)
  before, after = string.sub(request, 1, from - 1), string.sub(request, to + 1)
  first, count = tonumber(args[2]), 0
end

function request()
  count = count + 1
  return before .. string.format("%d", first + count) .. after
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    "\nmeasured %d %d %f %f %d\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
