import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export const adminPassword = 'correct horse battery staple'

/** A Belfry of its own: the real binary, a data folder in /tmp, a free port on the loopback address. */
export class Server {
  readonly url: string
  private readonly dataDir = mkdtempSync(join(tmpdir(), 'belfry-e2e-'))
  private readonly log: string[] = []
  private process?: ChildProcess
  private exited?: Promise<number | NodeJS.Signals>

  private constructor(
    private readonly port: number,
    private readonly args: string[],
  ) {
    this.url = `http://127.0.0.1:${port}`
  }

  /** Starts a server on an empty data folder and waits until it is ready. */
  static async start(...args: string[]): Promise<Server> {
    const server = new Server(await freePort(), ['--drain-grace', '1s', ...args])
    await server.launch()
    return server
  }

  /** Starts the binary again on the same data folder and the same port. */
  async launch() {
    const child = spawn(
      process.env.BELFRY_BIN!,
      ['serve', '--listen', `127.0.0.1:${this.port}`, '--data', this.dataDir, ...this.args],
      {
        env: { ...process.env, BELFRY_ADMIN_PASSWORD: adminPassword },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    this.process = child
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => resolve(code ?? signal!))
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => this.log.push(text))
    }
    await this.ready()
  }

  /** What the server wrote so far. */
  output() {
    return this.log.join('')
  }

  /** The end that nobody can prepare for. */
  async kill() {
    this.process!.kill('SIGKILL')
    await this.exited
  }

  /** The orderly end. A server that does not reach it by itself is a failure. */
  async stop() {
    if (this.process!.exitCode !== null || this.process!.signalCode !== null) return this.exited
    this.process!.kill('SIGTERM')
    const end = await Promise.race([this.exited, sleep(45_000, 'still running' as const, { ref: false })])
    if (end === 'still running') await this.kill()
    if (end !== 0) throw new Error(`belfry ended with ${end} after SIGTERM:\n${this.output()}`)
  }

  /** Stops the server and deletes its data. */
  async dispose() {
    try {
      await this.stop()
    } finally {
      rmSync(this.dataDir, { recursive: true, force: true })
    }
  }

  private async ready() {
    const deadline = Date.now() + 30_000
    while (Date.now() < deadline) {
      if (this.process!.exitCode !== null) break
      const answer = await fetch(`${this.url}/health/readiness`).catch(() => undefined)
      if (answer?.ok) return
      await sleep(50)
    }
    this.process!.kill('SIGKILL')
    rmSync(this.dataDir, { recursive: true, force: true })
    throw new Error(`belfry did not become ready:\n${this.output()}`)
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo
      probe.close(() => resolve(port))
    })
  })
}
