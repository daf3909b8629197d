// Do what standard input says with a TypeScript client, of either generation, that lets the server ask its user.
// Input: {"packages": folder, "generation": 1 | 2, "mode": …, "url": …} or {…, "command": […], "env": {…}}, with
// "content" (what the user fills in) and "steps": [[operation, argument, …], …].
// Output: {"version", "asked": [the messages], "answers": for each step the result, or the error}, as JSON.
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");

const task = JSON.parse(readFileSync(0, "utf8"));
const installed = createRequire(`${task.packages}/`);
const capabilities = { elicitation: { form: {} } };

function parts() {
  if (task.generation === 2) {
    const { Client, StreamableHTTPClientTransport } = installed("@modelcontextprotocol/client");
    const { StdioClientTransport } = installed("@modelcontextprotocol/client/stdio");
    return { Client, StreamableHTTPClientTransport, StdioClientTransport, elicitation: "elicitation/create" };
  }
  const { Client } = installed("@modelcontextprotocol/sdk/client/index.js");
  const { StdioClientTransport } = installed("@modelcontextprotocol/sdk/client/stdio.js");
  const { StreamableHTTPClientTransport } = installed("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { ElicitRequestSchema } = installed("@modelcontextprotocol/sdk/types.js");
  return { Client, StreamableHTTPClientTransport, StdioClientTransport, elicitation: ElicitRequestSchema };
}

const { Client, StreamableHTTPClientTransport, StdioClientTransport, elicitation } = parts();

function transport() {
  if (task.url) return new StreamableHTTPClientTransport(new URL(task.url));
  const [command, ...args] = task.command;
  return new StdioClientTransport({ command, args, env: task.env, stderr: "ignore" });
}

async function call(client, name, given, progress) {
  const onprogress = (report) => progress.push([report.progress, report.total ?? null, report.message ?? null]);
  const wanted = { name, arguments: given };
  if (task.generation === 2) return client.callTool(wanted, { onprogress });
  return client.callTool(wanted, undefined, { onprogress });
}

const operations = {
  list_tools: (client) => client.listTools(),
  read_resource: (client, uri) => client.readResource({ uri }),
  get_prompt: (client, name, given) => client.getPrompt({ name, arguments: given }),
  call_tool: call,
};

async function step(client, [operation, ...given]) {
  const progress = [];
  try {
    return { result: await operations[operation](client, ...given, progress), progress };
  } catch (error) {
    return { error: { code: error.code ?? null, message: error.message } };
  }
}

(async () => {
  const negotiation = task.generation === 2 ? { versionNegotiation: { mode: task.mode } } : {};
  const client = new Client({ name: "typescript-sdk", version: "1" }, { capabilities, ...negotiation });
  const asked = [];
  client.setRequestHandler(elicitation, (request) => {
    asked.push(request.params.message);
    return { action: "accept", content: task.content };
  });
  const wire = transport();
  await client.connect(wire);
  const version = client.getNegotiatedProtocolVersion?.() ?? wire.protocolVersion ?? null;
  const answers = [];
  for (const wanted of task.steps) answers.push(await step(client, wanted));
  await client.close();
  process.stdout.write(JSON.stringify({ version, asked, answers }));
})();
