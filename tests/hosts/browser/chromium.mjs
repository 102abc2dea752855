// A browser without a head, driven over the DevTools protocol: only what the page tests need.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const FLAGS = [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-extensions',
    '--remote-debugging-port=0', 'about:blank',
];

// What the browser is told of a key: its number, and what it types.
const KEYS = { Tab: [9], Enter: [13, '\r'], Escape: [27], ' ': [32, ' '], ArrowUp: [38], ArrowDown: [40] };
/** Of `press`. */
export const SHIFT = 8;

/** Polls until `look` finds something; fails after half a minute. */
export async function until(what, look) {
    for (let n = 0; n < 600; n += 1) {
        const found = await look();
        if (found) return found;
        await pause(50);
    }
    throw new Error(`${what}: not within half a minute`);
}

/** A page, with everything that it asked for and complained of. */
class Page {
    constructor(browser, session) {
        Object.assign(this, { browser, session, requests: [], complaints: [], documents: [], metadata: [], loads: 0 });
    }

    send(method, params = {}) {
        return this.browser.send(method, params, this.session);
    }

    heard(method, params) {
        if (method === 'Network.requestWillBeSent') {
            const { url, headers, method: verb } = params.request;
            this.requests.push({ url, method: verb, kind: params.type, referer: headers.Referer || headers.referer || null });
        } else if (method === 'Network.responseReceived' && params.type === 'Document') {
            this.documents.push({ url: params.response.url, status: params.response.status });
        } else if (method === 'Network.requestWillBeSentExtraInfo') {
            const name = Object.keys(params.headers).find(header => header.toLowerCase() === 'sec-fetch-site');
            if (name) this.metadata.push(params.headers[name]);
        } else if (method === 'Log.entryAdded') {
            this.complaints.push(params.entry.text);
        } else if (method === 'Runtime.exceptionThrown') {
            this.complaints.push(params.exceptionDetails.text);
        } else if (method === 'Audits.issueAdded' && params.issue.code !== 'PerformanceIssue') {
            this.complaints.push(params.issue.code);
        } else if (method === 'Page.loadEventFired') {
            this.loads += 1;
        }
    }

    /** Waits for the load that `action` causes. */
    async loading(action) {
        const before = this.loads;
        await action();
        await until('a page', () => this.loads > before);
    }

    open(url) {
        return this.loading(async () => {
            const { errorText } = await this.send('Page.navigate', { url });
            if (errorText) throw new Error(`${url}: ${errorText}`);
        });
    }

    async run(expression) {
        const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
        if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.text}`);
        return result.value;
    }

    /** What a person reads, and where they are. */
    look() {
        return this.run(`({ url: location.href, title: document.title, heading: document.querySelector('h1')?.innerText ?? null,
            text: document.body.innerText, cookies: document.cookie, referrer: document.referrer,
            fields: Object.fromEntries([...document.querySelectorAll('input[name]')].map(i => [i.name, { value: i.value, type: i.type }])),
            wide: document.documentElement.scrollWidth > innerWidth })`);
    }

    /** Waits until the page stands as its reader sees it: drawn, and the focus where the page wants it. */
    async drawn() {
        // A page behind another one draws nothing.
        await this.send('Page.bringToFront');
        await this.run('new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))');
    }

    /** As a person does: into the field, key by key. */
    async type(selector, text) {
        await this.drawn();
        await this.run(`{ const field = document.querySelector(${JSON.stringify(selector)}); field.focus(); field.select(); }`);
        await this.send('Input.insertText', { text });
    }

    /** As a person does: on the keyboard, wherever the focus is. */
    async press(key, modifiers = 0) {
        await this.drawn();
        const [code, text] = KEYS[key];
        for (const type of ['keyDown', 'keyUp']) {
            const typed = type === 'keyDown' && text ? { text } : {};
            await this.send('Input.dispatchKeyEvent', { type, key, code: key === ' ' ? 'Space' : key, windowsVirtualKeyCode: code, modifiers, ...typed });
        }
    }

    /** As a person does: where the thing is, and as often as that. */
    async click(selector, times = 1) {
        // What a window of another width has moved is where it stays once that was drawn.
        await this.drawn();
        const at = await this.run(`{ const it = document.querySelector(${JSON.stringify(selector)}); it.scrollIntoView({ block: 'center' });
            const box = it.getBoundingClientRect(); ({ x: box.x + box.width / 2, y: box.y + box.height / 2 }) }`);
        const clicks = Array.from({ length: times }, (_, before) => ['mousePressed', 'mouseReleased'].map(type =>
            this.send('Input.dispatchMouseEvent', { type, ...at, button: 'left', clickCount: before + 1 })));
        await Promise.all(clicks.flat());
    }

    /** In a window of this width, and in this scheme. */
    async appear(width, scheme) {
        // A page behind another one draws nothing.
        await this.send('Page.bringToFront');
        await this.send('Emulation.setDeviceMetricsOverride', { width, height: 900, deviceScaleFactor: 1, mobile: width < 500 });
        await this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
    }

    async picture() {
        const { data } = await this.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true });
        return Buffer.from(data, 'base64');
    }

    async cookies() {
        return (await this.send('Storage.getCookies', {})).cookies.map(({ name, path, httpOnly, sameSite, secure }) =>
            ({ name, path, httpOnly, sameSite: sameSite ?? null, secure }));
    }
}

/** One browser with an empty profile of its own. */
export class Browser {
    static async start(...more) {
        const browser = new Browser();
        browser.profile = mkdtempSync(join(tmpdir(), 'usher-browser-'));
        browser.child = spawn(process.env.USHER_TEST_CHROMIUM, [`--user-data-dir=${browser.profile}`, ...more, ...FLAGS], { stdio: 'ignore' });
        const port = await until('the browser', () => {
            try {
                // Written in two steps: the port, then the path.
                const lines = readFileSync(join(browser.profile, 'DevToolsActivePort'), 'utf8').split('\n');
                return lines[1] ? lines : null;
            } catch {
                return null;
            }
        });
        browser.socket = new WebSocket(`ws://127.0.0.1:${port[0]}${port[1]}`);
        browser.waiting = new Map();
        browser.pages = new Map();
        browser.last = 0;
        browser.socket.onmessage = ({ data }) => browser.heard(JSON.parse(data));
        await new Promise((opened, failed) => Object.assign(browser.socket, { onopen: opened, onerror: failed }));
        return browser;
    }

    send(method, params, sessionId) {
        const id = (this.last += 1);
        this.socket.send(JSON.stringify({ id, method, params, sessionId }));
        return new Promise((done, failed) => {
            const late = setTimeout(() => failed(new Error(`${method} was not answered within half a minute`)), 30_000);
            this.waiting.set(id, { done, failed, late });
        });
    }

    heard({ id, result, error, method, params, sessionId }) {
        if (id === undefined) {
            this.pages.get(sessionId)?.heard(method, params);
            return;
        }
        const { done, failed, late } = this.waiting.get(id);
        this.waiting.delete(id);
        clearTimeout(late);
        if (error) failed(new Error(error.message));
        else done(result);
    }

    /** A page of a profile of its own: it shares no cookie with the others. */
    async stranger() {
        const { browserContextId } = await this.send('Target.createBrowserContext', {});
        return this.page({ browserContextId });
    }

    async page(where = {}) {
        const { targetId } = await this.send('Target.createTarget', { url: 'about:blank', ...where });
        const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
        const page = new Page(this, sessionId);
        this.pages.set(sessionId, page);
        for (const domain of ['Page', 'Network', 'Log', 'Runtime', 'Audits']) await page.send(`${domain}.enable`);
        return page;
    }

    async end() {
        const gone = new Promise(done => this.child.once('exit', done));
        this.socket.close();
        this.child.kill('SIGKILL');
        await gone;
        // Its helpers may still write for a moment; the removal's own retries do not reach into folders.
        for (let left = 100; ; left--) {
            try {
                rmSync(this.profile, { recursive: true, force: true });
                return;
            } catch (error) {
                if (error.code !== 'ENOTEMPTY' || left === 0) throw error;
                await pause(50);
            }
        }
    }
}
