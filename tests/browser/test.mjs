// The status page, as a browser shows it. Called by `run`; the argument is where the packages are and the
// screenshots go.

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'

import { eventually, startExporter, startSimulator } from './programs.mjs'

const place = resolve(process.argv[2])
const packages = createRequire(join(place, 'package.json'))
const { chromium } = packages('playwright-core')
const { source: axe } = packages('axe-core')

const screenshots = join(place, 'screenshots')
mkdirSync(screenshots, { recursive: true })

const DESKTOP = { width: 1280, height: 1080 }
const PHONE = { width: 390, height: 844 }

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] })

/**
 * A page without JavaScript, unless it stays for axe, which needs timers. Whatever it asks of another host, or its
 * policy forbids, fails the test.
 */
async function open(url, { viewport = DESKTOP, colorScheme = 'light', stays = false } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, javaScriptEnabled: stays })
  if (stays) await context.route('**', withoutRefresh)
  const page = await context.newPage()
  const wrong = []
  page.on('console', message => wrong.push(message.text()))
  page.on('request', request => {
    if (!request.url().startsWith(new URL(url).origin)) wrong.push(`asked for ${request.url()}`)
  })
  const answer = await page.goto(url)
  assert.equal(answer.status(), 200)
  return { page, answer, async close() { await context.close(); assert.deepEqual(wrong, []) } }
}

/** The page as it is, but it stays: on a slow machine axe takes longer than the page is shown. */
async function withoutRefresh(route) {
  const response = await route.fetch()
  const { refresh: _, ...headers } = response.headers()
  await route.fulfill({ response, headers })
}

async function findings(page) {
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
  return violations.map(({ id, impact, nodes }) =>
    `${id} (${impact}): ${nodes.slice(0, 3).map(node => `${node.html} ${node.failureSummary}`).join(' | ')}`)
}

/** Every look at a state: no finding of axe, nothing that is wider than the screen, and a screenshot of each. */
async function look(url, state) {
  for (const colorScheme of ['light', 'dark']) {
    for (const [name, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
      const { page, close } = await open(url, { viewport, colorScheme, stays: true })
      assert.deepEqual(await findings(page), [], `${state}, ${colorScheme}, ${name}`)
      const width = await page.evaluate(() => document.documentElement.scrollWidth)
      assert.ok(width <= viewport.width, `${state}, ${name}: ${width} wide`)
      await page.screenshot({ path: join(screenshots, `${state}-${name}-${colorScheme}.png`) })
      if (name === 'desktop') {
        await page.screenshot({ path: join(screenshots, `${state}-whole-${colorScheme}.png`), fullPage: true })
      }
      await close()
    }
  }
  const { page, close } = await open(url, { stays: true })
  await page.emulateMedia({ media: 'print' })
  await page.screenshot({ path: join(screenshots, `${state}-print.png`), fullPage: true })
  await close()
  console.log(`${state}: 4 looks without a finding, and one on paper`)
}

const rows = page => page.locator('table.failures tbody tr')

const number = text => Number(text.replaceAll(',', ''))

/** From a column of the picture to its failures, then a group, then a filter; what is seen is right, and stays so. */
async function fromColumnToFailures(exporter) {
  // So that what is seen and what the API says are of the same moment.
  await simulator.post('pause', {})
  let total
  await eventually('nothing more comes', async () => {
    const before = total
    await new Promise(resolve => setTimeout(resolve, 5000))
    total = (await exporter.api('failures')).total
    return total === before || [before, total]
  })
  const { page, close } = await open(exporter.url)
  const column = page.locator('svg.timeline a').last()
  const label = await column.getAttribute('aria-label')
  const [, failed, ended] = label.match(/: ([\d,]+) failed, ([\d,]+) cancelled/).map(text => number(text ?? '0'))
  await column.click()
  await page.waitForURL(/failures\?since=.*&before=/)
  const asked = new URL(page.url()).searchParams
  ;({ total } = await exporter.api(`failures?${asked}`))
  assert.equal(total, failed + ended, label)
  assert.match(await page.locator('table.invocations caption').innerText(), new RegExp(`^${total.toLocaleString('en')} results in `))

  // A group: the invocation with most instances, unfolded, and each of them.
  const group = page.locator('table.invocations tbody tr').filter({ hasText: /\d{2,} instances/ }).first()
  const instances = number((await group.locator('summary').innerText()).split(' ')[0])
  await group.locator('summary').click()
  await group.getByRole('link', { name: 'Each of them' }).click()
  await page.waitForURL(/invoke_id=/)
  assert.match(await page.locator('table.failures caption').innerText(), new RegExp(` of ${instances}, newest first`))
  await page.getByRole('link', { name: 'Show all' }).click()
  await page.waitForURL(url => url.pathname === '/failures' && !url.search.includes('invoke_id'))

  // A form that is open is not refreshed away; the keyboard sends it.
  await page.getByRole('link', { name: 'Filter…' }).click()
  await page.getByText('paused while the form is open').waitFor()
  assert.equal((await page.request.get(page.url())).headers().refresh, undefined)
  await page.getByRole('combobox', { name: 'Region' }).selectOption('cn-hangzhou')
  await page.getByRole('combobox', { name: 'Status' }).selectOption('Timeout')
  await page.getByRole('button', { name: 'Filter' }).press('Enter')
  await page.waitForURL(/invocation_status=Timeout/)
  const check = async () => {
    const texts = await rows(page).allInnerTexts()
    assert.ok(texts.length > 0)
    for (const text of texts) assert.match(text, /Timeout.*ExecutionTimeout.*cn-hangzhou/s)
    const caption = await page.locator('table.failures caption').innerText()
    const { total } = await exporter.api('failures?region_id=cn-hangzhou&invocation_status=timeout')
    assert.ok(caption.includes(total.toLocaleString('en')), `${caption}: ${total}`)
  }
  await check()
  const answer = await page.request.get(page.url())
  const seconds = Number(answer.headers().refresh)
  assert.ok(seconds >= 15 && seconds <= 60)
  // Loaded again by the browser itself, with its question.
  const before = page.url()
  await page.waitForEvent('framenavigated', { timeout: (seconds + 15) * 1000 })
  await page.waitForLoadState()
  assert.equal(page.url(), before)
  await check()

  // The pages of a list have no gap.
  await page.goto(`${exporter.url}failures?show=results`)
  const seen = []
  const addresses = []
  for (let place = 0; place < 3; place += 1) {
    seen.push(...await rows(page).evaluateAll(rows => rows.map(row => {
      const of = label => row.querySelector(`[data-label="${label}"]`)
      const invocation = of('Invocation').querySelector('code').textContent
      return `${invocation} ${of('Instance').querySelector('a').firstChild.textContent}`
    })))
    await page.getByRole('link', { name: 'Older' }).click()
    await page.waitForURL(url => url.search.includes('after=') && !addresses.includes(url.search))
    addresses.push(new URL(page.url()).search)
  }
  const newest = await (await page.request.get(`${exporter.url}api/v1/failures?limit=150`)).json()
  assert.deepEqual(seen, newest.failures.map(one => `${one.invoke_id} ${one.instance_id}`))
  await page.getByRole('link', { name: 'Newest' }).click()
  await page.waitForURL(url => !url.search.includes('after='))
  await close()
  await simulator.post('resume', {})
  console.log('from a column to its failures, to a group, to a filter, and refreshed')
}

/** What comes from outside is text. */
async function hostile(url) {
  const query = new URLSearchParams({ command_id: '"><script>alert(1)</script>' })
  const { page, close } = await open(`${url}failures?${query}`)
  await page.getByText('No failure matches.').waitFor()
  assert.equal(await page.locator('script').count(), 0)
  await page.getByRole('link', { name: 'pause' }).click()
  await page.getByText('paused').waitFor()
  assert.match(page.url(), /refresh=off/)
  assert.equal((await page.request.get(page.url())).headers().refresh, undefined)
  await close()
}

/** Each stop of the keyboard can be seen, and the first one leads past everything. */
async function keyboard(url) {
  const { page, close } = await open(url)
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.closest('main') !== null), true)
  await close()
  console.log('keyboard: skipped to the content')
}

/** Thousands of regions: those with problems first, one error in one row, and each can be found. */
async function thousands(exporter, all, down) {
  const { page, close } = await open(exporter.url)
  assert.match(await page.locator('table.scopes tbody tr').first().innerText(), new RegExp(`^${down} regions`))
  assert.ok(await page.locator('table.scopes tbody tr').count() <= 50)
  await page.getByRole('link', { name: 'Find a region…' }).click()
  await page.getByLabel('Region, account or error has').fill('r-0017')
  await page.getByRole('button', { name: 'Find' }).click()
  await page.waitForURL(/find=r-0017/)
  assert.equal(await page.locator('table.scopes tbody tr').count(), 1)
  await page.getByRole('link', { name: 'all regions' }).click()
  await page.getByRole('link', { name: /^Up/ }).click()
  await page.waitForURL(/state=up/)
  assert.match(await page.locator('nav.pages').innerText(), new RegExp(`Page 1 of ${Math.ceil((all - down) / 50)}`))
  await close()
  for (const path of ['', 'failures', 'failures?show=results', 'api/v1/status', 'api/v1/failures']) {
    const begun = performance.now()
    const answer = await fetch(exporter.url + path, { headers: { 'accept-encoding': 'identity' } })
    const { length } = await answer.text()
    console.log(`${all} scopes: /${path}: ${length.toLocaleString('en')} bytes in ${Math.round(performance.now() - begun)} ms`)
  }
}

const simulator = await startSimulator()

const slow = await startExporter(simulator, 'rate_limit: {requests_per_second: 0.5, burst: 4}')
await eventually('a scan under way', async () => {
  const { scopes } = await slow.api('status')
  return scopes.some(scope => scope.state === 'first_look' && scope.progress?.rows_read >= 150) || scopes
})
await look(slow.url, 'first-look')
await slow.stop()

const exporter = await startExporter(simulator, 'poll: {interval: 2s}')
const healthy = async () => {
  const { health, scopes } = await exporter.api('status')
  return (health === 'ok' && scopes.length === 4) || health
}
await eventually('all well', healthy)
await look(exporter.url, 'all-well')

const denied = { kind: 'Error', status: 403, code: 'Forbidden.RAM', region: 'cn-shanghai', times: 1_000_000 }
await simulator.post('fault', denied)
await eventually('a region down', async () => {
  const { scopes } = await exporter.api('status')
  return scopes.some(scope => scope.state === 'down' && scope.last_error.request_id)
})
await look(exporter.url, 'region-down')
await simulator.post('clear-faults')
await eventually('all well again', healthy)

// An API that hangs: its last poll was good, and nothing has come since.
await simulator.post('fault', { kind: 'Hang', region: 'cn-shanghai', times: 1_000_000 })
await eventually('a region that is stale', async () => {
  const { scopes } = await exporter.api('status')
  return scopes.some(scope => scope.state === 'stale') || scopes.map(scope => scope.state)
})
await look(exporter.url, 'hanging')
await simulator.post('clear-faults')

const settled = (region, count, status, more) => simulator.post(
  'add-settled', { account: region === 'cn-beijing' ? 'staging' : 'production', region, count, status, ...more })
await settled('cn-hangzhou', 260, 'Failed', { exit_code: 127 })
await settled('cn-hangzhou', 90, 'Timeout')
await settled('cn-beijing', 150, 'Failed', { exit_code: 1 })
await settled('cn-shanghai', 60, 'Aborted', { error_code: 'ClientNotRunning' })
await settled('eu-central-1', 12, 'Error')
await eventually('many failures', async () => (await exporter.api('failures')).total > 500)
await eventually('all well', healthy)
await look(exporter.url, 'many-failures')
await look(`${exporter.url}failures`, 'failures')
await look(`${exporter.url}failures?show=results&form=open`, 'failures-form')

await keyboard(exporter.url)
await hostile(exporter.url)
await fromColumnToFailures(exporter)
await exporter.stop()

// 3,000 regions, of which 40 fail.
const ALL = 3000
const DOWN = 40
const regions = Array.from({ length: ALL }, (_, place) => `r-${String(place).padStart(4, '0')}`)
for (const [place, region] of regions.entries()) {
  await simulator.post('add-settled', { account: 'production', region, count: place % 50 === 7 ? 3 : 1, status: place % 50 === 7 ? 'Failed' : 'Success' })
}
for (const region of regions.slice(0, DOWN)) {
  await simulator.post('fault', { kind: 'Error', status: 403, code: 'Forbidden.RAM', region, times: 1_000_000 })
}
const many = await startExporter(simulator, 'poll: {interval: 30s}', regions)
await eventually('all polled', async () => {
  const { scopes } = await many.api('status')
  const count = state => scopes.filter(scope => scope.state === state).length
  return (count('down') === DOWN && count('up') === ALL - DOWN) || [count('down'), count('up')]
})
await look(many.url, 'thousands')
await thousands(many, ALL, DOWN)
await many.stop()

await browser.close()
await simulator.stop()
console.log(`screenshots are in ${screenshots}`)
