// Do what standard input says with the client of the TypeScript SDK; say on standard output what came of it.
// Input: {"packages": folder, "url": …} or {…, "command": […]}, with "env" and "steps": [[operation, argument, …], …].
// Output: for each step the result, or the error, as JSON.
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");

const task = JSON.parse(readFileSync(0, "utf8"));
const installed = createRequire(`${task.packages}/`);
const { Client } = installed("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = installed("@modelcontextprotocol/sdk/client/stdio.js");
const { StreamableHTTPClientTransport } = installed("@modelcontextprotocol/sdk/client/streamableHttp.js");

function transport() {
  if (task.url) return new StreamableHTTPClientTransport(new URL(task.url));
  const [command, ...args] = task.command;
  return new StdioClientTransport({ command, args, env: task.env, stderr: "ignore" });
}

const operations = {
  list_tools: (client) => client.listTools(),
  list_prompts: (client) => client.listPrompts(),
  list_resources: (client) => client.listResources(),
  list_resource_templates: (client) => client.listResourceTemplates(),
  read_resource: (client, uri) => client.readResource({ uri }),
  get_prompt: (client, name, given) => client.getPrompt({ name, arguments: given }),
  call_tool: (client, name, given, progress) =>
    client.callTool({ name, arguments: given }, undefined, {
      onprogress: (report) => progress.push([report.progress, report.total ?? null, report.message ?? null]),
    }),
  complete: (client, ref, [name, value]) => client.complete({ ref, argument: { name, value } }),
};

async function step(client, [operation, ...given]) {
  const progress = [];
  if (operation === "complete") given[1] = [given[1].name, given[1].value];
  try {
    return { result: await operations[operation](client, ...given, progress), progress };
  } catch (error) {
    return { error: { code: error.code, message: error.message } };
  }
}

(async () => {
  const client = new Client({ name: "typescript-sdk", version: "1" });
  const wire = transport();
  await client.connect(wire);
  const answers = [];
  for (const wanted of task.steps) answers.push(await step(client, wanted));
  await client.close();
  process.stdout.write(JSON.stringify({ version: wire.protocolVersion ?? null, answers }));
})();
