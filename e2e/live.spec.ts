import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { LiveView } from './harness/live.ts'
import { aim, expect, sameDocument, test } from './harness/test.ts'

test('a line is in the page as soon as it is written', async ({ adminPage: page, api, unique, tap }) => {
  // Remembers when each line came into the document, whatever put it there.
  await page.addInitScript(() => {
    const seen: Record<string, number> = {}
    Object.assign(window, { seen })
    new MutationObserver((changes) => {
      const now = Date.now()
      for (const { addedNodes } of changes) {
        for (const node of addedNodes) {
          const words = /^(?:\d+)?@(\d+) (\d{13})$/.exec(node instanceof HTMLElement && /^L\d+$/.test(node.id) ? (node.textContent ?? '') : '')
          if (words) seen[words[1]!] ??= now - Number(words[2])
          else if (node.textContent?.includes('Succeeded')) seen.end ??= now
        }
      }
    }).observe(document, { childList: true, subtree: true })
  })
  // The clock of the run is this machine's, as the page's is.
  const id = await api.start(unique('latency'), `${tap.go}; i=0; while [ $i -lt 201 ]; do i=$((i+1)); date "+@$i %s%3N"; sleep 0.02; done`)
  const live = await LiveView.open(page, id)
  await expect(live.state('Running')).toBeVisible()
  await expect(page.getByRole('status').filter({ hasText: 'Live' })).toBeVisible()
  tap.write('go\n')
  await expect(live.lines).toHaveCount(201, { timeout: 25_000 })
  await expect(live.state('Succeeded')).toBeVisible()

  const seen = await page.evaluate(() => (window as unknown as { seen: Record<string, number> }).seen)
  const took = Array.from({ length: 200 }, (_, i) => seen[i + 2] ?? NaN).sort((a, b) => a - b)
  const end = seen.end! - Date.parse((await api.execution(id)).finished_at!)
  expect(took).not.toContain(NaN)
  aim('write to DOM, the first line', seen[1]!, 250)
  aim('write to DOM, p95 of 200 lines', took[189]!, 250)
  aim('the end', end, 500)
})

test('following pauses when one scrolls up, and then nothing moves', async ({ adminPage: page, api, unique, tap }) => {
  const id = await api.start(unique('follow'), tap.cat)
  tap.lines(1, 200)
  const live = await LiveView.open(page, id)
  const follow = page.getByRole('button', { name: 'Follow' })
  await expect(live.line(200)).toBeInViewport()
  await expect(follow).toHaveAttribute('aria-pressed', 'true')
  tap.lines(201, 210)
  await expect(live.line(210)).toBeInViewport()

  await live.wheel(-900)
  await expect(follow).toHaveAttribute('aria-pressed', 'false')
  await expect(live.line(210)).not.toBeInViewport()
  const before = await live.top()
  tap.lines(211, 230)
  await expect(live.pill).toHaveText('20 new lines')
  tap.lines(231, 231)
  await expect(live.pill).toHaveText('21 new lines')
  expect(await live.top()).toEqual(before)

  await page.keyboard.press('End')
  await expect(live.line(231)).toBeInViewport()
  await expect(live.pill).toBeHidden()
  await expect(follow).toHaveAttribute('aria-pressed', 'true')
  tap.lines(232, 240)
  await expect(live.line(240)).toBeInViewport()

  await live.wheel(-900)
  await expect(follow).toHaveAttribute('aria-pressed', 'false')
  await page.keyboard.press('f')
  tap.lines(241, 250)
  await expect(live.line(250)).toBeInViewport()

  await live.wheel(-900)
  tap.lines(251, 260)
  await live.pill.click()
  await expect(live.line(260)).toBeInViewport()
  await live.expectLines(1, 260)
})

test('an address names a line or a range of lines, also while the log grows', async ({ adminPage: page, api, unique, tap }) => {
  const id = await api.start(unique('anchors'), tap.cat)
  tap.lines(1, 300)
  await expect.poll(async () => (await (await api.http.get(`/executions/${id}/output`)).text()).split('\n').length).toBe(301)
  const live = await LiveView.open(page, id, '#L10-L12')
  const ground = (n: number) => live.line(n).evaluate((line) => getComputedStyle(line).backgroundColor)
  await expect(live.line(10)).toBeInViewport()
  const plain = await ground(9)
  const marked = await ground(10)
  expect(marked).not.toBe(plain)
  expect([await ground(11), await ground(12), await ground(13)]).toEqual([marked, marked, plain])

  const before = await live.top()
  tap.lines(301, 330)
  await expect(live.pill).toHaveText('30 new lines')
  expect(await live.top(), 'the view stays while the log grows').toEqual(before)
  expect(await ground(10)).toBe(marked)

  await live.line(14).getByRole('link', { name: '14', exact: true }).click()
  await expect(page).toHaveURL(/#L14$/)
  await live.line(16).getByRole('link', { name: '16', exact: true }).click({ modifiers: ['Shift'] })
  await expect(page).toHaveURL(/#L14-L16$/)
  await page.mouse.move(0, 0)
  expect([await ground(13), await ground(14), await ground(15), await ground(16), await ground(17)]).toEqual([plain, marked, marked, marked, plain])

  await page.goto('/jobs')
  const single = await LiveView.open(page, id, '#L10')
  await expect(single.line(10)).toBeInViewport()
  expect([await ground(9), await ground(10), await ground(11)]).toEqual([plain, marked, plain])
})

test('output looks as in a terminal, and stays text', async ({ adminPage: page, api, unique, tap }) => {
  const script = String.raw`
    printf '\033[31mred\033[0m plain \033[1mbold\033[0m \033[4munder\033[0m \033[7minverse\033[0m\n'
    printf '\033[38;5;208morange\033[0m \033[48;2;0;0;255mblue ground\033[0m\n'
    printf '<script>window.hacked=1</script><img src=x onerror="window.hacked=2">\n'
    printf '\033]8;;javascript:window.hacked=3\033\\bad link\033]8;;\033\\ \033]8;;https://example.com/\033\\good link\033]8;;\033\\\n'
    printf '10 %%\r50 %%\r100 %% done\033[K\n'
    printf '\033]0;another title\007\033[2Jafter clearing\n'
    echo 'to stderr' >&2
  `
  const id = await api.start(unique('terminal'), `${tap.go}; ${script}`)
  const live = await LiveView.open(page, id)
  await expect(page.getByRole('status').filter({ hasText: 'Live' })).toBeVisible()
  tap.write('go\n')
  await expect(live.state('Succeeded')).toBeVisible()

  // Live first, then as the server renders it in the page.
  for (const how of ['live', 'loaded']) {
    if (how === 'loaded') await page.reload()
    await expect(live.lines).toHaveCount(7)
    expect(await live.texts(), how).toEqual([
      'red plain bold under inverse',
      'orange blue ground',
      '<script>window.hacked=1</script><img src=x onerror="window.hacked=2">',
      'bad link good link',
      '100 % done',
      'after clearing',
      'to stderr',
    ])
    const style = (n: number, text: string, property: string) =>
      live.line(n).getByText(text, { exact: true }).evaluate((el, name) => getComputedStyle(el).getPropertyValue(name), property)
    const plain = await live.line(3).evaluate((line) => getComputedStyle(line.lastElementChild!).color)
    expect(await style(1, 'red', 'color'), how).not.toBe(plain)
    expect(await style(1, 'bold', 'font-weight'), how).toBe('700')
    expect(await style(1, 'under', 'text-decoration-line'), how).toBe('underline')
    expect(await style(1, 'inverse', 'color'), how).not.toBe(plain)
    expect(await style(2, 'orange', 'color'), how).not.toBe(plain)
    expect(await style(2, 'blue ground', 'background-color'), how).toBe('rgb(0, 0, 255)')
    await expect(live.line(4).getByRole('link', { name: 'good link' })).toHaveAttribute('href', 'https://example.com/')
    await expect(live.line(4).getByRole('link', { name: 'bad link' })).toHaveCount(0)
    await expect(live.log.locator('script, img')).toHaveCount(0)
    expect(await page.evaluate(() => (window as { hacked?: number }).hacked), how).toBeUndefined()
    await expect(page).toHaveTitle(/^Succeeded/)
    const mark = (n: number) => live.line(n).evaluate((line) => getComputedStyle(line, '::before').content)
    expect(await mark(7), 'stderr is told apart, not by colour alone').toContain('stderr')
    expect(await mark(6)).not.toContain('stderr')
  }
})

test('a progress bar stays one line while it moves', async ({ adminPage: page, api, unique, tap }) => {
  const id = await api.start(unique('progress'), tap.cat)
  const live = await LiveView.open(page, id)
  for (const percent of [10, 40, 70]) {
    tap.write(`\r\x1b[K${percent} %`)
    await expect(live.lines).toHaveText([new RegExp(`${percent} %$`)])
  }
  tap.write('\r100 %\nnext\n')
  await live.expectLines(1, 2, (n) => (n === 1 ? '100 %' : 'next'))
})

test('times and wrapping can be switched, and are remembered', async ({ adminPage: page, api, unique, tap }) => {
  const id = await api.start(unique('tools'), `echo first; printf 'long %0500d\\n' 7; exec ${tap.cat}`)
  const live = await LiveView.open(page, id)
  await expect(live.line(2)).toContainText('long')
  const stamp = (n: number) => live.line(n).evaluate((line) => getComputedStyle(line, '::after').content)
  expect(await stamp(1)).not.toMatch(/\d/)
  const time = page.getByRole('combobox', { name: 'Time' })
  await time.selectOption('elapsed')
  expect(await stamp(1)).toMatch(/00:00:0\d\.\d{3}/)
  await time.selectOption('UTC')
  const [, written] = /(\d\d:\d\d:\d\d)\.\d{3}Z/.exec(await stamp(1)) ?? []
  expect(Math.abs(Date.parse((await api.execution(id)).started_at!) - Date.parse(`${new Date().toISOString().slice(0, 10)}T${written}Z`))).toBeLessThan(10_000)
  await time.selectOption('local')
  expect(await stamp(1)).toMatch(/\d\d:\d\d:\d\d\.\d{3}/)

  const wider = () => live.log.evaluate((log) => log.scrollWidth > log.clientWidth)
  expect(await wider()).toBe(true)
  const wrap = page.getByRole('button', { name: 'Wrap' })
  await wrap.click()
  await expect(wrap).toHaveAttribute('aria-pressed', 'true')
  expect(await wider()).toBe(false)

  await page.reload()
  await expect(wrap).toHaveAttribute('aria-pressed', 'true')
  await expect(time).toHaveValue('local')
  expect(await wider()).toBe(false)
  expect(await stamp(1)).toMatch(/\d\d:\d\d:\d\d\.\d{3}/)
  await api.stop(id)
})

test('a long log keeps the page small, and all of it can be reached', async ({ adminPage: page, api, unique, tap }) => {
  const id = await api.start(unique('long'), `${tap.go}; seq -f 'line %g' 10000; ${tap.go}`)
  const live = await LiveView.open(page, id)
  await expect(page.getByRole('status').filter({ hasText: 'Live' })).toBeVisible()
  // Counts the lines at each change, so that too many for a moment are seen as well.
  await live.log.evaluate((log) => {
    const most = { lines: 0 }
    Object.assign(window, { most })
    new MutationObserver(() => (most.lines = Math.max(most.lines, log.querySelectorAll('[id^="L"]').length))).observe(log, {
      childList: true,
      subtree: true,
    })
  })
  const most = () => page.evaluate(() => (window as unknown as { most: { lines: number } }).most.lines)
  tap.write('go\n')
  await expect(live.line(10_000)).toBeInViewport({ timeout: 10_000 })
  expect(await most(), 'line elements while it was written').toBeLessThanOrEqual(2000)

  const check = async () => {
    const numbers = await live.numbers()
    expect(numbers.length).toBeLessThanOrEqual(2000)
    expect(numbers, 'without a gap').toEqual(numbers.map((_, i) => (numbers[0] ?? 0) + i))
    const texts = await live.texts()
    expect(texts, 'and each says what it should').toEqual(numbers.map((n) => `line ${n}`))
    return numbers[0] ?? 0
  }
  const first = await check()
  expect(first).toBeGreaterThan(1)
  await live.wheel(-1_000_000)
  await expect.poll(async () => (await live.numbers())[0], 'earlier lines come when one scrolls to them').toBeLessThan(first)
  await check()
  expect(await most()).toBeLessThanOrEqual(2000)

  await page.reload()
  await expect(live.line(10_000), 'a reload in the middle shows the tail').toBeInViewport()
  await check()
  await live.wheel(-1_000_000)
  await page.evaluate(() => (location.hash = '#L5000'))
  await expect(live.line(5000)).toBeInViewport()
  await check()
  tap.write('go\n')
  await expect(live.state('Succeeded')).toBeVisible()

  await LiveView.open(page, id, '#L1')
  await expect(live.line(1)).toBeInViewport()
  await check()
})

test('the output can be had as it is, without colours, and packed @phone', async ({ adminPage: page, api, unique }) => {
  const id = await api.start(unique('raw'), String.raw`printf '\033[31mred\033[0m\r\n\000\377'`)
  await api.reaches(id, 'succeeded')
  await LiveView.open(page, id)
  await page.getByText('Download', { exact: true }).click()
  const raw = [...Buffer.from('\x1b[31mred\x1b[0m\r\n\x00', 'latin1'), 0xff]
  const path = await page.getByRole('link', { name: 'Raw', exact: true }).getAttribute('href')
  expect([...(await (await page.request.get(path!)).body())]).toEqual(raw)

  const saved = async (name: string) => {
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name }).click()])
    return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) }
  }
  const text = await saved('Text without colours')
  expect(text.name).toMatch(/^raw-.*\.txt$/)
  expect(text.bytes.toString()).toBe('red\n␀�\n')
  const packed = await saved('Packed (gzip)')
  expect(packed.name).toMatch(/^raw-.*\.log\.gz$/)
  expect([...gunzipSync(packed.bytes)]).toEqual(raw)
})

test('a page that is opened after the end is complete without a stream', async ({ adminPage: page, api, unique }) => {
  const id = await api.start(unique('after'), 'for i in 1 2 3; do echo "line $i"; done; exit 4')
  await api.reaches(id, 'failed')
  let streams = 0
  page.on('request', (request) => {
    if (request.url().includes('/events')) streams++
  })
  const live = await LiveView.open(page, id)
  const stillTheSame = await sameDocument(page)
  await live.expectLines(1, 3)
  await expect(live.log).toContainText('exit code 4')
  await expect(page).toHaveTitle(/^Failed/)
  await stillTheSame()
  expect(streams).toBe(0)
})
