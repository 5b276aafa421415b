// Starts the simulator and the exporter, and asks them things.

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

const PATIENCE = 60_000

/** Asks until the answer is right. */
export async function eventually(what, ask) {
  const end = Date.now() + PATIENCE
  let last
  while (Date.now() < end) {
    last = await ask().catch(error => String(error))
    if (last === true) return
    await sleep(200)
  }
  throw new Error(`not in time: ${what}; the last answer was ${JSON.stringify(last)}`)
}

/** A child that ends with this process; resolves once a line of its output matches. */
function start(program, parameters, output, pattern) {
  const stdio = ['pipe', output === 'stdout' ? 'pipe' : 'ignore', output === 'stderr' ? 'pipe' : 'inherit']
  const child = spawn(program, parameters, { stdio })
  process.on('exit', () => child.kill('SIGKILL'))
  return new Promise((resolve, reject) => {
    const lines = []
    child.on('exit', code => reject(new Error(`${program} has ended with ${code}:\n${lines.join('\n')}`)))
    createInterface({ input: child[output] }).on('line', line => {
      if (lines.length < 100) lines.push(line)
      const found = line.match(pattern)
      if (found) resolve({ child, found, stop: () => stop(child) })
    })
  })
}

function stop(child) {
  return new Promise(resolve => {
    child.removeAllListeners('exit')
    child.on('exit', resolve)
    child.kill('SIGTERM')
  })
}

/** A simulator whose fleet lives. */
export async function startSimulator() {
  const { found, stop } = await start('target/debug/simulator', ['--until-eof'], 'stdout', /^listening on (\S+)/)
  const url = found[1]
  return {
    url,
    stop,
    async post(name, parameters) {
      const answer = await fetch(`${url}/simulator/${name}?${new URLSearchParams(parameters)}`, { method: 'POST' })
      if (!answer.ok) throw new Error(await answer.text())
    },
  }
}

/** An exporter of the simulator's two accounts, or of some regions of the first; `more` goes into its configuration. */
export async function startExporter(simulator, more, regions) {
  const folder = mkdtempSync(join(tmpdir(), 'browser-test-'))
  const file = join(folder, 'exporter.yaml')
  const account = name => `
  - name: ${name}
    credentials: {type: access_key, access_key_id: ${name}-key, access_key_secret: ${name}-secret}
    endpoint: ${simulator.url}`
  const accounts = regions
    ? `${account('production')}\n    regions: [${regions.join(', ')}]`
    : `${account('production')}${account('staging')}`
  writeFileSync(file, `accounts:${accounts}\nstate: {path: ""}\n${more}\n`)
  const parameters = [`--config.file=${file}`, '--web.listen-address=127.0.0.1:0']
  const exporter = await start(
    'target/debug/cloud-assistant-exporter', parameters, 'stderr', /Listening on.*?(127\.0\.0\.1:\d+)/)
  const url = `http://${exporter.found[1]}/`
  return {
    url,
    async api(path) {
      const answer = await fetch(`${url}api/v1/${path}`)
      return answer.json()
    },
    async stop() {
      await exporter.stop()
      rmSync(folder, { recursive: true })
    },
  }
}
