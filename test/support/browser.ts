/** Pages in a real Chromium, which must stay silent and at home. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { type Lifetime, thisTest } from './lifetime.ts';

/** Debian's. */
export const startBrowser = async (lifetime: Lifetime): Promise<Browser> => {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium' });
  lifetime(async () => await browser.close());
  return browser;
};

/** The browser itself says so of every answer of 400 and above, and of one that is cut off. */
const isAnswerNote = (text: string): boolean => text.startsWith('Failed to load resource: ');

/**
 * A page of its own. At its end there must have been no error on the console, no exception, nothing the page's policy
 * forbids, and no request to another origin.
 */
export const openPage = async (
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
  lifetime: Lifetime = thisTest,
): Promise<Page> => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !isAnswerNote(message.text())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    // The target of a redirect is told here even when it is not asked.
    if (request.redirectedFrom() !== null) return;
    if (protocol.startsWith('http') && origin !== new URL(url).origin) complaints.push(`a request to ${request.url()}`);
  });
  lifetime(async () => {
    await context.close();
    expect(complaints).toEqual([]);
  });
  await page.goto(url);
  return page;
};
