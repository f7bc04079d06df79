import { expect, onTestFinished, test } from 'vitest';
import { MasterWatch } from '../../gateway/pool/master-watch.ts';

/** A master whose state the test sets, looked at when the test says so. */
const watched = () => {
  const told: string[] = [];
  const master: { wrong: string | undefined } = { wrong: undefined };
  const watch = new MasterWatch(
    () => master.wrong,
    (why) => told.push(why),
  );
  watch.stop();
  onTestFinished(() => watch.stop());
  const look = (times: number): void => {
    for (let n = 0; n < times; n += 1) watch.look();
  };
  return { master, told, look };
};

test('a master that is well is left alone', () => {
  const { told, look } = watched();
  look(100);
  expect(told).toEqual([]);
});

test('one that is unwell for a moment is left alone, however often', () => {
  const { master, told, look } = watched();
  for (let n = 0; n < 10; n += 1) {
    master.wrong = 'stopped';
    look(2);
    master.wrong = undefined;
    look(1);
  }
  expect(told).toEqual([]);
});

test('one that stays unwell is told at the third look, with the latest reason, and again while it does', () => {
  const { master, told, look } = watched();
  master.wrong = 'stopped';
  look(2);
  master.wrong = 'no worker';
  look(1);
  expect(told).toEqual(['no worker']);
  look(3);
  expect(told).toEqual(['no worker', 'no worker']);
});
