// Everything of the help article, in one browser with several profiles: article.mjs PLAN, with the JSON of where the server is and who
// is there. What only the test can do, a mail, a call of a tool, time that goes by, it asks for on a line of its own, and reads the
// answer from standard input. Says in its last line of JSON what was seen on the way.
// USHER_TEST_SHOTS names a folder for pictures, for people to look at.

import { mkdirSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { Browser, SHIFT, until } from './chromium.mjs';

const { base, org, password, admin, boss, nobody, second, groups, people } = JSON.parse(process.argv[2]);
const shots = process.env.USHER_TEST_SHOTS;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const seen = { wide: [], scripts: [], complaints: [] };
const pages = [];

async function ask(...what) {
    process.stdout.write(`${JSON.stringify({ ask: what })}\n`);
    return JSON.parse((await lines.next()).value);
}
const call = (tool, args) => ask('call', tool, args);
const mailed = (email, nth = 1) => ask('link', email, nth);
/** What was done to somebody, by the log: only what went through. */
const done = async user => (await call('list_audit_events', { user, outcome: 'done', limit: 100 })).events.map(({ action }) => action);

async function known(page) {
    pages.push(page);
    // Its window may stand behind another one.
    await page.send('Emulation.setFocusEmulationEnabled', { enabled: true });
    await page.appear(1280, 'light');
    return page;
}

/** What a person reads here; noted where they would have to scroll sideways on a phone, or where anything could run. */
async function look(page, name) {
    await page.appear(360, 'light');
    if ((await page.look()).wide) seen.wide.push(name);
    if (shots) {
        mkdirSync(shots, { recursive: true });
        writeFileSync(join(shots, `${name}-360.png`), await page.picture());
    }
    await page.appear(1280, 'light');
    if (shots) writeFileSync(join(shots, `${name}-1280.png`), await page.picture());
    if (await page.run('document.scripts.length')) seen.scripts.push(name);
    return { ...await page.look(), ...await page.run(`({ path: location.pathname,
        toast: document.querySelector('.toast p')?.innerText ?? null, alert: document.querySelector('[role=alert]')?.innerText ?? null,
        errors: [...document.querySelectorAll('.err')].map(it => it.innerText), hints: [...document.querySelectorAll('.hint')].map(it => it.innerText),
        ticked: [...document.querySelectorAll(':checked')].map(it => it.closest('label')?.innerText.split('\\n')[0].trim()),
        buttons: [...document.querySelectorAll('main button, dialog button, main .btn, dialog .btn')].map(it => it.innerText.trim()),
        rows: [...document.querySelectorAll('tbody tr')].map(row => row.innerText.split(/\\s+/).join(' ')),
        side: [...document.querySelectorAll('nav.side h2, nav.side a, nav.side p')].map(it => it.innerText.trim()) })`) };
}

async function enter(page, email) {
    await page.open(`${base}/sign-in/${org}`);
    await page.type('#em', email);
    await page.type('#pw', password);
    await page.loading(() => page.click('button.primary[value=password]'));
}
const link = (page, selector) => page.loading(() => page.click(selector));
const focus = page => page.run(`{ const at = document.activeElement; at.name || at.innerText || at.className; }`);
const id_of = async email => (await call('get_user', { user: email })).user.id;

async function type_invite(page, email, first, last) {
    await page.type('#in-mail', email);
    await page.type('#i-first', first);
    await page.type('#i-last', last);
}

// ---- on the keyboard ----------------------------------------------------------------------------------------------

/** Where the focus is, and whether whoever looks can see that: a ring around it, or around the row or choice it belongs to. */
const SHOWN = `{ const at = document.activeElement; const ring = it => it && getComputedStyle(it).outlineStyle !== 'none' && parseFloat(getComputedStyle(it).outlineWidth) > 0;
    const box = at.getBoundingClientRect(); const on = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    ({ at: at.outerHTML.slice(0, 120), ring: [at, at.closest('tr'), at.closest('.pick')].some(ring),
       there: box.width > 1 && box.height > 1 && !!on && (at.contains(on) || on.contains(at) && on.closest('label, tr') !== null) }) }`;
const unseen = [];

async function step(page, key, modifiers) {
    await page.press(key, modifiers);
    const { at, ring, there } = await page.run(SHOWN);
    if (!at.startsWith('<body') && !(ring && there)) unseen.push(`${ring ? 'covered' : 'no ring'}: ${at} on ${await page.run('location.pathname')}`);
}

/** Goes on, or back, until the focus is there. */
async function tab_to(page, selector, modifiers = 0) {
    for (let n = 0; n < 60; n += 1) {
        await step(page, 'Tab', modifiers);
        if (await page.run(`document.activeElement.matches(${JSON.stringify(selector)})`)) return n + 1;
    }
    throw new Error(`${selector}: the focus never comes there from ${await page.run('document.activeElement.outerHTML')}`);
}
const says = (page, text) => page.send('Input.insertText', { text });
const through = (page, key) => page.loading(() => page.press(key));

// ---- the scenes ---------------------------------------------------------------------------------------------------

const DANA = 'dana@example.com';
const LEE = 'lee@example.com';

/** The numbered steps of the article. */
async function article(browser, ana) {
    await enter(ana, boss);
    await ana.open(`${base}/access-groups`);
    await link(ana, 'nav.side a[href$="/users"]');
    seen.users = await look(ana, 'users');
    seen.users.columns = await ana.run(`[...document.querySelectorAll('thead th')].map(it => it.innerText.trim())`);

    await link(ana, 'a[href$="/users/invite"]');
    seen.invite = await look(ana, 'invite');
    seen.invite.focus = await focus(ana);
    await type_invite(ana, DANA, 'Dana', '(Vendor)');
    await link(ana, 'dialog button[value=invite]');
    seen.invited = await look(ana, 'invited');

    await link(ana, 'a[href$="/users/invite"]');
    await type_invite(ana, DANA, 'Dana', 'Again');
    await link(ana, 'dialog button[value=invite]');
    seen.taken = await look(ana, 'taken');
    await link(ana, '#in-mail-e a');
    seen.taken.leads_to = await ana.run(`document.querySelector('h1').innerText`);

    const dana = await known(await browser.stranger());
    await dana.open(await mailed(DANA));
    seen.accept = await look(dana, 'accept');
    await dana.type('#ln', 'Whitfield');
    await dana.type('#np', password);
    await link(dana, 'button.primary');
    seen.joined = await look(dana, 'joined');
    await ana.open(`${base}/users`);
    seen.active = await look(ana, 'active');

    const id = await id_of(DANA);
    await link(ana, `tbody tr:has(a[href$="/users/${id}"])`);
    seen.detail = await look(ana, 'detail');
    await ana.type('#first_name', 'Dana Lee');
    await ana.click('input[name=role][value=administrator]');
    await link(ana, 'form.card footer .primary');
    seen.saved = await look(ana, 'saved');
    seen.saved.user = (await call('get_user', { user: DANA })).user;
    await ana.click('input[name=role][value=user]');
    await link(ana, 'form.card footer .primary');

    await link(ana, '.tabs a[href$="/access-groups"]');
    seen.no_groups = await look(ana, 'no-groups');
    await link(ana, 'a[href$="/access-groups/add"]');
    for (const group of [groups.support, groups.billing]) await ana.click(`dialog input[value="${group}"]`);
    ana.requests = [];
    await link(ana, 'dialog .primary');
    seen.in_groups = await look(ana, 'in-groups');
    seen.in_groups.posts = ana.requests.filter(({ method }) => method === 'POST').length;

    await link(dana, 'a.primary');
    seen.dana_before = await look(dana, 'dana-before');
    await link(ana, '.tabs a:first-child');
    await link(ana, '.switch');
    seen.confirm = await look(ana, 'confirm');
    seen.confirm.focus = await focus(ana);
    seen.confirm.status = (await call('get_user', { user: DANA })).user.status;
    await link(ana, 'dialog .danger');
    seen.deactivated = await look(ana, 'deactivated');
    // Her own browser stood open all the while.
    await link(dana, 'nav.side a[href$="/users"]');
    seen.dana_after = await look(dana, 'dana-after');

    await call('invite_user', { email: LEE, first_name: 'Lee', last_name: 'Okafor' });
    await ana.open(`${base}/users/${await id_of(LEE)}`);
    seen.pending = await look(ana, 'pending');
    const first = await mailed(LEE);
    await link(ana, 'form[action$="/resend"] button');
    seen.resent = await look(ana, 'resent');
    const newer = await mailed(LEE, 2);
    await ask('tamper', 'UPDATE links SET sent_at = sent_at - 604801000, expires_at = expires_at - 604801000');
    await dana.open(first);
    seen.replaced = await look(dana, 'replaced');
    await dana.open(newer);
    seen.expired = await look(dana, 'expired');
    await ana.open(`${base}/users`);
    seen.expired_row = await look(ana, 'expired-row');
    await link(ana, 'form[action$="/resend"] button');
    seen.resent_row = await look(ana, 'resent-row');
    await dana.open(await mailed(LEE, 3));
    seen.fresh = await look(dana, 'fresh');
}

/** A User without permissions. */
async function blank(browser) {
    const kim = await known(await browser.stranger());
    await enter(kim, nobody);
    seen.blank = await look(kim, 'blank');
    seen.blank.links = await kim.run(`document.querySelectorAll('nav.side a').length`);
}

/** Names that mean something to browsers, or are long, or run the other way. */
async function names(ana) {
    seen.names = {};
    const id = await id_of(people[0].email);
    for (const [name, path] of [['users', '/users'], ['person', `/users/${id}`], ['group', `/access-groups/${groups.support}`], ['audit', '/audit'],
        ['add people', `/access-groups/${groups.billing}/add`]]) {
        await ana.open(base + path);
        seen.names[name] = await look(ana, `names-${name}`);
        seen.names[name].apart = await ana.run(`[...document.querySelectorAll('main bdi, dialog bdi')].every(it => getComputedStyle(it).unicodeBidi === 'isolate')`);
    }
    await ana.open(`${base}/users/invite`);
    await type_invite(ana, 'turned@example.com', 'Ana', 'R\u202eziu');
    await link(ana, 'dialog button[value=invite]');
    seen.turned = await look(ana, 'turned');
}

/** Two Administrators, two browsers, one person. */
async function conflict(ana, first) {
    const at = `${base}/users/${await id_of(LEE)}`;
    await ana.open(at);
    await first.open(at);
    await first.type('#last_name', 'Quick');
    await link(first, 'form.card footer .primary');
    await ana.type('#last_name', 'Slow');
    await ana.click('input[name=role][value=administrator]');
    await link(ana, 'form.card footer .primary');
    seen.conflict = await look(ana, 'conflict');
    seen.conflict.user = (await call('get_user', { user: LEE })).user;
    await link(ana, 'form.card footer .primary');
    seen.decided = await look(ana, 'decided');
    seen.decided.user = (await call('get_user', { user: LEE })).user;
}

/** One tab stays behind when another one switches to a second organization. */
async function two_tabs(ana, other) {
    const switched = async tab => {
        await tab.open(`${base}/users`);
        await tab.click('button[popovertarget=orgs]');
        await link(tab, '#orgs form button');
        await tab.open(`${base}/users`);
        return tab.run(`document.querySelector('[popovertarget=orgs] bdi').innerText`);
    };
    await ana.open(`${base}/users/invite`);
    await type_invite(ana, 'late@example.com', 'Late', 'Tab');
    seen.switched = await switched(other);
    await link(ana, 'dialog button[value=invite]');
    seen.moved = await look(ana, 'moved');
    seen.moved.found = (await call('list_users', { query: 'late@example.com' })).total;
    seen.second = await look(other, 'second');
    await switched(other);
}

/** What hands do beside a single click. */
async function twice(ana) {
    const email = 'twice@example.com';
    const count = async () => ({ events: await done(email), mails: await ask('mails', email) });
    await ana.open(`${base}/users/invite`);
    await type_invite(ana, email, 'Twice', 'Clicked');
    await ana.click('dialog button[value=invite]', 2);
    await until('the roster', () => ana.run(`location.pathname === '/users' && document.readyState === 'complete'`));
    seen.double = { ...await look(ana, 'double'), ...await count() };
    await ana.loading(() => ana.send('Page.reload'));
    seen.reloaded = { ...await look(ana, 'reloaded'), ...await count() };
    await ana.run('history.back()');
    await until('the form', () => ana.run(`!!document.querySelector('#in-mail') && document.readyState === 'complete'`));
    seen.back = await look(ana, 'back');
    await link(ana, 'dialog button[value=invite]');
    seen.back_sent = { ...await look(ana, 'back-sent'), ...await count() };
    // A refusal, loaded again: the browser sends the form once more.
    await ana.open(`${base}/users/invite`);
    await type_invite(ana, email, 'Twice', 'Typed');
    await link(ana, 'dialog button[value=invite]');
    await ana.loading(() => ana.send('Page.reload'));
    seen.refused_again = { ...await look(ana, 'refused-again'), ...await count() };

    // A form of before somebody else changed what it is about.
    const id = await id_of(LEE);
    await ana.open(`${base}/users/${id}/access-groups/add`);
    for (const group of [groups.support, groups.gone]) await ana.click(`dialog input[value="${group}"]`);
    await call('delete_access_group', { access_group: groups.gone });
    await link(ana, 'dialog .primary');
    seen.stale = await look(ana, 'stale');
    seen.stale.groups = (await call('get_user', { user: LEE })).user.access_groups.length;
    // The same deactivation, from a page that was drawn before somebody else did it.
    await ana.open(`${base}/users/${await id_of(email)}/deactivate`);
    await call('deactivate_user', { user: email });
    await link(ana, 'dialog .danger');
    seen.late = { ...await look(ana, 'late'), ...await count() };
}

/** From the door on, without a mouse. */
async function keyboard(browser) {
    const page = await known(await browser.stranger());
    const at = seen.keyboard = { focus: {} };
    await page.open(`${base}/sign-in/${org}`);
    await says(page, boss);
    await tab_to(page, '#pw');
    await says(page, password);
    await through(page, 'Enter');
    at.start = await page.run('location.pathname');

    await tab_to(page, '.skip');
    await page.press('Enter');
    at.skipped = await page.run('location.hash');
    await tab_to(page, 'a[href$="/users/invite"]');
    await through(page, 'Enter');
    at.focus.invite = await focus(page);
    // The way out leads back to where one came from.
    await tab_to(page, 'dialog header a', SHIFT);
    await through(page, 'Enter');
    at.closed = await page.run('location.pathname');
    at.focus.closed = await focus(page);
    await tab_to(page, 'button.who');
    await page.press('Enter');
    at.menu = await page.run(`document.querySelector('#you').matches(':popover-open')`);
    await step(page, 'Tab');
    at.focus.menu = await focus(page);
    await page.press('Escape');
    at.menu_closed = !await page.run(`document.querySelector('#you').matches(':popover-open')`);
    at.focus.menu_closed = await page.run(`document.activeElement.className`);

    await page.open(`${base}/users`);
    await tab_to(page, 'a[href$="/users/invite"]');
    await through(page, 'Enter');
    await says(page, 'keys@example.com');
    await step(page, 'Tab');
    await says(page, 'Only');
    await step(page, 'Tab');
    await says(page, 'Keys');
    await step(page, 'Tab');
    await step(page, 'ArrowDown');
    at.down = await page.run(`document.querySelector('[name=role]:checked').value`);
    await step(page, 'ArrowUp');
    at.up = await page.run(`document.querySelector('[name=role]:checked').value`);
    await tab_to(page, 'input[type=checkbox]');
    await page.press(' ');
    await tab_to(page, 'button[value=invite]');
    await through(page, 'Enter');
    at.invited = await look(page, 'keyboard-invited');
    at.user = (await call('get_user', { user: 'keys@example.com' })).user;
    const id = await id_of(nobody);
    await tab_to(page, `a[href$="/users/${id}"]`);
    await through(page, 'Enter');
    at.person = await page.run(`document.querySelector('h1').innerText`);
    await tab_to(page, '.switch');
    await through(page, ' ');
    at.focus.confirm = await focus(page);
    await through(page, 'Enter');
    at.kept = await page.run('location.pathname');
    at.focus.kept = await page.run('document.activeElement.className');
    at.kept_status = (await call('get_user', { user: id })).user.status;
    await through(page, 'Enter');
    await step(page, 'Tab');
    at.focus.act = await focus(page);
    await through(page, 'Enter');
    at.deactivated = await look(page, 'keyboard-deactivated');
    at.status = (await call('get_user', { user: id })).user.status;
    at.unseen = unseen;
}

/** What goes by while somebody types. */
async function meanwhile(ana) {
    const at = `${base}/users/${await id_of(LEE)}`;
    await ana.open(at);
    await ana.type('#last_name', 'Restarted');
    await ask('restart');
    await link(ana, 'form.card footer .primary');
    seen.restarted = await look(ana, 'restarted');
    seen.restarted.user = (await call('get_user', { user: LEE })).user;
    await ana.type('#first_name', 'Typed');
    await ana.type('#last_name', 'In Vain');
    await ask('tamper', `UPDATE credentials SET expires_at = expires_at - 86400000, created_at = created_at - 86400000
        WHERE kind = 'session' AND user_key IN (SELECT key FROM users WHERE email = '${boss}')`);
    await link(ana, 'form.card footer .primary');
    seen.ended = await look(ana, 'ended');
    seen.ended.user = (await call('get_user', { user: LEE })).user;
    await link(ana, 'a.primary');
    seen.ended.leads_to = await ana.run('location.pathname');
}

/** Whoever is the last Administrator stays one. */
async function last(first) {
    const at = `${base}/users/${await id_of(admin)}`;
    await first.open(at);
    await call('update_user', { user: boss, role: 'User' });
    await first.click('input[name=role][value=user]');
    await link(first, 'form.card footer .primary');
    seen.last = await look(first, 'last');
    await first.open(at);
    seen.locked = await look(first, 'locked');
    seen.locked.switch = await first.run(`document.querySelector('.switch').disabled`);
    await first.open(`${at}/deactivate`);
    seen.last_off = await look(first, 'last-off');
    seen.last.user = (await call('get_user', { user: admin })).user;
}

const browser = await Browser.start();
try {
    const ana = await known(await browser.page());
    const other = await known(await browser.page());
    await other.open(second);
    await link(other, 'form button.primary');
    const first = await known(await browser.stranger());
    await first.open(`${base}${new URL(process.argv[3]).pathname}`);
    await link(first, 'form button.primary');
    for (const [name, scene] of Object.entries({
        article: () => article(browser, ana), blank: () => blank(browser), names: () => names(ana), conflict: () => conflict(ana, first),
        two_tabs: () => two_tabs(ana, other), twice: () => twice(ana), keyboard: () => keyboard(browser), meanwhile: () => meanwhile(ana),
        last: () => last(first),
    })) {
        const began = Date.now();
        try {
            await scene();
        } catch (error) {
            const stood = await Promise.all(pages.map(async page => (await page.look()).url));
            throw new Error(`${name}: ${error.message}; pages: ${stood.join(' ')}; so far: ${Object.keys(seen).at(-1)}`);
        }
        if (shots) console.error(`${name}: ${Date.now() - began} ms`);
    }
    for (const page of pages) {
        seen.complaints.push(...page.complaints);
        seen.foreign = (seen.foreign ?? []).concat(page.requests.map(({ url }) => url).filter(url => !url.startsWith(`${base}/`) && url !== 'about:blank'));
    }
} finally {
    await browser.end();
}
process.stdout.write(`${JSON.stringify({ seen })}\n`);
// Else this program waits for more to read.
process.stdin.destroy();
