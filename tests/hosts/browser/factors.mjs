// An Administrator resets somebody's second factor in a browser: factors.mjs LINK, which signs the Administrator in. Says in one
// line of JSON what was seen on the way, and what axe complains of in both schemes, wide and on a phone.
// USHER_TEST_SHOTS names a folder for pictures, for people to look at.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Browser } from './chromium.mjs';

const axe = readFileSync(createRequire(`${process.env.USHER_TEST_NODE_PREFIX}/`).resolve('axe-core/axe.min.js'), 'utf8');
const shots = process.env.USHER_TEST_SHOTS;
const CHECK = "axe.run().then(found => found.violations.flatMap(rule => rule.nodes.map(node => rule.id + ': ' + node.html)))";

const browser = await Browser.start();
const seen = { wide: {}, pages: {}, axe: [] };
try {
    const page = await browser.page();
    const look = async name => {
        await page.run(axe);
        for (const [width, scheme] of [[360, 'light'], [360, 'dark'], [1280, 'light'], [1280, 'dark']]) {
            const picture = await page.shot(width, scheme);
            seen.axe.push(...(await page.run(CHECK)).map(complaint => `${name} ${width} ${scheme}: ${complaint}`));
            if ((await page.look()).wide) seen.wide[`${name} at ${width}`] = true;
            if (shots) {
                mkdirSync(shots, { recursive: true });
                writeFileSync(join(shots, `${name}-${width}-${scheme}.png`), picture);
            }
        }
        await page.send('Emulation.clearDeviceMetricsOverride');
        seen.pages[name] = await page.look();
    };
    await page.open(process.argv[2]);
    await page.loading(() => page.click('form button.primary'));
    await page.loading(() => page.click('a[href$="/settings/second-factor"]'));
    await look('factors');
    await page.loading(() => page.click('a.danger'));
    await look('reset');
    await page.loading(() => page.click('form button.danger'));
    await look('done');
    seen.complaints = page.complaints;
} finally {
    await browser.end();
}
process.stdout.write(`${JSON.stringify(seen)}\n`);
