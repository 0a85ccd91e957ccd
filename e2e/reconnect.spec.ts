import type { Page } from '@playwright/test'
import { Api } from './harness/api.ts'
import { LiveView } from './harness/live.ts'
import { Proxy } from './harness/proxy.ts'
import { adminPassword, Server } from './harness/server.ts'
import { Tap } from './harness/tap.ts'
import { cookiesOf, expect, rowOf, sameDocument, test } from './harness/test.ts'

// The browser says so when a stream breaks, and when it cannot be had again at once; htmx logs the event too.
const dropped = /ERR_(INCOMPLETE_CHUNKED_ENCODING|CONNECTION_\w+|EMPTY_RESPONSE|INTERNET_DISCONNECTED|NETWORK_CHANGED)|^\[object Event\]$/
test.use({ expectedConsole: [dropped] })
test.setTimeout(60_000)

const live = (page: Page) => page.getByRole('status').filter({ hasText: 'Live' })

test('a connection that drops in the middle of a run loses and doubles nothing', async ({ page, api, server, unique, session, tap }) => {
  const proxy = await Proxy.to(server.url)
  await page.context().addCookies(await session('admin'))
  const id = await api.start(unique('dropped'), tap.cat)
  await page.goto(`${proxy.url}/executions/${id}`)
  const view = new LiveView(page)
  const stillTheSame = await sameDocument(page)
  await expect(live(page)).toBeVisible()
  tap.lines(1, 50)
  await expect(view.lines).toHaveCount(50)

  // Cut within an open line.
  tap.write('line ')
  await expect(view.lines).toHaveCount(51)
  proxy.drop()
  await expect(live(page)).toBeHidden()
  tap.write('51\n')
  tap.lines(52, 100)
  proxy.mend()
  await expect(view.lines).toHaveCount(100, { timeout: 15_000 })
  await expect(live(page)).toBeVisible()
  tap.lines(101, 110)
  await view.expectLines(1, 110)

  await page.context().setOffline(true)
  tap.lines(111, 160)
  await page.context().setOffline(false)
  tap.lines(161, 200)
  await view.expectLines(1, 200)

  // The end may come while nobody listens.
  proxy.drop()
  await expect(live(page)).toBeHidden()
  tap.lines(201, 210)
  tap.close()
  await api.reaches(id, 'succeeded')
  proxy.mend()
  await expect(view.state('Succeeded')).toBeVisible({ timeout: 15_000 })
  await view.expectLines(1, 210)
  await stillTheSame()
  await proxy.dispose()
})

test('pages outlive a killed server, and what follows is complete', async ({ browser, quiet, unique }) => {
  const server = await Server.start('--slots', '1')
  const context = await browser.newContext({ baseURL: server.url })
  quiet(context)
  await context.addCookies(await cookiesOf(server.url, 'admin', adminPassword))
  const api = await Api.as(server.url, 'admin', adminPassword)
  const [first, second] = [new Tap(), new Tap()]
  const [running, waiting, later] = [unique('running'), unique('waiting'), unique('later')]

  const lost = await api.start(running, first.cat)
  await api.reaches(lost, 'running')
  const next = await api.start(waiting, second.cat)
  await api.createJob({ name: later }, 'true')

  const lostPage = await context.newPage()
  const lostView = await LiveView.open(lostPage, lost)
  const nextPage = await context.newPage()
  const nextView = await LiveView.open(nextPage, next)
  await expect(nextView.state('Queued')).toBeVisible()
  const jobs = await context.newPage()
  await jobs.goto('/jobs')
  const documents = await Promise.all([lostPage, nextPage, jobs].map(sameDocument))
  for (const page of [lostPage, nextPage, jobs]) await expect(live(page)).toBeVisible()
  first.lines(1, 20)
  await lostView.expectLines(1, 20)

  await server.kill()
  for (const page of [lostPage, nextPage, jobs]) await expect(live(page)).toBeHidden()
  await server.launch()

  await expect(lostView.state('Lost'), 'what was running says how it ended').toBeVisible({ timeout: 20_000 })
  await lostView.expectLines(1, 20)
  await expect(lostPage.getByText((await api.execution(lost)).reason.replace(/^lost: /, '')).first()).toBeVisible()

  second.lines(1, 30)
  await expect(nextView.state('Running')).toBeVisible({ timeout: 20_000 })
  await nextView.expectLines(1, 30)
  second.lines(31, 60)
  await nextView.expectLines(1, 60)
  second.close()
  await expect(nextView.state('Succeeded')).toBeVisible()

  await expect(live(jobs)).toBeVisible({ timeout: 20_000 })
  await api.run(later)
  await expect(rowOf(jobs, later)).toContainText('Succeeded')
  for (const stillTheSame of documents) await stillTheSame()

  await context.close()
  await api.dispose()
  first.dispose()
  second.dispose()
  await server.dispose()
})
