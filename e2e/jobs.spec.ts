import { expect, holdFragments, rowOf, sameDocument, test } from './harness/test.ts'

const dataRows = 'Table of jobs'

test('search and filters narrow the list, and live in the address @nojs', async ({ adminPage: page, api, unique, javaScriptEnabled }) => {
  const prefix = unique('search')
  for (const tail of ['one', 'two', 'three']) await api.createJob({ name: `${prefix}-${tail}`, enabled: tail !== 'two' }, 'true')
  const names = page.getByRole('region', { name: dataRows }).getByRole('link', { name: prefix })
  // Without scripts a button does what typing does with them.
  const apply = async () => {
    if (!javaScriptEnabled) await page.getByRole('button', { name: 'Filter', exact: true }).click()
  }

  await page.goto('/jobs')
  await page.getByRole('searchbox', { name: 'Search' }).fill(prefix)
  await apply()
  await expect(names).toHaveCount(3)
  await expect(page).toHaveURL((url) => url.searchParams.get('q') === prefix)
  await page.getByLabel('Enabled', { exact: true }).selectOption('Disabled')
  await apply()
  await expect(names).toHaveText([`${prefix}-two`])
  await expect(page).toHaveURL((url) => url.searchParams.get('enabled') === 'false' && url.searchParams.get('q') === prefix)

  await page.goto(page.url()) // as somebody who got the address
  await expect(names).toHaveText([`${prefix}-two`])
  await expect(page.getByRole('searchbox', { name: 'Search' })).toHaveValue(prefix)
  await expect(page.getByLabel('Enabled', { exact: true })).toHaveValue('false')

  await page.getByRole('searchbox', { name: 'Search' }).fill(`${prefix}-none`)
  await apply()
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
})

test('jobs are found by how they ended, what they run, who owns them, their tag and how they were made @phone @nojs', async ({ adminPage: page, api, unique, javaScriptEnabled }) => {
  const prefix = unique('facets')
  const [owner, tag] = [unique('team'), unique('tag')]
  await api.reaches(await api.start(`${prefix}-fails`, 'exit 3', { metadata: { owner } }), 'failed')
  await api.reaches(await api.start(`${prefix}-works`, 'true'), 'succeeded')
  await api.createJob({ name: `${prefix}-asks`, executor: 'http', config: { url: 'http://127.0.0.1:9/' }, tags: [tag] })
  await page.goto('/jobs/new')
  await page.getByLabel('Name', { exact: true }).fill(`${prefix}-by-hand`)
  await page.getByLabel('Command', { exact: true }).fill('true')
  await page.getByRole('button', { name: 'Create job' }).click()
  await expect(page.getByText(`Created ${prefix}-by-hand.`)).toBeVisible()

  const filters = page.getByRole('search', { name: 'Jobs' })
  const names = page.getByRole('region', { name: dataRows }).getByRole('link', { name: prefix })
  const facets: [label: string, value: string, key: string, left: string][] = [
    ['Last run', 'Failed', 'state', 'fails'],
    ['Runs', 'HTTP request', 'executor', 'asks'],
    ['Made', 'in this application', 'origin', 'by-hand'],
    ['Owner', owner, 'metadata.owner', 'fails'],
    ['Tag', tag, 'tag', 'asks'],
  ]
  for (const [label, value, key, left] of facets) {
    await page.goto(`/jobs?q=${prefix}`)
    await expect(names).toHaveCount(4)
    const field = filters.getByLabel(label, { exact: true })
    if (['Owner', 'Tag'].includes(label)) {
      await field.fill(value)
      await field.press('Enter')
    } else {
      await field.selectOption(value)
      if (!javaScriptEnabled) await page.getByRole('button', { name: 'Filter', exact: true }).click()
    }
    await expect(names, label).toHaveText([`${prefix}-${left}`])
    await expect(page).toHaveURL((url) => url.searchParams.has(key) && url.searchParams.get('q') === prefix)
  }
})

test('the list has pages and an order @nojs', async ({ adminPage: page, api, unique }) => {
  const prefix = unique('paged')
  for (const n of [1, 2, 3, 4, 5]) await api.createJob({ name: `${prefix}-${n}` }, 'true')
  const names = page.getByRole('region', { name: dataRows }).getByRole('link', { name: prefix })
  const pages = page.getByRole('navigation', { name: 'Pages' })
  await page.goto(`/jobs?q=${prefix}&limit=2`)
  await expect(names).toHaveText([`${prefix}-1`, `${prefix}-2`])
  await expect(pages).toContainText('1–2 of 5')
  await expect(pages.getByRole('link', { name: 'Previous' })).toBeHidden()
  await pages.getByRole('link', { name: 'Next' }).click()
  await expect(names).toHaveText([`${prefix}-3`, `${prefix}-4`])
  await pages.getByRole('link', { name: 'Next' }).click()
  await expect(names).toHaveText([`${prefix}-5`])
  await expect(pages.getByRole('link', { name: 'Next' })).toBeHidden()
  await pages.getByRole('link', { name: 'Previous' }).click()
  await expect(names).toHaveText([`${prefix}-3`, `${prefix}-4`])

  await page.getByRole('columnheader', { name: 'Job' }).getByRole('link').click()
  await expect(page.getByRole('columnheader', { name: 'Job' })).toHaveAttribute('aria-sort', 'descending')
  await expect(names).toHaveText([`${prefix}-5`, `${prefix}-4`])
})

test('a job is enabled and disabled in its row @phone', async ({ adminPage: page, api, unique }) => {
  const name = unique('toggled')
  await api.createJob({ name, schedule: '@hourly' }, 'true')
  await page.goto(`/jobs?q=${name}`)
  const stillTheSame = await sameDocument(page)
  const toggle = page.getByRole('switch', { name: `${name} enabled` })
  await expect(toggle).toBeChecked()
  await toggle.click()
  await expect(toggle).not.toBeChecked()
  await expect(rowOf(page, name)).toContainText('disabled')
  await expect(toggle, 'the focus stays').toBeFocused()
  expect((await api.job(name)).enabled).toBe(false)
  await page.keyboard.press('Space')
  await expect(toggle).toBeChecked()
  expect((await api.job(name)).enabled).toBe(true)
  await stillTheSame()
})

test('a job runs now, from its row and from its page @phone', async ({ adminPage: page, api, unique }) => {
  const name = unique('now')
  await api.createJob({ name }, 'echo you pressed run')
  await page.goto(`/jobs?q=${name}`)
  const stillTheSame = await sameDocument(page)
  await rowOf(page, name).getByRole('button', { name: 'Run' }).click()
  await expect(rowOf(page, name)).toContainText('Succeeded')
  await stillTheSame()
  await page.getByRole('status').getByRole('link', { name: 'Show it' }).click()
  await expect(page.getByRole('region', { name: 'Lines of output' })).toContainText('you pressed run')

  await page.goto(`/jobs/${name}`)
  await page.getByRole('button', { name: 'Run now' }).click()
  await expect(page).toHaveURL(/\/executions\//)
  await expect(page.getByRole('region', { name: 'Lines of output' })).toContainText('you pressed run')
  await expect(page.getByText('By hand, admin')).toBeVisible()
  expect(await api.executionsOf(name)).toHaveLength(2)
})

test('a job is deleted after a question @phone', async ({ adminPage: page, api, unique }) => {
  const name = unique('deleted')
  await api.createJob({ name }, 'true')
  await page.goto(`/jobs/${name}`)
  await page.getByRole('button', { name: 'Delete' }).click()
  const question = page.getByRole('dialog', { name: `Delete ${name}?` })
  await question.getByRole('button', { name: 'Keep' }).click()
  await expect(question).toBeHidden()
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.keyboard.press('Escape')
  await expect(question).toBeHidden()
  await api.job(name)
  await page.getByRole('button', { name: 'Delete' }).click()
  await question.getByRole('button', { name: 'Delete' }).click()
  await expect(page).toHaveURL('/jobs')
  await expect(page.getByText(`Deleted ${name}.`)).toBeVisible()
  expect((await api.http.get(`/jobs/${name}`)).status()).toBe(404)
})

test('live updates take neither the focus nor what is being typed', async ({ adminPage: page, api, unique }) => {
  test.slow() // it waits for nine fires
  const name = unique('every-second')
  await api.createJob({ name, schedule: '* * * * * *' }, 'true')
  for (let n = 0; n < 12; n++) await api.createJob({ name: `${name}-idle-${n}` }, 'true')
  await page.setViewportSize({ width: 1280, height: 500 })
  await page.goto('/jobs')
  const stillTheSame = await sameDocument(page)
  const ran = async () => (await api.http.get(`/executions?job=${name}&state=succeeded&limit=1`).then((answer) => answer.json())).total
  const more = async (by: number) => {
    const before = await ran()
    await expect.poll(ran, { timeout: 10_000 }).toBeGreaterThanOrEqual(before + by)
  }

  // Letter by letter, an execution and more between each two.
  const search = page.getByRole('searchbox', { name: 'Search' })
  await search.focus()
  let typed = ''
  for (const letter of name.slice(0, 4)) {
    await page.keyboard.type(letter)
    typed += letter
    await more(1)
    await expect(search).toBeFocused()
    await expect(search).toHaveValue(typed)
  }
  await search.fill(name)
  await expect(page.getByRole('row')).toHaveCount(14)

  const run = rowOf(page, name).getByRole('button', { name: 'Run' })
  const lastRun = rowOf(page, name).getByRole('link').nth(1)
  const before = await lastRun.getAttribute('href')
  await run.focus()
  await page.evaluate(() => scrollTo(0, 120))
  await more(3)
  await expect(lastRun, 'the row itself lives').not.toHaveAttribute('href', before ?? '')
  await expect(run).toBeFocused()
  expect(await page.evaluate(() => scrollY), 'the page does not scroll by itself').toBe(120)
  await stillTheSame()
  await api.http.delete(`/jobs/${name}`)
})

test('a refresh that was under way closes no question', async ({ adminPage: page, api, unique }) => {
  const name = unique('asked')
  await api.createJob({ name }, 'true')
  await page.goto(`/jobs/${name}`)
  const held = await holdFragments(page, `/jobs/${name}`)
  await api.reaches(await api.run(name), 'succeeded')
  await held.asked
  await page.getByRole('button', { name: 'Delete' }).click()
  const question = page.getByRole('dialog', { name: `Delete ${name}?` })
  await expect(question).toBeVisible()
  await held.release()
  await expect(question).toBeVisible()
  await page.getByRole('button', { name: 'Keep' }).click()
  await expect(page.getByRole('main'), 'what came meanwhile is shown in the end').toContainText('Succeeded')
})
