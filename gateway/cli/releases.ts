/** `fpm-gateway reload`, `rollback` and `releases`: what a running gateway serves, and what it should. */
import { printable } from '../trace/tree.ts';
import { type AdminTarget, adminRequest } from './admin-client.ts';
import { failCommand, paint, say, table } from './terminal.ts';

export interface ReleasesOptions extends AdminTarget {
  readonly json: boolean;
}

/** As `GET /admin/releases` tells it. */
interface Listed {
  readonly releases: readonly {
    readonly release: number;
    readonly state: 'current' | 'standby' | 'draining';
    readonly requests: number;
    readonly functions: number;
    readonly folder: string;
  }[];
  /** Absent: there is none. */
  readonly previous?: number;
  readonly events: readonly {
    readonly at: string;
    readonly event: string;
    readonly release: number;
    readonly detail: string;
  }[];
}

const EVENTS_SHOWN = 5;

const print = ({ releases, previous, events }: Listed): void => {
  const { stdout } = process;
  const rows = releases.map(({ release, state, requests, functions, folder }) =>
    [String(release), state, String(requests), String(functions), folder].map(printable),
  );
  const [title = '', ...lines] = table([['RELEASE', 'STATE', 'REQUESTS', 'FUNCTIONS', 'FOLDER'], ...rows]);
  const coloured = lines.map((line) => line.replace(' current ', ` ${paint(stdout, 'green', 'current')} `));
  say([paint(stdout, 'bold', title), ...coloured, ''].join('\n'));
  for (const { at, event, release, detail } of events.slice(-EVENTS_SHOWN)) {
    const [first = ''] = detail.split('\n');
    say(`${paint(stdout, 'dim', at)}  ${event} ${release}${first === '' ? '' : `: ${printable(first)}`}`);
  }
  if (previous !== undefined) say(paint(stdout, 'dim', `fpm-gateway rollback restores ${previous}.`));
};

export const listReleases = async ({ json, ...target }: ReleasesOptions): Promise<void> => {
  try {
    const listed = (await adminRequest({ ...target, method: 'GET', path: '/admin/releases' })) as Listed;
    if (json) say(JSON.stringify(listed));
    else print(listed);
  } catch (error) {
    failCommand(error, json);
  }
};

/** `reload`: the project as its files are now. `rollback`: the release before. */
export const changeRelease = async (
  what: 'reload' | 'rollback',
  { json, ...target }: ReleasesOptions,
): Promise<void> => {
  try {
    const answer = await adminRequest({ ...target, method: 'POST', path: `/admin/${what}` });
    const { release, ms } = answer as { release: number; ms: number };
    if (json) say(JSON.stringify(answer));
    else say(`${paint(process.stdout, 'green', '✓')} Release ${release} serves, after ${ms} ms.`);
  } catch (error) {
    failCommand(error, json, 'the running release stays; the project does not load');
  }
};
