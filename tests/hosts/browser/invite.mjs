// A person opens an invite in a browser, and joins: invite.mjs LINK OTHER_LINK PASSWORD. Says in one line of JSON what was
// seen on the way. USHER_TEST_SHOTS names a folder for pictures, for people to look at.

import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Browser, until } from './chromium.mjs';

const [link, otherLink, password] = process.argv.slice(2);
const shots = process.env.USHER_TEST_SHOTS;
const base = new URL(link).origin;

async function pictures(page, name) {
    const narrow = {};
    for (const [width, scheme] of [[360, 'light'], [360, 'dark'], [1600, 'light'], [1600, 'dark']]) {
        await page.appear(width, scheme);
        narrow[width] = (await page.look()).wide;
        if (shots) {
            mkdirSync(shots, { recursive: true });
            writeFileSync(join(shots, `${name}-${width}-${scheme}.png`), await page.picture());
        }
    }
    await page.send('Emulation.clearDeviceMetricsOverride');
    return narrow;
}

const browser = await Browser.start();
const seen = { wide: {} };
try {
    // Another site, on another name of this machine: it frames the form, and posts to it.
    const page = await browser.page();
    await page.open(link);
    seen.form = await page.look();
    seen.cookies = await page.cookies();
    seen.wide.form = await pictures(page, 'accept');

    const hostile = createServer((request, response) => {
        response.setHeader('content-type', 'text/html');
        const frame = request.url === '/frame';
        response.end(frame
            ? `<h1>elsewhere</h1><iframe src="${seen.form.url}"></iframe>`
            : `<form method="post" action="${seen.form.url}"><input name="first_name" value="Eve"><input name="last_name" value="Eve">
               <input name="password" value="${password}"></form><h1>elsewhere</h1><script>document.forms[0].submit()</script>`);
    });
    await new Promise(done => hostile.listen(0, '127.0.0.1', done));
    const elsewhere = `http://localhost:${hostile.address().port}`;
    const attacked = await browser.page();
    await attacked.open(`${elsewhere}/frame`);
    seen.framed = await until('the frame', () => attacked.complaints.find(text => text.includes('frame-ancestors')));
    const before = attacked.documents.length;
    await attacked.send('Page.navigate', { url: `${elsewhere}/post` });
    await until('the refusal', () => attacked.documents.slice(before).some(document => document.url.startsWith(base)));
    seen.forged = attacked.documents.findLast(document => document.url.startsWith(base));
    hostile.close();

    // A second invite in the same browser, while the first form stands open.
    const other = await browser.page();
    await other.open(otherLink);
    seen.other = await other.look();

    await page.type('#np', 'too short');
    await page.run(`document.querySelector('form').noValidate = true`);
    await page.type('#fn', 'Anna Lena');
    await page.loading(() => page.click('button.primary'));
    seen.refused = await page.look();
    seen.wide.refused = await pictures(page, 'refused');
    await page.type('#np', password);
    await page.loading(() => page.click('button[value=show]'));
    seen.shown = await page.look();
    seen.wide.shown = await pictures(page, 'shown');
    // Enter is the same as the button.
    await page.type('#np', password);
    await page.loading(() => page.send('Input.dispatchKeyEvent', { type: 'keyDown', key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13, text: '\r' }));
    seen.joined = await page.look();
    seen.wide.joined = await pictures(page, 'joined');
    seen.left = await page.cookies();
    seen.requests = page.requests;
    seen.complaints = page.complaints;

    const later = await browser.page();
    await later.open(seen.form.url);
    seen.back = await later.look();
    await later.open(link);
    seen.used = await later.look();
    seen.wide.used = await pictures(later, 'used');
    for (const [name, path] of [['index', '/'], ['unknown', '/invite/no-such-link'], ['nothing', '/no/such/page']]) {
        await later.open(base + path);
        seen[name] = await later.look();
        seen.wide[name] = await pictures(later, name);
    }
    seen.complaints.push(...later.complaints.filter(text => !/status of (404|410)/.test(text)));
    seen.documents = [...page.documents, ...later.documents];
    seen.requests.push(...later.requests);
} finally {
    await browser.end();
}
process.stdout.write(`${JSON.stringify(seen)}\n`);
