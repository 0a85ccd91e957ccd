import { readFileSync } from 'node:fs'
import type { Page } from '@playwright/test'
import { Tap } from './harness/tap.ts'
import { expect, expectUsable, rowOf, test } from './harness/test.ts'

test('several jobs are run, disabled, enabled and deleted at once @phone @nojs', async ({ adminPage: page, api, unique }) => {
  const prefix = unique('bulk')
  for (const n of [1, 2, 3]) await api.createJob({ name: `${prefix}-${n}`, schedule: '@yearly' }, 'true')
  const choose = async (...numbers: number[]) => {
    for (const n of numbers) await page.getByRole('checkbox', { name: `Choose ${prefix}-${n}` }).check()
  }
  await page.goto(`/jobs?q=${prefix}`)
  await choose(1, 2)
  await page.getByRole('button', { name: 'Disable', exact: true }).click()
  await expect(page.getByText('Disabled 2 jobs.')).toBeVisible()
  await expect(page).toHaveURL(`/jobs?q=${prefix}`)
  expect((await api.job(`${prefix}-2`)).enabled).toBe(false)
  expect((await api.job(`${prefix}-3`)).enabled).toBe(true)
  await choose(1, 2)
  await page.getByRole('button', { name: 'Enable', exact: true }).click()
  await expect(page.getByText('Enabled 2 jobs.')).toBeVisible()
  expect((await api.job(`${prefix}-2`)).enabled).toBe(true)
  await choose(3)
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await expect(page.getByText('Queued 1 job.')).toBeVisible()
  await choose(1, 2)
  await page.getByRole('button', { name: 'Delete…' }).click()
  await expect(page.getByRole('heading', { name: 'Delete 2 jobs?' })).toBeVisible()
  await expect(page.getByRole('link', { name: `${prefix}-2` })).toBeVisible()
  await page.getByRole('button', { name: 'Delete 2' }).click()
  await expect(page.getByText('Deleted 2 jobs.')).toBeVisible()
  await page.goto(`/jobs?q=${prefix}`)
  await expect(page.getByRole('row')).toHaveCount(2)
})

test('chosen jobs are exported, and a list is kept as CSV and JSON @phone', async ({ adminPage: page, api, unique }) => {
  const prefix = unique('files')
  for (const n of [1, 2, 3]) await api.createJob({ name: `${prefix}-${n}`, metadata: { owner: 'ops' } }, 'echo "a,b"')
  await page.goto(`/jobs?q=${prefix}&limit=2`)
  await page.getByRole('checkbox', { name: 'Choose all of this page' }).check()
  await expect(page.getByText('2 chosen:')).toBeVisible()
  await expectUsable(page, 'jobs that are chosen')
  const read = async (click: () => Promise<void>) => {
    const [file] = await Promise.all([page.waitForEvent('download'), click()])
    return readFileSync(await file.path(), 'utf8')
  }
  const exported = await read(() => page.getByRole('button', { name: 'Export', exact: true }).click())
  expect(exported).toContain(`name: ${prefix}-1`)
  expect(exported).toContain(`name: ${prefix}-2`)
  expect(exported).not.toContain(`name: ${prefix}-3`)
  const csv = await read(() => page.getByRole('link', { name: 'CSV' }).click())
  expect(csv.trim().split('\r\n').map((line) => line.split(',')[0])).toEqual(['name', `${prefix}-1`, `${prefix}-2`])
  const json = JSON.parse(await read(() => page.getByRole('link', { name: 'JSON' }).click()))
  expect(json.items).toHaveLength(2)
  expect(json.total).toBe(3)
})

test('executions are found by states and exit code, and stopped and retried together @phone @nojs', async ({ adminPage: page, api, unique, tap, javaScriptEnabled }) => {
  const name = unique('codes')
  await api.createJob({ name }, 'exit 41')
  for (let i = 0; i < 2; i++) await api.reaches(await api.run(name), 'failed')
  await page.goto(`/executions?job=${name}`)
  const apply = async () => {
    if (!javaScriptEnabled) await page.getByRole('button', { name: 'Filter', exact: true }).click()
  }
  const rows = page.getByRole('link', { name, exact: true })
  await expect(rows).toHaveCount(2)
  await page.getByRole('checkbox', { name: 'Succeeded', exact: true }).check()
  await apply()
  await expect(rows).toHaveCount(0)
  await page.getByRole('checkbox', { name: 'Failed', exact: true }).check()
  await page.getByLabel('Exit code').fill('41')
  await page.getByLabel('Exit code').blur()
  await apply()
  await expect(rows).toHaveCount(2)
  await expect(page).toHaveURL((url) => url.searchParams.get('exit_code') === '41' && url.searchParams.getAll('state').join() === 'succeeded,failed')
  await page.goto(page.url())
  await expect(page.getByRole('checkbox', { name: 'Failed', exact: true })).toBeChecked()
  const shown = () => page.locator('tr[id^="x-"]').evaluateAll((rows) => rows.map((row) => row.id))
  const newest = await shown()
  await order(page, 'Queued', 'Queued, oldest first')
  await expect(page).toHaveURL((url) => url.searchParams.get('sort') === 'queued' && url.searchParams.get('exit_code') === '41')
  await expect.poll(shown).toEqual(newest.toReversed())
  for (const box of await page.getByRole('checkbox', { name: `Choose ${name}` }).all()) await box.check()
  await page.getByRole('button', { name: 'Retry', exact: true }).click()
  await expect(page.getByText('Queued another attempt of 2 executions.')).toBeVisible()

  const long = unique('stopped-together')
  await api.createJob({ name: long, concurrency: 'allow' }, tap.cat)
  for (let i = 0; i < 2; i++) await api.reaches(await api.run(long), 'running')
  await page.goto(`/executions?job=${long}`)
  for (const box of await page.getByRole('checkbox', { name: `Choose ${long}` }).all()) await box.check()
  await page.getByRole('button', { name: 'Stop', exact: true }).click()
  await expect(page.getByText('Stopping 2 executions.')).toBeVisible()
  await expect.poll(async () => (await api.executionsOf(long)).map((run) => run.state)).toEqual(['cancelled', 'cancelled'])
})

test('the palette goes anywhere by keyboard', async ({ adminPage: page, api, unique }) => {
  const name = unique('palette')
  await api.createJob({ name }, 'true')
  await page.goto('/executions')
  await page.keyboard.press('Control+k')
  const palette = page.getByRole('dialog', { name: 'Go to' })
  await expect(palette.getByRole('link', { name: 'Calendar' })).toBeVisible()
  await expectUsable(page, 'the palette')
  await page.keyboard.type(name)
  await expect(palette.getByRole('link', { name })).toBeVisible()
  await page.keyboard.press('ArrowDown')
  await expect(palette.getByRole('link', { name })).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(`/jobs/${name}`)
  await page.keyboard.press('Control+k')
  await page.keyboard.type('zzz nothing')
  await expect(palette.getByText('Nothing is called like that.')).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(palette).toBeHidden()
})

test('the palette goes anywhere by its button @phone', async ({ adminPage: page, api, unique }) => {
  const name = unique('tapped')
  await api.createJob({ name }, 'echo from the palette')
  await page.goto('/executions')
  const open = page.getByRole('link', { name: 'Search' })
  await open.click()
  const palette = page.getByRole('dialog', { name: 'Go to' })
  await palette.getByLabel('Where to go').fill(name)
  await palette.getByRole('link', { name, exact: true }).click()
  await expect(page).toHaveURL(`/jobs/${name}`)
  await open.click()
  await palette.getByLabel('Where to go').fill(name)
  await palette.getByRole('button', { name: `Run ${name}` }).click()
  await expect(page).toHaveURL(/\/executions\//)
  await expect(page.getByRole('region', { name: 'Lines of output' })).toContainText('from the palette')
})

test('search is a page without scripts @nojs', async ({ adminPage: page, api, unique }) => {
  const name = unique('found')
  await api.createJob({ name }, 'true')
  await page.goto('/search')
  await page.locator('#search-q').fill(name)
  await page.getByRole('button', { name: 'Search' }).click()
  await page.locator('main').getByRole('link', { name }).click()
  await expect(page).toHaveURL(`/jobs/${name}`)
})

test('times are of the server, the job, the browser or UTC @phone', async ({ adminPage: page, api, unique }) => {
  const name = unique('zones')
  await api.createJob({ name, schedule: '0 0 1 1 *', timezone: 'Asia/Tokyo' }, 'true')
  await api.reaches(await api.run(name), 'succeeded')
  const zoneOf = async () => (await page.getByRole('region', { name: 'Table of executions' }).locator('time').first().getAttribute('title'))!.split(' ').at(-1)
  await page.goto(`/executions?job=${name}`)
  const pick = async (label: string) => {
    await page.getByRole('button', { name: ': menu' }).click()
    await page.getByLabel('Times in the zone of').selectOption(label)
    await expect(page.getByLabel('Times in the zone of')).toBeHidden()
  }
  await pick('each job')
  await expect.poll(zoneOf).toBe('Asia/Tokyo')
  await pick('this browser')
  await expect.poll(zoneOf).toBe('Europe/Berlin')
  await pick('UTC')
  await expect.poll(zoneOf).toBe('UTC')
  await expect(page).toHaveURL(`/executions?job=${name}`)
})

test('live updates wait while they are paused @phone', async ({ adminPage: page, api, unique }) => {
  const name = unique('paused')
  await api.createJob({ name }, 'true')
  await page.goto(`/jobs?q=${name}`)
  const dot = page.getByRole('button', { name: 'hold updates' })
  await expect(dot).toContainText('Live')
  await dot.click()
  await expect(dot).toContainText('Paused')
  await api.reaches(await api.run(name), 'succeeded')
  await dot.click()
  await expect(rowOf(page, name)).toContainText('Succeeded')
  await expect(dot).toContainText('Live')
})

test('keys choose a row, and open its pause', async ({ adminPage: page, api, unique }) => {
  const name = unique('letters')
  await api.createJob({ name, schedule: '@yearly' }, 'true')
  await page.goto(`/jobs?q=${name}`)
  await page.keyboard.press('j')
  await page.keyboard.press('c')
  await expect(page.getByRole('checkbox', { name: `Choose ${name}` })).toBeChecked()
  await page.keyboard.press('p')
  await expect(page.getByRole('dialog', { name: `Pause ${name}?` })).toBeVisible()
  await page.getByLabel('Until').fill('2h')
  await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
  await expect(page.getByText('paused until')).toBeVisible()
})

/** Orders a list: by the head of its column, or where there are none, in narrow windows, by its choice of orders. */
async function order(page: Page, column: string, choice: string) {
  const head = page.getByRole('columnheader', { name: column, exact: true }).getByRole('link')
  const select = page.getByRole('search').filter({ has: page.locator('#q') }).getByLabel('Order')
  if (await select.isVisible()) await select.selectOption(choice)
  else await head.click()
}

test('executions are ordered by job, end and duration, and paged @phone', async ({ adminPage: page, api, unique }) => {
  const worker = unique('order')
  const names = ['a', 'b', 'c'].map((tail) => `${worker}-${tail}`)
  // One within the other, so that b took the longest and a the least, and a ended first and b last, on any machine.
  const begin = async (i: number) => {
    const tap = new Tap()
    const run = await api.start(names[i]!, `${tap.go}; exit 43`)
    await api.reaches(run, 'running')
    return async () => {
      tap.write('go\n')
      await api.reaches(run, 'failed')
      tap.dispose()
    }
  }
  const [endB, endC, endA] = [await begin(1), await begin(2), await begin(0)]
  for (const end of [endA, endC, endB]) await end()
  await page.goto('/executions?exit_code=43&limit=2')
  const shown = page.locator('tbody tr td.title a')
  const files = async (query: string) => (await (await api.http.get(`/executions?exit_code=43${query}`)).json()).items.map((e: { job: string }) => e.job)
  await order(page, 'Took', 'Took, longest first')
  await expect(page).toHaveURL((url) => url.searchParams.get('sort') === '-duration' && url.searchParams.get('exit_code') === '43')
  await expect(shown).toHaveText([names[1]!, names[2]!])
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Next' }).click()
  await expect(shown).toHaveText([names[0]!])
  const csv = page.getByRole('link', { name: 'CSV' })
  const [file] = await Promise.all([page.waitForEvent('download'), csv.click()])
  expect(readFileSync(await file.path(), 'utf8').trim().split('\r\n').slice(1).map((line) => line.split(',')[1])).toEqual([names[0]])
  await order(page, 'Job', 'Job, A to Z')
  await expect(shown).toHaveText([names[0]!, names[1]!])
  await order(page, 'Ended', 'Ended, newest first')
  await expect(shown).toHaveText([names[1]!, names[2]!])
  if (page.viewportSize()!.width > 800) await expect(page.getByRole('columnheader', { name: 'Ended' })).toHaveAttribute('aria-sort', 'descending')
  await expectUsable(page, 'executions by their end')
  expect(await files('&sort=ended')).toEqual([names[0], names[2], names[1]])
  expect(await files('&sort=-job')).toEqual(names.toReversed())
})

test('users, tokens and classes are ordered, paged and searched @phone', async ({ adminPage: page, api, unique }) => {
  const prefix = unique('many')
  for (const n of [1, 2, 3]) {
    for (const [path, data] of [
      ['/settings/users', { username: `${prefix}-${n}`, password: '12345678', role: n === 2 ? 'operator' : 'viewer' }],
      ['/settings/tokens', { name: `${prefix}-${n}`, role: n === 2 ? 'operator' : 'viewer' }],
      ['/workers/tokens', { name: `${prefix}-${n}` }],
      ['/settings/classes', { name: `${prefix}.${n}`, executor: n === 2 ? 'python' : 'noop' }],
    ] as const) {
      expect((await api.http.post(path, { data })).status(), path).toBe(201)
    }
  }
  for (const [path, column, choice, want] of [
    ['/settings/users', 'Role', 'Role, least first', [1, 3, 2]],
    ['/settings/tokens', 'Role', 'Role, least first', [1, 3, 2]],
    ['/workers/tokens', 'Made', 'Made, newest first', [3, 2, 1]],
    ['/settings/classes', 'Runs', 'Runs, A to Z', [1, 3, 2]],
  ] as const) {
    await page.goto(`${path}?limit=2`)
    await page.keyboard.press('/')
    await page.keyboard.type(prefix)
    await expect(page).toHaveURL((url) => url.searchParams.get('q') === prefix)
    const titles = page.locator('tbody td.title')
    const shows = (...numbers: number[]) => expect(titles, path).toContainText(numbers.map((n) => new RegExp(`${prefix}.${n}`)))
    await shows(1, 2)
    await order(page, column, choice)
    await shows(want[0], want[1])
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Next' }).click()
    await shows(want[2])
    await expect(page).toHaveURL((url) => url.searchParams.get('q') === prefix && url.searchParams.get('offset') === '2' && url.searchParams.has('sort'))
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'CSV' }).click()])
    expect(readFileSync(await file.path(), 'utf8').trim().split('\r\n').slice(1).map((line) => line.split(',')[0])).toEqual([
      `${prefix}${path.endsWith('classes') ? '.' : '-'}${want[2]}`,
    ])
    await expectUsable(page, path)
  }
})

test('workers, the tree and the audit log are ordered and paged @phone', async ({ adminPage: page, api, unique }) => {
  const prefix = unique('rows')
  const group = await (await api.http.post('/tree', { data: { title: prefix } })).json()
  for (const n of [1, 2, 3]) expect((await api.http.post('/tree', { data: { title: `${prefix}-${n}`, command: 'true', parent: group.id } })).status()).toBe(201)
  const pages = page.getByRole('navigation', { name: 'Pages' })
  await page.goto(`/tree/${group.id}?limit=2`)
  const titles = page.locator('#tree td.title a')
  await expect(titles).toHaveText([`${prefix}-1`, `${prefix}-2`])
  await order(page, 'Job', 'Job, in reverse')
  await expect(titles).toHaveText([`${prefix}-3`, `${prefix}-2`])
  await pages.getByRole('link', { name: 'Next' }).click()
  await expect(titles).toHaveText([`${prefix}-1`])

  await api.createJob({ name: prefix }, 'true')
  await api.http.post(`/jobs/${prefix}/disable`)
  await api.http.post(`/jobs/${prefix}/enable`)
  await page.goto(`/audit?object=${prefix}&limit=2`)
  const rows = page.locator('#audit tbody tr')
  await expect(rows).toContainText(['enabled the job', 'disabled the job'])
  await order(page, 'When', 'When, oldest first')
  await expect(rows).toContainText(['made the job', 'disabled the job'])
  await pages.getByRole('link', { name: 'Next' }).click()
  await expect(rows).toContainText(['enabled the job'])
  for (const [link, lines] of [['CSV', 2], ['All as CSV', 4]] as const) {
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: link, exact: true }).click()])
    expect(readFileSync(await file.path(), 'utf8').match(/,job\.(create|enable|disable),/g), link).toHaveLength(lines - 1)
  }
  await expectUsable(page, 'the audit log in another order')

  await page.goto('/workers?limit=1')
  await order(page, 'Slots', 'Slots, lowest first')
  await expect(page).toHaveURL((url) => url.searchParams.get('sort') === 'slots' && url.searchParams.get('limit') === '1')
  await expect(page.locator('#workers tbody tr')).toHaveCount(1)
  await expectUsable(page, 'workers in another order')
})

test('an order that is not there is said to be wrong', async ({ adminPage: page }) => {
  for (const path of ['/jobs', '/executions', '/tree', '/audit', '/workers', '/workers/tokens', '/settings/users', '/settings/tokens', '/settings/classes']) {
    expect((await page.goto(`${path}?sort=colour`))?.status(), path).toBe(400)
    await expect(page.getByText('must be one of')).toBeVisible()
  }
})
