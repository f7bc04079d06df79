/** PHP may run a copy of the project (pool/stage.ts): whoever debugs knows the files by their own paths. */

/** As pool/pools.ts names it; beside it lies a copy of the runtime. */
const COPY = /^.*?\/code-\d+\/project(?=\/|$)/;
const BESIDE = /^(.*?\/code-\d+)\/(?:project|runtime)(?:\/|$)/;

/** The folder of the copy that PHP runs, if this is a path in it or in the runtime's. */
export const copyOf = (path: string): string | undefined => {
  const base = BESIDE.exec(path)?.[1];
  return base === undefined ? undefined : `${base}/project`;
};

export const ownPath = (path: string, project: string): string => path.replace(COPY, project);
