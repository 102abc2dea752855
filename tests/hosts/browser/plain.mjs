// A person joins where browsers say little: over plain HTTP, on a name that is not this machine's. plain.mjs LINK PORT PASSWORD;
// PORT of 127.0.0.1 is where that name really is. Says in one line of JSON what was seen.

import { createServer } from 'node:http';
import { Browser, until } from './chromium.mjs';

const [link, port, password] = process.argv.slice(2);
const { hostname, origin } = new URL(link);

const browser = await Browser.start(`--host-resolver-rules=MAP ${hostname} 127.0.0.1:${port}`, '--disable-features=HttpsUpgrades');
const seen = {};
try {
    const page = await browser.page();
    await page.open(link);
    seen.form = await page.look();

    const hostile = createServer((_, response) => {
        response.setHeader('content-type', 'text/html');
        response.end(`<form method="post" action="${seen.form.url}"><input name="first_name" value="Eve"><input name="last_name" value="Eve">
            <input name="password" value="${password}"></form><h1>elsewhere</h1><script>document.forms[0].submit()</script>`);
    });
    await new Promise(done => hostile.listen(0, '127.0.0.1', done));
    const attacked = await browser.page();
    await attacked.send('Page.navigate', { url: `http://localhost:${hostile.address().port}/` });
    const refused = await until('the refusal', () => attacked.documents.find(document => document.url.startsWith(origin)));
    const heading = await until('its page', () => attacked.run(
        `document.readyState === 'complete' && location.origin === '${origin}' && document.querySelector('h1')?.innerText`));
    seen.forged = { status: refused.status, heading };
    hostile.close();

    await page.type('#np', password);
    await page.loading(() => page.click('button.primary'));
    seen.joined = await page.look();
    seen.metadata = page.metadata;
} finally {
    await browser.end();
}
process.stdout.write(`${JSON.stringify(seen)}\n`);
