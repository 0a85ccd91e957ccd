import { expect, request, type APIRequestContext } from '@playwright/test'

export interface Execution {
  id: string
  job: string
  state: string
  reason: string
  attempt: number
  due_at: string
  queued_at: string
  started_at?: string
  finished_at?: string
  exit_code?: number
  signal?: string
  worker?: string
}

export interface JobBody {
  name: string
  schedule?: string
  timezone?: string
  executor?: string
  config?: Record<string, unknown>
  concurrency?: string
  retries?: number
  retry?: { delay?: string }
  timeout?: string
  display_name?: string
  notes?: string
  enabled?: boolean
  max_queued?: number
  priority?: number
  depends_on?: { job: string; on?: string }[]
  ends_at?: string
  paused_until?: string
  tags?: string[]
  metadata?: Record<string, string>
  progress?: string
  output_limit?: { head: number; tail: number }
}

/** The native JSON as a program uses it, with HTTP Basic. For setting scenes: tests look at pages. */
export class Api {
  private constructor(readonly http: APIRequestContext) {}

  static async as(url: string, username: string, password: string): Promise<Api> {
    return new Api(
      await request.newContext({
        baseURL: url,
        httpCredentials: { username, password, send: 'always' },
        extraHTTPHeaders: { Accept: 'application/json' },
      }),
    )
  }

  /** Creates a shell job; without a schedule it runs only when asked to. */
  async createJob(body: JobBody, command?: string) {
    const answer = await this.http.post('/jobs', {
      data: { schedule: '@manually', executor: 'shell', enabled: true, ...(command && { config: { command } }), ...body },
    })
    expect(answer.status(), await answer.text()).toBe(201)
    return answer.json()
  }

  async job(name: string) {
    const answer = await this.http.get(`/jobs/${encodeURIComponent(name)}`)
    expect(answer.status(), await answer.text()).toBe(200)
    return answer.json()
  }

  /** Runs a job now and returns the execution's id. */
  async run(job: string): Promise<string> {
    const answer = await this.http.post(`/jobs/${encodeURIComponent(job)}/run`)
    expect(answer.status(), await answer.text()).toBe(202)
    return (await answer.json()).id
  }

  async createUser(username: string, password: string, role: string) {
    const answer = await this.http.post('/settings/users', { data: { username, password, role } })
    expect(answer.status(), await answer.text()).toBe(201)
  }

  async execution(id: string): Promise<Execution> {
    const answer = await this.http.get(`/executions/${id}`)
    expect(answer.status(), await answer.text()).toBe(200)
    return answer.json()
  }

  async executions(query = ''): Promise<Execution[]> {
    const answer = await this.http.get(`/executions?${query}`)
    expect(answer.status(), await answer.text()).toBe(200)
    return (await answer.json()).items
  }

  /** The executions of a job, the newest first. */
  executionsOf(job: string): Promise<Execution[]> {
    return this.executions(`job=${encodeURIComponent(job)}`)
  }

  /** Makes a job of a command, runs it, and returns the execution's id. */
  async start(name: string, command: string, more: Partial<JobBody> = {}): Promise<string> {
    await this.createJob({ name, ...more }, command)
    return this.run(name)
  }

  async stop(id: string) {
    const answer = await this.http.post(`/executions/${id}/stop`)
    expect(answer.status(), await answer.text()).toBe(202)
  }

  /** Waits until an execution is in one of the states. */
  async reaches(id: string, ...states: string[]): Promise<Execution> {
    await expect.poll(async () => (await this.execution(id)).state, { timeout: 15_000, intervals: [50] }).toMatch(
      new RegExp(`^(${states.join('|')})$`),
    )
    return this.execution(id)
  }

  dispose() {
    return this.http.dispose()
  }
}
