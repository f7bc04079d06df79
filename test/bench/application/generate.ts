/**
 * The worked example: an application of as many modules as wanted. `php/` has a kernel and one module, Gadget, both
 * written by hand; every other module is that one under another name, with a table of its own.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const SOURCE = join(import.meta.dirname, 'php');
const RUNTIME = join(import.meta.dirname, '..', '..', '..', 'gateway', 'php');
const TEMPLATE = 'Gadget';
const NAMES =
  'Gadget Invoice Voucher Customer Supplier Shipment Warehouse Basket Payment Refund Coupon Review Ticket Campaign Newsletter Bundle Carrier Contract Currency Catalogue Delivery Shelf Stocktake Wishlist';
const NOUNS = NAMES.split(' ');

/** Gadget, Invoice, …, Gadget2, Invoice2, … */
export const moduleName = (at: number): string => {
  const round = Math.floor(at / NOUNS.length);
  return `${NOUNS[at % NOUNS.length]}${round === 0 ? '' : round + 1}`;
};

const renamed = (text: string, name: string): string =>
  text
    .replaceAll(TEMPLATE, name)
    .replaceAll(TEMPLATE.toLowerCase(), name.toLowerCase())
    .replaceAll(TEMPLATE.toUpperCase(), name.toUpperCase());

const writeModule = (application: string, name: string): void => {
  const template = join(SOURCE, 'modules', TEMPLATE);
  for (const file of readdirSync(template, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const from = join(file.parentPath, file.name);
    const to = join(application, 'modules', renamed(from.slice(template.length - TEMPLATE.length), name));
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, renamed(readFileSync(from, 'utf8'), name));
  }
};

/** Into a folder that is not there yet. Its database is made by `php database.php`, with the tables that this gives. */
export const writeApplication = (application: string, modules: number): readonly string[] => {
  const isKernel = (path: string): boolean => !path.startsWith(join(SOURCE, 'modules'));
  cpSync(SOURCE, application, { recursive: true, filter: isKernel });
  cpSync(RUNTIME, join(application, 'runtime'), { recursive: true });
  const names = Array.from({ length: modules }, (_, at) => moduleName(at));
  for (const name of names) writeModule(application, name);
  return names.map((name) => name.toLowerCase());
};
