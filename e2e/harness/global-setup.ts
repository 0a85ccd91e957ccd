import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// .ci/test.sh builds the binary and names it in BELFRY_BIN. Whoever runs Playwright by hand gets a fresh
// build, so that nobody tests yesterday's program.
export default function build() {
  if (process.env.BELFRY_BIN) return
  const dir = mkdtempSync(join(tmpdir(), 'belfry-e2e-bin-'))
  const binary = join(dir, 'belfry')
  execFileSync('go', ['build', '-o', binary, './cmd/belfry'], {
    cwd: join(import.meta.dirname, '../..'),
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: 'inherit',
  })
  process.env.BELFRY_BIN = binary
  return () => rmSync(dir, { recursive: true, force: true })
}
