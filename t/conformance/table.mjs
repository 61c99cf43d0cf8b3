// Licensed under the Apache License, Version 2.0; see LICENSE.

// node table.mjs SUITE RESULTS: a line for each case of http-cache-tests, "kind TAB id TAB what became of it", which is
// "pass", "not run" or what the suite says.  Cases for browsers are left out.

import fs from 'fs'
import path from 'path'

const [suite, results] = process.argv.slice(2)
const { default: groups } = await import(path.join(suite, 'tests/index.mjs'))
const outcomes = JSON.parse(fs.readFileSync(results, 'utf8'))

for (const { tests } of groups) {
  for (const { id, kind, browser_only: browserOnly } of tests) {
    if (browserOnly) continue
    const outcome = outcomes[id]
    const said = outcome === true ? 'pass' : outcome === undefined ? 'not run' : outcome.join(': ')
    console.log([kind || 'required', id, said.replace(/\s+/g, ' ')].join('\t'))
  }
}
