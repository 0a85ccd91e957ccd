import { LiveView } from './harness/live.ts'
import { expect, test } from './harness/test.ts'

// 200,000 lines of which the middle is cut out: about 60 at the beginning stay, and about 250 at the end.
const limit = { output_limit: { head: 500, tail: 3000 } }
const many = 'seq -f "line %.0f" 1 200000'

test('what was cut out is one line, and anchors stay where they are', async ({ adminPage: page, api, unique }) => {
  const id = await api.start(unique('cut'), many, limit)
  await api.reaches(id, 'succeeded')
  const live = await LiveView.open(page, id)
  const cut = live.log.locator('#cut')
  await expect(cut).toHaveText(/^\[… \d+ bytes \(\d+ lines\) cut here by the output limit …\]$/)
  await expect(live.line(1)).toBeAttached()
  await expect(live.line(200000)).toBeAttached()
  const numbers = await live.numbers()
  const gap = numbers.findIndex((n, i) => i > 0 && n !== numbers[i - 1]! + 1)
  expect(numbers[gap - 1]).toBe(Number(await cut.getAttribute('data-n')) - 1)
  expect(numbers[gap]).toBe(Number(await cut.getAttribute('data-to')) + 1)
  expect((await live.texts()).every((text, i) => text === `line ${numbers[i]}`)).toBe(true)
  await expect(live.log.locator('.ln').nth(gap)).toHaveId('cut')

  // A link to a line that is gone shows where it was.
  await LiveView.open(page, id, '#L90000')
  await expect(cut).toHaveClass(/picked/)
  await expect(cut).toBeInViewport()
  await expect(cut).toHaveCount(1)
  await LiveView.open(page, id, '#L199990')
  await expect(live.line(199990)).toBeInViewport()
})

test('a page that follows goes on behind what is cut out under it', async ({ adminPage: page, api, unique, tap }) => {
  const id = await api.start(unique('cut-live'), `seq -f "line %.0f" 1 40; ${tap.go}; seq -f "line %.0f" 41 200000; ${tap.go}; echo last`, limit)
  const live = await LiveView.open(page, id)
  await live.expectLines(1, 40)
  tap.write('go\n')
  await expect(live.line(200000)).toBeInViewport({ timeout: 20_000 }) // 200,000 lines, on a machine that may have other work
  await expect(page.getByRole('button', { name: 'Follow' })).toHaveAttribute('aria-pressed', 'true')
  tap.write('go\n')
  await expect(live.line(200001)).toBeInViewport()
  await expect(live.state('Succeeded')).toBeVisible()

  // Back up from the end, to the very first line, over the gap.
  await expect(async () => {
    await live.log.evaluate((log) => log.scrollTo(0, 0))
    await expect(live.line(1)).toBeInViewport({ timeout: 500 })
  }).toPass({ timeout: 15_000 })
  await expect(live.log.locator('#cut')).toHaveCount(1)
})
