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
      if (state === 'many-failures' && name === 'phone') await rows(page).nth(3).scrollIntoViewIfNeeded()
      await page.screenshot({ path: join(screenshots, `${state}-${name}-${colorScheme}.png`) })
      if (name === 'desktop') {
        await page.screenshot({ path: join(screenshots, `${state}-whole-${colorScheme}.png`), fullPage: true })
      }
      await close()
    }
  }
  console.log(`${state}: 4 looks without a finding`)
}

const rows = page => page.locator('table.failures tbody tr')

/** Filters as a person does, with the keyboard too, and loads the page again. */
async function filterAndReload(url) {
  const { page, close } = await open(url)
  assert.ok(await rows(page).count() >= 25, 'at least 25 rows')
  await page.getByRole('combobox', { name: 'Region' }).selectOption('cn-hangzhou')
  await page.getByRole('combobox', { name: 'Status' }).selectOption('Timeout')
  await page.getByRole('button', { name: 'Filter' }).press('Enter')
  await page.waitForURL(/invocation_status=Timeout/)
  const check = async () => {
    const texts = await rows(page).allInnerTexts()
    assert.ok(texts.length > 0)
    for (const text of texts) assert.match(text, /Timeout\s.*ExecutionTimeout\s.*cn-hangzhou/s)
    assert.equal(await page.getByRole('combobox', { name: 'Status' }).inputValue(), 'Timeout')
    assert.equal(await page.getByRole('combobox', { name: 'Region' }).inputValue(), 'cn-hangzhou')
  }
  await check()
  await page.reload()
  await check()

  // The link of a command adds it to the filter.
  const command = await rows(page).first().locator('a.id').last().innerText()
  await rows(page).first().locator('a.id').last().click()
  await page.waitForURL(new RegExp(`command_id=${command}`))
  assert.equal(await page.getByLabel('Command id').inputValue(), command)
  await check()

  await page.getByLabel('Command id').fill('"><script>alert(1)</script>')
  await page.getByRole('button', { name: 'Filter' }).click()
  await page.getByText('No failure matches.').waitFor()
  assert.equal(await page.locator('script').count(), 0)
  await page.getByRole('link', { name: 'Show all' }).click()
  await page.waitForURL(/\?(#failures)?$/)
  assert.ok(await rows(page).count() >= 25)

  // Older ones, and back.
  const newest = await rows(page).first().innerText()
  await page.getByRole('link', { name: 'Older' }).click()
  await page.waitForURL(/offset=50/)
  assert.notEqual(await rows(page).first().innerText(), newest)
  await page.getByRole('link', { name: 'Newer' }).click()
  await page.waitForURL(url => !url.search.includes('offset'))
  await close()
  console.log('failures: filtered, reloaded, paged')
}

/** The browser loads the page again by itself, with its question; and does not when told so. */
async function refreshes(url) {
  const { page, answer, close } = await open(`${url}?invocation_status=Failed`)
  const seconds = Number(answer.headers().refresh)
  assert.ok(seconds >= 15 && seconds <= 60)
  const again = await page.waitForResponse(() => true, { timeout: (seconds + 15) * 1000 })
  assert.equal(again.url(), `${url}?invocation_status=Failed`)
  await page.getByRole('link', { name: 'pause' }).click()
  await page.getByText('paused').waitFor()
  assert.match(page.url(), /invocation_status=Failed&refresh=off/)
  const paused = await page.request.get(page.url())
  assert.equal(paused.headers().refresh, undefined)
  await close()
  console.log('refreshed by itself, and paused')
}

/** Each stop of the keyboard can be seen, and the first one leads past everything. */
async function keyboard(url) {
  const { page, close } = await open(url)
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the failures')
  await page.keyboard.press('Enter')
  assert.match(page.url(), /#failures$/)
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.closest('section')?.getAttribute('aria-labelledby')), 'failures')
  await close()
  console.log('keyboard: skipped to the failures')
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

await filterAndReload(exporter.url)
await keyboard(exporter.url)
await refreshes(exporter.url)

await browser.close()
await exporter.stop()
await simulator.stop()
console.log(`screenshots are in ${screenshots}`)
