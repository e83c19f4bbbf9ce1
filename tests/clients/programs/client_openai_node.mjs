// OpenAI's SDK for Node: chat completions and Responses.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { client } from "./openai_client.mjs";
import { CALLS, MODELS, NAMES, PLACE, QUESTION } from "./stage.mjs";

const tools = NAMES.map((name) => ({ type: "function", function: { name, parameters: PLACE } }));
const flat = NAMES.map((name) => ({ type: "function", name, parameters: PLACE, strict: false }));
const messages = [{ role: "user", content: QUESTION }];

for (const model of MODELS) {
  test(`plain[chat-${model}]`, async () => {
    const answer = await client.chat.completions.create({ model, messages });
    assert.ok(answer.choices[0].message.content);
    assert.ok(answer.usage.completion_tokens > 0);
  });

  test(`stream[chat-${model}]`, async () => {
    let text = "";
    for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
      text += chunk.choices[0]?.delta?.content ?? "";
    }
    const whole = await client.chat.completions.create({ model, messages });
    assert.equal(text, whole.choices[0].message.content);
  });

  test(`parallel[chat-${model}]`, async () => {
    const asked = [{ role: "user", content: CALLS }];
    const stream = client.chat.completions.stream({ model, messages: asked, tools });
    const { message } = (await stream.finalChatCompletion()).choices[0];
    assert.deepEqual(message.tool_calls.map((call) => call.function.name), NAMES);
    const results = message.tool_calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: "ok" }));
    const turns = [...asked, { role: "assistant", tool_calls: message.tool_calls }, ...results];
    const answer = await client.chat.completions.create({ model, messages: turns, tools });
    assert.ok(answer.choices[0].message.content);
  });

  test(`stream[responses-${model}]`, async () => {
    const stream = client.responses.stream({ model, input: QUESTION, store: false });
    const final = await stream.finalResponse();
    const whole = await client.responses.create({ model, input: QUESTION, store: false });
    assert.ok(whole.output_text);
    assert.equal(final.output_text, whole.output_text);
  });

  test(`parallel[responses-${model}]`, async () => {
    const asked = { role: "user", content: CALLS };
    const answer = await client.responses.create({ model, input: [asked], tools: flat, store: false });
    const calls = answer.output.filter((item) => item.type === "function_call");
    assert.deepEqual(calls.map((call) => call.name), NAMES);
    const results = calls.map((call) => ({ type: "function_call_output", call_id: call.call_id, output: "ok" }));
    const input = [asked, ...answer.output, ...results];
    const next = await client.responses.create({ model, input, tools: flat, store: false });
    assert.ok(next.output_text);
  });
}

test("unknown_models[chat]", async () => {
  await assert.rejects(client.chat.completions.create({ model: "nobody", messages }), OpenAI.NotFoundError);
});
