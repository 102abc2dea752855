// Whoever stands on a page of a link goes on to another server: referer.mjs MARK LINK…; MARK is the cookie of the browser that
// asked for them. Says in one line of JSON what the other server was told, by link: with the mark, and in a browser without it.

import { createServer } from 'node:http';
import { Browser } from './chromium.mjs';

const [mark, ...links] = process.argv.slice(2);
const heard = [];
const other = createServer((request, response) => {
    if (request.url.startsWith('/from')) heard.push({ url: request.url, referer: request.headers.referer ?? null });
    response.setHeader('content-type', 'text/html');
    response.end('<h1>elsewhere</h1>');
});
await new Promise(done => other.listen(0, '127.0.0.1', done));

const seen = {};
for (const name of ['marked', 'other']) {
    const browser = await Browser.start();
    try {
        const page = await browser.page();
        if (name === 'marked') await page.send('Network.setCookie', { name: 'usher_browser', value: mark, url: links[0], httpOnly: true });
        seen[name] = [];
        for (const [n, link] of links.entries()) {
            await page.open(link);
            const { url, heading } = await page.look();
            const place = `http://localhost:${other.address().port}/from/${name}/${n}`;
            await page.loading(() => page.run(`{ const a = document.createElement('a'); a.href = '${place}'; document.body.append(a); a.click(); }`));
            const { referrer } = await page.look();
            seen[name].push({ url, heading, referrer });
        }
    } finally {
        await browser.end();
    }
}
other.close();
process.stdout.write(`${JSON.stringify({ ...seen, heard })}\n`);
