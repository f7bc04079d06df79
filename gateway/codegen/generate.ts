/** What `fpm-gateway types` writes, from contracts alone: the files for TypeScript and for PHP. Pure. */
import type { GatewayFunction } from '../invoke/function.ts';
import { StartupError, type StartupProblem } from '../startup.ts';
import { type FunctionTypes, functionTypes } from './function-types.ts';
import { isNamespace, phpFiles, phpNames, phpProblems, phpRoots } from './php.ts';
import type { GeneratedFile } from './text.ts';
import { typeScriptFile, typeScriptNames } from './typescript.ts';

export interface Generator {
  typeScript(): GeneratedFile[];
  /** `namespace`: without a leading backslash. */
  php(namespace: string): GeneratedFile[];
}

/** Names that cannot be told apart are refused, all at once. */
const assertSound = (problems: readonly StartupProblem[]): void => {
  if (problems.length > 0) throw new StartupError(problems);
};

const byName = (one: GatewayFunction, other: GatewayFunction): number => (one.name < other.name ? -1 : 1);

/** Both throw StartupError. */
export const generator = (functions: Iterable<GatewayFunction>): Generator => {
  const all: readonly FunctionTypes[] = [...functions].sort(byName).map(functionTypes);
  return {
    typeScript: () => {
      const names = typeScriptNames(all);
      assertSound(names.problems);
      return [typeScriptFile(all, names)];
    },
    php: (namespace) => {
      if (!isNamespace(namespace)) {
        const detail = `${JSON.stringify(namespace)} is no PHP namespace: write it as App\\Functions.`;
        throw new StartupError([{ file: '--php-namespace', detail }]);
      }
      const roots = phpRoots(all);
      const names = phpNames(roots);
      assertSound(phpProblems(all, names));
      return phpFiles(all, roots, names, namespace);
    },
  };
};
