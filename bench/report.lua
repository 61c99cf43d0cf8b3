-- Licensed under the Apache License, Version 2.0; see LICENSE.
-- The totals of a wrk run as one line that Bench::Load reads.

done = function(summary, latency, requests)
    local e = summary.errors
    io.write(string.format("report requests=%d seconds=%f bytes=%d p99=%d socket=%d status=%d\n",
        summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(99),
        e.connect + e.read + e.write + e.timeout, e.status))
end
