import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test as base, expect, request, type BrowserContext, type Cookie, type Locator, type Page, type Route } from '@playwright/test'
import { Api } from './api.ts'
import { adminPassword, Server } from './server.ts'
import { Tap } from './tap.ts'

export { expect }

export type Role = 'viewer' | 'operator' | 'editor' | 'admin'

/** The password of the users that are named as their roles, but admin's. */
export const password = 'tinnitus of the bell ringer'

interface Workers {
  server: Server
  api: Api
  /** The cookies of somebody who logged in: of the user who is named as the role. */
  session: (role: Role) => Promise<Cookie[]>
}

interface Tests {
  /** Console messages that a test expects, besides the browser's own note about a 4xx answer. */
  expectedConsole: RegExp[]
  /** Watches a context for what the browser complains about; `context` is watched already. */
  quiet: (context: BrowserContext) => void
  serverLog: void
  /** A page of somebody who is logged in as admin. */
  adminPage: Page
  /** A page of its own for somebody with a role. */
  pageOf: (role: Role) => Promise<Page>
  unique: (name: string) => string
  /** A pipe into a run. */
  tap: Tap
}

/**
 * `test` with a running Belfry. One server serves a whole worker: tests name their jobs with `unique` and
 * must not rely on an empty list. A test that kills or restarts its server starts one with Server.start.
 */
export const test = base.extend<Tests, Workers>({
  server: [
    async ({}, use) => {
      const server = await Server.start('--slots', '8')
      await use(server)
      await server.dispose()
    },
    { scope: 'worker' },
  ],

  api: [
    async ({ server }, use) => {
      const api = await Api.as(server.url, 'admin', adminPassword)
      await use(api)
      await api.dispose()
    },
    { scope: 'worker' },
  ],

  session: [
    async ({ server, api }, use) => {
      const sessions = new Map<Role, Cookie[]>()
      await use(async (role) => {
        let cookies = sessions.get(role)
        if (cookies) return cookies
        if (role !== 'admin') await api.createUser(role, password, role)
        cookies = await cookiesOf(server.url, role, role === 'admin' ? adminPassword : password)
        sessions.set(role, cookies)
        return cookies
      })
    },
    { scope: 'worker' },
  ],

  baseURL: ({ server }, use) => use(server.url),

  expectedConsole: [[], { option: true }],

  // Whatever the browser complains about, a refused inline script above all, fails the test that caused it.
  quiet: [
    async ({ context, expectedConsole }, use) => {
      const complaints: string[] = []
      const watch = (watched: BrowserContext) => {
        watched.on('console', (message) => {
          if (message.type() !== 'error' && message.type() !== 'warning') return
          const text = message.text()
          if (/^Failed to load resource: .* status of 4\d\d/.test(text)) return
          if (/^htmx:(sendAbort|afterRequest), /.test(text)) return // a newer request took the place of one under way
          if (expectedConsole.some((expected) => expected.test(text))) return
          complaints.push(text)
        })
        watched.on('weberror', (error) => complaints.push(String(error.error())))
      }
      watch(context)
      await use(watch)
      expect(complaints, 'what the browser complained about').toEqual([])
    },
    { auto: true },
  ],

  // The server's own words belong to the report of a failure.
  serverLog: [
    async ({ server }, use, info) => {
      await use()
      if (info.status !== info.expectedStatus) {
        await info.attach('belfry.log', { body: server.output(), contentType: 'text/plain' })
      }
    },
    { auto: true },
  ],

  adminPage: async ({ page, session }, use) => {
    await page.context().addCookies(await session('admin'))
    await use(page)
  },

  pageOf: async ({ browser, session, quiet }, use) => {
    const contexts: BrowserContext[] = []
    await use(async (role) => {
      const context = await browser.newContext()
      contexts.push(context)
      quiet(context)
      await context.addCookies(await session(role))
      return context.newPage()
    })
    for (const context of contexts) await context.close()
  },

  unique: async ({}, use, info) => {
    await use((name) => `${name}-${info.project.name}-${info.testId.slice(-6)}`)
  },

  tap: async ({}, use) => {
    const tap = new Tap()
    await use(tap)
    tap.dispose()
  },
})

export async function logIn(page: Page, username: string, secret: string) {
  await page.goto('/login')
  await fillLogin(page, username, secret)
  await expect(page).not.toHaveURL(/\/login/)
}

export async function fillLogin(page: Page, username: string, secret: string) {
  await page.getByLabel('User').fill(username)
  await page.getByLabel('Password').fill(secret)
  await page.getByRole('button', { name: 'Log in' }).click()
}

/** Logs in without a browser. */
export async function cookiesOf(url: string, username: string, secret: string): Promise<Cookie[]> {
  const client = await request.newContext({ baseURL: url })
  const answer = await client.post('/login', { form: { username, password: secret }, maxRedirects: 0 })
  expect(answer.status(), await answer.text()).toBe(303)
  const { cookies } = await client.storageState()
  await client.dispose()
  return cookies
}

/** What the cookies are worth to a program: the status of a request with them. */
export async function statusWith(url: string, cookies: Cookie[], path = '/jobs'): Promise<number> {
  const client = await request.newContext({ baseURL: url, storageState: { cookies, origins: [] } })
  const answer = await client.get(path, { headers: { Accept: 'application/json' } })
  await client.dispose()
  return answer.status()
}

/** The row that has a link of this name. */
export function rowOf(page: Page, name: string): Locator {
  return page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) })
}

/** Opens a part of the job form: a tab, or the way down to a section without JavaScript. */
export async function openPart(page: Page, part: 'What' | 'When' | 'Where' | 'Limits') {
  await page.locator('.sections > a').filter({ hasText: part }).click()
}

/** Opens the part of the job form that holds a field. */
export async function openPartOf(field: Locator) {
  const part = await field.evaluate((el) => el.closest('section')!.querySelector('h2')!.id)
  await field.page().locator(`.sections > a[href="#${part}"]`).click()
}

/** Remembers that this is the same document; the answer fails when the page was loaded again since. */
export async function sameDocument(page: Page): Promise<() => Promise<void>> {
  const born = await page.evaluate(() => performance.timeOrigin)
  return async () => expect(await page.evaluate(() => performance.timeOrigin), 'the page was loaded again').toBe(born)
}

/**
 * Holds back htmx's requests for a path, as a slow network does. `asked` is when the first one came; `release` lets
 * all of them be answered, and returns when the page has shown the answers.
 */
export async function holdFragments(page: Page, path: string, which = (_query: URLSearchParams) => true) {
  let open = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  let came = () => {}
  const asked = new Promise<void>((resolve) => (came = resolve))
  const answered: Promise<unknown>[] = []
  const answer = async (route: Route) => {
    came()
    await opened
    const response = route.request().response()
    await route.continue().catch(() => {}) // the page may have given up on it
    await response.catch(() => {})
  }
  await page.route(
    (url) => url.pathname === path && which(url.searchParams),
    (route) => {
      if (route.request().headers()['hx-request'] !== 'true') return route.fallback()
      answered.push(answer(route))
    },
  )
  const release = async () => {
    open()
    await Promise.all(answered)
    await page.evaluate(() => new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown))))
  }
  return { asked, release }
}

/** Presses Tab, or Shift+Tab, until the focus is there, as somebody without a mouse does. */
export async function tabTo(page: Page, target: Locator, key: 'Tab' | 'Shift+Tab' = 'Tab') {
  await expect(target).toBeVisible()
  for (let i = 0; i < 60; i++) {
    if (await target.evaluate((el) => el === document.activeElement)) return
    await page.keyboard.press(key)
  }
  await expect(target, 'the Tab key does not reach it').toBeFocused()
}

const axeSource = readFileSync(createRequire(import.meta.resolve('@axe-core/playwright')).resolve('axe-core/axe.min.js'), 'utf8')

const looks = [
  { colorScheme: 'light', width: 1280 },
  { colorScheme: 'dark', width: 1280 },
  { colorScheme: 'dark', width: 380 },
  { colorScheme: 'light', width: 380 },
] as const
const onPhone = looks[2]

/**
 * No WCAG 2.2 A or AA violation that axe can find, and nothing wider than the window: light and dark, on a desktop
 * and on a phone; where the test runs on a phone, once more as it is there. axe is asked in the page itself, because @axe-core/playwright injects it anew for each question
 * and opens a tab for the answer, which takes three times as long.
 */
export async function expectUsable(page: Page, what = page.url()) {
  const info = test.info()
  info.setTimeout(info.timeout + 15_000) // a question to axe takes a second, or ten on a busy machine
  const before = page.viewportSize()!
  await page.evaluate(axeSource)
  for (const { colorScheme, width } of looks.filter((look) => before.width > 380 || look === onPhone)) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height: 800 })
    const { sideways, violations } = await page.evaluate(async () => {
      const { axe } = window as unknown as { axe: typeof import('axe-core') }
      // What touches a bar that stays in the window is a matter of where the page is scrolled to: they are no neighbours.
      const bars = [...document.querySelectorAll<HTMLElement>('.sticky, .sections')]
      for (const bar of bars) bar.style.position = 'static'
      const result = await axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations'] })
      for (const bar of bars) bar.style.position = ''
      return {
        sideways: document.documentElement.scrollWidth - window.innerWidth,
        violations: result.violations.map(({ id, help, nodes }) => ({
          rule: `${id}: ${help}`,
          where: nodes.map((node) => `${node.target.join(' ')}: ${node.failureSummary}`),
        })),
      }
    })
    expect.soft(violations, `axe on ${what}, ${colorScheme}, ${width} px`).toEqual([])
    expect.soft(sideways, `${what} scrolls sideways, ${width} px`).toBeLessThanOrEqual(0)
  }
  await page.emulateMedia({ colorScheme: null })
  await page.setViewportSize(before)
}

/**
 * Prints what was measured beside what is aimed at. Only what no amount of other work on the machine explains
 * fails: `make bench-live`, on a quiet one, shows whether an aim is met.
 */
export function aim(what: string, ms: number, most: number) {
  console.log(`  ${what}: ${Math.round(ms)} ms (aim: ${most}, ${ms <= most ? 'met' : 'missed'})`)
  expect(ms, what).toBeLessThan(20 * most)
}
