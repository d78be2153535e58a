// An operator at the desk, for plays in which one decides: see desk.py.

import assert from "node:assert/strict";

const OPERATOR = "the operator of this test";
// Above what is paid without a colleague.
export const REFUND = [
  "My catapult broke, I want a refund",
  'rehearse: call execute_refund {"item_id": "item_318205561", "reason": "it broke"}',
];

async function ask(url, token, body) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const answer = await fetch(url, body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers });
  const told = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(told));
  return told;
}

// Approves the refund that waits in this conversation; returns what the agents said of its result, which begins a turn of its own.
export async function approve(url, conversation, key = OPERATOR) {
  const history = async () => (await ask(`${url}/conversations/${conversation}`, key)).items;
  const items = await history();
  const [{ action }] = items.filter((item) => item.type === "action" && item.state === "proposed");
  const { arguments_hash, fence } = await ask(`${url}/actions/${action}`, OPERATOR);
  await ask(`${url}/actions/${action}/approve`, OPERATOR, { arguments_hash, fence });
  const last = Math.max(...items.map((item) => item.turn));
  for (const until = Date.now() + 30_000; ; ) {
    const later = (await history()).filter((item) => item.turn > last);
    const told = later.find((item) => item.type === "message");
    if (told && later.some((item) => item.type === "turn")) return told.text;
    assert.ok(Date.now() < until, "no result comes");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
