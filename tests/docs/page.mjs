// Looks at `GET /docs` in a browser, on a laptop and on a phone, and makes one call from the page.
// Fails where the page reports an error, or asks anyone but this machine for anything.
//
//   npm install --prefix /tmp/page playwright-core; NODE_PATH=… is not read by modules, so:
//   cp tests/docs/page.mjs /tmp/page && TOKEN=$TOKEN node /tmp/page/page.mjs [http://127.0.0.1:8080] [folder]
//
// Needs a sandbox, a token of acme's in TOKEN, and /usr/bin/chromium. Pictures go into the folder.
import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'

const [base = 'http://127.0.0.1:8080', folder = '.'] = process.argv.slice(2)
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
})
const outside = []
const complaints = []
for (const [name, width, height] of [['laptop', 1440, 900], ['phone', 390, 844]]) {
  const page = await browser.newPage({ viewport: { width, height } })
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url())
    if (!['data:', 'blob:'].includes(protocol) && hostname !== '127.0.0.1') outside.push(request.url())
  })
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(`${base}/docs`, { waitUntil: 'networkidle' })
  await page.getByText('Getting started').first().waitFor()
  await page.screenshot({ path: `${folder}/${name}-start.png` })
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)
  assert.equal(wide, false, `${name}: the page is wider than the screen`)

  if (name === 'laptop') await page.getByPlaceholder('Token').first().fill(process.env.TOKEN)
  await page.goto(`${base}/docs#tag/organization/GET/organization/balance`)
  await page.getByText('Read your balance').last().waitFor()
  await page.waitForTimeout(1500)
  await page.screenshot({ path: `${folder}/${name}-balance.png` })
  if (name === 'laptop') {
    await page.getByRole('button', { name: /Test Request.*balance/i }).first().click()
    const [answer] = await Promise.all([
      page.waitForResponse((answer) => answer.url().endsWith('/v1/organization/balance')),
      page.getByRole('button', { name: /^Send/ }).first().click(),
    ])
    assert.equal(answer.status(), 200)
    await page.waitForTimeout(1500)
    await page.screenshot({ path: `${folder}/${name}-answer.png` })
    const shown = await page.evaluate(() => document.body.innerText)
    assert.match(shown, /"?balance"?/)
    assert.ok(shown.includes('200'), 'the answer is shown')
  }
  await page.close()
}
await browser.close()
assert.deepEqual(outside, [], 'the page asked someone else')
assert.deepEqual(complaints, [], 'the page complains')
console.log('the page works, and talks to nobody else')
