import { LiveView } from './harness/live.ts'
import { expect, expectUsable, test } from './harness/test.ts'

/** Every hundredth line of `lines` has an error in it, in colour. */
const withErrors = (lines: number) =>
  `awk 'BEGIN { for (i = 1; i <= ${lines}; i++) if (i % 100 == 0) printf "\\033[31mERR\\033[0mOR number %d\\n", i / 100; else print "line", i }'`

/** The texts that are marked as found: of the match that one is at, and of others. */
const marked = (live: LiveView) =>
  live.page.evaluate(() =>
    Object.fromEntries(['found-here', 'found'].map((name) => [name, [...(CSS.highlights.get(name) ?? [])].map((range) => range.toString())])),
  )

test('searching finds, counts, goes on and back, by keyboard @phone', async ({ adminPage: page, api, unique }) => {
  const id = await api.start(unique('search'), withErrors(20_000))
  await api.reaches(id, 'succeeded')
  const live = await LiveView.open(page, id)
  await live.intoView()
  await expect(live.line(20_000)).toBeInViewport()
  await page.keyboard.press('/')
  await expect(live.search).toBeFocused()
  await live.search.fill('error number \\d+7$')
  await expect(live.found).toHaveText('1 of 19 lines') // there is none behind the end: the first
  await expect(live.line(1700)).toBeInViewport()
  await expect.poll(() => marked(live)).toEqual({ 'found-here': ['ERROR number 17'], found: [] })
  await page.keyboard.press('Enter')
  await expect(live.found).toHaveText('2 of 19 lines')
  await expect(live.line(2700)).toBeInViewport()
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.press('Shift+Enter')
  await expect(live.found).toHaveText('19 of 19 lines, on from the end')
  await expect(live.line(19_700)).toBeInViewport()
  await page.keyboard.press('Escape')
  await expect(live.log).toBeFocused()
  await page.keyboard.press('n')
  await expect(live.found).toHaveText('1 of 19 lines, on from the beginning')
  await page.keyboard.press('Shift+N')
  await expect(live.found).toHaveText('19 of 19 lines, on from the end')
  await expect(page).toHaveURL(/q=error\+number/)

  await page.reload()
  await expect(live.search).toHaveValue('error number \\d+7$')
  await expect(live.found).toHaveText(/of 19 lines/)

  await live.search.fill('ERROR')
  await expect(live.found).toHaveText(/of 200 lines/)
  await live.search.fill('error')
  await page.getByRole('checkbox', { name: 'Match case' }).check()
  await expect(live.found).toHaveText('No line matches')
  await live.search.fill('error(')
  await expect(live.found).toContainText('missing closing )')
  await expect(live.search).toHaveAttribute('aria-invalid', 'true')
  await live.search.fill('')
  await expect(live.found).toHaveCount(0)
  await expect(page).toHaveURL(new RegExp(`/executions/${id}$`))
})

test('only the lines that match are shown, and from them one is back in the whole @phone', async ({ adminPage: page, api, unique }) => {
  const id = await api.start(unique('only'), withErrors(300_000))
  await api.reaches(id, 'succeeded')
  const live = await LiveView.open(page, id)
  await live.search.fill('error')
  await expect(live.found).toHaveText(/of 3,000 lines/)
  await page.getByRole('checkbox', { name: 'Only matches' }).check()
  await expect(live.found).toHaveText('3,000 lines')
  await live.intoView()
  const check = async () => {
    const numbers = await live.numbers()
    expect(numbers.length).toBeLessThanOrEqual(2000)
    expect(numbers, 'without a gap').toEqual(numbers.map((_, i) => numbers[0]! + 100 * i))
    return numbers
  }
  await check()
  await live.log.evaluate((log) => log.scrollTo(0, 0))
  await expect(live.line(100)).toBeInViewport()
  await check()
  await live.log.evaluate((log) => log.scrollTo(0, log.scrollHeight))
  await expect(live.line(300_000)).toBeInViewport()
  await check()
  await page.reload()
  await expect(page.getByRole('checkbox', { name: 'Only matches' })).toBeChecked()
  await live.intoView()
  await expect(live.line(100)).toBeInViewport()
  await page.getByRole('button', { name: 'Next match' }).click()
  await page.getByRole('button', { name: 'Next match' }).click()
  await expect(live.found).toHaveText('2 of 3,000 lines')

  await page.getByRole('checkbox', { name: 'Only matches' }).uncheck()
  await expect(live.line(200)).toBeInViewport()
  await expect(live.line(201)).toBeInViewport()
  const numbers = await live.numbers()
  expect(numbers).toEqual(numbers.map((_, i) => numbers[0]! + i))
})

test('what one does there is usable', async ({ adminPage: page, api, unique }) => {
  test.setTimeout(60_000) // for axe
  const id = await api.start(unique('usable'), withErrors(105))
  await api.reaches(id, 'succeeded')
  const live = await LiveView.open(page, id, '#L100-L102')
  await live.search.fill('error')
  await expect(live.found).toHaveText('1 of 1 line')
  await page.getByText('Download', { exact: true }).click()
  await expectUsable(page, 'a search, picked lines and the downloads')
  await live.search.fill('error(')
  await expect(live.found).toContainText('missing closing )')
  await expectUsable(page, 'a pattern that is none')
})

test('what is written while one searches is found, too', async ({ adminPage: page, api, unique, tap }) => {
  const id = await api.start(unique('grows'), tap.cat)
  tap.lines(1, 50)
  const live = await LiveView.open(page, id)
  await expect(live.line(50)).toBeInViewport()
  await live.search.fill('line .*5$')
  await expect(live.found).toHaveText('5 of 5 lines')
  tap.lines(51, 60)
  await expect(live.found).toHaveText('5 of 6 lines')

  await live.search.blur()
  await page.keyboard.press('End')
  await page.getByRole('checkbox', { name: 'Only matches' }).check()
  await expect(live.lines).toHaveCount(6)
  tap.lines(61, 100)
  await expect(live.lines).toHaveCount(10)
  await expect(live.line(95)).toBeInViewport()
  expect(await live.numbers()).toEqual([5, 15, 25, 35, 45, 55, 65, 75, 85, 95])
})

test('without scripts the lines that match are a page @nojs', async ({ adminPage: page, api, unique, javaScriptEnabled }) => {
  const id = await api.start(unique('nojs-search'), withErrors(250_000))
  await api.reaches(id, 'succeeded')
  const live = await LiveView.open(page, id)
  await live.search.fill('error number')
  await page.getByRole('checkbox', { name: 'Only matches' }).check()
  if (!javaScriptEnabled) await page.getByRole('button', { name: 'Search', exact: true }).click()
  await expect(live.found).toHaveText(javaScriptEnabled ? '2,500 lines' : '2,500 lines match')
  if (javaScriptEnabled) return
  await expect(live.lines).toHaveCount(2000)
  await expect(live.lines.first()).toContainText('ERROR number 1')
  await page.getByRole('link', { name: 'The next ones' }).click()
  await expect(live.lines).toHaveCount(500)
  await expect(live.lines.last()).toContainText('ERROR number 2500')
  await live.search.fill('(')
  await page.getByRole('button', { name: 'Search', exact: true }).click()
  await expect(live.found).toContainText('missing closing )')
})
