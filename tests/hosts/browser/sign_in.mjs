// A person signs in in a browser: sign_in.mjs BASE ORGANIZATION ADDRESS PASSWORD. Asks for a mailed link, reads it from standard
// input, opens it, looks at their page, signs out, and comes back by password. Says in one line of JSON what was seen on the way.
// USHER_TEST_SHOTS names a folder for pictures, for people to look at.

import { mkdirSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { Browser } from './chromium.mjs';

const [base, organization, address, password] = process.argv.slice(2);
const shots = process.env.USHER_TEST_SHOTS;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const browser = await Browser.start();
const seen = { wide: {}, headings: {} };
try {
    const page = await browser.page();
    const look = async name => {
        for (const [width, scheme] of [[360, 'light'], [360, 'dark'], [1600, 'light'], [1600, 'dark']]) {
            await page.appear(width, scheme);
            if ((await page.look()).wide) seen.wide[`${name} at ${width}`] = true;
            if (shots) {
                mkdirSync(shots, { recursive: true });
                writeFileSync(join(shots, `${name}-${width}-${scheme}.png`), await page.picture());
            }
        }
        await page.send('Emulation.clearDeviceMetricsOverride');
        const now = await page.look();
        seen.headings[name] = now.heading;
        return now;
    };
    await page.open(`${base}/sign-in`);
    await look('sign-in');
    await page.type('#em', address);
    await page.loading(() => page.click('button[value=link]'));
    await look('sent');
    // The mail is read outside of the browser.
    process.stdout.write('asked\n');
    const link = (await lines.next()).value;
    await page.open(link);
    seen.link = await look('link');
    await page.loading(() => page.click('form button.primary'));
    seen.start = await page.look();
    await page.open(`${base}/me`);
    seen.me = await look('me');
    seen.cookies = await page.cookies();
    await page.open(link);
    await look('used');
    await page.open(`${base}/me`);
    await page.loading(() => page.click('footer button'));
    await page.open(`${base}/sign-in/${organization}`);
    await page.type('#em', address);
    await page.type('#pw', 'not the password at all');
    await page.loading(() => page.click('button.primary[value=password]'));
    seen.refused = await look('refused');
    await page.type('#pw', password);
    // Enter sends the form as its first button does.
    await page.loading(async () => {
        for (const type of ['keyDown', 'keyUp']) {
            await page.send('Input.dispatchKeyEvent', { type, key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13, text: type === 'keyDown' ? '\r' : undefined });
        }
    });
    seen.back = await page.look();
    seen.complaints = page.complaints;
    seen.requests = page.requests.map(({ url, referer }) => ({ url, referer }));
} finally {
    await browser.end();
}
console.log(JSON.stringify(seen));
// Else this program waits for more to read.
process.stdin.destroy();
