/**
 * Imports a project's own modules, under new URLs for each release so that an edited contract is read anew with all
 * it imports. Node keeps old modules: docs/development.md says what a reload costs.
 */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

const RELEASE = /[?&]release=(\d+)/;

const GATEWAY = pathToFileURL(`${import.meta.dirname}/`).href;

/** Of the project: not a package, nor the gateway itself, which lies beside the project in its own repository. */
const isOwn = (url: string): boolean =>
  url.startsWith('file:') && !url.includes('/node_modules/') && !url.startsWith(GATEWAY);

let hooked = false;

/** Hands the release of an importing module on to what it imports, packages excepted. */
const hook = (): void => {
  if (hooked) return;
  hooked = true;
  registerHooks({
    resolve: (specifier, context, nextResolve) => {
      const resolved = nextResolve(specifier, context);
      const release = RELEASE.exec(context.parentURL ?? '')?.[1];
      return release !== undefined && isOwn(resolved.url) && !RELEASE.test(resolved.url)
        ? { ...resolved, url: `${resolved.url}?release=${release}` }
        : resolved;
    },
  });
};

export type ImportModule = (url: string) => Promise<Record<string, unknown>>;

/** Release 0 imports plainly: without reloads there is nothing to tell apart. */
export const moduleImporter = (release: number): ImportModule => {
  if (release === 0) return (url) => import(url);
  hook();
  return (url) => import(`${url}?release=${release}`);
};
