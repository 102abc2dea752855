// A provider that lies: liar.mjs. Says its issuer in one line of JSON. A line on stdin says what it does from now on, and is
// answered with a line; without one it is honest.
//
//   {"claims": {…}}         these claims instead of the honest ones, null for none
//   {"header": {…}}         the same for the token's header
//   {"sign": "none" | "secret" | "stranger" | "garbage"}
//   {"document": {…}}       the same for its document
//   {"keys": […]}           instead of its keys
//   {"token": {…}}          instead of the answer of its token endpoint, with {"status": N} first
//   {"at": "document" | "keys" | "token" | "userinfo", "does": "500" | "redirect" | "huge" | "html" | "silence" | "hangup"}
//   {"userinfo": {…}}       what its userinfo endpoint says
//
// {"tell": true} instead asks which of its endpoints were called since the last such line: {"asked": […]}.
//
// The code is any; the nonce is the one of the code, as CODE.NONCE.

import { createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

const [own, stranger] = [0, 1].map(() => generateKeyPairSync('rsa', { modulusLength: 2048 }));
const part = value => Buffer.from(JSON.stringify(value)).toString('base64url');
const without = value => Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null));
let orders = {};
let asked = [];
let issuer;

function token(nonce) {
    const now = Math.floor(Date.now() / 1000);
    const claims = without({
        iss: issuer, aud: 'usher', sub: 'sub-ana', iat: now, exp: now + 600, nonce,
        email: 'ana@example.com', email_verified: true, given_name: 'Ana', family_name: 'Ruiz', ...orders.claims,
    });
    const algorithm = { none: 'none', secret: 'HS256' }[orders.sign] ?? 'RS256';
    const header = without({ alg: algorithm, kid: 'own', typ: 'JWT', ...orders.header });
    const text = `${part(header)}.${part(claims)}`;
    const signed = {
        none: () => '',
        secret: () => createHmac('sha256', 'secret').update(text).digest('base64url'),
        stranger: () => createSign('sha256').update(text).sign(stranger.privateKey, 'base64url'),
        garbage: () => Buffer.from('garbage').toString('base64url'),
    }[orders.sign] ?? (() => createSign('sha256').update(text).sign(own.privateKey, 'base64url'));
    return `${text}.${signed()}`;
}

const answers = {
    document: () => without({
        issuer, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/keys`,
        userinfo_endpoint: `${issuer}/userinfo`, ...orders.document,
    }),
    keys: () => ({ keys: orders.keys ?? [{ ...own.publicKey.export({ format: 'jwk' }), kid: 'own', use: 'sig', ...orders.key }] }),
    token: body => orders.token ?? { access_token: 'a', token_type: 'Bearer', id_token: token(new URLSearchParams(body).get('code').split('.')[1]) },
    userinfo: () => orders.userinfo ?? { sub: 'sub-ana' },
};

const server = createServer(async (request, response) => {
    const name = request.url.endsWith('/openid-configuration') ? 'document' : request.url.slice(1);
    asked.push(name);
    let body = '';
    for await (const chunk of request) body += chunk;
    if (orders.at === name && orders.does === 'silence') return;
    if (orders.at === name && orders.does === 'hangup') {
        response.writeHead(200, { 'content-length': 100 }).write('{');
        request.socket.end();
        return;
    }
    if (orders.at === name && orders.does === 'huge') {
        // Endless, and without a length.
        response.on('error', () => {});
        const more = () => response.destroyed || response.write('x'.repeat(65536), more);
        more();
        return;
    }
    const value = answers[name]?.(body);
    const misdeed = orders.at === name ? orders.does : undefined;
    const status = { 500: 500, redirect: 302 }[misdeed] ?? value?.status ?? (value ? 200 : 404);
    response.writeHead(status, { 'content-type': 'application/json', ...(status === 302 && { location: `${issuer}/elsewhere` }) });
    response.end(misdeed === 'html' ? '<h1>Sign in to the hotel network</h1>' : JSON.stringify(value ?? {}));
});
server.listen(0, '127.0.0.1', () => {
    issuer = `http://127.0.0.1:${server.address().port}`;
    const say = value => process.stdout.write(`${JSON.stringify(value)}\n`);
    say({ issuer });
    createInterface({ input: process.stdin }).on('line', line => {
        const order = JSON.parse(line);
        if (order.tell) return say({ asked: asked.splice(0) });
        orders = order;
        say({ done: true });
    }).on('close', () => process.exit(0));
});
