// Verifies what a receiver got with the standard's library: webhooks.mjs FOLDER-OF-NODE-PACKAGES FILE SECRET
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';

const [packages, file, secret] = process.argv.slice(2);
const { Webhook } = createRequire(`${packages}/`)('standardwebhooks');

const webhook = new Webhook(secret);
const came = JSON.parse(fs.readFileSync(file));
for (const { headers, body } of came) {
  const names = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  assert.deepEqual(webhook.verify(body, names), JSON.parse(body));
  assert.throws(() => webhook.verify(`${body} `, names));
}
assert.ok(came.length > 0);
