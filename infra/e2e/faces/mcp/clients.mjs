// MCP's two TypeScript clients against /mcp: `sdk` (until 2025-11-25) and `client` (from 2026-07-28).
//
//     clients.mjs ADDRESS          (in a folder with node_modules)

import assert from "node:assert/strict";

import { Client as NewClient, StreamableHTTPClientTransport as NewTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [, , address] = process.argv;
const me = { name: "a test", version: "1" };

for (const [name, Client, Transport] of [
    ["sdk", OldClient, OldTransport],
    ["client", NewClient, NewTransport],
]) {
    const client = new Client(me, {});
    await client.connect(new Transport(new URL(address)));
    const { tools } = await client.listTools();
    assert.deepEqual(tools.map((tool) => tool.name), ["chat"]);

    // Against a server whose model takes longer between two words than a heartbeat.
    if (process.env.PLAY === "silence") {
        const call = { name: "chat", arguments: { message: "rehearse: long 2" } };
        const { structuredContent } = await client.callTool(call);
        assert.equal(structuredContent.text.trim().split(" ").length, 2);
        await client.close();
        console.log(`${name}: a long silence`);
        continue;
    }

    const steps = [];
    const say = (message, more, options) => {
        const call = { name: "chat", arguments: { message, conversation_id: `mcp-${name}`, ...more } };
        // The older client takes a schema of results between the two.
        return client === OldClient || name === "sdk"
            ? client.callTool(call, undefined, options)
            : client.callTool(call, options);
    };
    const first = await say("My rocket-powered unicycle exploded.", {}, { onprogress: ({ message }) => steps.push(message) });
    assert.equal(first.structuredContent.status, "completed");
    assert.match(first.content[0].text, /unicycle/);
    assert.ok(steps.some((step) => step === "IssuesAndRepairsAgent takes over."), JSON.stringify(steps));

    // Arabic and emoji, and the same message sent twice.
    const words = "انفجرت دراجتي 🚀";
    const ids = { message_id: `m-${name}` };
    const [one, two] = [await say(words, ids), await say(words, ids)];
    assert.equal(one.structuredContent.turn, 2);
    assert.deepEqual(one.structuredContent, two.structuredContent);

    const { contents } = await client.readResource({ uri: `baton://conversations/mcp-${name}` });
    const history = JSON.parse(contents[0].text);
    assert.equal(history.turns, 2);
    assert.ok(contents[0].text.includes(words));

    const mistake = await say("", {});
    assert.equal(mistake.isError, true);
    await client.close();
    console.log(`${name}: ok`);
}
