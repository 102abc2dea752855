// What axe complains of, on a page that is open.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axe = readFileSync(createRequire(`${process.env.USHER_TEST_NODE_PREFIX}/`).resolve('axe-core/axe.min.js'), 'utf8');
// What fades in is looked at when it is there.
const AT_REST = 'Promise.all(document.getAnimations().map(moving => moving.finished))';

/** On a phone and wide, in both schemes: the schemes of one width follow each other, so that it is laid out once. */
export const LOOKS = [[360, 'light'], [360, 'dark'], [1280, 'light'], [1280, 'dark']];

/** Brings axe into the page. */
export const prepare = page => page.run(`${axe}; null`);

/**
 * The complaints as the page stands there, of these kinds of findings. The schemes differ in nothing but colours, so in the
 * dark one only contrasts are looked at.
 */
export async function complaints(page, [width, scheme], kinds = ['violations']) {
    const only = scheme === 'dark' ? { runOnly: { type: 'rule', values: ['color-contrast'] } } : {};
    const options = JSON.stringify({ ...only, resultTypes: kinds, preload: false });
    const found = await page.run(`${AT_REST}.then(() => axe.run(${options})).then(({ violations, incomplete }) =>
        ({ violations, incomplete: incomplete.filter(rule => rule.id === 'color-contrast') })).then(found =>
        ${JSON.stringify(kinds)}.flatMap(kind => found[kind]).flatMap(rule => rule.nodes.map(node => rule.id + ': ' + node.html)))`);
    return found.map(complaint => `${width} ${scheme}: ${complaint}`);
}
