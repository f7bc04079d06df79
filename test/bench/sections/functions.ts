/** What more functions cost: a project of 10, 100, 1,000 of them, all called in turn. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { announcing, type Bench, type Section } from '../bench.ts';
import { cpuBetween, cpuTimes, rssMb } from '../cpu.ts';
import { CONNECTIONS } from '../load.ts';
import { REPOSITORY, startGateway } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import type { Column, SectionResult } from '../result.ts';
import { type Contestant, takeTurns } from '../rounds.ts';
import { ECHO } from '../workloads.ts';

const SIZES = [10, 100, 1000];

const COLUMNS: readonly Column[] = [
  { key: 'startMs', header: 'start ms', digits: 0 },
  { key: 'perSecond', header: 'calls/s', digits: 0 },
  { key: 'serverUs', header: 'gateway µs/call', digits: 0 },
  { key: 'phpUs', header: 'PHP µs/call', digits: 0 },
  { key: 'idleMb', header: 'MB idle', digits: 0 },
];

const turnSeconds = ({ turnSeconds: seconds, firstWarmupMs }: Bench['times']): number =>
  seconds + firstWarmupMs / 2000 + 3;

export const functionsSection: Section = {
  name: 'functions',
  about: 'start-up time and CPU per call of the gateway with 10, 100 and 1,000 functions',
  plannedSeconds: (options, times) => options.rounds * SIZES.length * turnSeconds(times),
};

const contract = `
import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const name = z.string().min(1).max(200);
export default defineFunction({ input: z.strictObject({ name }), output: z.strictObject({ hello: name }), idempotent: true });
`;
const handler = `<?php
declare(strict_types=1);
return static fn (array $input): array => ['hello' => $input['name']];
`;

const nameOf = (at: number): string => (at === 0 ? ECHO.name : `echo-${at}`);

/** As an installed package is: contracts find `fpm-gateway` and `zod` in the project's node_modules. */
const generate = (folder: string, size: number): string => {
  const project = join(folder, `functions-${size}`);
  for (const name of ['schemas', 'functions', 'node_modules']) mkdirSync(join(project, name), { recursive: true });
  symlinkSync(REPOSITORY, join(project, 'node_modules', 'fpm-gateway'));
  symlinkSync(join(REPOSITORY, 'node_modules', 'zod'), join(project, 'node_modules', 'zod'));
  for (let at = 0; at < size; at += 1) {
    writeFileSync(join(project, 'schemas', `${nameOf(at)}.ts`), contract);
    writeFileSync(join(project, 'functions', `${nameOf(at)}.php`), handler);
  }
  return project;
};

const turnOf = async (bench: Bench, project: string, size: number): Promise<Record<string, number>> => {
  const { life, folder, options, load, times } = bench;
  const gateway = await startGateway(life, folder, { project, workers: options.workers });
  try {
    await proveAnswer(gateway, ECHO);
    const idleMb = rssMb(gateway.pid);
    const paths = Array.from({ length: size }, (_, at) => `/functions/${nameOf(at)}`);
    const target = { ...gateway.target(ECHO), paths };
    await load.generate(target, { connections: CONNECTIONS, durationMs: times.firstWarmupMs / 2 });
    const before = cpuTimes(gateway.pids);
    const { calls, perSecond, invalid } = await load.wrk(target, times.turnSeconds);
    const { serverMs, phpMs } = cpuBetween(before, cpuTimes(gateway.pids));
    if (invalid !== undefined) throw new Error(invalid);
    const us = (ms: number): number => (ms * 1000) / calls;
    return { startMs: gateway.startMs, perSecond, serverUs: us(serverMs), phpUs: us(phpMs), idleMb };
  } finally {
    await gateway.stop();
  }
};

export const runFunctions = async (bench: Bench): Promise<SectionResult> => {
  const { rounds } = bench.options;
  const contestants: Contestant[] = SIZES.map((size) => {
    const project = generate(bench.folder, size);
    return { name: size.toLocaleString('en-US'), turn: () => turnOf(bench, project, size) };
  });
  const before = announcing(bench, functionsSection.name, rounds, turnSeconds(bench.times));
  const rows = await takeTurns(contestants, rounds, before);
  const title = 'the gateway alone, empty functions called in turn';
  const table = { name: functionsSection.name, title, rowHeader: 'functions', columns: COLUMNS, rows };
  return { name: functionsSection.name, tables: [table], goals: [], facts: {} };
};
