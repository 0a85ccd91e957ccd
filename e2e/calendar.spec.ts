import { expect, expectUsable, test } from './harness/test.ts'

test('what comes is a week, a day and an hour @phone @nojs', async ({ adminPage: page, api, unique }) => {
  const name = unique('yearly')
  // Once, on a day that no other test schedules anything for: the change of the clocks of 2031 in Berlin.
  await api.createJob({ name, schedule: '0 2 26 10 *', timezone: 'UTC' }, 'true')
  await page.goto('/calendar')
  await page.getByRole('link', { name: 'The next week' }).click()
  await page.getByRole('link', { name: 'Today' }).click()
  await page.goto('/calendar?date=2031-10-24')
  await expect(page.getByRole('heading', { level: 2 })).toHaveText('20 to 26 October 2031')
  const week = page.getByRole('region', { name: 'Fires of the week' })
  await week.getByRole('link', { name: /^Sun 26 Oct \d\d:00: \d+ fires? of \d+ jobs?/ }).first().click()
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Sun 26 Oct')
  await page.goto('/calendar?view=day&date=2031-10-26')
  await page.getByRole('region', { name: 'Fires of the day' }).getByRole('link', { name: `${name}` }).first().click()
  await expect(page.getByRole('heading', { level: 1 })).toContainText(name)
})

test('the calendar can be used by all, and is refused nonsense kindly', async ({ adminPage: page, api, unique }) => {
  await api.createJob({ name: unique('<b>hourly'), schedule: '@hourly' }, 'true')
  await page.goto('/calendar')
  await expectUsable(page, 'the week')
  await page.getByRole('link', { name: 'Day', exact: true }).click()
  await expect(page.getByRole('region', { name: 'Fires of the day' })).toBeVisible()
  await expectUsable(page, 'the day')
  await page.goto('/calendar?hour=23')
  await expectUsable(page, 'the hour')
  await page.goto('/calendar?date=soon')
  await expect(page.getByText('must be a day like 2026-11-21')).toBeVisible()
})
