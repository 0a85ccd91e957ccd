import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * A pipe from the test into a run, so that tests decide when a run goes on instead of sleeping. `cat` is a
 * command whose output the test writes, and which ends when the tap is closed; `go` is one that waits for a line.
 */
export class Tap {
  readonly cat: string
  readonly go: string
  private readonly dir = mkdtempSync(join(tmpdir(), 'belfry-e2e-tap-'))
  private fd: number | undefined

  constructor() {
    const path = join(this.dir, 'pipe')
    execFileSync('mkfifo', [path])
    // Opened for both, it waits for no reader; and it never waits for room, because tests write little.
    this.fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
    this.cat = `cat ${path}`
    this.go = `read -r _ <${path}`
  }

  write(text: string) {
    writeSync(this.fd!, text)
  }

  /** Lines of the given numbers: "line 1", "line 2"… */
  lines(from: number, to: number) {
    for (let n = from; n <= to; n++) this.write(`line ${n}\n`)
  }

  close() {
    if (this.fd !== undefined) closeSync(this.fd)
    this.fd = undefined
  }

  dispose() {
    this.close()
    rmSync(this.dir, { recursive: true, force: true })
  }
}
