// A host of client metadata documents, by TLS under an authority of its own: documents.mjs FOLDER. Makes the certificates in
// FOLDER, says {"address": "https://localhost:PORT", "authority": FILE} in one line of JSON. A line on stdin says how every
// address is answered from now on, and is answered with a line:
//
//   {"status": N, "headers": {…}, "body": TEXT, "does": "silence" | "drip" | "hangup"}
//
// {"tell": true} instead asks for the addresses that were asked for since the last such line: {"asked": […]}.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const folder = process.argv[2];
const openssl = (...words) => execFileSync('openssl', words, { cwd: folder, stdio: ['ignore', 'ignore', 'ignore'] });
const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
writeFileSync(join(folder, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=documents authority');
openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost');
openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names', '-out', 'server.pem');

let order = {};
let asked = [];
const server = createServer({ key: readFileSync(join(folder, 'server.key')), cert: readFileSync(join(folder, 'server.pem')) }, (request, response) => {
    asked.push(request.url);
    if (order.does === 'silence') return;
    if (order.does === 'hangup') { response.destroy(); return; }
    response.writeHead(order.status ?? 200, order.headers ?? { 'content-type': 'application/json' });
    if (order.does !== 'drip') { response.end(order.body ?? ''); return; }
    const drops = setInterval(() => response.write(' '), 50);
    response.on('close', () => clearInterval(drops));
});
server.listen(0, '127.0.0.1', () => {
    const address = `https://localhost:${server.address().port}`;
    console.log(JSON.stringify({ address, authority: join(folder, 'ca.pem') }));
});
createInterface({ input: process.stdin }).on('line', line => {
    const said = JSON.parse(line);
    if (said.tell) {
        console.log(JSON.stringify({ asked }));
        asked = [];
        return;
    }
    order = said;
    console.log(JSON.stringify({ done: true }));
}).on('close', () => process.exit(0));
