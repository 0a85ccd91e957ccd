import { LiveView } from './harness/live.ts'
import { expect, holdFragments, rowOf, sameDocument, test } from './harness/test.ts'

test('executions appear, change and can be stopped in the list', async ({ adminPage: page, api, unique, tap }) => {
  const name = unique('listed')
  await api.createJob({ name }, tap.cat)
  await page.goto(`/executions?job=${name}`)
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  const stillTheSame = await sameDocument(page)
  const id = await api.run(name)
  const row = rowOf(page, name)
  await expect(row).toContainText('Running')
  await row.getByRole('button', { name: 'Stop' }).click()
  const question = page.getByRole('dialog', { name: `Stop ${name}?` })
  await question.getByRole('button', { name: 'Cancel' }).click()
  await expect(question).toBeHidden()
  expect((await api.execution(id)).state).toBe('running')
  await row.getByRole('button', { name: 'Stop' }).click()
  await question.getByRole('button', { name: 'Stop' }).click()
  await expect(row).toContainText('Cancelled')
  await expect(row).toContainText('stopped by admin')
  await stillTheSame()
})

test('the list is filtered by job, state and trigger, in the address @phone @nojs', async ({ adminPage: page, api, unique, javaScriptEnabled }) => {
  const name = unique('filtered')
  const good = await api.start(`${name}-good`, 'true')
  const bad = await api.start(`${name}-bad`, 'exit 3')
  await api.reaches(good, 'succeeded')
  await api.reaches(bad, 'failed')
  const rows = page.getByRole('region', { name: 'Table of executions' }).getByRole('row').filter({ has: page.getByRole('cell') })
  const apply = async () => {
    if (!javaScriptEnabled) await page.getByRole('button', { name: 'Filter', exact: true }).click()
  }

  await page.goto(`/executions?job=${name}-bad`)
  await expect(rows).toHaveCount(1)
  await expect(rows).toContainText('exit code 3')
  await page.getByRole('checkbox', { name: 'Succeeded', exact: true }).check()
  await apply()
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  await page.getByLabel('Job').fill(`${name}-good`)
  await apply()
  await expect(rows).toHaveCount(1)
  await page.getByLabel('Trigger').selectOption('API')
  await apply()
  await expect(page).toHaveURL(
    ({ searchParams: q }) => q.get('job') === `${name}-good` && q.get('state') === 'succeeded' && q.get('trigger') === 'api',
  )
  await page.goto(page.url())
  await expect(rows).toHaveCount(1)
  await expect(page.getByRole('checkbox', { name: 'Succeeded', exact: true })).toBeChecked()
})

test('executions are found by their worker and by when they ran @phone @nojs', async ({ adminPage: page, api, unique, javaScriptEnabled }) => {
  const name = unique('when')
  const run = await api.reaches(await api.start(name, 'true'), 'succeeded')
  await page.goto(`/executions?job=${name}`)
  const rows = rowOf(page, name)
  const filters = page.getByRole('search', { name: 'Executions' })
  const narrow = async (label: string | RegExp, value: string) => {
    await filters.getByLabel(label).fill(value)
    await filters.getByLabel(label).blur()
    if (!javaScriptEnabled) await page.getByRole('button', { name: 'Filter', exact: true }).click()
  }
  await narrow('Worker', 'no-such-worker')
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  await narrow('Worker', run.worker!)
  await expect(rows).toHaveCount(1)

  // An hour before and after it, on the clock of the server, which is the test's.
  const clock = (hours: number) => {
    const at = new Date(Date.parse(run.queued_at) + hours * 3_600_000)
    return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
  }
  await narrow(/^From/, clock(1))
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  await narrow(/^From/, clock(-1))
  await expect(rows).toHaveCount(1)
  await narrow(/^Until/, clock(-0.5))
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  await narrow(/^Until/, clock(1))
  await expect(rows).toHaveCount(1)
  await expect(page).toHaveURL((url) => ['worker', 'from', 'to'].every((key) => url.searchParams.has(key)))
  await page.goto(page.url())
  await expect(rows).toHaveCount(1)
})

test('a stopped execution says why in the page that is open', async ({ adminPage: page, api, unique, tap }) => {
  const id = await api.start(unique('stopped'), tap.cat)
  let streams = 0
  page.on('request', (request) => {
    if (request.url().includes('/events')) streams++
  })
  const live = await LiveView.open(page, id)
  await expect(live.state('Running')).toBeVisible()
  await expect(page).toHaveTitle(/^Running/)
  const icon = page.locator('link[rel="icon"]')
  const before = await icon.getAttribute('href')
  const stillTheSame = await sameDocument(page)
  tap.write('half done\n')
  await expect(live.line(1)).toContainText('half done')

  // From inside the page: the button's form posts and redirects, which would hide a page that needs a reload.
  await api.stop(id)
  await expect(live.state('Cancelled')).toBeVisible()
  await expect(live.log).toContainText('stopped by admin')
  await expect(page.getByText('SIGTERM').first()).toBeVisible()
  await expect(page).toHaveTitle(/^Cancelled/)
  await expect(icon).not.toHaveAttribute('href', before ?? '')
  await expect(page.getByRole('button', { name: 'Stop' })).toBeHidden()
  await expect(page.getByRole('button', { name: 'Retry' })).toBeVisible()
  await stillTheSame()
  expect(streams, 'all of it came in one stream').toBe(1)
})

test('a person stops a long one by its button @phone', async ({ adminPage: page, api, unique, tap }) => {
  const id = await api.start(unique('long'), tap.cat)
  const live = await LiveView.open(page, id)
  await page.getByRole('button', { name: 'Stop' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Stop' }).click()
  await expect(live.state('Cancelled')).toBeVisible()
  await expect(live.log).toContainText('stopped by admin')
  expect(await api.execution(id)).toMatchObject({ state: 'cancelled', reason: 'stopped by admin' })
})

test('a failure says why, and its attempts are linked', async ({ adminPage: page, api, unique, tap }) => {
  const name = unique('retried')
  const first = await api.start(name, `echo "attempt $BELFRY_ATTEMPT"; [ "$BELFRY_ATTEMPT" -gt 1 ] || ${tap.go}; exit 7`, {
    retries: 2,
    retry: { delay: '20ms' },
  })
  const fact = (text: string) => page.getByRole('definition').filter({ hasText: text })
  const live = await LiveView.open(page, first)
  await expect(fact('1 of 3')).toBeVisible()
  tap.write('go\n')
  await expect(live.state('Failed')).toBeVisible()
  await expect(live.log).toContainText('exit code 7')
  await expect(page).toHaveTitle(/^Failed/)

  await expect.poll(async () => (await api.executionsOf(name)).filter((e) => e.state === 'failed').length).toBe(3)
  await page.reload()
  const attempt = (n: number) => page.getByRole('definition').getByRole('link', { name: new RegExp(`^${n}\\b`) })
  await attempt(3).click()
  await expect(live.log).toContainText('attempt 3')
  await expect(fact('3 of 3')).toBeVisible()
  await attempt(2).click()
  await expect(live.log).toContainText('attempt 2')
  await attempt(1).click()
  await expect(page).toHaveURL(`/executions/${first}`)

  await page.goto(`/executions?job=${name}`)
  await expect(page.getByRole('row').filter({ hasText: 'Failed' })).toHaveCount(3)
  await expect(page.getByText('attempt 3')).toBeVisible()
})

test('a run that takes too long says so, and is retried by its button @phone', async ({ adminPage: page, api, unique, tap }) => {
  const id = await api.start(unique('slow'), `echo begun; exec ${tap.cat}`, { timeout: '1s' })
  const live = await LiveView.open(page, id)
  await expect(live.state('Timed out')).toBeVisible({ timeout: 10_000 })
  await expect(live.log).toContainText(/1s|1 s|timeout|longer/i)
  await page.getByRole('button', { name: 'Retry' }).click()
  await expect(page).not.toHaveURL(`/executions/${id}`)
  await expect(live.state('Running')).toBeVisible()
  await expect(page.getByText('Retry, admin')).toBeVisible()
})

test('a refresh that was under way does not undo a filter', async ({ adminPage: page, api, unique }) => {
  const name = unique('raced')
  await api.createJob({ name }, 'true')
  await api.reaches(await api.run(name), 'succeeded')
  await page.goto(`/executions?job=${name}`)
  const row = rowOf(page, name)
  await expect(row).toHaveCount(1)
  const held = await holdFragments(page, '/executions', (query) => !query.has('state'))
  await api.run(name)
  await held.asked
  await page.getByRole('checkbox', { name: 'Failed', exact: true }).check()
  await held.release()
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  await expect(row).toHaveCount(0)
})
