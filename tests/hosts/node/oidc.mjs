// A real OpenID provider: oidc.mjs REDIRECT_URI SECRET. Says its issuer in one line of JSON. Whoever signs in as one of the people
// below gets in with any password. A line on stdin is a request: {"rotate": true} makes new keys and forgets the old ones,
// {"client_id", "client_secret"} change the client, {"pairwise": true} names people anew for it; each is answered with a line.
// POST /redirect-address: its body is a redirect address of the client's, in place of the first or beside others.
//
// USHER_TEST_OIDC_HEARD: a file that gets what its token endpoint was asked and told, one JSON object a line.
// USHER_TEST_OIDC_ALG: how ID tokens are signed. USHER_TEST_OIDC_CLAIMS=userinfo: the address is told at userinfo only.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

const { Provider } = await import(`${process.env.USHER_TEST_NODE_PREFIX}/node_modules/oidc-provider/lib/index.js`);

const [redirect, secret] = process.argv.slice(2);
const client = { client_id: 'usher', client_secret: secret, pairwise: false };
const registered = [];
const alg = process.env.USHER_TEST_OIDC_ALG ?? 'RS256';
const kinds = {
    RS256: ['rsa', { modulusLength: 2048 }], PS256: ['rsa', { modulusLength: 2048 }], ES256: ['ec', { namedCurve: 'P-256' }], EdDSA: ['ed25519', {}],
};

const people = {
    ana: { email: 'ana@example.com', email_verified: true, given_name: 'Anna', family_name: 'Provider' },
    // As her directory writes it.
    kim: { email: 'Kim.Vale@Example.com', email_verified: true, given_name: 'Kim', family_name: 'Vale' },
    bo: { email: 'bo@example.com', email_verified: false, given_name: 'Bo', family_name: 'Unverified' },
    cy: { email: 'cy@example.com', given_name: 'Cy', family_name: 'Unsaid' },
    eve: { email: 'eve@elsewhere.example', email_verified: true, given_name: 'Eve', family_name: 'Else' },
    admin: { email: 'admin@example.com', email_verified: true, given_name: 'First', family_name: 'Admin' },
    nobody: { given_name: 'No', family_name: 'Address' },
    odd: { email: ['ana@example.com'], email_verified: 'true', given_name: 'O\u202edd\r\n<b>', family_name: 7 },
};

const key = () => {
    const [type, options] = kinds[alg];
    return { ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID() };
};

function make(issuer) {
    const provider = new Provider(issuer, {
        clients: [{
            client_id: client.client_id, client_secret: client.client_secret, redirect_uris: registered.length ? registered : [redirect],
            id_token_signed_response_alg: alg, subject_type: client.pairwise ? 'pairwise' : 'public',
        }],
        subjectTypes: ['public', 'pairwise'],
        pairwiseIdentifier: (_, id, { clientId }) => `${clientId}-${id}`,
        jwks: { keys: [key()] },
        claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['given_name', 'family_name'] },
        conformIdTokenClaims: process.env.USHER_TEST_OIDC_CLAIMS === 'userinfo',
        enabledJWA: { idTokenSigningAlgValues: [alg] },
        findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
        pkce: { required: () => true },
        cookies: { keys: ['test'] },
        ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
    });
    const heard = process.env.USHER_TEST_OIDC_HEARD;
    if (heard) {
        provider.use(async (context, next) => {
            await next();
            if (context.path === '/token') appendFileSync(heard, `${JSON.stringify({ asked: context.oidc.params, told: context.body })}\n`);
        });
    }
    provider.on('server_error', (_, error) => console.error(error));
    return provider.callback();
}

let handle;
const server = createServer(async (request, response) => {
    if (request.method === 'POST' && request.url === '/redirect-address') {
        let address = '';
        for await (const chunk of request) address += chunk;
        registered.push(address);
        handle = make(`http://${request.headers.host}`);
        return response.end();
    }
    // Nobody tells it where a person comes from.
    const { referer = '' } = request.headers;
    if (referer && !referer.startsWith(`http://${request.headers.host}/`)) response.writeHead(400).end(`came from ${referer}`);
    else handle(request, response);
});
server.listen(0, '127.0.0.1', () => {
    const issuer = `http://127.0.0.1:${server.address().port}`;
    handle = make(issuer);
    const say = value => process.stdout.write(`${JSON.stringify(value)}\n`);
    say({ issuer });
    createInterface({ input: process.stdin }).on('line', line => {
        const wish = JSON.parse(line);
        Object.assign(client, wish);
        handle = make(issuer);
        say({ done: true });
    }).on('close', () => process.exit(0));
});
