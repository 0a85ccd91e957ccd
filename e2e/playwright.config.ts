import { defineConfig, devices } from '@playwright/test'

// Tags decide where a test runs: everything on the desktop; @nojs also without JavaScript, @phone also on a phone.
// How pages look, light and dark, wide and narrow, is what look.spec.ts goes through by itself.

export default defineConfig({
  testDir: '.',
  outputDir: '.results',
  // One browser and one server at a time: the tests measure latencies, and two cores run both.
  workers: 1,
  fullyParallel: false,
  forbidOnly: !!process.env.CI,
  // A test that passes the second time is a bug of the test or of Belfry: see it.
  retries: 0,
  timeout: 30_000,
  expect: { timeout: 5_000 },
  globalSetup: './harness/global-setup.ts',
  reporter: [['list'], ['./harness/count-reporter.ts']],
  use: {
    ...devices['Desktop Chrome'],
    viewport: { width: 1280, height: 800 },
    deviceScaleFactor: 1,
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    colorScheme: 'light',
    reducedMotion: 'reduce',
    // Starts a trace for each test and keeps those of failures; video needs a download of its own.
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
      args: [
        '--no-sandbox', // CI runs as root
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        // Otherwise Chromium looks up hosts of its maker at every start.
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
  projects: [
    { name: 'desktop' },
    { name: 'phone', grep: /@phone/, use: { viewport: { width: 380, height: 800 }, hasTouch: true, colorScheme: 'dark' } },
    { name: 'nojs', grep: /@nojs/, use: { javaScriptEnabled: false } },
  ],
})
