// OpenAI's JavaScript client for Responses against the server: responses.mjs URL KEY FOLDER-OF-PACKAGES

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { REFUND, approve } from "./desk.mjs";

const [url, key, packages] = process.argv.slice(2);
const require = createRequire(`${packages}/node_modules/`);
const OpenAI = require("openai");
const { VERSION } = require("openai/version");
const BUYER = ["I want to buy an anvil", "yes please", "yes", "yes, I take it", "yes"];

const client = (more = {}) => new OpenAI({ baseURL: `${url}/v1`, apiKey: key, ...more });
const say = (input, more = {}, of = client()) => of.responses.create({ model: "baton", input, ...more });

async function history(conversation) {
    const answer = await fetch(`${url}/conversations/${conversation}`, { headers: { authorization: `Bearer ${key}` } });
    assert.equal(answer.status, 200);
    return (await answer.json()).items;
}

const plays = {
    async "first message and hand-off, by the client's own helper"() {
        const kinds = [];
        const stream = client().responses.stream({ model: "baton", input: `👋 ${BUYER[0]}` });
        for await (const event of stream) kinds.push(event.type);
        const final = await stream.finalResponse();
        assert.deepEqual(kinds.slice(0, 2), ["response.created", "response.in_progress"]);
        assert.equal(kinds.at(-1), "response.completed");
        const [call] = final.output.filter((item) => item.type === "mcp_call");
        assert.deepEqual(JSON.parse(call.output), { assistant: "SalesAgent" });
        assert(final.output_text.includes("roadrunner"), final.output_text);
        assert(final.usage.total_tokens > 0);
    },

    async "a lookup, and no branches"() {
        const first = await say("My rocket unicycle exploded");
        const looked = await say('rehearse: call look_up_item {"search_query": "catapult"}', { previous_response_id: first.id });
        assert(looked.output.some((item) => item.type === "mcp_call" && item.name === "look_up_item"));
        await say("أهلا", { previous_response_id: looked.id });
        await assert.rejects(say("other", { previous_response_id: first.id }), OpenAI.BadRequestError);
    },

    async "one order, whose first answer is lost"() {
        let previous;
        for (const text of BUYER.slice(0, -1)) previous = await say(text, { previous_response_id: previous?.id });
        let lost = 0;
        const lossy = async (...request) => {
            const answer = await fetch(...request);
            if (lost++ > 0) return answer;
            await answer.arrayBuffer();
            throw new TypeError("lost by the test");
        };
        const last = await say(BUYER.at(-1), { previous_response_id: previous.id }, client({ fetch: lossy }));
        assert.equal(lost, 2);
        const items = await history(last.conversation.id);
        assert.equal(items.filter((item) => item.type === "action" && item.name === "execute_order").length, 1);
        assert.equal(items.filter((item) => item.type === "turn").length, BUYER.length);
    },

    async "a stop"() {
        const stream = await say("rehearse: long 5000", { stream: true });
        let id, last;
        for await (const event of stream) {
            if (event.type === "response.created") id = event.response.id;
            if (event.type === "response.output_text.delta" && last?.type !== event.type) {
                assert.equal((await client().responses.cancel(id)).status, "cancelled");
            }
            last = event;
        }
        assert.deepEqual([last.type, last.response.status], ["response.incomplete", "cancelled"]);
    },

    async "a cut, taken up behind the last event"() {
        const stream = await say("rehearse: long 60", { stream: true });
        let id, said = "", last;
        for await (const event of stream) {
            last = event;
            if (event.type === "response.created") id = event.response.id;
            if (event.type === "response.output_text.delta") {
                said += event.delta;
                break;
            }
        }
        const rest = await client().responses.retrieve(id, { stream: true, starting_after: last.sequence_number });
        for await (const event of rest) {
            assert(event.sequence_number > last.sequence_number);
            last = event;
            if (event.type === "response.output_text.delta") said += event.delta;
        }
        assert.equal(last.type, "response.completed");
        assert.equal(said, last.response.output[0].content[0].text);
    },

    async "an error"() {
        const failed = await say("rehearse: quirk cut");
        assert.equal(failed.status, "failed");
        assert(failed.error.message);
    },

    async "an operator's approval and its late result"() {
        const { id } = await client().conversations.create();
        for (const input of REFUND) await say(input, { conversation: id });
        const told = await approve(url, id, key);
        const items = await client().conversations.items.list(id, { order: "desc", limit: 1 });
        assert.equal(items.data[0].content[0].text, told);
    },

    async "a conversation and its items"() {
        const made = await client().conversations.create({ metadata: { topic: "anvils" } });
        const answer = await say(BUYER[0], { conversation: made.id });
        const items = [];
        for await (const item of client().conversations.items.list(made.id, { order: "asc", limit: 2 })) items.push(item);
        assert.equal(items[0].role, "user");
        assert.equal(items.at(-1).content[0].text, answer.output_text);
        assert.equal((await client().conversations.delete(made.id)).deleted, true);
        await assert.rejects(client().responses.retrieve(answer.id), OpenAI.NotFoundError);
    },
};

// Against a server whose model takes longer between two words than a heartbeat.
const silence = {
    async "a long silence"() {
        const stream = await client().responses.create({ model: "baton", input: "rehearse: long 2", stream: true });
        let last;
        for await (const event of stream) last = event;
        assert.equal(last.type, "response.completed");
        assert.equal(last.response.output[0].content[0].text.trim().split(" ").length, 2);
    },
};

// Against a server whose refunds ask their customer: who knows no cards types the answer.
const yes = {
    async "the customer's yes"() {
        const { id } = await client().conversations.create();
        let asked;
        for (const input of REFUND) asked = await say(input, { conversation: id });
        const request = asked.output.find((item) => item.type === "mcp_approval_request");
        const answer = { type: "mcp_approval_response", approval_request_id: request.id, approve: true };
        const told = await say([answer], { previous_response_id: asked.id });
        assert.equal(told.status, "completed");
        // What came of it is a turn of its own.
        const items = async () => (await client().conversations.items.list(id, { order: "desc", limit: 1 })).data;
        for (const until = Date.now() + 30_000; (await items())[0].id === asked.output.at(-1).id; ) {
            assert.ok(Date.now() < until, "no result comes");
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
    },
};
const chosen = { silence, yes }[process.env.PLAY] ?? plays;

for (const [name, play] of Object.entries(chosen)) {
    await play();
    console.log(`openai (JavaScript) ${VERSION}, Responses: ${name}`);
}
