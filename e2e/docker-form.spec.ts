import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from '@playwright/test'
import { adminPassword, Server } from './harness/server.ts'
import { cookiesOf, expect, expectUsable, test } from './harness/test.ts'

const field = (page: Page, label: string) => page.getByLabel(label, { exact: true }).filter({ visible: true })
const more = (page: Page, what: string) => page.getByText(`More options of the ${what}`).filter({ visible: true })

test('a job in a container is made, keeps what it has, and fails in words without an engine', async ({ adminPage: page, api, unique }) => {
  const name = unique('boxed')
  await page.goto('/jobs/new')
  await page.getByLabel('Shell command', { exact: true }).check()
  await field(page, 'Command').fill('echo typed before')
  await page.getByLabel('New container', { exact: true }).check()
  await field(page, 'Name').fill(name)
  await field(page, 'Command in the container').fill('sh -c "echo $A"')
  await more(page, 'container').click()
  await field(page, 'Variables').fill('A=one')
  await field(page, 'Volumes').fill('/srv/data:/data:ro\ncache:/cache')
  await field(page, 'Memory limit').fill('64 MiB')
  await field(page, 'Afterwards').selectOption('Keep the container')
  await page.getByRole('button', { name: 'Create job' }).click()

  await expect(field(page, 'Image')).toHaveAccessibleDescription(/is required/)
  await expect(field(page, 'Volumes')).toHaveValue('/srv/data:/data:ro\ncache:/cache')
  await field(page, 'Image').fill('busybox:local')
  await page.getByRole('button', { name: 'Create job' }).click()
  await expect(page).toHaveURL(`/jobs/${name}`)
  const config = {
    image: 'busybox:local',
    command: 'sh -c "echo $A"',
    env: { A: 'one' },
    volumes: ['/srv/data:/data:ro', 'cache:/cache'],
    memory: 64 << 20,
    delete: false,
  }
  expect(await api.job(name)).toMatchObject({ executor: 'docker-run', config })

  await page.getByRole('link', { name: 'Edit' }).click()
  await expect(field(page, 'Memory limit')).toHaveValue('64 MiB')
  await field(page, 'Notes').fill('kept')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  expect(await api.job(name)).toMatchObject({ executor: 'docker-run', notes: 'kept', config })

  await page.getByRole('button', { name: 'Run now' }).click()
  await expect(page.getByText(/docker: /).first()).toBeVisible()
})

test('what a file defines says so, is not edited here, and is read again from the page', async ({ page }) => {
  const dir = await mkdtemp(join(tmpdir(), 'belfry-config-'))
  const file = join(dir, 'jobs.ini')
  const job = (name: string) => `[job-local "${name}"]\nschedule = @daily\ncommand = true\n`
  await writeFile(file, job('first'))
  const server = await Server.start('--config', file)
  try {
    await page.context().addCookies(await cookiesOf(server.url, 'admin', adminPassword))
    await page.goto(`${server.url}/jobs/first`)
    await expect(page.getByText(`Defined in ${file}:1`)).toBeVisible()
    await expect(page.getByRole('link', { name: 'Edit' })).toHaveCount(0)
    await page.getByRole('button', { name: 'Disable' }).click()
    await expect(page.getByRole('button', { name: 'Enable' })).toBeVisible()

    await page.goto(`${server.url}/settings/configuration`)
    await expectUsable(page)
    await writeFile(file, job('first') + '[job-local "second"]\nschedul = @daily\n')
    await page.getByRole('button', { name: 'Read again' }).click()
    await expect(page.getByRole('alert')).toContainText(`${file}:5`)
    await expect(page.getByRole('alert')).toContainText('did you mean "schedule"?')
    await writeFile(file, job('first') + job('second'))
    await page.getByRole('button', { name: 'Read again' }).click()
    await expect(page.getByRole('link', { name: '2', exact: true })).toBeVisible()
    await page.goto(`${server.url}/jobs?origin=config`)
    await expect(page.getByRole('link', { name: 'second', exact: true })).toBeVisible()
    await page.goto(`${server.url}/jobs/first`)
    await expect(page.getByRole('button', { name: 'Enable' }), 'what a person did stays').toBeVisible()
  } finally {
    await page.goto('about:blank') // its stream would complain about the server's end
    await server.dispose()
    await rm(dir, { recursive: true })
  }
})
