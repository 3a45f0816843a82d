// Serves answers that somebody else recorded and holds what the program makes of each:
//   node scripts/interop-replay.mjs DASHTRAY github|stripe DIR
import { readFileSync, readdirSync, existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { FIELDS, withProgram } from './interop-program.mjs'

const [binary, id, dir] = process.argv.slice(2)
const read = (path) => JSON.parse(readFileSync(path, 'utf8'))
let [judged, failures] = [0, 0]

function report(what, problem) {
  judged += 1
  if (problem) failures += 1
  console.log(`${problem ? 'FAILED' : 'ok    '} ${what}${problem ? `: ${problem}` : ''}`)
}

// Answers by path; what is not there is 404.
async function served(answers, use) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://provider')
    const body = answers(pathname)
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body ?? { message: 'Not Found', error: { message: 'Not Found' } }))
  })
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
  try {
    return await use(`http://127.0.0.1:${server.address().port}`)
  } finally {
    server.close()
  }
}

// Connects and syncs; gives the problem, if there is one. `expected`: metric id, and the least sum of its values.
async function judge(fields, url, now, expected) {
  return withProgram(binary, id, url, now, async ({ run, connect }) => {
    const connected = await connect(fields)
    if (connected.status !== 0) return `connect ended with ${connected.status}: ${connected.errors}`
    const synced = await run('sync')
    const metrics = synced.json?.runs?.[0]?.metrics ?? []
    if (metrics.length === 0) return `sync ended with ${synced.status}: ${synced.errors} ${JSON.stringify(synced.json)}`
    for (const [metric, least] of expected ?? metrics.map(({ metric_id }) => [metric_id, null])) {
      const { outcome, error } = metrics.find(({ metric_id }) => metric_id === metric) ?? {}
      if (outcome !== 'ok') return `${metric} is ${outcome}: ${JSON.stringify(error)}`
      if (least === null) continue
      const day = (at) => new Date(at).toISOString().slice(0, 10)
      const got = await run('get', metric, '--from', day(Date.parse(now) - 80 * 864e5), '--to', day(now))
      const points = got.json?.series?.find(({ dimension }) => !dimension)?.points ?? []
      const sum = points.reduce((sum, { value }) => sum + Number(value ?? 0), 0)
      if (!points.some(({ value }) => value !== null) || sum < least) return `${metric} adds up to ${sum}, not to ${least}`
    }
    return null
  })
}

async function github() {
  const [base] = files('repository')
  for (const kind of ['repository', 'commit', 'issue', 'pull', 'release']) {
    const recorded = files(kind)
    if (recorded.length === 0) console.log(`none   no ${kind} is recorded`)
    for (const [place, object] of recorded.entries()) {
      const lists = { commit: 'commits', issue: 'issues', pull: 'pulls', release: 'releases' }
      const at = {
        repository: object.pushed_at,
        commit: object.commit?.committer?.date,
        issue: object.created_at,
        pull: object.created_at,
        release: object.published_at ?? object.created_at,
      }[kind]
      const expected = {
        repository: [['github_stars', object.stargazers_count], ['github_forks', object.forks_count], ['github_watchers', object.subscribers_count]],
        commit: [['github_commits', 1]],
        issue: [['github_issues_opened', 1]],
        pull: [['github_prs_opened', 1]],
        release: [['github_releases', object.draft ? 0 : 1], ['github_release_downloads', 0]],
      }[kind]
      const repository = kind === 'repository' ? object : base
      const name = repository.full_name
      const answers = (path) => {
        if (path === '/user') return { id: 1, login: 'octocat', type: 'User' }
        if (path === '/user/repos') return []
        if (path === `/repos/${name}`) return repository
        const list = path.replace(`/repos/${name}/`, '')
        if (list === 'actions/runs') return { total_count: 0, workflow_runs: [] }
        if (['commits', 'issues', 'pulls', 'releases', 'stargazers'].includes(list)) return list === lists[kind] ? [object] : []
        return undefined
      }
      const now = new Date(Date.parse(at) + 864e5).toISOString().replace(/\.\d+/, '')
      const fields = FIELDS.github(name)
      const problem = await served(answers, (url) => judge(fields, url, now, expected))
      report(`${kind} ${place + 1} of ${recorded.length}`, problem)
    }
  }
}

function files(kind) {
  const folder = `${dir}/${kind}`
  return existsSync(folder) ? readdirSync(folder).sort().map((file) => read(`${folder}/${file}`)) : []
}

async function stripe() {
  const object = (kind) => read(`${dir}/${kind}.json`)
  const list = (path, ...data) => ({ object: 'list', data, has_more: false, url: path })
  const lists = {
    balance_transactions: 'balance_transaction',
    charges: 'charge',
    coupons: 'coupon',
    customers: 'customer',
    disputes: 'dispute',
    events: 'event',
    invoices: 'invoice',
    prices: 'price',
    products: 'product',
    refunds: 'refund',
    subscription_items: 'subscription_item',
    subscriptions: 'subscription',
  }
  const asked = new Set()
  const answers = (path) => {
    const [, , first, second] = path.split('/')
    const kind = first === 'account' || first === 'balance' ? first : lists[first]
    if (!kind) return undefined
    asked.add(kind)
    if (second) return { ...object(kind), id: second }
    return kind === first ? object(kind) : list(path, object(kind))
  }
  // The samples are all of one instant in 2009, or of a few around it.
  const created = Object.values(lists).map((kind) => object(kind).created ?? 0)
  const now = new Date((Math.max(...created) + 86400) * 1000).toISOString().replace(/\.\d+/, '')
  const problem = await served(answers, (url) => judge(FIELDS.stripe(), url, now, null))
  report(`${[...asked].sort().join(', ')} as of ${now}`, problem)
}

await { github, stripe }[id]()
process.exitCode = failures || !judged ? 1 : 0
