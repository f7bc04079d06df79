/** Workers that stand ready ahead of need: started, replaced, never more missing than must be. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { configSchema } from '../../gateway/config.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { silentLog } from '../../gateway/log.ts';
import type { Meta } from '../../gateway/pool/envelope.ts';
import { Line } from '../../gateway/pool/line.ts';
import { WorkerLife } from '../../gateway/pool/recycling.ts';
import { WarmSupply } from '../../gateway/pool/warm-supply.ts';
import type { Worker } from '../../gateway/pool/worker.ts';
import { until } from '../support/until.ts';

const USAGE = { peakBytes: 0, cpuMs: 0, wallMs: 0, waits: 0 };
const served = (pid: number, calls: number): Meta =>
  ({ outcome: 'output', encoding: 'json', pid, ...USAGE, served: calls, memoryBytes: 1 }) as Meta;

const settings = (() => {
  const pool = configSchema.parse({ pools: { default: { resident: { callsMax: 10 } } } }).pools.default;
  if (pool?.kind !== 'managed') throw new Error('The pool is not managed.');
  return pool.resident;
})();

interface Opened {
  readonly worker: Worker;
  /** It dies. */
  readonly die: () => void;
  readonly isDestroyed: () => boolean;
}

/** Workers that open when told to. */
const workshop = (workers: number) => {
  const opened: Opened[] = [];
  const asked: PromiseWithResolvers<Worker>[] = [];
  let holds = false;
  const make = (): Worker => {
    const { promise: closed, resolve: die } = Promise.withResolvers<void>();
    let destroyed = false;
    const connection = {
      get usable() {
        return !destroyed;
      },
      closed,
      destroy: () => {
        destroyed = true;
        die();
      },
    };
    const life = new WorkerLife(settings, performance.now(), [0.5, 0.5]);
    const worker = { connection, facts: { pid: opened.length + 1 }, pings: true, life } as unknown as Worker;
    opened.push({ worker, die: () => connection.destroy(), isDestroyed: () => destroyed });
    return worker;
  };
  const open = (): Promise<Worker> => {
    if (!holds) return Promise.resolve(make());
    const one = Promise.withResolvers<Worker>();
    asked.push(one);
    return one.promise;
  };
  const onUp = vi.fn();
  const supply = new WarmSupply({ open, makeLine, workers, connectTimeoutMs: 1000, log: silentLog, onUp });
  onTestFinished(() => supply.stop());
  return {
    supply,
    opened,
    asked,
    onUp,
    hold: () => {
      holds = true;
    },
    letGo: () => {
      holds = false;
      for (const one of asked.splice(0)) one.resolve(make());
    },
  };
};

const makeLine = (worker: Worker): Line => new Line(worker, { log: silentLog, connectTimeoutMs: 1000 });

const take = (supply: WarmSupply<Line>): Line => {
  const line = supply.pop();
  if (line === undefined) throw new Error('No worker stands ready.');
  return line;
};

test('all stand ready behind the start', async () => {
  const { supply } = workshop(3);
  expect(supply.up).toBe(false);
  await supply.start();
  expect([supply.up, supply.idle, supply.status.workers.map(({ state }) => state)]).toEqual([
    true,
    3,
    ['idle', 'idle', 'idle'],
  ]);
});

test('one that dies is replaced at once, and the reason counted', async () => {
  const { supply, opened } = workshop(2);
  await supply.start();
  opened[0]?.die();
  await until('another stands ready', () => supply.idle === 2 && opened.length === 3);
  expect(supply.status.restarts.crashed).toBe(1);
});

describe('one that is due', () => {
  test('goes only when its spare stands ready', async () => {
    const shop = workshop(1);
    await shop.supply.start();
    const line = take(shop.supply);
    shop.hold();
    shop.supply.told(line, served(1, 10));
    await until('a spare is being started', () => shop.asked.length === 1);
    shop.supply.park(line);
    expect([shop.supply.idle, shop.opened[0]?.isDestroyed()]).toEqual([1, false]);
    shop.letGo();
    await until('it has gone', () => shop.opened[0]?.isDestroyed() === true);
    expect([shop.supply.idle, shop.supply.status.restarts.calls]).toEqual([1, 1]);
  });

  test('ends its call first', async () => {
    const { supply, opened } = workshop(1);
    await supply.start();
    const line = take(supply);
    supply.told(line, served(1, 10));
    await until('its spare stands ready', () => supply.idle === 1);
    expect([opened[0]?.isDestroyed(), supply.status.workers.map(({ state }) => state)]).toEqual([
      false,
      ['idle', 'retiring'],
    ]);
    supply.park(line);
    expect(opened[0]?.isDestroyed()).toBe(true);
  });

  test('and so are the others: one after another', async () => {
    const shop = workshop(3);
    await shop.supply.start();
    const lines = [take(shop.supply), take(shop.supply), take(shop.supply)];
    shop.hold();
    for (const line of lines) shop.supply.told(line, served(1, 10));
    await until('a spare is being started', () => shop.asked.length > 0);
    expect(shop.asked.length).toBe(1);
  });

  test('one that dies while its spare is started is replaced once', async () => {
    const shop = workshop(2);
    await shop.supply.start();
    const line = take(shop.supply);
    shop.hold();
    shop.supply.told(line, served(1, 10));
    await until('a spare is being started', () => shop.asked.length === 1);
    line.destroy();
    await until('it is gone', () => shop.supply.status.workers.length === 1);
    shop.letGo();
    await until('two stand ready', () => shop.supply.idle === 2);
    expect(shop.opened.length).toBe(3);
  });
});

describe('workers that cannot be started', () => {
  test('calls that wait for one learn why, and it is tried again', async () => {
    const shop = workshop(1);
    await shop.supply.start();
    shop.hold();
    shop.opened[0]?.die();
    await until('it is noticed', () => !shop.supply.up && shop.asked.length === 1);
    const obtained = shop.supply.obtain();
    shop.asked.shift()?.reject(new GatewayError('pool-unavailable', 'There is no memory.'));
    await expect(obtained).rejects.toThrow('no memory');
    expect(shop.supply.failure).toMatchObject({ message: 'There is no memory.' });
    shop.letGo();
    shop.onUp.mockClear();
    await until('it stands again, and that is told', () => shop.supply.up && shop.onUp.mock.calls.length > 0);
    expect(shop.supply.failure).toBeUndefined();
  });

  test('a start that fails says so', async () => {
    const open = (): Promise<Worker> => Promise.reject(new Error('no application'));
    const supply = new WarmSupply({ open, makeLine, workers: 2, connectTimeoutMs: 1, log: silentLog, onUp: () => {} });
    onTestFinished(() => supply.stop());
    await expect(supply.start()).rejects.toThrow('no application');
    expect(supply.up).toBe(false);
  });
});

test('more that come when they are not needed any more go at once, and are none of those that are being started', async () => {
  const shop = workshop(1);
  await shop.supply.start();
  shop.hold();
  shop.supply.resize(4);
  await until('three are being started', () => shop.asked.length === 3);
  expect(shop.supply.starting).toBe(3);
  shop.supply.resize(1);
  expect(shop.supply.starting).toBe(0);
  shop.supply.resize(2);
  shop.letGo();
  await until('all have come', () => shop.supply.status.starting === 0);
  expect([shop.supply.idle, shop.opened.map(({ isDestroyed }) => isDestroyed())]).toEqual([
    2,
    [false, false, true, true],
  ]);
});

test('a call that has a slot gets the worker that is being started', async () => {
  const shop = workshop(1);
  await shop.supply.start();
  shop.hold();
  shop.opened[0]?.die();
  await until('another is being started', () => shop.asked.length === 1);
  const obtained = shop.supply.obtain();
  shop.letGo();
  expect((await obtained).worker.facts.pid).toBe(2);
  expect(shop.opened.length).toBe(2);
});

test('stopped: idle ones end, busy ones when they are given back, and nobody waits for ever', async () => {
  const shop = workshop(2);
  await shop.supply.start();
  const line = take(shop.supply);
  shop.hold();
  take(shop.supply).destroy();
  const obtained = shop.supply.obtain();
  shop.supply.stop();
  await expect(obtained).rejects.toMatchObject({ code: 'shutting-down' });
  shop.supply.park(line);
  expect(shop.opened.every(({ isDestroyed }) => isDestroyed())).toBe(true);
  shop.letGo();
  await until('a late one has ended, too', () => shop.opened.every(({ isDestroyed }) => isDestroyed()));
});
