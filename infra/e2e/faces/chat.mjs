// The AI SDK's chat, as a page has it but without a page: chat.mjs URL KEY FOLDER-OF-PACKAGES MAJOR

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { REFUND, approve } from "./desk.mjs";

const [url, key, packages, major] = process.argv.slice(2);
const require = createRequire(`${packages}/node_modules/`);
const of = (name) => `${name}${major === "6" ? "-6" : ""}`;
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { DefaultChatTransport } = await load(of("ai"));
const { Chat } = await load(of("@ai-sdk/react"));
const { version } = require(`${packages}/node_modules/${of("ai")}/package.json`);
const BUYER = ["I want to buy an anvil", "yes please", "yes", "yes", "yes, order it"];
const headers = { authorization: `Bearer ${key}` };

function chat(id, more = {}) {
    const transport = new DefaultChatTransport({
        api: `${url}/api/chat${major === "7" ? "?v=7" : ""}`,
        prepareReconnectToStreamRequest: ({ id }) => ({ api: `${url}/api/chat/${id}/stream${major === "7" ? "?v=7" : ""}` }),
        headers,
        ...more,
    });
    const raised = [];
    const made = new Chat({ id: `${id}-${major}`, transport, onError: (error) => raised.push(error) });
    return Object.assign(made, { raised });
}

async function history(chat) {
    const answer = await fetch(`${url}/conversations/${chat.id}`, { headers });
    assert.equal(answer.status, 200);
    return (await answer.json()).items;
}

const parts = (chat, kind) => chat.lastMessage.parts.filter((part) => part.type === kind);
const text = (chat) => parts(chat, "text").map((part) => part.text).join("");
const said = (items) => items.filter((item) => item.role === "agent").map((item) => item.text).join("");
const turns = (items) => items.filter((item) => item.type === "turn");

/** Resolves when this is so; a chat tells nobody but its page. */
async function until(what, isSo) {
    for (let tries = 0; tries < 2000; tries++) {
        if (await isSo()) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`never: ${what}`);
}

const plays = {
    async "first message and hand-off"() {
        const talk = chat("chat-first");
        await talk.sendMessage({ text: BUYER[0] });
        assert.deepEqual([talk.status, talk.raised], ["ready", []]);
        assert(text(talk).includes("roadrunner"), text(talk));
        const [handOff] = parts(talk, "data-handoff");
        assert.deepEqual(handOff.data, { from: "TriageAgent", to: "SalesAgent" });
        const [tool] = parts(talk, "dynamic-tool");
        assert.deepEqual([tool.toolName, tool.state, tool.providerExecuted], ["transfer_to_sales_agent", "output-available", true]);
        assert.equal(talk.lastMessage.metadata.status, "committed");
        assert(talk.lastMessage.metadata.usage.inputTokens > 0);
    },

    async "a lookup, Arabic and an emoji"() {
        const talk = chat("chat-lookup");
        await talk.sendMessage({ text: "My rocket unicycle exploded" });
        await talk.sendMessage({ text: 'rehearse: call look_up_item {"search_query": "catapult"}' });
        assert.equal(parts(talk, "dynamic-tool")[0].toolName, "look_up_item");
        const words = "أريد استرداد المال 💸";
        await talk.sendMessage({ text: words });
        assert.deepEqual(talk.raised, []);
        assert((await history(talk)).some((item) => item.text === words));
    },

    async "one order, whose answer is lost and asked for again"() {
        let lose = false;
        const lossy = async (...request) => {
            const answer = await fetch(...request);
            if (!lose) return answer;
            lose = false;
            await answer.arrayBuffer();
            throw new TypeError("lost by the test");
        };
        const talk = chat("chat-order", { fetch: lossy });
        for (const text of BUYER.slice(0, -1)) await talk.sendMessage({ text });
        lose = true;
        await talk.sendMessage({ text: BUYER.at(-1) });
        assert.deepEqual([talk.status, talk.raised.length], ["error", 1]);
        // Without a message it sends the last one again.
        await talk.sendMessage();
        assert.equal(talk.status, "ready");
        const items = await history(talk);
        assert.equal(items.filter((item) => item.type === "action" && item.name === "execute_order").length, 1);
        assert.equal(turns(items).length, BUYER.length);
    },

    async "an answer said anew"() {
        const talk = chat("chat-again");
        await talk.sendMessage({ text: "hello" });
        const before = talk.lastMessage.id;
        await talk.regenerate();
        assert.deepEqual([talk.status, talk.raised, talk.messages.length], ["ready", [], 2]);
        assert.notEqual(talk.lastMessage.id, before);
        assert.equal(turns(await history(talk)).at(-1).replaces, 1);
    },

    async "a stop keeps what was said"() {
        const talk = chat("chat-stop");
        const over = talk.sendMessage({ text: "rehearse: long 5000" });
        await until("the turn runs", async () => {
            const answer = await fetch(`${url}/conversations/${talk.id}`, { headers });
            return answer.status === 200 && (await answer.json()).running !== null;
        });
        const stop = await fetch(`${url}/api/chat/${talk.id}/stop`, { method: "POST", headers });
        assert.equal(stop.status, 202);
        await over;
        assert.deepEqual([talk.status, talk.raised], ["ready", []]);
        assert.equal(talk.lastMessage.metadata.status, "stopped");
    },

    async "a cut is no end, and is resumed without doubling a word"() {
        let cut = true;
        const cutting = async (...request) => {
            const answer = await fetch(...request);
            if (!cut || answer.body === null) return answer;
            cut = false;
            const reader = answer.body.getReader();
            const first = await reader.read();
            const body = new ReadableStream({
                start: (controller) => controller.enqueue(first.value),
                pull: async (controller) => {
                    await reader.cancel();
                    controller.error(new TypeError("cut by the test"));
                },
            });
            return new Response(body, { status: answer.status, headers: answer.headers });
        };
        const talk = chat("chat-cut", { fetch: cutting });
        await talk.sendMessage({ text: "rehearse: long 100" });
        assert.equal(talk.status, "error");
        await talk.resumeStream();
        assert.equal(talk.status, "ready");
        assert.equal(text(talk), said(await history(talk)));
        assert.equal(talk.messages.filter((message) => message.role === "assistant").length, 1);
        // Nothing runs any more, and nothing happens.
        await talk.resumeStream();
        assert.equal(talk.status, "ready");
    },

    async "an operator's approval and its late result"() {
        const talk = chat("chat-approval");
        for (const text of REFUND) await talk.sendMessage({ text });
        const told = await approve(url, talk.id, key);
        await talk.sendMessage({ text: "Thank you!" });
        assert.deepEqual([talk.status, talk.raised], ["ready", []]);
        const items = (await history(talk)).filter((item) => item.type === "message");
        assert.deepEqual(items.slice(-3).map((item) => item.text), [told, "Thank you!", text(talk)]);
    },

    async "a tool of the page"() {
        const parameters = { type: "object", properties: { door: { type: "integer" } } };
        const tools = { open_door: { description: "Opens a door.", parameters } };
        const talk = chat("chat-tool", { body: { tools } });
        await talk.sendMessage({ text: 'rehearse: call open_door {"door": 3}' });
        assert.deepEqual([talk.status, talk.raised], ["ready", []]);
        const [call] = parts(talk, "tool-open_door");
        assert.deepEqual([call.state, call.input], ["input-available", { door: 3 }]);
        const before = talk.lastMessage.id;
        await talk.addToolOutput({ tool: "open_door", toolCallId: call.toolCallId, output: { open: true } });
        await talk.sendMessage();
        assert.deepEqual([talk.status, talk.raised], ["ready", []]);
        // The answer goes on with the message of the call.
        assert.deepEqual([talk.lastMessage.id, talk.messages.length], [before, 2]);
        assert.equal(parts(talk, "tool-open_door")[0].state, "output-available");
        assert(text(talk).length > 0);
    },

    async "an error is one"() {
        const talk = chat("chat-error");
        await talk.sendMessage({ text: "rehearse: quirk cut" });
        assert.equal(talk.status, "error");
        assert(talk.error.message.startsWith("Sorry, "), talk.error.message);
        const refused = chat("chat-refused", { headers: { authorization: "Bearer bk_wrong" } });
        await refused.sendMessage({ text: "hello" });
        assert.equal(refused.status, "error");
        assert(!refused.error.message.includes("{"), refused.error.message);
    },
};

// Against a server whose model takes longer between two words than a heartbeat.
const silence = {
    async "a long silence"() {
        const talk = chat("chat-silence");
        await talk.sendMessage({ text: "rehearse: long 2" });
        assert.deepEqual([talk.status, talk.raised], ["ready", []]);
        assert.equal(text(talk).trim().split(" ").length, 2);
    },
};

// Against a server whose refunds ask their customer: who knows no cards types the answer.
const yes = {
    async "the customer's yes"() {
        const talk = chat("chat-yes");
        for (const text of REFUND) await talk.sendMessage({ text });
        const [card] = parts(talk, "data-confirmation");
        assert.equal(card.data.fields.item_id, "item_318205561");
        const answer = { method: "POST", headers: { ...headers, "content-type": "application/json" } };
        const confirm = `${url}/conversations/${talk.id}/actions/${card.data.action}/confirm`;
        const body = JSON.stringify({ arguments_hash: card.data.argumentsHash, yes: true });
        assert.equal((await fetch(confirm, { ...answer, body })).status, 202);
        const typed = chat("chat-typed");
        for (const text of [...REFUND, "yes"]) await typed.sendMessage({ text });
        for (const { id } of [talk, typed]) {
            // What others of the same owner were paid for is refused.
            await until("the refund was confirmed and tried", async () => {
                const actions = (await history({ id })).filter((item) => item.type === "action");
                return actions.length === 1 && ["done", "rejected"].includes(actions[0].state);
            });
        }
    },
};
const chosen = { silence, yes }[process.env.PLAY] ?? plays;

for (const [name, play] of Object.entries(chosen)) {
    await play();
    console.log(`ai ${version}: ${name}`);
}
