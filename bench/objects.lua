-- Licensed under the Apache License, Version 2.0; see LICENSE.
-- Requests for one of many objects of 1 KiB. Arguments: "fill", "zipf" (exponent 0.9) or "uniform"; the first
-- part of the host's name; how many objects there are; where to begin, or what makes this run's choice another.

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "report.lua")

local get, choose

local function in_turn(n, at)
    return function()
        at = at + 1
        return (at - 1) % n
    end
end

-- The inverse of the continuous distribution: near enough.
local function zipf(n)
    local top = n ^ 0.1 - 1
    return function()
        return math.min(math.floor((1 + math.random() * top) ^ 10 - 1), n - 1)
    end
end

local function uniform(n)
    return function()
        return math.random(0, n - 1)
    end
end

init = function(args)
    local n, start = tonumber(args[3]), tonumber(args[4])
    math.randomseed(start)
    get = "GET /1k?%d HTTP/1.1\r\nHost: " .. args[2] .. ".example\r\n\r\n"
    choose = ({ fill = in_turn, zipf = zipf, uniform = uniform })[args[1]](n, start)
end

request = function()
    return get:format(choose())
end
