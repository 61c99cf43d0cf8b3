-- Licensed under the Apache License, Version 2.0; see LICENSE.
-- The soak test's traffic: hits, misses that are stored, answers that may not be stored, 304s and ranges.
-- Argument: a number that no other run has, which keeps the misses' URLs apart.

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "report.lua")

local ready, run, count

init = function(args)
    run, count = args[1] or "0", 0
    ready = {
        wrk.format("GET", "/1k"),
        wrk.format("GET", "/64k"),
        wrk.format("GET", "/uncached/1k"),
        wrk.format("GET", "/1k", { ["If-Modified-Since"] = "Fri, 01 Jan 2100 00:00:00 GMT" }),
        wrk.format("GET", "/64k", { ["Range"] = "bytes=100-1099" }),
        wrk.format("GET", "/uncached/64k"),
        wrk.format("GET", "/1k"),
    }
end

-- Every eighth is a miss.
request = function()
    count = count + 1
    return ready[count % 8] or wrk.format("GET", "/1k?miss=" .. run .. "-" .. count)
end
