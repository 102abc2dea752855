// Somebody makes a token on their page and turns the lights out: tools.mjs LINK, which signs them in. Says in one line of JSON what
// was seen on the way. USHER_TEST_SHOTS names a folder for pictures, for people to look at.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Browser } from './chromium.mjs';

const shots = process.env.USHER_TEST_SHOTS;
const TOKEN = "document.querySelector('.card.new .copy')";

const browser = await Browser.start();
const seen = {};
try {
    const page = await browser.page();
    const look = async name => {
        for (const [width, scheme] of shots ? [[360, 'light'], [1280, 'dark']] : []) {
            await page.appear(width, scheme);
            mkdirSync(shots, { recursive: true });
            writeFileSync(join(shots, `${name}-${width}-${scheme}.png`), await page.picture());
        }
        await page.appear(1280, 'light');
        return page.look();
    };
    await page.open(process.argv[2]);
    await page.loading(() => page.click('form button.primary'));
    seen.start = await look('start');
    await page.loading(() => page.click('a[href$="/me/tools"].btn'));
    seen.tools = await look('tools');
    await page.loading(() => page.click('a[href$="/me/tools/new"]'));
    seen.focus = await page.run('document.activeElement.name');
    await page.type('#t-label', 'Cursor, work laptop');
    await page.loading(() => page.click('dialog button.primary'));
    seen.made = await look('made');
    seen.token = await page.run(`${TOKEN}.innerText`);
    await page.click('.card.new .copy');
    seen.selected = await page.run('getSelection().toString()');
    await page.loading(() => page.send('Page.reload'));
    seen.again = await page.look();
    await page.open(new URL('/me/tools', process.argv[2]).href);
    seen.ground = [await page.run('getComputedStyle(document.body).backgroundColor')];
    await page.click('button.who');
    await page.loading(() => page.click('button[name=theme][value=dark]'));
    seen.ground.push(await page.run('getComputedStyle(document.body).backgroundColor'));
    seen.dark = await look('dark');
    seen.complaints = page.complaints;
} finally {
    await browser.end();
}
process.stdout.write(`${JSON.stringify(seen)}\n`);
