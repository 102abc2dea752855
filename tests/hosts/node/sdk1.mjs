// The TypeScript SDK, 1.x, which most deployed hosts still carry: `sdk1.mjs EMAIL FIRST_NAME LAST_NAME`.

import { converse, load, server, version } from './scenario.mjs';

const { Client } = load('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = load('@modelcontextprotocol/sdk/client/streamableHttp.js');

const client = new Client({ name: 'usher-tests', version: '1' });
const { url, requestInit } = server();
const transport = new StreamableHTTPClientTransport(url, { requestInit });
await client.connect(transport);
try {
  await converse({
    client: 'sdk-typescript-1',
    version: version('@modelcontextprotocol/sdk'),
    arguments: process.argv.slice(2),
    protocol: async () => transport.protocolVersion,
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    call: (name, args) => client.callTool({ name, arguments: args }),
  });
} finally {
  await client.close();
}
