import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The token in the one-line command that the page shows. */
export function secretOf(command: string): string {
  const [, secret] = /printf %s '(bfw_[A-Za-z0-9_-]+)'/.exec(command)!
  return secret
}

/** A `belfry worker`: the real binary. */
export class Worker {
  private readonly dir = mkdtempSync(join(tmpdir(), 'belfry-worker-'))
  private readonly log: string[] = []
  private readonly process: ChildProcess
  /** How it ended: its exit code or signal, and what it wrote. */
  readonly ended: Promise<{ end: number | NodeJS.Signals; log: string }>

  constructor(server: string, secret: string, name: string, ...args: string[]) {
    const token = join(this.dir, 'token')
    writeFileSync(token, secret, { mode: 0o600 })
    this.process = spawn(
      process.env.BELFRY_BIN!,
      ['worker', '--server', server, '--token-file', token, '--name', name, '--docker', 'off', ...args],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => this.log.push(text))
    this.ended = new Promise((resolve, reject) => {
      this.process.once('error', reject)
      this.process.once('exit', (code, signal) => resolve({ end: code ?? signal!, log: this.log.join('') }))
    })
  }

  /** Ends it as a power cut would. */
  async dispose() {
    this.process.kill('SIGKILL')
    await this.ended
    rmSync(this.dir, { recursive: true, force: true })
  }
}
