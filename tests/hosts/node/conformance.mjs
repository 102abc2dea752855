// Runs the conformance suite's server scenarios against a server that wants a bearer token:
// `conformance.mjs URL TOKEN EXPECTED_FAILURES`.
// The suite cannot send a header of ours, so it talks to a proxy in this process that adds `Authorization` and
// changes nothing else: the Host and Origin that a scenario chose must reach the server as they are.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { join } from 'node:path';

const SCENARIO_TIMEOUT_MS = 30_000;

// Each scenario in every revision in which it exists and that the server speaks.
const SCENARIOS = [
  ['server-initialize', '2025-06-18'],
  ['server-initialize', '2025-11-25'],
  ['ping', '2025-06-18'],
  ['ping', '2025-11-25'],
  ['tools-list', '2025-06-18'],
  ['tools-list', '2025-11-25'],
  ['tools-list', '2026-07-28'],
  ['dns-rebinding-protection', '2025-11-25'],
  ['dns-rebinding-protection', '2026-07-28'],
  ['http-header-validation', '2026-07-28'],
  ['server-stateless', '2026-07-28'],
  ['caching', '2026-07-28'],
];

const [target, token, expectedFailures] = process.argv.slice(2);
const prefix = process.env.USHER_TEST_NODE_PREFIX;
if (!target || !token || !expectedFailures || !prefix) {
  throw new Error('usage: USHER_TEST_NODE_PREFIX=… conformance.mjs URL TOKEN EXPECTED_FAILURES');
}
const suite = join(prefix, 'node_modules', '@modelcontextprotocol', 'conformance', 'dist', 'index.js');

/** Forwards to `upstream` with the token added; headers keep their order, case and number. */
function bearerProxy(upstream) {
  return createServer((incoming, outgoing) => {
    const outbound = request(
      {
        host: upstream.hostname,
        port: upstream.port,
        method: incoming.method,
        path: incoming.url,
        headers: [...incoming.rawHeaders, 'Authorization', `Bearer ${token}`],
        setHost: false,
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode, answer.statusMessage, answer.rawHeaders);
        answer.pipe(outgoing);
      },
    );
    outbound.on('error', () => outgoing.destroy());
    // A client that goes away cancels its request, which the server has to see.
    outgoing.on('close', () => outbound.destroy());
    incoming.pipe(outbound);
  });
}

/** Runs one scenario; true when everything in it came out as expected. The suite's own report goes to stderr. */
async function passes(url, [scenario, revision]) {
  const child = spawn(
    process.execPath,
    [suite, 'server', '--url', url, '--scenario', scenario, '--spec-version', revision]
      .concat(['--expected-failures', expectedFailures, '--timeout', String(SCENARIO_TIMEOUT_MS)]),
    { stdio: ['ignore', 2, 2], timeout: 2 * SCENARIO_TIMEOUT_MS },
  );
  const [code] = await once(child, 'exit');
  return code === 0;
}

const upstream = new URL(target);
const proxy = bearerProxy(upstream);
proxy.listen(0, '127.0.0.1');
await once(proxy, 'listening');
const url = `http://127.0.0.1:${proxy.address().port}${upstream.pathname}`;

const report = { passed: [], failed: [] };
for (const scenario of SCENARIOS) {
  const list = (await passes(url, scenario)) ? report.passed : report.failed;
  list.push(scenario.join('@'));
}
proxy.close();
proxy.closeAllConnections();
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exitCode = report.failed.length === 0 ? 0 : 1;
