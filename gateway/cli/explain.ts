/** `fpm-gateway explain`: every limit of a function and where it is set, read from the project; nothing has to run. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LimitPlaces, lineOfMember, withLine } from '../invoke/limit-places.ts';
import { type Ladder, ladderOf } from '../invoke/limits-of.ts';
import { moduleImporter } from '../modules.ts';
import { loadProject } from '../project.ts';
import { StartupError } from '../startup.ts';
import { drawLadder } from './ladder-view.ts';
import { near } from './near.ts';
import { failCommand, isTerminal, paint, say, UsageError } from './terminal.ts';

const unknown = (name: string, known: readonly string[]): UsageError => {
  const closest = near(name, known);
  const hint = closest.length > 0 ? `Did you mean ${closest.join(', ')}?` : `There are: ${known.join(', ')}.`;
  return new UsageError(`There is no function named ${JSON.stringify(name)}. ${hint}`);
};

/** Contract members with their lines, for editors that open them. */
const withLines = (ladder: Ladder, project: string): Ladder => {
  const texts = new Map<string, string>();
  const lineOf = (file: string, member: string): number | undefined => {
    const path = join(project, file);
    const text = texts.get(file) ?? (existsSync(path) ? readFileSync(path, 'utf8') : '');
    texts.set(file, text);
    return lineOfMember(text, member);
  };
  return { ...ladder, limits: ladder.limits.map((limit) => ({ ...limit, source: withLine(limit.source, lineOf) })) };
};

export const explain = async (project: string, name: string, json: boolean): Promise<void> => {
  try {
    const loaded = await loadProject({ folder: project, env: process.env, importModule: moduleImporter(0) });
    const { functions, contracts, problems, warnings } = loaded.registry;
    if (problems.length > 0) throw new StartupError(problems);
    const fn = functions.get(name);
    if (fn === undefined) throw unknown(name, [...functions.keys()]);
    const places = new LimitPlaces({ ...loaded, contracts });
    const ladder = withLines(ladderOf(fn, places, functions.values()), project);
    if (json) {
      say(JSON.stringify({ ...ladder, warnings }));
      return;
    }
    const look = {
      bars: isTerminal(process.stdout),
      columns: process.stdout.columns ?? 80,
      paint: (style: Parameters<typeof paint>[1], text: string) => paint(process.stdout, style, text),
    };
    say(drawLadder(ladder, places.fileOf(name), look));
    for (const { file, property, detail } of warnings)
      say(`${paint(process.stdout, 'yellow', '!')} ${[file, property].filter(Boolean).join(' · ')}: ${detail}`);
  } catch (error) {
    failCommand(error, json);
  }
};
