// Mails as a reader shows them: letters.mjs FILE…, HTML each. Says in one line of JSON, for every file, what axe complains of in
// a light and a dark reader, wide and on a phone, what it asked of others, and whether it is wider than its window.
// USHER_TEST_SHOTS names a folder for pictures, for people to look at.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Browser } from './chromium.mjs';

const axe = readFileSync(createRequire(`${process.env.USHER_TEST_NODE_PREFIX}/`).resolve('axe-core/axe.min.js'), 'utf8');
const shots = process.env.USHER_TEST_SHOTS;
// What could not be decided about a contrast counts as a complaint.
const CHECK = `axe.run().then(found => [...found.violations, ...found.incomplete.filter(rule => rule.id === 'color-contrast')]
    .flatMap(rule => rule.nodes.map(node => rule.id + ': ' + node.html)))`;

const browser = await Browser.start();
const seen = {};
try {
    for (const file of process.argv.slice(2)) {
        const page = await browser.page();
        await page.open(pathToFileURL(file).href);
        const name = basename(file, '.html');
        const requests = page.requests.map(({ url }) => url).filter(url => !url.startsWith('file:'));
        seen[name] = { requests, complaints: [], wide: false, grounds: {} };
        await page.run(axe);
        for (const [width, scheme] of [[360, 'light'], [360, 'dark'], [1280, 'light'], [1280, 'dark']]) {
            const picture = await page.shot(width, scheme);
            seen[name].complaints.push(...(await page.run(CHECK)).map(complaint => `${width} ${scheme}: ${complaint}`));
            seen[name].wide ||= (await page.look()).wide;
            seen[name].grounds[scheme] = await page.run(`getComputedStyle(document.querySelector('.card')).backgroundColor`);
            if (shots) {
                mkdirSync(shots, { recursive: true });
                writeFileSync(join(shots, `mail-${name}-${width}-${scheme}.png`), picture);
            }
        }
    }
} finally {
    await browser.end();
}
process.stdout.write(`${JSON.stringify(seen)}\n`);
