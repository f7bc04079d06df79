/** PHP may run a copy of the project (pool/stage.ts): whoever debugs knows the files by their own paths. */

/** As pool/pools.ts names it. */
const COPY = /^.*?\/code-\d+\/project(?=\/|$)/;

/** The copy's folder, if it is a path in one. */
export const copyOf = (path: string): string | undefined => COPY.exec(path)?.[0];

export const ownPath = (path: string, project: string): string => path.replace(COPY, project);
