import type { Page } from '@playwright/test'
import { Api } from './harness/api.ts'
import { LiveView } from './harness/live.ts'
import { adminPassword, Server } from './harness/server.ts'
import { Tap } from './harness/tap.ts'
import { cookiesOf, expect, password, rowOf, test } from './harness/test.ts'
import { Worker } from './harness/worker.ts'

const attack = `<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>`
const names = [
  `"double" 'single' <img src=x onerror=window.hacked=1> 🎉 👩‍👩‍👧 مهمة عربية`,
  `100% ?q=1&b=2#part;{{7*7}}\${7*7}`,
  'long'.repeat(45),
]

async function expectInert(page: Page, where: string) {
  expect(await page.evaluate(() => (window as { hacked?: number }).hacked), `a script ran: ${where}`).toBeUndefined()
  await expect(page.locator('body img, body iframe, main script:not([src]), [onerror], a[href^="javascript:"]'), where).toHaveCount(0)
}

test('names that are markup, reserved signs or other scripts are only names', async ({ adminPage: page, api, unique }) => {
  test.slow() // three names on every page
  const suffix = unique('')
  for (const [i, hostile] of names.entries()) {
    const name = (hostile + suffix).slice(0, 200)
    await page.goto('/jobs/new')
    await page.getByLabel('Name', { exact: true }).fill(name)
    await page.getByLabel('Command', { exact: true }).fill('echo ran; exit 3')
    await page.getByLabel('Notes', { exact: true }).fill(attack)
    await page.locator('summary').filter({ hasText: 'Metadata' }).click()
    await page.getByLabel('Metadata', { exact: true }).fill(`owner=${attack}`)
    await page.getByRole('button', { name: 'Create job' }).click()
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(name)
    await expect(page.getByRole('region', { name: 'Notes' })).toContainText(attack)
    await expectInert(page, `job ${i}`)

    await page.getByRole('link', { name: 'Edit' }).click()
    await expect(page.getByLabel('Name', { exact: true })).toHaveValue(name)
    await expect(page.getByLabel('Notes', { exact: true })).toHaveValue(attack)
    await page.getByLabel('Display name').fill(name)
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByRole('button', { name: 'Delete' }).click()
    await expect(page.getByRole('dialog', { name: `Delete ${name}?` })).toBeVisible()
    await expectInert(page, `dialog ${i}`)

    await page.goto(`/jobs?q=${encodeURIComponent(name)}`)
    await expect(page.getByRole('searchbox', { name: 'Search' })).toHaveValue(name)
    await rowOf(page, name).getByRole('button', { name: 'Run' }).click()
    await expect(page.getByRole('status').filter({ hasText: `Queued ${name}.` })).toBeVisible()
    await expect(rowOf(page, name)).toContainText('Failed')
    await expectInert(page, `jobs ${i}`)

    await page.goto(`/executions?job=${encodeURIComponent(name)}`)
    await rowOf(page, name).getByRole('link', { name, exact: true }).click()
    await expect(page).toHaveTitle(`Failed · ${name} · Belfry`)
    await expect(page.getByRole('heading', { level: 1 })).toContainText(name)
    await expectInert(page, `execution ${i}`)
    for (const path of ['/calendar?view=day', `/search?q=${encodeURIComponent(name)}`, `/jobs/new?from=${encodeURIComponent(name)}`, `/jobs/${encodeURIComponent(name)}/run`]) {
      await page.goto(path)
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
      await expectInert(page, `${path} ${i}`)
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), `${path} ${i} is too wide`).toBeLessThanOrEqual(0)
    }
    await page.goto('/')
    await expect(page.getByRole('region', { name: 'Failing' }).getByRole('link', { name, exact: true })).toBeVisible()
    await expectInert(page, `Now ${i}`)
    expect((await api.http.delete(`/jobs/${encodeURIComponent(name)}`)).status()).toBe(204)
  }
})

test('output is only text, live and loaded', async ({ adminPage: page, api, unique, tap }) => {
  const name = unique('<b>hostile')
  const id = await api.start(name, tap.cat)
  const live = await LiveView.open(page, id)
  await page.getByRole('button', { name: 'Stop' }).click()
  await expect(page.getByRole('dialog', { name: `Stop ${name}?` })).toBeVisible()
  await page.keyboard.press('Escape')
  const lines = [
    attack,
    `</div></span></main><form action=/logout method=post><button>x`,
    `data: x  event: end  id: 1`,
    `&lt;b&gt; &amp; &#60;`,
    `{{7*7}} \${7*7} hx-get="/" on:click`,
  ]
  // An id of the page's own, a carriage return, and the signs that end a frame of a stream.
  tap.write(`${lines.join('\n')}\n\n\nevent: end\rdata: forged\n`)
  tap.write('\x1b]8;;https://example.com/"onmouseover="window.hacked=4\x07link\x1b]8;;\x07\n')
  const wanted = [...lines, '', '', 'data: forged', 'link']
  for (const how of ['live', 'loaded']) {
    if (how === 'loaded') await page.reload()
    await expect.poll(() => live.texts(), how).toEqual(wanted)
    await expectInert(page, how)
    await expect(live.state('Running')).toBeVisible()
    await expect(live.log.locator('form, b, [onmouseover]')).toHaveCount(0)
  }
  tap.close()
  await expect(live.state('Succeeded')).toBeVisible()
})

test('a user and a token with markup for a name', async ({ adminPage: page, unique }) => {
  const name = unique('<i>"x"')
  await page.goto('/settings/tokens')
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByRole('button', { name: 'Make token' }).click()
  await expect(page.getByRole('heading', { name: `The token ${name}` })).toBeVisible()
  await expectInert(page, 'token')
  await page.goto('/settings/users')
  await page.getByLabel('User', { exact: true }).fill(name)
  await page.getByLabel('Password', { exact: true }).fill('long enough for anybody')
  await page.getByRole('button', { name: 'Add user' }).click()
  await expect(page.getByText(`Added ${name}.`)).toBeVisible()
  await page.goto(`/settings/users?q=${encodeURIComponent(name)}`)
  const row = page.getByRole('row').filter({ hasText: name })
  await expect(row).toBeVisible()
  await expectInert(page, 'user')
  await row.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(row).toHaveCount(0)
})

/** Everything that a text can do to a page, at the length that is asked for: markup, an override of the direction that nothing ends, emoji, joiners, signs without width, and no place to break a line. */
function nasty(length: number, blanks = true) {
  const markup = `<script>window.hacked=1</script>"><img src=x onerror="window.hacked=2">'`
  const text = `${blanks ? markup : markup.replaceAll(' ', '/')}\u202Efdp.exe\u200B\u200D\uFEFF👩‍👩‍👧مهمة`
  return text + 'W'.repeat(length - [...text].length)
}

test('whatever can be stored, at full length, harms no page and widens none', async ({ page }) => {
  test.slow() // every page, on a desktop and on a phone
  const server = await Server.start('--slots', '4')
  const api = await Api.as(server.url, 'admin', adminPassword)
  const tap = new Tap()
  const name = nasty(200)
  const word = nasty(100, false)
  const long = nasty(10_000)
  const at = encodeURIComponent(name)
  const send = async (path: string, data: object, method = 'POST') => {
    const answer = await api.http.fetch(server.url + path, { method, data })
    expect(answer.ok(), `${path}: ${await answer.text()}`).toBe(true)
    return answer.json()
  }
  let worker: Worker | undefined
  try {
    const cookies = await cookiesOf(server.url, 'admin', adminPassword)
    await page.context().addCookies(cookies)
    await api.createUser(name, password, 'viewer')
    await send('/settings/tokens', { name, role: 'viewer' })
    const { secret } = await send('/workers/tokens', { name })
    worker = new Worker(server.url, secret, name, '--tags', word)
    await expect.poll(async () => (await api.http.get(`/workers/${at}`)).status()).toBe(200)
    await send(`/workers/${at}/rules`, { rules: [[word]], sleep: '' })

    const stored = {
      display_name: name,
      notes: `# ${long}\n\n**${long.slice(0, 5000)}** [x](javascript:window.hacked=3) <script>window.hacked=4</script>`.slice(0, 19_000),
      metadata: { owner: nasty(1000), [word]: nasty(1000) },
      progress: '(\\d+)%',
    }
    const say = [long, `\u001b[1m${nasty(500)}\u001b[0m`, '50% done'].map((line) => `printf '%s\\n' '${line.replaceAll(`'`, `'\\''`)}'`).join('\n')
    const failed = await api.start(name, `${say}\nexit 3`, { ...stored, schedule: '0 */4 * * *' })
    await api.reaches(failed, 'failed')
    const running = await api.start(`running ${nasty(192)}`, `${say}\n${tap.cat}`, { ...stored, tags: [word], depends_on: [{ job: name }] })
    const held = await api.start(`held ${nasty(195)}`, say, { ...stored, tags: [word.replace('W', 'V')] })
    await expect.poll(async () => (await api.execution(running)).state).toMatch(/running|held/)
    const { id: group } = await send('/tree', { title: nasty(9_900) })
    const { id: leaf } = await send('/tree', { title: nasty(9_900), command: long, parent: group, affinity: word, url: nasty(500), user: '', dir: nasty(500), environment: `A=${nasty(1000)}` })
    const className = nasty(300, false).replaceAll(/['"]/g, '')
    await send('/settings/classes', { name: className, notes: long, executor: 'noop', arguments: [{ type: nasty(100), description: nasty(1000) }] })
    await send('/freeze', { reason: name })

    const paths = ['/', '/jobs', `/jobs?q=${encodeURIComponent(nasty(300))}`, `/jobs/${at}`, `/jobs/${at}/edit`, `/jobs/${at}/run`, `/jobs/new?from=${at}`, `/jobs/${at}/history`]
    for (const of of [failed, running, held]) paths.push(`/executions/${of}`, `/executions/${of}/retry`)
    paths.push('/executions', `/executions?job=${at}`, `/executions?state=failed&worker=${at}`)
    for (const view of ['month', 'week', 'day', 'hour']) paths.push(`/calendar?view=${view}`, `/calendar?view=${view}&job=${at}`)
    paths.push('/workers', `/workers/${at}`, '/tree', `/tree/${group}`, `/tree/${leaf}`, '/audit', `/audit?object=${at}&who=${at}`)
    paths.push('/settings', '/settings/users', '/settings/tokens', '/settings/classes', `/settings/classes/${encodeURIComponent(className)}`)
    paths.push('/settings/system', '/settings/configuration', '/account', '/freeze', `/search?q=${at}`, `/jobs/nothing-${at}`, '/jobs/import')

    const dialogs: string[] = []
    page.on('dialog', (dialog) => {
      dialogs.push(dialog.message())
      void dialog.dismiss()
    })
    const harmless = async (what: string) => {
      await expectInert(page, what)
      const wide = await page.evaluate(() => {
        const over = document.documentElement.scrollWidth - innerWidth
        return over <= 0 ? '' : `${over} px: ` + [...document.querySelectorAll('body *')].filter((el) => el.getBoundingClientRect().right > innerWidth + 1).slice(0, 6).map((el) => `${el.tagName}.${el.className}#${el.id}`).join(' ')
      })
      expect.soft(wide, `${what} is too wide`).toBe('')
    }
    for (const width of [1280, 380]) {
      await page.setViewportSize({ width, height: 800 })
      for (const path of paths) {
        await page.goto(server.url + path)
        await harmless(`${width} ${path}`)
      }
      await page.keyboard.press('Control+k')
      const palette = page.getByRole('dialog', { name: 'Go to' })
      await palette.getByRole('searchbox').or(palette.getByRole('combobox')).or(palette.getByRole('textbox')).first().fill('script')
      await expect(palette.getByRole('link').filter({ hasText: '<script>' }).first()).toBeVisible()
      await harmless(`${width} palette`)
      await page.goto(`${server.url}/jobs/import`)
      await page.getByRole('combobox', { name: 'System' }).selectOption('dkron')
      await page.getByLabel('Or its text').fill(JSON.stringify([{ name, displayname: name, schedule: nasty(300), executor: word, owner: long, executor_config: { command: long } }, { name: 'fine', schedule: '@every 1h', displayname: name, owner: nasty(1000), executor: word, processors: { [word]: {} }, executor_config: { command: long } }]))
      await page.getByRole('button', { name: 'Preview' }).click()
      await expect(page.getByRole('main')).toContainText('<script>')
      await harmless(`${width} import preview`)
      await page.goto(`${server.url}/jobs`)
      for (const box of await page.getByRole('checkbox', { name: /^Choose (?!all)/ }).all()) await box.check()
      await page.getByRole('button', { name: 'Delete…' }).click()
      await expect(page.getByRole('heading', { name: /^Delete \d jobs\?/ })).toBeVisible()
      await harmless(`${width} delete several`)
    }
    expect(dialogs).toEqual([])
  } finally {
    tap.dispose()
    await worker?.dispose()
    await api.dispose()
    await server.dispose()
  }
})
