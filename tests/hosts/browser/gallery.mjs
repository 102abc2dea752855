// Pictures of every page of a running server: gallery.mjs SAID FOLDER, with the line that `usher quickstart --json` printed. It fills
// the organization with people first, by the tools and as those people would join.

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Browser, until } from './chromium.mjs';

const said = JSON.parse(process.argv[2]);
const folder = process.argv[3];
const base = said.public_url.replace(/\/$/, '');

// One line a page: file, where it is, what it shows, and whose browser (nothing: the first Administrator's, null: nobody's). `{oksana}` is
// the id of somebody Active, `{dana}` of somebody Pending, `{hakan}` of somebody Deactivated, `{group}` of an access group, `{invite}` the
// mailed link of an invite. A page that is not there fails.
const PAGES = [
    ['start', '/start', 'The first steps'],
    ['users', '/users', 'The roster, newest first'],
    ['users-by-name', '/users?sort=name&status=active', 'The same, filtered and by name'],
    ['users-no-match', '/users?query=oksana&status=deactivated', 'A search that nobody matches'],
    ['users-invite', '/users/invite', 'Inviting somebody'],
    ['user', '/users/{oksana}', 'One person'],
    ['user-pending', '/users/{dana}', 'One person who is invited'],
    ['user-access-groups', '/users/{oksana}/access-groups', 'Their access groups, and what these give'],
    ['user-add-to-groups', '/users/{oksana}/access-groups/add', 'Adding them to access groups'],
    ['user-activity', '/users/{oksana}/activity', 'What they did, and what was done to them'],
    ['user-ai-tools', '/users/{oksana}/ai-tools', 'By what programs act as them'],
    ['user-deactivate', '/users/{oksana}/deactivate', 'Before somebody is deactivated'],
    ['user-reactivate', '/users/{hakan}/reactivate', 'Before somebody comes back'],
    ['access-groups', '/access-groups', 'Access groups'],
    ['access-groups-new', '/access-groups/new', 'A new access group'],
    ['access-group', '/access-groups/{group}', 'One access group'],
    ['access-group-add', '/access-groups/{group}/add', 'Putting people into it'],
    ['access-group-delete', '/access-groups/{group}/delete', 'Before an access group is deleted'],
    ['audit', '/audit', 'The audit log'],
    ['settings', '/settings', 'Settings: the organization'],
    ['settings-sign-in', '/settings/sign-in', 'Settings: signing in'],
    ['settings-sso', '/settings/sso', 'Settings: single sign-on'],
    ['settings-invitations', '/settings/invitations', 'Settings: invitations'],
    ['settings-ai-tools', '/settings/ai-tools', 'Settings: AI tools'],
    ['settings-slack', '/settings/slack', 'Settings: Slack'],
    ['settings-permissions', '/settings/permissions', 'Settings: the permission catalogue'],
    ['settings-passwords', '/settings/passwords', 'Settings: passwords of others'],
    ['settings-second-factor', '/settings/second-factor', 'Settings: second factors of others'],
    ['tools', '/me/tools', 'My AI tools'],
    ['tools-new', '/me/tools/new', 'A new token'],
    ['me', '/me', 'My account'],
    ['second-factor', '/me/second-factor', 'My second factor'],
    ['no-access', '/', 'What somebody without access finds', 'lukasz@larkspur.example'],
    ['sign-in', '/sign-in', 'Signing in', null],
    ['sign-in-to', `/sign-in/${said.org}`, 'Signing in to an organization', null],
    ['invite', '{invite}', 'What an invited person opens', null],
    ['not-found', '/nothing-here', 'Nothing here', null],
];
const LOOKS = [[1280, 'light'], [1280, 'dark'], [360, 'light'], [360, 'dark']];
// Pictures are made smaller, for the repository.
const SCALE = { 1280: 0.5, 360: 0.8 };
const PASSWORD = 'seven brave otters paint fences';

async function call(tool, args) {
    const response = await fetch(said.mcp_url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: `Bearer ${said.token}` },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: args } }),
    });
    const { result } = await response.json();
    if (!result || result.isError) throw new Error(`${tool}: ${JSON.stringify(result)}`);
    return result.structuredContent;
}

const cookies = response => response.headers.getSetCookie().map(cookie => cookie.split(';')[0]).join('; ');

/** The link in the mail to somebody who was invited. */
function link_of(email) {
    const mails = () => (existsSync(said.mail_dir) ? readdirSync(said.mail_dir) : []);
    return until(`the mail to ${email}`, () => mails()
        .map(file => readFileSync(join(said.mail_dir, file), 'utf8'))
        .filter(text => text.includes(`<${email}>`))
        .map(text => text.match(/^\s*(http\S+\/invite\/\S+)/m)?.[1])
        .find(Boolean));
}

/** Joins as somebody who was invited. */
async function join_as(email, first_name, last_name) {
    const opened = await fetch(await link_of(email), { redirect: 'manual' });
    const place = new URL(opened.headers.get('location'), base);
    const body = new URLSearchParams({ first_name, last_name, password: PASSWORD, do: 'join' });
    const joined = await fetch(place, { method: 'POST', redirect: 'manual', headers: { cookie: cookies(opened) }, body });
    if (joined.status !== 200) throw new Error(`${email} could not join: ${joined.status}`);
}

/** The sample organization. */
async function fill() {
    const groups = {};
    for (const [name, permissions, description] of [
        ['Support', ['users:read', 'access_groups:read'], 'Answers customers.'],
        ['Read-only Auditor', ['users:read', 'access_groups:read', 'audit_log:read'], 'Sees everything, changes nothing.'],
        ['Contractor: Meridian', [], 'Until the engagement ends.'],
    ]) {
        groups[name] = (await call('create_access_group', { name, permissions, description })).access_group.id;
    }
    const people = {};
    for (const [email, first_name, last_name, access_groups, joins] of [
        ['hakan@larkspur.example', 'Håkan', 'Sjöbloem', [], true],
        ['lukasz@larkspur.example', 'Łukasz', 'Wiśniowski', [], true],
        ['oksana.petrenko@larkspur.example', 'Oksana', 'Petrenko', ['Support', 'Read-only Auditor'], true],
        ['maximiliana-theodora.vonhohenbruck-altendorf@international-operations.larkspur.example', 'Maximiliana-Theodora', 'von Hohenbruck-Altendorf y Castellanos', ['Support'], true],
        ['misaki.sato@larkspur.example', '美咲', '佐藤', ['Support'], false],
        ['layla.alhaddad@larkspur.example', 'ليلى', 'الحداد', ['Support'], true],
        ['dana@meridian-customs.example', 'Dana', '(Vendor)', ['Contractor: Meridian'], false],
    ]) {
        people[email] = (await call('invite_user', { email, first_name, last_name, access_groups })).user.id;
        if (joins) await join_as(email, first_name, last_name);
    }
    await call('update_user', { user: 'oksana.petrenko@larkspur.example', slack_id: 'U06WQ8T2M4A' });
    await call('deactivate_user', { user: 'hakan@larkspur.example', reason: 'Left the company.' });
    return {
        oksana: people['oksana.petrenko@larkspur.example'], dana: people['dana@meridian-customs.example'],
        hakan: people['hakan@larkspur.example'], group: groups.Support, invite: await link_of('misaki.sato@larkspur.example'),
    };
}

async function sign_in(page, email) {
    await page.send('Network.clearBrowserCookies');
    if (email === null) return;
    if (email === undefined) {
        await page.open(said.sign_in_url);
        await page.loading(() => page.click('button[value=go], form button'));
        return;
    }
    await page.open(`${base}/sign-in/${said.org}`);
    await page.type('input[name=email]', email);
    await page.type('input[name=password]', PASSWORD);
    await page.loading(() => page.click('.wide[value=password]'));
}

const ids = await fill();
const browser = await Browser.start();
const shown = [];
try {
    const page = await browser.page();
    let who = 'nobody yet';
    for (const [file, path, title, as] of PAGES) {
        if (as !== who) await sign_in(page, as);
        who = as;
        page.documents = [];
        const place = path.replace(/\{(\w+)\}/g, (_, name) => ids[name]);
        await page.open(place.startsWith('/') ? base + place : place);
        if (page.documents.at(-1)?.status === 404 && file !== 'not-found') throw new Error(`${file}: there is no such page`);
        for (const [width, scheme] of LOOKS) {
            await page.appear(width, scheme);
            const clip = { x: 0, y: 0, width, height: width > 500 ? 900 : 760, scale: SCALE[width] };
            const { data } = await page.send('Page.captureScreenshot', { format: 'webp', quality: 80, clip });
            writeFileSync(join(folder, `${file}-${width}-${scheme}.webp`), Buffer.from(data, 'base64'));
        }
        shown.push([file, title]);
    }
} finally {
    await browser.end();
}
const picture = (file, width, scheme) => `![${width} pixels, ${scheme}](${file}-${width}-${scheme}.webp)`;
const rows = shown.map(([file, title]) => `## ${title}\n\n${LOOKS.map(([width, scheme]) => picture(file, width, scheme)).join('\n')}\n`);
writeFileSync(join(folder, 'README.md'), `# The pages\n\nMade by \`tests/gallery\`, of a server with a sample organization.\n\n${rows.join('\n')}`);
