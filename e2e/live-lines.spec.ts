import { LiveView } from './harness/live.ts'
import { expect, test } from './harness/test.ts'

test('the scroll bar reaches every line of a long log @phone', async ({ adminPage: page, api, unique }) => {
  test.setTimeout(90_000)
  const id = await api.start(unique('bar'), 'seq -f "line %.0f" 1000000')
  await api.reaches(id, 'succeeded')
  const live = await LiveView.open(page, id)
  await live.intoView()
  await expect(live.line(1_000_000)).toBeInViewport()
  const check = async () => {
    const numbers = await live.numbers()
    expect(numbers.length).toBeLessThanOrEqual(2000)
    expect(numbers, 'without a gap').toEqual(numbers.map((_, i) => numbers[0]! + i))
    expect(await live.texts()).toEqual(numbers.map((n) => `line ${n}`))
  }
  for (const share of [0.5, 0.9, 0, 0.001]) {
    await live.log.evaluate((log, to) => log.scrollTo(0, to * (log.scrollHeight - log.clientHeight)), share)
    const wanted = share * 1_000_000
    await expect
      .poll(async () => Math.abs(Number((await live.top()).line.slice(1)) - wanted), { message: `at ${share} of the bar` })
      .toBeLessThan(5000) // the lines that are there take more room than those that are not
    await check()
  }
  // From there on, line by line and page by page, without a jump.
  await live.log.focus()
  let last = Number((await live.top()).line.slice(1))
  for (let i = 0; i < 25; i++) {
    await page.keyboard.press('PageDown')
    await page.evaluate(() => new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown))))
    const now = Number((await live.top()).line.slice(1))
    expect(now - last, `page ${i} begins with line ${now}, the one before with ${last}`).toBeLessThan(60)
    expect(now).toBeGreaterThanOrEqual(last)
    last = now
  }
  await check()
  await page.keyboard.press('Home')
  await expect(live.line(1)).toBeInViewport()
  await page.keyboard.press('End')
  await expect(live.line(1_000_000)).toBeInViewport()

  const wrap = page.getByRole('button', { name: 'Wrap' })
  await wrap.click()
  await page.keyboard.press('g')
  await page.keyboard.type('765432')
  await page.keyboard.press('Enter')
  await expect(live.line(765_432)).toBeInViewport()
  await expect(page).toHaveURL(/#L765432$/)
  await check()
})

test('lines can be shared @phone', async ({ adminPage: page, api, unique, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  const id = await api.start(unique('share'), 'seq -f "line %.0f" 5000')
  await api.reaches(id, 'succeeded')
  const live = await LiveView.open(page, id, '#L120-L122')
  await expect(live.line(120)).toBeInViewport()
  await expect(page.getByText('Lines 120 to 122')).toBeVisible()
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText())
  await page.getByRole('button', { name: 'Copy link' }).click()
  await expect(page.getByText('Link copied')).toBeVisible()
  expect(await clipboard()).toBe(page.url())
  expect(page.url()).toMatch(/#L120-L122$/)
  await page.getByRole('button', { name: 'Copy text' }).click()
  await expect.poll(clipboard).toBe('line 120\nline 121\nline 122\n')
  await live.line(125).getByRole('link', { name: '125', exact: true }).click()
  await expect(page.getByText('Line 125', { exact: true })).toBeVisible()
  await page.getByRole('button', { name: 'Forget the lines' }).click()
  await expect(page.getByText('Line 125', { exact: true })).toBeHidden()
  expect(page.url()).not.toContain('#')
})

test('fifty updates a second move neither focus, nor scroll, nor selection, nor what is typed', async ({ adminPage: page, api, unique }) => {
  const id = await api.start(unique('still'), 'seq -f "line %.0f" 300; i=0; while :; do i=$((i+1)); echo "later $i"; sleep 0.02; done', { progress: 'later (\\d+)' })
  await expect.poll(async () => (await (await api.http.get(`/executions/${id}/output`)).text()).split('\n').length).toBeGreaterThan(300)
  const live = await LiveView.open(page, id, '#L100')
  await expect(live.line(100)).toBeInViewport()
  await live.line(102).locator('.tt').evaluate((text) => getSelection()!.selectAllChildren(text))
  const menu = page.getByText('Download', { exact: true })
  await menu.click()
  await live.search.focus()
  await live.search.pressSequentially('lat', { delay: 30 })
  await live.search.press('ArrowLeft')
  const state = () =>
    page.evaluate(() => {
      const field = document.activeElement as HTMLInputElement
      return {
        focus: field.id, typed: field.value, caret: field.selectionStart, menu: document.querySelector<HTMLDetailsElement>('#log-download')!.open,
      }
    })
  await expect(live.found).toContainText('lines')
  const [before, top] = [await state(), await live.top()]
  expect(before).toMatchObject({ focus: 'log-q', typed: 'lat', caret: 2 })
  const count = () => page.getByText(/^[\d,]+ lines$/).first().textContent()
  const first = await count()
  await expect.poll(count).not.toBe(first)
  await expect(live.pill).toContainText(/\d+ new lines/)
  await api.stop(id)
  await expect(live.state('Cancelled')).toBeVisible()
  expect(await state()).toEqual(before)
  expect(await live.top()).toEqual(top)
})

test('a run can be tried again with changes @phone', async ({ adminPage: page, api, unique }) => {
  const id = await api.start(unique('again'), 'echo first; exit 3')
  await api.reaches(id, 'failed')
  const live = await LiveView.open(page, id)
  await page.getByRole('link', { name: 'Retry with changes' }).click()
  const command = page.getByLabel('Command', { exact: true })
  await expect(command).toHaveValue('echo first; exit 3')
  await command.fill('')
  await page.getByRole('button', { name: 'Run with these' }).click()
  await expect(command).toHaveAttribute('aria-invalid', 'true')
  await command.fill('echo second')
  await page.getByRole('button', { name: 'Run with these' }).click()
  await expect(live.state('Succeeded')).toBeVisible()
  await live.expectLines(1, 1, () => 'second')
  await expect(page.getByRole('term').filter({ hasText: 'Attempt' }).locator('..')).toContainText('2')
  await page.getByRole('link', { name: '1 , failed' }).click()
  await expect(page).toHaveURL(new RegExp(`${id}$`))
  await expect(live.state('Failed')).toBeVisible()
})

test('what may not be changed is not offered', async ({ pageOf, api, unique }) => {
  const id = await api.start(unique('roles'), 'exit 3')
  await api.reaches(id, 'failed')
  const page = await pageOf('operator')
  await page.goto(`/executions/${id}`)
  await expect(page.getByRole('button', { name: 'Retry', exact: true })).toBeVisible()
  await expect(page.getByRole('link', { name: 'Retry with changes' })).toHaveCount(0)
  expect((await page.request.get(`/executions/${id}/retry`)).status()).toBe(403)
})
