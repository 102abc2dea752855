// The TypeScript SDK, 2.x: `client2.mjs auto|legacy EMAIL FIRST_NAME LAST_NAME`.
// `auto` opens with `server/discover` (2026-07-28), `legacy` with `initialize`.

import { converse, load, server, version } from './scenario.mjs';

const { Client, StreamableHTTPClientTransport } = load('@modelcontextprotocol/client');

const [mode, ...invitee] = process.argv.slice(2);
if (mode !== 'auto' && mode !== 'legacy') throw new Error('usage: client2.mjs auto|legacy EMAIL FIRST_NAME LAST_NAME');
const options = mode === 'auto' ? { versionNegotiation: { mode: 'auto' } } : {};
const client = new Client({ name: 'usher-tests', version: '1' }, options);
const { url, requestInit } = server();
await client.connect(new StreamableHTTPClientTransport(url, { requestInit }));
try {
  await converse({
    client: `client-typescript-2-${mode}`,
    version: version('@modelcontextprotocol/client'),
    arguments: invitee,
    protocol: async () => client.getNegotiatedProtocolVersion(),
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    call: (name, args) => client.callTool({ name, arguments: args }),
  });
} finally {
  await client.close();
}
