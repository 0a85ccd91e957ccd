import { expect, type Locator, type Page } from '@playwright/test'

/** The page of an execution, as its reader sees it. */
export class LiveView {
  readonly log: Locator
  readonly lines: Locator
  readonly pill: Locator
  readonly search: Locator
  readonly found: Locator

  constructor(readonly page: Page) {
    this.log = page.getByRole('region', { name: 'Lines of output' })
    this.lines = this.log.locator('[id^="L"]') // the anchors that addresses name: #L120
    this.search = page.getByRole('searchbox', { name: 'Search the output' })
    this.found = page.getByRole('search').getByRole('status') // how many lines match
    this.pill = page.getByRole('button', { name: /new lines?$/ })
  }

  static async open(page: Page, id: string, hash = ''): Promise<LiveView> {
    await page.goto(`/executions/${id}${hash}`)
    return new LiveView(page)
  }

  /** Scrolls the page, not the log, until all of the log is in the window: on a phone its facts come first. */
  async intoView() {
    await this.log.evaluate((log) => log.scrollIntoView({ block: 'center' }))
  }

  line(n: number) {
    return this.log.locator(`#L${n}`)
  }

  state(label: string) {
    return this.page.getByRole('heading', { level: 1 }).filter({ hasText: label })
  }

  /** The lines in the page, without their numbers. */
  texts(): Promise<string[]> {
    return this.lines.evaluateAll((lines) =>
      lines.map((line) =>
        [...line.childNodes]
          .filter((part) => !(part instanceof HTMLAnchorElement && part.hash === `#${line.id}`))
          .map((part) => part.textContent)
          .join(''),
      ),
    )
  }

  numbers(): Promise<number[]> {
    return this.lines.evaluateAll((lines) => lines.map((line) => Number(line.id.slice(1))))
  }

  /** Every line from the first to the last is there once, in order, and says what it should. */
  async expectLines(from: number, to: number, text = (n: number) => `line ${n}`) {
    const wanted = Array.from({ length: to - from + 1 }, (_, i) => text(from + i))
    await expect.poll(() => this.texts(), { timeout: 15_000 }).toEqual(wanted)
    expect(await this.numbers()).toEqual(wanted.map((_, i) => from + i))
  }

  atEnd(): Promise<boolean> {
    return this.log.evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight < 24)
  }

  /** Scrolls as a wheel does, up with a negative distance. */
  async wheel(distance: number) {
    await this.log.hover()
    await this.page.mouse.wheel(0, distance)
  }

  /** The number of the line at the top of the view, and where exactly it is. */
  top(): Promise<{ line: string; y: number }> {
    return this.log.evaluate((log) => {
      const edge = log.getBoundingClientRect().top
      for (const line of log.querySelectorAll('[id^="L"]')) {
        const box = line.getBoundingClientRect()
        if (box.bottom > edge + 1) return { line: line.id, y: Math.round(box.top - edge) }
      }
      return { line: '', y: 0 }
    })
  }
}
