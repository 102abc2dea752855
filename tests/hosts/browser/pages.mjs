// Every page in every state: pages.mjs FOLDER, with an HTML file for each and the assets beside them. Says in one line of JSON, for
// every file, what axe complains of in both schemes, wide and on a phone, what the browser complains of, and whether the page is
// wider than its window. USHER_TEST_SHOTS names a folder for pictures, for people to look at.

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, extname, join } from 'node:path';
import { LOOKS, complaints, prepare } from './axe.mjs';
import { Browser } from './chromium.mjs';

const shots = process.env.USHER_TEST_SHOTS;
const folder = process.argv[2];
// What a page is made of, without its words: axe says the same of two that differ in words alone.
const SHAPE = `[...document.querySelectorAll('html, body, body *')].map(it => [it.tagName, ...[...it.attributes].map(({ name, value }) =>
    ['action', 'datetime', 'href', 'value'].includes(name) ? name : name + '=' + value),
    [...it.childNodes].some(inside => inside.nodeType === Node.TEXT_NODE && inside.data.trim())].join(' ')).join()`;
const TYPES = { '.html': 'text/html', '.css': 'text/css', '.svg': 'image/svg+xml' };

const server = createServer((request, response) => {
    response.setHeader('content-type', TYPES[extname(request.url)]);
    response.end(readFileSync(join(folder, request.url)));
});
await new Promise(done => server.listen(0, '127.0.0.1', done));

const browser = await Browser.start();
const seen = {};
const shapes = new Set();
try {
    const page = await browser.page();
    for (const file of readdirSync(folder).filter(file => file.endsWith('.html'))) {
        const name = basename(file, '.html');
        page.complaints = [];
        await page.open(`http://127.0.0.1:${server.address().port}/${file}`);
        const shape = await page.run(SHAPE);
        const known = shapes.has(shape);
        shapes.add(shape);
        if (!known) await prepare(page);
        seen[name] = { axe: [], wide: false };
        for (const [width, scheme] of LOOKS) {
            await page.appear(width, scheme);
            if (!known) seen[name].axe.push(...(await complaints(page, [width, scheme])));
            seen[name].wide ||= (await page.look()).wide;
            if (shots) {
                mkdirSync(shots, { recursive: true });
                writeFileSync(join(shots, `${name}-${width}-${scheme}.png`), await page.picture());
            }
        }
        seen[name].complaints = page.complaints;
    }
} finally {
    await browser.end();
    server.close();
}
process.stdout.write(`${JSON.stringify(seen)}\n`);
