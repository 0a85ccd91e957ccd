// Reads `go test -json` on standard input and prints what a person wants to see of it: one line for each
// package, the whole output of what failed, and the reasons of what was skipped. Writes "passed failed
// skipped" into the file it is given. Exits with 1 if anything failed, or if nothing ran at all.
import { createInterface } from 'node:readline'
import { writeFileSync } from 'node:fs'

const counts = { pass: 0, fail: 0, skip: 0 }
const failures = [] // told once more at the end, shortly: who sees only that sees why
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
  if (event.Action === 'fail') {
    process.stdout.write(text)
    // A parent of failed subtests says nothing of its own.
    if (/^\s+\S+\.go:\d+:/m.test(text)) failures.push(text.split('\n').slice(0, 20).join('\n'))
  }
  if (event.Action === 'skip') process.stdout.write(text.replace(/^=== .*\n/gm, ''))
}

function endPackage(event) {
  const text = take(event)
  const last = text.split('\n').find((l) => /^(ok|FAIL|\?|---)?\s*\t/.test(l)) ?? `${event.Action}\t${event.Package}`
  if (event.Action === 'fail') {
    broken = true
    // What a panic or a deadline prints belongs to the test that was running then and never ended.
    for (const [name, rest] of outputs) {
      if (!name.startsWith(`${event.Package}\t`)) continue
      const died = rest.join('')
      process.stdout.write(died)
      if (died.includes('panic: ')) failures.push(causeOf(died))
    }
    process.stdout.write(text)
    failures.push(last)
  } else if (event.Action === 'pass') {
    console.log(last)
  }
}

// What of a panic's output says why: its message, and where the tests were that had begun and did not wait
// for their turn.
function causeOf(text) {
  const [message, ...goroutines] = text.slice(text.indexOf('panic: ')).split('\n\ngoroutine ')
  const tests = goroutines.filter((g) => g.includes('testing.tRunner(') && !/testing\.(\(\*T\)\.Parallel|runTests)\(/.test(g))
  return [message, ...tests.slice(0, 3).map((g) => 'goroutine ' + g)].join('\n').split('\n').slice(0, 80).join('\n')
}

for (const text of failures) console.log(text)
const ran = counts.pass + counts.fail
console.log(`go test: ${counts.pass} passed, ${counts.fail} failed, ${counts.skip} skipped`)
writeFileSync(process.argv[2], `${counts.pass} ${counts.fail} ${counts.skip}\n`)
process.exitCode = broken || counts.fail > 0 || ran === 0 ? 1 : 0
