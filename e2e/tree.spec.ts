import type { APIRequestContext } from '@playwright/test'
import { expect, test } from './harness/test.ts'

const table = 'Table of jobs'

async function add(http: APIRequestContext, body: Record<string, unknown>): Promise<number> {
  const answer = await http.post('/tree', { data: body })
  expect(answer.status(), await answer.text()).toBe(201)
  return (await answer.json()).id
}

async function job(http: APIRequestContext, id: number) {
  return (await http.get(`/tree/${id}`)).json()
}

// Coalition's workers are let in below /coalition with a worker token; here the tree is changed as people and programs do it.
test('a group is made, filled and opened @nojs @phone', async ({ adminPage: page, unique }) => {
  const name = unique('scene')
  await page.goto('/tree')
  await page.getByText('New job or group here').click()
  const form = page.locator('form', { has: page.getByRole('button', { name: 'Add' }) })
  await form.getByLabel('Title').fill(name)
  await form.getByRole('button', { name: 'Add' }).click()
  await expect(page.getByRole('status').filter({ hasText: 'Added' })).toBeVisible()

  await page.goto(`/tree?q=${name}`)
  await page.getByRole('region', { name: table }).getByRole('link', { name }).click()
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible()
  await expect(page.getByRole('heading', { name: 'Nothing here yet' })).toBeVisible()

  await page.getByText('New job or group here').click()
  await form.getByLabel('Title').fill('frame 1')
  await form.getByLabel('Command').fill('render 1')
  await form.getByLabel('Priority').fill('high')
  await form.getByRole('button', { name: 'Add' }).click()
  await expect(form.getByText('must be a whole number')).toBeVisible()
  await expect(form.getByLabel('Command')).toHaveValue('render 1') // nothing that was typed is lost
  await form.getByLabel('Priority').fill('200')
  await form.getByRole('button', { name: 'Add' }).click()
  const row = page.getByRole('row', { name: 'frame 1' })
  await expect(row).toContainText('Waiting')
  await expect(page.getByText('0 of 1 finished')).toBeVisible()

  await row.getByRole('link', { name: 'frame 1' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'frame 1' })).toBeVisible()
  await page.getByRole('navigation', { name: 'Groups' }).getByRole('link', { name }).click()
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible()
})

test('what is chosen is paused, changed, moved and deleted @phone', async ({ adminPage: page, api, unique }) => {
  const name = unique('shots')
  const group = await add(api.http, { title: name })
  const other = await add(api.http, { title: `${name}-other`, parent: group })
  const ids: number[] = []
  for (const n of [1, 2, 3]) ids.push(await add(api.http, { title: `shot ${n}`, command: 'true', parent: group }))
  await page.goto(`/tree/${group}`)
  const row = (title: string) => page.getByRole('row', { name: title })
  const choose = async (...titles: string[]) => {
    for (const title of titles) await page.getByLabel(`Choose ${title}`, { exact: true }).check()
  }
  const bulk = page.getByRole('region', { name: 'With what is chosen' })

  await bulk.getByRole('button', { name: 'Start' }).click()
  await expect(page.getByRole('alert')).toContainText('choose at least one job first')

  await choose('shot 1', 'shot 2')
  await expect(bulk.getByText('With the 2 chosen')).toBeVisible()
  await bulk.getByRole('button', { name: 'Pause' }).click()
  await expect(row('shot 1')).toContainText('Paused')
  await expect(row('shot 2')).toContainText('Paused')
  await expect(row('shot 3')).toContainText('Waiting')

  await choose('shot 1', 'shot 3')
  await bulk.getByText('Change them').click()
  await bulk.getByLabel('Priority').fill('7')
  await bulk.getByLabel('Timeout').fill('-1')
  await bulk.getByLabel('Timeout').press('Enter') // changes, and does nothing else with them
  await expect(bulk.getByText('must be from 0')).toBeVisible()
  await expect(page.getByLabel('Choose shot 3', { exact: true })).toBeChecked() // what was chosen stays chosen
  await bulk.getByLabel('Timeout').fill('60')
  await bulk.getByRole('button', { name: 'Change', exact: true }).click()
  await expect(row('shot 3')).toContainText('7')
  expect(await job(api.http, ids[0])).toMatchObject({ priority: 7, timeout: 60, state: 'paused' })
  expect(await job(api.http, ids[1])).toMatchObject({ priority: 1000 })

  await choose('shot 3')
  await bulk.getByText('Change them').click()
  await bulk.getByLabel('Into the group').fill(String(ids[0]))
  await bulk.getByRole('button', { name: 'Move' }).click()
  await expect(bulk.getByText('is no group')).toBeVisible()
  await bulk.getByLabel('Into the group').fill(String(other))
  await bulk.getByRole('button', { name: 'Move' }).click()
  await expect(row('shot 3')).toBeHidden()
  await expect(row(`${name}-other`)).toContainText('0 of 1')

  await choose('shot 2')
  await bulk.getByRole('button', { name: 'Delete…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(row('shot 2')).toBeHidden()
  expect((await api.http.get(`/tree/${ids[1]}`)).status()).toBe(404)

  await page.getByLabel('Choose all').check()
  await expect(bulk.getByText('With the 2 chosen')).toBeVisible()
})

test('the list follows what others do, but not under the hands of who chooses', async ({ adminPage: page, api, unique }) => {
  const group = await add(api.http, { title: unique('live') })
  const one = await add(api.http, { title: 'one', command: 'true', parent: group })
  const two = await add(api.http, { title: 'two', command: 'true', parent: group })
  await page.goto(`/tree/${group}`)
  const row = (title: string) => page.getByRole('row', { name: title })
  await expect(page.locator('#live')).toHaveAttribute('data-state', 'connected')
  const pause = (id: number) => api.http.post('/tree/actions', { data: { ids: [id], action: 'pause' } })
  await pause(one)
  await expect(row('one')).toContainText('Paused')
  await page.getByLabel('Choose two').check()
  await pause(two)
  await expect(page.getByLabel('Choose two')).toBeChecked()
  await page.getByLabel('Choose two').uncheck()
  await page.getByRole('heading', { level: 1 }).click()
  await expect(row('two')).toContainText('Paused')
})

test('a job waits for what it depends on, and cannot wait for itself', async ({ adminPage: page, api, unique }) => {
  const group = await add(api.http, { title: unique('waits') })
  const first = await add(api.http, { title: 'first', command: 'true', parent: group })
  const then = await add(api.http, { title: 'then', command: 'true', parent: group, depends_on: [first] })
  await page.goto(`/tree/${then}`)
  await expect(page.getByRole('region', { name: 'Job', exact: true })).toContainText('waits for 1 that it depends on')
  await page.goto(`/tree/${first}`)
  await page.getByLabel('Depends on').fill(String(then))
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page.getByText('cannot end before it does')).toBeVisible()
})
