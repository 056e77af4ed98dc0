// The hub's clients of Google's APIs, as a child process that obeys orders (tests/support/google_probe.cpp).

import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

export function startProbe(environment = {}) {
  const child = spawn(process.env.SLIPWAY_GOOGLE_PROBE, [], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });
  const waiting = [];
  createInterface({ input: child.stdout }).on("line", (line) => waiting.shift()?.resolve(JSON.parse(line)));
  child.on("exit", () => waiting.splice(0).forEach(({ reject }) => reject(new Error("the probe has ended"))));
  return {
    // Gives {result} or {error}.
    ask: (order, rest = {}) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        child.stdin.write(`${JSON.stringify({ do: order, ...rest })}\n`);
      }),
    stop: () => child.stdin.end(),
  };
}

// A server on loopback that keeps what it was asked. `answer(request)` gives {status, headers, body}.
export async function startServer(answer) {
  const requests = [];
  const server = createServer(async (incoming, response) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const url = new URL(incoming.url, "http://localhost");
    const request = { method: incoming.method, url, headers: incoming.headers, body: Buffer.concat(chunks).toString() };
    requests.push(request);
    const { status = 200, headers = {}, body = {} } = await answer(request);
    response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
