// Anthropic's SDK for Node.
import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { client } from "./anthropic_client.mjs";
import { CALLS, MODELS, NAMES, PLACE, QUESTION } from "./stage.mjs";

const tools = NAMES.map((name) => ({ name, description: "Tells.", input_schema: PLACE }));
const messages = [{ role: "user", content: QUESTION }];
const max_tokens = 2000;
const textOf = (message) => message.content.filter(({ type }) => type === "text").map(({ text }) => text).join("");

for (const model of MODELS) {
  test(`plain[${model}]`, async () => {
    const answer = await client.messages.create({ model, max_tokens, messages });
    assert.ok(textOf(answer));
    assert.ok(answer.usage.output_tokens > 0);
  });

  test(`stream[${model}]`, async () => {
    const final = await client.messages.stream({ model, max_tokens, messages }).finalMessage();
    assert.equal(textOf(final), textOf(await client.messages.create({ model, max_tokens, messages })));
  });

  test(`parallel[${model}]`, async () => {
    const asked = { role: "user", content: CALLS };
    const answer = await client.messages.stream({ model, max_tokens, messages: [asked], tools }).finalMessage();
    const calls = answer.content.filter(({ type }) => type === "tool_use");
    assert.deepEqual(calls.map(({ name }) => name), NAMES);
    const content = calls.map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "ok" }));
    const turns = [asked, { role: "assistant", content: answer.content }, { role: "user", content }];
    assert.ok(textOf(await client.messages.create({ model, max_tokens, messages: turns, tools })));
  });
}

test("unknown_models", async () => {
  await assert.rejects(client.messages.create({ model: "nobody", max_tokens, messages }), Anthropic.NotFoundError);
});
