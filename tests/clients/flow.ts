// The main flow with the generated TypeScript client. Fails on the first difference.
import assert from 'node:assert/strict'
import { client } from './client/client.gen.js'
import { createLink, getBalance, getLink, listPlans, topUpLink } from './client/sdk.gen.js'

const grant = { grant_type: 'client_credentials', client_id: 'acme', client_secret: 'acme-secret' }
const answer = await fetch(process.env.TOKEN_URL!, { method: 'POST', body: new URLSearchParams(grant) })
const { access_token } = (await answer.json()) as { access_token: string }
client.setConfig({ baseUrl: process.env.SERVER!, auth: () => access_token })

// Amounts are exact in cents here; a float would not be.
const cents = (amount: string) => Math.round(Number(amount) * 100)
const balance = async () => cents((await getBalance({ throwOnError: true })).data.data.balance)

const before = await balance()
const plans = await listPlans({ query: { country: 'FR', per_page: 1 }, throwOnError: true })
const plan = plans.data.data.data[0]!
const order = {
  body: { plan_id: plan.id, name: 'From TypeScript' },
  headers: { 'Idempotency-Key': 'typescript-1' },
  throwOnError: true as const,
}
const link = (await createLink(order)).data.data
assert.equal(link.amount_charged, plan.retail_price)
assert.ok(link.lpa_profile?.startsWith('LPA:1$'))
assert.equal((await createLink(order)).data.data.id, link.id, 'the key stands for one Link')
const path = { identifier: link.iccid }
const changed = (await topUpLink({ path, body: { add: [plan.id] }, throwOnError: true })).data.data
assert.equal(changed.link_id, link.id)
const shown = (await getLink({ path, throwOnError: true })).data.data
assert.equal(shown.activations[0]!.id, changed.added[0]!.id)
assert.equal(await balance(), before - 2 * cents(plan.retail_price))
const { error } = await createLink({ body: { plan_id: link.id } })
assert.equal(error?.error.code, 'PLAN_NOT_FOUND')
console.log(`${link.iccid}: two plans of ${plan.retail_price}, balance ${(await balance()) / 100}`)
