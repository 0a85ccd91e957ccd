import { request, type Page } from '@playwright/test'
import { expect, password, test, type Role } from './harness/test.ts'

const controls = /^(Run|Run now|Stop|Retry|Enable|Disable|Delete)\b/

/** Every control that changes something on the pages that everybody may read. */
async function controlsOn(page: Page, paths: string[]) {
  const found: Record<string, string[]> = {}
  for (const path of paths) {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
    const main = page.getByRole('main')
    found[path] = [
      ...(await main.getByRole('button', { name: controls }).allInnerTexts()),
      ...(await main.getByRole('switch').allTextContents()),
      ...(await main.getByRole('link', { name: /^(Edit|New job)$/ }).allInnerTexts()),
    ].map((text) => text.trim().split('\n')[0]!)
  }
  return found
}

test('roles see the controls that they may use', async ({ pageOf, api, unique, tap }) => {
  const name = unique('roles')
  const running = await api.start(name, tap.cat)
  const failed = await api.start(`${name}-failed`, 'exit 1')
  await api.reaches(failed, 'failed')
  await api.reaches(running, 'running')
  const [jobs, job, run, bad] = [`/jobs?q=${name}`, `/jobs/${name}`, `/executions/${running}`, `/executions/${failed}`]
  const list = `/executions?job=${name}`
  const paths = [jobs, job, list, run, bad]

  const viewer = await pageOf('viewer')
  expect(await controlsOn(viewer, paths)).toEqual({ [jobs]: [], [job]: [], [list]: [], [run]: [], [bad]: [] })
  const operator = await pageOf('operator')
  const operates = await controlsOn(operator, paths)
  expect(operates[jobs]).toHaveLength(4) // a switch and a button for each
  expect(operates[job]).toEqual(expect.arrayContaining(['Run now', 'Disable']))
  expect(operates[job]).not.toEqual(expect.arrayContaining(['Edit']))
  expect(operates[run]).toEqual(['Stop'])
  expect(operates[bad]).toEqual(['Retry'])
  const editor = await pageOf('editor')
  const edits = await controlsOn(editor, paths)
  expect(edits[jobs]).toContain('New job')
  expect(edits[job]).toEqual(expect.arrayContaining(['Run now', 'Edit', 'Delete…']))

  for (const [page, role] of [[viewer, 'viewer'], [operator, 'operator'], [editor, 'editor']] as const) {
    await page.goto('/')
    await expect(page.getByRole('link', { name: 'Settings' }), role).toBeHidden()
    for (const path of ['/settings/users', '/settings/tokens', ...(role === 'editor' ? [] : ['/jobs/new', `/jobs/${name}/edit`])]) {
      expect((await page.goto(path))?.status(), `${role} at ${path}`).toBe(403)
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
    }
  }
})

test('an operator runs and stops a job', async ({ pageOf, api, unique, tap }) => {
  const name = unique('operated')
  await api.createJob({ name }, tap.cat)
  const page = await pageOf('operator')
  await page.goto(`/jobs/${name}`)
  await page.getByRole('button', { name: 'Run now' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Running')
  await expect(page.getByText('By hand, operator')).toBeVisible()
  await page.getByRole('button', { name: 'Stop' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Stop' }).click()
  await expect(page.getByRole('region', { name: 'Lines of output' })).toContainText('stopped by operator')
})

test('what a role may not do is refused with 403, as JSON and as a form', async ({ server, api, unique, session, tap }) => {
  const name = unique('refused')
  const running = await api.start(name, tap.cat)
  await api.reaches(running, 'running')
  const before = await api.job(name)
  const job = { name: `${name}-new`, schedule: '@daily', executor: 'shell', config: { command: 'true' } }
  type Call = [method: string, path: string, data?: object]
  const operate: Call[] = [
    ['POST', `/jobs/${name}/run`],
    ['POST', `/jobs/${name}/enable`],
    ['POST', `/jobs/${name}/disable`],
    ['POST', `/executions/${running}/stop`],
    ['POST', `/executions/${running}/retry`],
  ]
  const edit: Call[] = [
    ['POST', '/jobs', job],
    ['PUT', `/jobs/${name}`, { ...job, name }],
    ['POST', `/jobs/${name}`, { ...job, name }],
    ['DELETE', `/jobs/${name}`],
    ['POST', `/jobs/${name}/delete`],
  ]
  const administer: Call[] = [
    ['GET', '/settings/users'],
    ['GET', '/settings/tokens'],
    ['POST', '/settings/users', { username: `${name}-user`, password, role: 'admin' }],
    ['POST', '/settings/users/viewer/role', { role: 'admin' }],
    ['POST', '/settings/users/admin/password', { password: 'another one of these' }],
    ['POST', '/settings/users/admin/delete'],
    ['DELETE', '/settings/users/admin'],
    ['POST', '/settings/tokens', { name: `${name}-token`, role: 'admin' }],
  ]
  const refused: Record<Exclude<Role, 'admin'>, Call[]> = {
    viewer: [...operate, ...edit, ...administer],
    operator: [...edit, ...administer],
    editor: administer,
  }
  for (const [role, calls] of Object.entries(refused) as [Role, Call[]][]) {
    const cookies = await session(role)
    for (const as of ['session', 'Basic'] as const) {
      const client = await request.newContext({
        baseURL: server.url,
        extraHTTPHeaders: { Accept: 'application/json' },
        ...(as === 'session' ? { storageState: { cookies, origins: [] } } : { httpCredentials: { username: role, password, send: 'always' as const } }),
      })
      for (const [method, path, data] of calls) {
        const answer = await client.fetch(path, { method, data })
        expect(answer.status(), `${role} by ${as}: ${method} ${path} ${await answer.text()}`).toBe(403)
        expect(answer.headers()['content-type']).toContain('application/problem+json')
        expect(await answer.json()).toMatchObject({ status: 403 })
      }
      await client.dispose()
    }
    const browser = await request.newContext({ baseURL: server.url, storageState: { cookies, origins: [] }, extraHTTPHeaders: { Accept: 'text/html' } })
    for (const [method, path, form] of calls) {
      if (method !== 'POST') continue
      const answer = await browser.post(path, { form: { ...form, config: '' } as Record<string, string>, maxRedirects: 0 })
      expect(answer.status(), `${role} by form: ${path}`).toBe(403)
    }
    await browser.dispose()
  }
  const nobody = await request.newContext({ baseURL: server.url, extraHTTPHeaders: { Accept: 'application/json' } })
  for (const [method, path, data] of refused.viewer) {
    expect((await nobody.fetch(path, { method, data })).status(), `nobody: ${method} ${path}`).toBe(401)
  }
  await nobody.dispose()

  const { last: _, ...after } = await api.job(name)
  expect(before).toMatchObject(after)
  expect((await api.execution(running)).state).toBe('running')
  expect((await api.executionsOf(name))).toHaveLength(1)
})
