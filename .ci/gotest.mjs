// Reads `go test -json` on standard input and prints what a person wants to see of it: one line for each
// package, the whole output of what failed, and the reasons of what was skipped. Writes "passed failed
// skipped" into the file it is given. Exits with 1 if anything failed, or if nothing ran at all.
import { createInterface } from 'node:readline'
import { writeFileSync } from 'node:fs'

const counts = { pass: 0, fail: 0, skip: 0 }
const failedPackages = [] // named once more at the end
const outputs = new Map() // output of tests that have not ended yet, by package and test
let broken = false // a package that failed without a failing test: it did not build, or panicked

const key = (event) => `${event.Package}\t${event.Test ?? ''}`
const take = (event) => {
  const text = (outputs.get(key(event)) ?? []).join('')
  outputs.delete(key(event))
  return text
}

for await (const line of createInterface({ input: process.stdin })) {
  let event
  try {
    event = JSON.parse(line)
  } catch {
    console.log(line) // not every tool below go test speaks JSON
    continue
  }
  switch (event.Action) {
    case 'build-output':
      process.stdout.write(event.Output)
      break
    case 'output':
      if (!outputs.has(key(event))) outputs.set(key(event), [])
      outputs.get(key(event)).push(event.Output)
      break
    case 'pass':
    case 'fail':
    case 'skip':
      event.Test ? endTest(event) : endPackage(event)
  }
}

function endTest(event) {
  const text = take(event)
  counts[event.Action]++
  if (event.Action === 'fail') process.stdout.write(text)
  if (event.Action === 'skip') process.stdout.write(text.replace(/^=== .*\n/gm, ''))
}

function endPackage(event) {
  const text = take(event)
  const last = text.split('\n').find((l) => /^(ok|FAIL|\?|---)?\s*\t/.test(l)) ?? `${event.Action}\t${event.Package}`
  if (event.Action === 'fail') {
    broken = true
    // What a panic or a deadline prints belongs to the test that was running then and never ended.
    for (const [name, rest] of outputs) {
      if (name.startsWith(`${event.Package}\t`)) process.stdout.write(rest.join(''))
    }
    process.stdout.write(text)
    failedPackages.push(last)
  } else if (event.Action === 'pass') {
    console.log(last)
  }
}

for (const line of failedPackages) console.log(line)
const ran = counts.pass + counts.fail
console.log(`go test: ${counts.pass} passed, ${counts.fail} failed, ${counts.skip} skipped`)
writeFileSync(process.argv[2], `${counts.pass} ${counts.fail} ${counts.skip}\n`)
process.exitCode = broken || counts.fail > 0 || ran === 0 ? 1 : 0
