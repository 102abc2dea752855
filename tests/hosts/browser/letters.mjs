// Mails as a reader shows them: letters.mjs FILE…, HTML each. Says in one line of JSON, for every file, what axe complains of in
// a light and a dark reader, wide and on a phone, what it asked of others, and whether it is wider than its window.
// USHER_TEST_SHOTS names a folder for pictures, for people to look at.

import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LOOKS, complaints, prepare } from './axe.mjs';
import { Browser } from './chromium.mjs';

const shots = process.env.USHER_TEST_SHOTS;

const browser = await Browser.start();
const seen = {};
try {
    const page = await browser.page();
    for (const file of process.argv.slice(2)) {
        page.requests = [];
        await page.open(pathToFileURL(file).href);
        const name = basename(file, '.html');
        const requests = page.requests.map(({ url }) => url).filter(url => !url.startsWith('file:'));
        seen[name] = { requests, complaints: [], wide: false, grounds: {} };
        await prepare(page);
        for (const [width, scheme] of LOOKS) {
            await page.appear(width, scheme);
            // What could not be decided about a contrast counts as a complaint.
            seen[name].complaints.push(...(await complaints(page, [width, scheme], ['violations', 'incomplete'])));
            seen[name].wide ||= (await page.look()).wide;
            seen[name].grounds[scheme] = await page.run(`getComputedStyle(document.querySelector('.card')).backgroundColor`);
            if (shots) {
                mkdirSync(shots, { recursive: true });
                writeFileSync(join(shots, `mail-${name}-${width}-${scheme}.png`), await page.picture());
            }
        }
    }
} finally {
    await browser.end();
}
process.stdout.write(`${JSON.stringify(seen)}\n`);
