import { readFileSync } from 'node:fs'
import { expect, expectUsable, test } from './harness/test.ts'
import { secretOf, Worker } from './harness/worker.ts'

// Workers on other machines, as a person adds them, looks after them and gets rid of them.

test('a worker is added with the line that the page shows, runs, drains and is cut off @phone', async ({ adminPage: page, api, server, unique, tap }) => {
  test.slow() // it waits for workers to ask again
  const [name, tag, job] = [unique('far'), unique('tag'), unique('there')]
  await api.createJob({ name: job, tags: [tag] }, `echo hello from afar; exec ${tap.cat}`)
  const first = await api.run(job)
  await page.goto(`/executions/${first}`)
  await expect(page.getByText(`no worker with tags ${tag} is online`).first()).toBeVisible()

  await page.goto('/workers')
  const own = page.getByRole('row').filter({ hasText: 'this server' })
  await expect(own).toContainText('Online')
  const says = (await api.http.get('/workers?q=server').then((r) => r.json())).items[0]
  expect(says.memory_total).toBeGreaterThan(says.memory_free)
  await expect(own, 'its own version').toContainText(says.version)
  await page.getByLabel('Name of the token').fill(name)
  await page.getByRole('button', { name: 'Make token' }).click()
  const command = (await page.locator('#command').textContent())!
  expect(command).toContain(`belfry worker --server '${server.url}' --token-file belfry-worker.token`)
  await expectUsable(page, 'the command')
  await page.goto(`/workers?q=${name}`)
  await expect(page.locator('body')).not.toContainText(secretOf(command))

  const worker = new Worker(server.url, secretOf(command), name, '--tags', tag, '--slots', '3')
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) })
  await expect(row).toContainText('Online') // by itself
  await expect(row).toContainText(tag)
  await api.reaches(first, 'running')
  await expect(row).toContainText('1 of 3')

  await row.getByRole('link', { name, exact: true }).click()
  await expect(page.getByRole('heading', { level: 1 })).toContainText(name)
  await expect(page.getByRole('region', { name: /^Runs/ }).getByRole('link', { name: job })).toBeVisible()
  await expectUsable(page, 'a worker')
  await page.getByRole('button', { name: 'Drain' }).click()
  await expect(page.getByText(`${name} gets nothing new.`)).toBeVisible()
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Draining')
  const second = await api.run(job)
  await expect.poll(async () => (await api.execution(second)).reason).toBe(`worker ${name} drains`)
  await page.getByRole('button', { name: 'Resume' }).click()
  await api.reaches(second, 'running')

  await api.stop(first)
  expect((await api.reaches(first, 'cancelled')).worker).toBe(name)

  await page.getByRole('button', { name: 'Disconnect' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Disconnect' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Disconnected')
  expect((await api.execution(second)).reason).toContain('was disconnected by admin')
  await page.getByRole('button', { name: 'Resume' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Online', { timeout: 20_000 }) // it asks every 5 seconds

  await page.goto(`/workers/tokens?q=${name}`)
  const token = page.getByRole('region', { name: 'Table of worker tokens' }).getByRole('row').filter({ hasText: name })
  await token.getByRole('button', { name: 'Revoke' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
  const { end, log } = await worker.ended
  expect(end).toBe(1)
  expect(log).toContain('the worker token is unknown or revoked')
  await page.goto(`/workers?q=${name}`)
  await expect(row).toContainText('Offline')
  await row.getByRole('button', { name: 'Forget' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Forget' }).click()
  await expect(row).toHaveCount(0)
  await worker.dispose()
})

test('what a worker takes, when it sleeps, and what is withheld from it', async ({ adminPage: page, api, server, unique, pageOf }) => {
  const [name, tag, job] = [unique('choosy'), unique('tag'), unique('fails')]
  const made = await api.http.post('/workers/tokens', { data: { name } })
  const worker = new Worker(server.url, (await made.json()).secret, name, '--tags', `${tag},other`)
  await page.goto('/workers')
  await expect(page.getByRole('link', { name, exact: true })).toBeVisible()
  const filters = page.getByRole('search', { name: 'Workers' })
  await filters.getByLabel('Tag').fill(tag)
  await filters.getByLabel('State').selectOption('Online')
  await expect(page.getByRole('row').filter({ hasText: 'this server' })).toHaveCount(0)
  await page.getByRole('link', { name: 'Last seen' }).click()
  await expect(page).toHaveURL((url) => ['sort', 'state', 'tag'].map((name) => url.searchParams.get(name)).join() === `seen,online,${tag}`)
  await expect(page.getByRole('columnheader', { name: 'Last seen' })).toHaveAttribute('aria-sort', 'ascending')
  await expectUsable(page, 'workers that are filtered')
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'CSV' }).click()])
  expect(readFileSync(await file.path(), 'utf8').trim().split('\r\n').map((line) => line.split(',')[0])).toEqual(['name', name])
  await filters.getByLabel('Search').fill('no such worker')
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  await expectUsable(page, 'no workers')
  await page.goto(`/workers/${name}`)
  await page.getByLabel('Rules').fill(`${tag}\nnonsense`)
  await page.getByLabel('Sleeps').fill('Mondays')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page.getByLabel('Rules')).toHaveAccessibleDescription(/does not have the tag nonsense/)
  await expect(page.getByLabel('Sleeps')).toHaveAccessibleDescription(/write days and hours/)
  await expect(page.getByLabel('Rules')).toHaveValue(`${tag}\nnonsense`)
  await expectUsable(page, 'a worker with wrong rules')
  await page.getByLabel('Rules').fill(`${tag}\n${tag},other`)
  await page.getByLabel('Sleeps').fill('daily 00:00-24:00')
  await page.getByLabel('Time zone').fill('Europe/Berlin')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Asleep')

  await api.createJob({ name: job, tags: [tag] }, 'exit 3')
  const waits = await api.run(job)
  await expect.poll(async () => (await api.execution(waits)).reason).toBe(`worker ${name} is asleep`)
  await page.getByLabel('Sleeps').fill('')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await api.reaches(waits, 'failed')
  for (let i = 0; i < 2; i++) await api.reaches(await api.run(job), 'failed')
  const withheld = await api.run(job)
  await expect.poll(async () => (await api.execution(withheld)).reason).toContain('it failed there 3 times in a row')
  const failures = page.getByRole('region', { name: 'Failed here in a row' })
  await expect(failures).toContainText('withheld')
  await expectUsable(page, 'a worker that failed')

  const viewer = await pageOf('viewer')
  await viewer.goto(`/workers/${name}`)
  await expect(viewer.getByRole('region', { name: 'Failed here in a row' })).toContainText(job)
  await expect(viewer.getByRole('button', { name: /Clear|Drain|Disconnect|Save/ })).toHaveCount(0)

  await failures.getByRole('button', { name: `Clear ${job}` }).click()
  await api.reaches(withheld, 'failed')
  await page.goto('/workers')
  await page.getByRole('button', { name: 'Switch off' }).click()
  await expect(page.getByText('Switched off: a job goes to every worker that fits')).toBeVisible()
  await page.getByRole('button', { name: 'Switch on' }).click()
  await expect(page.getByRole('button', { name: 'Switch off' })).toBeVisible()
  await worker.dispose()
})
