// Answers of a provider whose documents hold no examples that a sync could use: each request goes to Prism, which judges
// it, and is then answered from here. So a sync goes on to its end: lists, days, weeks, months and tables.
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const KEYS = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ACCOUNT = 'interop@example-project.iam.gserviceaccount.com'
const TOKEN = 'ya29.interop'
export const PROPERTY = '341528790'

// The key file of a service account, as it is downloaded.
export const serviceAccountKey = () =>
  JSON.stringify({
    type: 'service_account',
    project_id: 'example-project',
    private_key_id: 'interop',
    private_key: KEYS.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: ACCOUNT,
    token_uri: 'https://oauth2.googleapis.com/token',
  })

// Google's token endpoint, which no document describes: RFC 7523 to the letter.
function token({ body, headers }) {
  const form = new URLSearchParams(body)
  const [head, claims, signature] = (form.get('assertion') ?? '').split('.')
  const signed = Buffer.from(`${head}.${claims}`)
  const read = (part) => JSON.parse(Buffer.from(part ?? '', 'base64url').toString() || '{}')
  const { iss, aud, scope, iat, exp } = read(claims)
  const problems = [
    headers['content-type'] !== 'application/x-www-form-urlencoded' && 'not a form',
    form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer' && 'another grant type',
    read(head).alg !== 'RS256' && 'not RS256',
    !verify('RSA-SHA256', signed, createPublicKey(KEYS.publicKey.export({ type: 'spki', format: 'pem' })), Buffer.from(signature ?? '', 'base64url')) &&
      'a wrong signature',
    iss !== ACCOUNT && 'another issuer',
    aud !== 'https://oauth2.googleapis.com/token' && `the audience ${aud}`,
    scope !== 'https://www.googleapis.com/auth/analytics.readonly' && `the scope ${scope}`,
    !(exp > iat && exp - iat <= 3600) && 'no hour of life',
  ].filter(Boolean)
  if (problems.length > 0) return { status: 400, json: { error: 'invalid_grant', error_description: problems.join(', ') } }
  return { status: 200, json: { access_token: TOKEN, expires_in: 3599, token_type: 'Bearer' } }
}

const DAY = 86_400_000
const list = (name, entries) => ({ [name]: entries, pagination: { count: entries.length, next: null, prev: null } })

const vercel = {
  'GET /v2/user': () => ({ user: { id: 'u1', username: 'interop', limited: false } }),
  'GET /v2/teams': () => list('teams', [{ id: 'team_a1', slug: 'acme', name: 'Acme' }]),
  'GET /v2/teams/acme': () => ({ id: 'team_a1', slug: 'acme', name: 'Acme' }),
  'GET /v10/projects': () =>
    list('projects', [{ id: 'prj_a', name: 'site', accountId: 'team_a1', webAnalytics: { enabledAt: 0 } }]),
  // Two pages, so that the second one is asked for too.
  'GET /v7/deployments': ({ query }) => {
    const until = Number(query.get('until') ?? Date.now())
    const created = until - (query.get('limit') === '1' ? 0 : DAY)
    const deployment = { uid: `dpl_${created}`, name: 'site', projectId: 'prj_a', created, state: 'READY', target: 'production' }
    const page = list('deployments', [{ ...deployment, buildingAt: created + 1000, ready: created + 61_000 }])
    page.pagination.next = until < Date.now() - 2 * DAY ? null : created
    return page
  },
  'GET /v1/query/web-analytics/visits/aggregate': ({ query }) => {
    const numbers = { pageviews: 3, visitors: 2 }
    return { data: query.get('by') === 'day' ? [{ timestamp: query.get('since'), ...numbers }] : [{ environment: 'production', ...numbers }] }
  },
  'GET /v2/observability/schema': () => ({
    metrics: ['request.count', 'request.fdt_total_bytes', 'function_invocation.count'].map((id) => ({ id: `vercel.${id}` })),
  }),
  'POST /v2/observability/query': ({ json }) => ({
    query: { startTime: json.startTime },
    data: [{ timestamp: json.startTime, project_id: 'prj_a', [`${json.metric.replaceAll('.', '_')}_sum`]: 1 }],
  }),
}

// A report's one row: on the first day that is asked for, of one page, source and country.
function report({ dimensions = [], metrics, dateRanges = [] }) {
  const [range] = dateRanges
  const named = { date: range?.startDate.replaceAll('-', ''), countryId: 'DE' }
  const week = (day) => {
    // Years and weeks of ISO 8601 belong to the week's Thursday.
    const monday = (new Date(day).getUTCDay() + 6) % 7
    const thursday = new Date(Date.parse(day) + (3 - monday) * DAY)
    const first = Date.UTC(thursday.getUTCFullYear(), 0, 1)
    return `${thursday.getUTCFullYear()}${String(1 + Math.floor((thursday - first) / (7 * DAY))).padStart(2, '0')}`
  }
  if (range) Object.assign(named, { isoYearIsoWeek: week(range.startDate), yearMonth: named.date.slice(0, 6) })
  return {
    dimensionHeaders: dimensions,
    metricHeaders: metrics.map(({ name }) => ({ name, type: 'TYPE_INTEGER' })),
    rows: [{ dimensionValues: dimensions.map(({ name }) => ({ value: named[name] ?? 'interop' })), metricValues: metrics.map(() => ({ value: '2' })) }],
    rowCount: 1,
    metadata: { currencyCode: 'EUR', timeZone: 'Europe/Berlin' },
  }
}

const at = `/v1beta/properties/${PROPERTY}`
const google = {
  [`GET ${at}`]: () => ({ name: `properties/${PROPERTY}`, displayName: 'Interop', timeZone: 'Europe/Berlin', currencyCode: 'EUR' }),
  'GET /v1beta/accountSummaries': () => ({
    accountSummaries: [{ displayName: 'Acme', propertySummaries: [{ property: `properties/${PROPERTY}`, displayName: 'Interop' }] }],
  }),
  [`POST ${at}:runReport`]: ({ json }) => report(json),
  [`POST ${at}:batchRunReports`]: ({ json }) => ({ reports: json.requests.map(report) }),
  [`POST ${at}:runRealtimeReport`]: ({ json }) => report(json),
}

export const ANSWERS = { vercel, 'google-analytics': google }

// Starts a server in front of Prism and gives its address and what it has seen.
export async function front(id, document, prism) {
  const seen = { accepted: 0, refused: [], unknown: [], parameters: new Set(), tokens: 0 }
  const { paths } = JSON.parse(readFileSync(document, 'utf8'))
  const answer = async (request, body) => {
    const { pathname, searchParams: query } = new URL(request.url, prism)
    const line = `${request.method} ${pathname}`
    if (line === 'POST /token') {
      const answered = token({ body, headers: request.headers })
      seen.tokens += 1
      if (answered.status !== 200) seen.refused.push(`${line}: ${answered.json.error_description}`)
      return answered
    }
    const { host, connection, ...headers } = request.headers
    const judged = await fetch(prism + request.url, { method: request.method, headers, body: body || undefined })
    const said = await judged.text()
    if (said.includes('NO_PATH_MATCHED_ERROR')) seen.unknown.push(line)
    else if (said.includes('stoplight.io/prism/errors')) seen.refused.push(`${line}${request.url.includes('?') ? `?${query}` : ''} ${body}: ${said}`)
    else seen.accepted += 1
    // Prism lets a parameter pass that the document does not name.
    const operation = Object.entries(paths).find(([path]) => new RegExp(`^${path.replace(/\{[^}]*\}/g, '[^/]+')}$`).test(pathname))?.[1]
    const known = operation?.[request.method.toLowerCase()]?.parameters?.map(({ name }) => name)
    for (const name of query.keys()) if (known && !known.includes(name)) seen.parameters.add(`${name} of ${line}`)
    const make = ANSWERS[id][line]
    if (!make) return { status: 404, json: { error: { code: 'not_found', message: `interop has no answer for ${line}` } } }
    return { status: 200, json: make({ query, json: body ? JSON.parse(body) : null }) }
  }
  const server = createServer((request, response) => {
    const chunks = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', async () => {
      const { status, json } = await answer(request, Buffer.concat(chunks).toString()).catch((error) => {
        seen.refused.push(`${request.method} ${request.url}: ${error}`)
        return { status: 500, json: {} }
      })
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json))
    })
  })
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
  return { url: `http://127.0.0.1:${server.address().port}`, seen, close: () => server.close() }
}
