import type { Page } from '@playwright/test'
import { LiveView } from './harness/live.ts'
import { expect, rowOf, test } from './harness/test.ts'

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
  const row = page.getByRole('row').filter({ hasText: name })
  await expect(row).toBeVisible()
  await expectInert(page, 'user')
  await row.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(row).toHaveCount(0)
})
