// A whole sync against Prism, which judges each request by the provider's published document:
//   node scripts/interop-prism.mjs DASHTRAY PRISM github|stripe|vercel|google-analytics DOCUMENT.json
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { ANSWERS, front } from './interop-answers.mjs'
import { FIELDS, withProgram } from './interop-program.mjs'

const [binary, prism, id, document] = process.argv.slice(2)

const port = await new Promise((done) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => done(port))
  })
})
const child = spawn(prism, ['mock', '--host', '127.0.0.1', '--port', String(port), document])
let log = ''
const listening = new Promise((ready, failed) => {
  const collect = (text) => {
    log += text
    if (log.includes('is listening on')) ready()
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  child.on('exit', (code) => failed(new Error(`Prism ended with ${code} before it listened:\n${log.slice(-2000)}`)))
})

let between
try {
  await listening
  log = ''
  const address = `http://127.0.0.1:${port}`
  if (ANSWERS[id]) between = await front(id, document, address)
  const problem = await withProgram(binary, id, between?.url ?? address, null, async ({ run, connect }) => {
    const connected = await connect(FIELDS[id]('octocat/Hello-World'))
    if (connected.status !== 0) return `connect ended with ${connected.status}: ${connected.errors}`
    const synced = await run('sync')
    const [first] = synced.json?.runs ?? []
    if (!first) return `sync ended with ${synced.status}: ${synced.errors}`
    const outcomes = first.metrics.map(({ metric_id, outcome }) => `${metric_id} ${outcome}`)
    console.log(`${id}: sync ended with ${synced.status}, ${first.requests} requests; ${outcomes.join(', ')}`)
    const failed = first.metrics.filter(({ outcome }) => outcome === 'failed')
    for (const { metric_id, error } of failed) console.log(`       ${metric_id}: ${JSON.stringify(error)}`)
    return null
  })
  judge(problem)
} finally {
  between?.close()
  child.removeAllListeners('exit')
  child.kill()
}

// What Prism says of each request. Values made up from a document may not be what the sync can use; requests must be.
function judge(problem) {
  if (between) return judgeBetween(problem, between.seen)
  const plain = log.replace(/\x1b\[[0-9;]*m/g, '').split('\n')
  const received = plain.filter((line) => line.includes('Request received'))
  const accepted = plain.filter((line) => line.includes('The request passed the validation rules'))
  // Prism also finds its own made-up answers against the document; those are not ours.
  const refused = plain.filter((line) => /Request terminated|did not pass|✖/.test(line) && !line.includes('Violation: response.'))
  const endpoints = new Set(received.map((line) => line.match(/\] (\w+ \S+)/)?.[1]))
  for (const endpoint of [...endpoints].sort()) console.log(`       ${endpoint}`)
  for (const line of refused) console.log(`FAILED ${line.trim()}`)
  if (problem) console.log(`FAILED ${problem}`)
  const good = !problem && refused.length === 0 && received.length > 0 && received.length === accepted.length
  console.log(`${good ? 'ok    ' : 'FAILED'} ${id}: Prism accepted ${accepted.length} of ${received.length} requests`)
  process.exitCode = good ? 0 : 1
}

// The same where each request was put before Prism and answered by us: then nothing but requests can be wrong.
function judgeBetween(problem, { accepted, refused, unknown, parameters, tokens }) {
  const plain = log.replace(/\x1b\[[0-9;]*m/g, '').split('\n')
  const endpoints = new Set(plain.map((line) => line.match(/\] (\w+ \/\S*) .*Request received|\] (\w+ \S+)/)?.[1] ?? null).filter(Boolean))
  for (const endpoint of [...endpoints].sort()) console.log(`       ${endpoint}`)
  if (tokens > 0) console.log(`       and ${tokens} signed assertions for a token, judged by RFC 7523`)
  for (const line of new Set(unknown)) console.log(`       not in the document, so not judged: ${line}`)
  for (const line of parameters) console.log(`       the document names no parameter ${line}`)
  for (const line of refused) console.log(`FAILED ${line}`)
  if (problem) console.log(`FAILED ${problem}`)
  const all = accepted + refused.length + unknown.length
  const good = !problem && refused.length === 0 && accepted > 0
  console.log(`${good ? 'ok    ' : 'FAILED'} ${id}: Prism accepted ${accepted} of ${all} requests`)
  process.exitCode = good ? 0 : 1
}
