// What every client does here: one conversation with the server, told as one JSON object.
// A client program supplies `protocol`, `tools` and `call`; the steps, the checks and the report are the same for
// all, and the same as in ../python/scenario.py.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

// The packages live outside the sources, where an `import` would not look.
const prefix = join(required('USHER_TEST_NODE_PREFIX'), 'node_modules');
export const load = createRequire(join(prefix, 'x'));

/** The installed version of a package. */
export function version(name) {
  return JSON.parse(readFileSync(join(prefix, name, 'package.json'), 'utf8')).version;
}

/** Where to connect and as whom: `USHER_URL` and `USHER_TOKEN`. */
export function server() {
  return {
    url: new URL(required('USHER_URL')),
    requestInit: { headers: { Authorization: `Bearer ${required('USHER_TOKEN')}` } },
  };
}

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

/** The structured content of a call that had to succeed. */
function success(name, result) {
  if (result.isError) throw new Error(`${name} failed: ${firstText(result)}`);
  if (result.structuredContent === undefined) throw new Error(`${name} answered without structured content`);
  if (!isDeepStrictEqual(JSON.parse(firstText(result)), result.structuredContent)) {
    throw new Error(`${name}: text and structured content differ`);
  }
  return result.structuredContent;
}

/** The body of a call that had to be refused with `code`, as a tool error and without structured content. */
function refusal(name, result, code) {
  if (!result.isError) throw new Error(`${name} succeeded where ${code} was due`);
  if (result.structuredContent !== undefined) throw new Error(`${name}: an error carries structured content`);
  const body = JSON.parse(firstText(result));
  if (body.code !== code) throw new Error(`${name} was refused with ${body.code} where ${code} was due`);
  return { isError: true, code: body.code, field: body.field ?? null, details: body.details ?? null };
}

function firstText(result) {
  return result.content.find((block) => block.type === 'text')?.text ?? '';
}

/**
 * The conversation, printed as one line. Whatever the client throws ends it with exit code 1: a host would have
 * shown the user a broken server.
 */
export async function converse({ client, version, arguments: invitee, protocol, tools, call }) {
  if (invitee.length !== 3) throw new Error('usage: CLIENT [MODE] EMAIL FIRST_NAME LAST_NAME');
  const [email, first_name, last_name] = invitee;
  const invite = { email, first_name, last_name };
  const report = {
    client,
    version,
    protocol: await protocol(),
    // First of all, because clients take the output schemas that they check results against from here.
    tools: await tools(),
    whoami: success('whoami', await call('whoami', {})),
    listed: success('list_users', await call('list_users', {})),
    invited: success('invite_user', await call('invite_user', invite)),
    duplicate: refusal('invite_user', await call('invite_user', invite), 'email_already_in_use'),
    // The wrong type is refused before the tool runs, where a library's own text could slip through.
    bad_arguments: refusal('list_users', await call('list_users', { limit: 'many' }), 'invalid_argument'),
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}
