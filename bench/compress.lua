-- Licensed under the Apache License, Version 2.0; see LICENSE.
-- Requests for a list of files in turn, in one coding. Arguments: the file with the list, the coding, and "new" to have
-- each request be for a URL that nobody has asked for before, or "again".

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "report.lua")

local paths, coding, fresh, n = {}, nil, false, 0

init = function(args)
    for line in io.lines(args[1]) do
        paths[#paths + 1] = line
    end
    coding, fresh = args[2], args[3] == "new"
    math.randomseed(os.time())
    n = math.random(0, 1000000000) * 1000
end

request = function()
    n = n + 1
    local path = paths[n % #paths + 1]
    if fresh then
        path = path .. "?" .. n
    end
    return "GET /" .. path .. " HTTP/1.1\r\nHost: bench.example\r\nAccept-Encoding: " .. coding .. "\r\n\r\n"
end
