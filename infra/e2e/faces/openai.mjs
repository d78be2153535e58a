// OpenAI's JavaScript client against the server: openai.mjs URL KEY FOLDER-OF-PACKAGES

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { REFUND, approve } from "./desk.mjs";

const [url, key, packages] = process.argv.slice(2);
const require = createRequire(`${packages}/node_modules/`);
const OpenAI = require("openai");
const { VERSION } = require("openai/version");
const BUYER = ["I want to buy an anvil", "yes please", "yes", "yes", "yes, order it"];

const of = (conversation, more = {}) =>
    new OpenAI({ baseURL: `${url}/v1`, apiKey: key, defaultHeaders: { "X-Conversation-Id": conversation }, ...more });

async function history(conversation) {
    const answer = await fetch(`${url}/conversations/${conversation}`, { headers: { authorization: `Bearer ${key}` } });
    assert.equal(answer.status, 200);
    return (await answer.json()).items;
}

const orders = (items) => items.filter((item) => item.type === "action" && item.name === "execute_order");
const turns = (items) => items.filter((item) => item.type === "turn");

/** Resolves when the one action of this conversation was confirmed and tried. */
async function confirmed(conversation) {
    for (const until = Date.now() + 30_000; ; ) {
        const actions = (await history(conversation)).filter((item) => item.type === "action");
        // What others of the same owner were paid for is refused.
        if (actions.length === 1 && ["done", "rejected"].includes(actions[0].state)) return;
        assert.ok(Date.now() < until, JSON.stringify(actions));
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

/** A conversation that is sent whole with each message. */
class Talk {
    messages = [];

    constructor(name) {
        this.name = name;
    }

    async say(content, client = of(this.name)) {
        this.messages.push({ role: "user", content });
        const whole = await client.chat.completions.create({ model: "baton", messages: this.messages });
        this.messages.push(whole.choices[0].message);
        return whole;
    }

    stream(content, more = {}) {
        this.messages.push({ role: "user", content });
        return of(this.name).chat.completions.create({ model: "baton", messages: this.messages, stream: true, ...more });
    }
}

async function all(stream) {
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    return chunks;
}

const plays = {
    async "first message and hand-off"() {
        const chunks = await all(await new Talk("js-first").stream(BUYER[0], { stream_options: { include_usage: true } }));
        const told = chunks.map((chunk) => chunk.baton).filter(Boolean);
        assert(told.some((told) => told.type === "handoff" && told.to === "SalesAgent"));
        const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
        assert(text.includes("roadrunner"), text);
        assert(!chunks.some((chunk) => chunk.choices[0]?.delta.tool_calls));
        assert.equal(chunks.at(-2).choices[0].finish_reason, "stop");
        assert(chunks.at(-1).usage.total_tokens > 0);
    },

    async "the client's own helper puts a stream together"() {
        const messages = [{ role: "user", content: "أهلا 👋 I want to buy an anvil" }];
        const runner = of("js-helper").chat.completions.stream({ model: "baton", messages });
        const content = await runner.finalContent();
        assert(content.includes("roadrunner"), content);
        const [said] = (await history("js-helper")).filter((item) => item.type === "message");
        assert.equal(said.text, messages[0].content);
    },

    async "a lookup"() {
        const talk = new Talk("js-lookup");
        await talk.say("My rocket unicycle exploded");
        const whole = await talk.say('rehearse: call look_up_item {"search_query": "catapult"}');
        assert.deepEqual(whole.baton.slice(0, 2).map((told) => told.type), ["tool", "tool_result"]);
    },

    async "one order, whose first answer is lost"() {
        const talk = new Talk("js-order");
        for (const text of BUYER.slice(0, -1)) await talk.say(text);
        let lost = 0;
        const lossy = async (...request) => {
            const answer = await fetch(...request);
            if (lost++ > 0) return answer;
            await answer.arrayBuffer();
            throw new TypeError("lost by the test");
        };
        await talk.say(BUYER.at(-1), of("js-order", { fetch: lossy }));
        assert.equal(lost, 2);
        const items = await history("js-order");
        assert.equal(orders(items).length, 1);
        assert.equal(turns(items).length, BUYER.length);
    },

    async "a stop"() {
        const stream = await new Talk("js-stop").stream("rehearse: long 5000");
        let last;
        let asked = false;
        for await (const chunk of stream) {
            if (chunk.choices[0].delta.content && !asked) {
                asked = true;
                const headers = { authorization: `Bearer ${key}` };
                const stop = `${url}/conversations/js-stop/turns/1/stop`;
                assert.equal((await fetch(stop, { method: "POST", headers })).status, 202);
            }
            last = chunk;
        }
        assert.equal(last.choices[0].finish_reason, "stop");
    },

    async "a cut, and the same request"() {
        const talk = new Talk("js-cut");
        const stream = await talk.stream("rehearse: long 60");
        for await (const _ of stream) break;
        stream.controller.abort();
        const whole = await of("js-cut").chat.completions.create({ model: "baton", messages: talk.messages });
        const items = await history("js-cut");
        assert(items.some((item) => item.text === whole.choices[0].message.content));
        assert.equal(turns(items).length, 1);
    },

    async "an error is raised, in a stream and without"() {
        const failed = async (talk) => all(await talk.stream("rehearse: quirk cut"));
        await assert.rejects(failed(new Talk("js-error")), (raised) => raised.code === "model_cut");
        let asked = 0;
        const counting = (...request) => (asked++, fetch(...request));
        const whole = new Talk("js-error-whole").say("rehearse: quirk cut", of("js-error-whole", { fetch: counting }));
        await assert.rejects(whole, (raised) => raised.status === 500 && raised.code === "model_cut");
        assert.equal(asked, 1, "the client must not repeat what failed");
    },

    async "a tool of the client"() {
        const parameters = { type: "object", properties: { door: { type: "integer" } } };
        const tools = [{ type: "function", function: { name: "open_door", description: "Opens a door.", parameters } }];
        const talk = new Talk("js-tool");
        const chunks = await all(await talk.stream('rehearse: call open_door {"door": 3}', { tools }));
        const [call] = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
        assert.deepEqual([call.index, call.function.name, JSON.parse(call.function.arguments)], [0, "open_door", { door: 3 }]);
        assert.equal(chunks.at(-1).choices[0].finish_reason, "tool_calls");
        const { index: _, ...called } = call;
        talk.messages.push({ role: "assistant", content: null, tool_calls: [called] });
        talk.messages.push({ role: "tool", tool_call_id: call.id, content: "it is open" });
        const whole = await of("js-tool").chat.completions.create({ model: "baton", messages: talk.messages, tools });
        assert.equal(whole.choices[0].finish_reason, "stop");
    },

    async "an operator's approval and its late result"() {
        const talk = new Talk("js-approval");
        for (const text of REFUND) await talk.say(text);
        const told = await approve(url, "js-approval", key);
        await talk.say("Thank you!");
        const said = (await history("js-approval")).filter((item) => item.type === "message").map((item) => item.text);
        assert.deepEqual(said.slice(-3), [told, "Thank you!", talk.messages.at(-1).content]);
    },

    async "refusals have their class"() {
        const wrong = new OpenAI({ baseURL: `${url}/v1`, apiKey: "bk_wrong", maxRetries: 0 });
        await assert.rejects(wrong.models.list(), OpenAI.AuthenticationError);
        await assert.rejects(of("js-first").models.retrieve("other"), OpenAI.NotFoundError);
    },
};

// Against a server whose model takes longer between two words than a heartbeat.
const silence = {
    async "a long silence"() {
        const chunks = await all(await new Talk("js-silence").stream("rehearse: long 2"));
        assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("").trim().split(" ").length, 2);
        assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
    },
};

// Against a server whose refunds ask their customer: who knows no cards types the answer.
const yes = {
    async "the customer's yes"() {
        const talk = new Talk("js-yes");
        let asked;
        for (const text of REFUND) asked = await talk.say(text);
        assert.match(asked.choices[0].message.content, /Refund of \$749\.00/);
        await talk.say("yes");
        await confirmed("js-yes");
    },
};
const chosen = { silence, yes }[process.env.PLAY] ?? plays;

for (const [name, play] of Object.entries(chosen)) {
    await play();
    console.log(`openai (JavaScript) ${VERSION}: ${name}`);
}
