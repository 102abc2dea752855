// Every page in every state: pages.mjs FOLDER, with an HTML file for each and the assets beside them. Says in one line of JSON, for
// every file, what axe complains of in both schemes, wide and on a phone, what the browser complains of, and whether the page is
// wider than its window. USHER_TEST_SHOTS names a folder for pictures, for people to look at.

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { basename, extname, join } from 'node:path';
import { Browser } from './chromium.mjs';

const axe = readFileSync(createRequire(`${process.env.USHER_TEST_NODE_PREFIX}/`).resolve('axe-core/axe.min.js'), 'utf8');
const shots = process.env.USHER_TEST_SHOTS;
const folder = process.argv[2];
const TYPES = { '.html': 'text/html', '.css': 'text/css', '.svg': 'image/svg+xml' };
// What fades in is looked at when it is there.
const CHECK = "Promise.all(document.getAnimations().map(moving => moving.finished)).then(() => axe.run()).then(found => found.violations.flatMap(rule => rule.nodes.map(node => rule.id + ': ' + node.html)))";

const server = createServer((request, response) => {
    response.setHeader('content-type', TYPES[extname(request.url)]);
    response.end(readFileSync(join(folder, request.url)));
});
await new Promise(done => server.listen(0, '127.0.0.1', done));

const browser = await Browser.start();
const seen = {};
try {
    const page = await browser.page();
    for (const file of readdirSync(folder).filter(file => file.endsWith('.html'))) {
        const name = basename(file, '.html');
        page.complaints = [];
        await page.open(`http://127.0.0.1:${server.address().port}/${file}`);
        await page.run(axe);
        seen[name] = { axe: [], wide: false };
        for (const [width, scheme] of [[360, 'light'], [360, 'dark'], [1280, 'light'], [1280, 'dark']]) {
            await page.appear(width, scheme);
            seen[name].axe.push(...(await page.run(CHECK)).map(complaint => `${width} ${scheme}: ${complaint}`));
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
