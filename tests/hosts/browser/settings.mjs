// An Administrator resets somebody's second factor and password in a browser, and somebody else chooses a new password:
// settings.mjs LINK RESET EMAIL, of which the first signs the Administrator in, and the second was mailed to that address. Says in
// one line of JSON what was seen on the way, and what axe complains of in both schemes, wide and on a phone.
// USHER_TEST_SHOTS names a folder for pictures, for people to look at.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOOKS, complaints, prepare } from './axe.mjs';
import { Browser } from './chromium.mjs';

const shots = process.env.USHER_TEST_SHOTS;

const browser = await Browser.start();
const seen = { wide: {}, pages: {}, axe: [] };
try {
    const page = await browser.page();
    const look = async name => {
        await prepare(page);
        for (const [width, scheme] of LOOKS) {
            await page.appear(width, scheme);
            seen.axe.push(...(await complaints(page, [width, scheme])).map(complaint => `${name} ${complaint}`));
            if ((await page.look()).wide) seen.wide[`${name} at ${width}`] = true;
            if (shots) {
                mkdirSync(shots, { recursive: true });
                writeFileSync(join(shots, `${name}-${width}-${scheme}.png`), await page.picture());
            }
        }
        await page.send('Emulation.clearDeviceMetricsOverride');
        seen.pages[name] = await page.look();
    };
    const { origin } = new URL(process.argv[2]);
    await page.open(process.argv[2]);
    await page.loading(() => page.click('form button.primary'));
    await page.open(`${origin}/me`);
    await page.loading(() => page.click('a[href$="/settings/second-factor"]'));
    await look('factors');
    await page.loading(() => page.click('a.danger'));
    await look('reset');
    await page.loading(() => page.click('form button.danger'));
    await look('done');
    await page.open(`${origin}/me`);
    await page.loading(() => page.click('a[href$="/settings/passwords"]'));
    await look('passwords');
    await page.type('#em', 'nobody@example.com');
    await page.loading(() => page.click('form button'));
    await look('nobody');
    await page.loading(() => page.click('li a[href*="/settings/passwords/"]'));
    await look('start');
    await page.loading(() => page.click('form button.primary'));
    await look('mailed');
    await page.open(process.argv[3]);
    await look('choose');
    await page.type('#em', 'nobody@example.com');
    await page.type('#np', 'nine quiet herons read the tide');
    await page.loading(() => page.click('form button.primary'));
    await look('other address');
    await page.type('#em', process.argv[4]);
    await page.type('#np', 'nine quiet herons read the tide');
    await page.loading(() => page.click('form button.primary'));
    await page.open(`${origin}/me`);
    await look('me');
    seen.complaints = page.complaints;
} finally {
    await browser.end();
}
process.stdout.write(`${JSON.stringify(seen)}\n`);
