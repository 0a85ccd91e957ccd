import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@playwright/test'

// README.md says which test does what; a test that is renamed, lost or no longer run on a phone is noticed here.

const titles = new Map(
  readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith('.spec.ts'))
    .map((file) => [
      file.replace('.spec.ts', ''),
      [...readFileSync(join(import.meta.dirname, file), 'utf8').matchAll(/^test\((['"])(.*?)\1, /gm)].map((match) => match[2]!),
    ]),
)

test('every action of the pages has its test, and it runs on a phone', () => {
  const rows = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8').split('\n').map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()))
  const named = rows.filter((cells) => cells.length >= 3 && cells.at(-1) !== 'test' && !cells.at(-1)!.startsWith('---'))
  expect(named.length).toBeGreaterThan(40)
  for (const cells of named) {
    const [spec, name] = cells.slice(-2) as [string, string]
    const title = titles.get(spec)?.find((title) => title.replace(/( @\w+)+$/, '') === name)
    expect(title, `${spec}.spec.ts has no test called "${name}"`).toBeDefined()
    if (cells.length === 4) expect(title, `${spec}.spec.ts: "${name}"`).toContain('@phone')
  }
})
