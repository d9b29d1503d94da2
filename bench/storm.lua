-- Each machine asks /ipxe/<uuid> and then /ignition/<uuid>, once per pass over all machines. Every 50th answer is
-- compared with the bytes that machine must get. Arguments: number of machines, number of threads, the file that holds
-- the script of machine 0 with its number replaced by @NUMBER@, the directory that takes each thread's report.

local next_thread = 0
function setup(thread)
  thread:set("id", next_thread)
  next_thread = next_thread + 1
end

function init(args)
  machines, threads = tonumber(args[1]), tonumber(args[2])
  local file = io.open(args[3], "rb")
  script = file:read("*a")
  file:close()
  report = args[4]
  step, answers, checked, wrong, failed = 0, 0, 0, 0, 0
  first_wrong = ""
end

local function uuid(number)
  return string.format("00000000-0000-4000-8000-%012d", number)
end

function request()
  local number = (math.floor(step / 2) * threads + id) % machines
  local path = step % 2 == 0 and "/ipxe/" or "/ignition/"
  step = step + 1
  return "GET " .. path .. uuid(number) .. " HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: storm\r\n\r\n"
end

local function expected(body)
  local number = string.match(body, "machine%-(%d+)")
  if not number then return nil end
  if string.sub(body, 1, 6) == "#!ipxe" then return (string.gsub(script, "@NUMBER@", number)) end
  return '{"ignition":{"version":"3.4.0"},"storage":{"files":[{"path":"/etc/hostname","contents":{"source":"data:,machine-'
    .. number .. '"}}]}}'
end

function response(status, headers, body)
  answers = answers + 1
  if status ~= 200 then
    failed = failed + 1
    return
  end
  if answers % 50 == 0 then
    checked = checked + 1
    if expected(body) ~= body then
      wrong = wrong + 1
      if first_wrong == "" then first_wrong = body end
    end
  end
  if answers % 200 == 0 then write_report() end
end

function write_report()
  local file = io.open(report .. "/thread-" .. id, "w")
  file:write(string.format("%d %d %d %d\n%s", answers, checked, wrong, failed, first_wrong))
  file:close()
end
