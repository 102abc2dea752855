// A person joins through a provider, and later signs in again: sso.mjs LINK DOOR PERSON. Says in one line of JSON what was
// seen on the way. USHER_TEST_SHOTS names a folder for pictures, for people to look at.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Browser, until } from './chromium.mjs';

const [link, door, person] = process.argv.slice(2);
const shots = process.env.USHER_TEST_SHOTS;
const own = new URL(link).origin;
const seen = { wide: {} };

async function pictures(page, name) {
    seen.wide[name] = {};
    for (const [width, scheme] of [[360, 'light'], [360, 'dark'], [1600, 'light']]) {
        await page.appear(width, scheme);
        seen.wide[name][width] = (await page.look()).wide;
        if (shots) {
            mkdirSync(shots, { recursive: true });
            writeFileSync(join(shots, `${name}-${width}-${scheme}.png`), await page.picture());
        }
    }
    await page.send('Emulation.clearDeviceMetricsOverride');
}

/** Where the browser is, once it has come to rest on a page for which `is` holds. */
const rests = (page, what, is) => until(what, async () => {
    try {
        const look = await page.look();
        return is(look) ? look : null;
    } catch {
        return null; // between two pages
    }
});

/** Through the provider's own pages, as often as it asks. */
async function throughProvider(page, login) {
    await rests(page, 'the provider', look => !look.url.startsWith(own) && look.text.length > 0);
    for (;;) {
        const look = await rests(page, 'a page', found => found.text.length > 0 || found.url.startsWith(own));
        if (look.url.startsWith(own)) return look;
        if (login && look.fields.login) {
            await page.type('input[name=login]', person);
            await page.type('input[name=password]', 'any');
        }
        await page.loading(() => page.click('button[type=submit]'));
    }
}

const browser = await Browser.start();
try {
    const page = await browser.page();
    await page.open(link);
    seen.invite = await page.look();
    await pictures(page, 'sso-invite');
    await page.click('form button.primary');
    await throughProvider(page, true);
    seen.back = await rests(page, 'our page', look => look.url.startsWith(own) && look.heading !== null);
    await pictures(page, 'sso-back');
    seen.cookies = await page.cookies();
    await page.type('#fn', 'Ana Lena');
    await page.loading(() => page.click('button.primary'));
    seen.joined = await page.look();
    await pictures(page, 'sso-me');
    await page.loading(() => page.click('footer button'));

    await page.open(door);
    seen.door = await page.look();
    await pictures(page, 'sso-door');
    await page.click('form button.primary');
    seen.again = await rests(page, 'our page', look => look.url.startsWith(own) && look.heading === 'Sign in');
    await pictures(page, 'sso-again');
    await page.loading(() => page.click('button.primary'));
    seen.in = await page.look();
    seen.complaints = page.complaints;
    seen.requests = page.requests.filter(request => request.kind === 'Document');
} finally {
    await browser.end();
}
process.stdout.write(`${JSON.stringify(seen)}\n`);
