import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeEnvelope, takeScriptMark } from '../../gateway/pool/envelope.ts';

const ID = '01890000-0000-7000-8000-000000000000';
const META = JSON.stringify({
  outcome: 'output',
  encoding: 'json',
  pid: 1,
  peakBytes: 1,
  cpuMs: 1,
  wallMs: 1,
  waits: 0,
});

const envelope = (meta: string, payload: Buffer, id = ID): Buffer =>
  Buffer.concat([Buffer.from(`FPMG1 ${id} ${Buffer.byteLength(meta)} ${payload.length}\n${meta}`), payload]);

const good = envelope(META, Buffer.from('{"a":"é"}'));

describe('an envelope', () => {
  test('gives its meta and payload', () => {
    expect(decodeEnvelope(good, ID)).toEqual({
      kind: 'envelope',
      meta: JSON.parse(META),
      payload: Buffer.from('{"a":"é"}'),
      stray: '',
    });
  });

  test('is found whatever the payload holds', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const decoded = decodeEnvelope(envelope(META, Buffer.from(bytes)), ID);
        expect(decoded).toMatchObject({ kind: 'envelope', payload: Buffer.from(bytes), stray: '' });
      }),
    );
  });

  test('cut at any byte is none', () => {
    for (let length = 0; length < good.length; length += 1) {
      expect(decodeEnvelope(good.subarray(0, length), ID).kind).toBe('none');
    }
  });

  test.each([
    ['before it', Buffer.concat([Buffer.from('hello'), good])],
    ['behind it', Buffer.concat([good, Buffer.from('hello')])],
  ])('what is printed %s is stray', (_, body) => {
    expect(decodeEnvelope(body, ID)).toMatchObject({ kind: 'envelope', stray: 'hello' });
  });

  test('what PHP found printed is stray', () => {
    const meta = JSON.stringify({ ...JSON.parse(META), stray: 'hello', strayBytes: 5 });
    expect(decodeEnvelope(envelope(meta, Buffer.from('1')), ID).stray).toBe('hello');
  });
});

describe('no envelope', () => {
  test.each([
    ['nothing', Buffer.alloc(0), ''],
    ['text', Buffer.from('File not found.\n'), 'File not found.\n'],
    ['one of another attempt', envelope(META, Buffer.from('1'), 'other'), expect.any(String)],
    ['a negative length', Buffer.from(`FPMG1 ${ID} -5 2\n12345`), ''],
    ['a third length', Buffer.from(`FPMG1 ${ID} 1 1 1\n12345`), ''],
    ['lengths of another kind', Buffer.from(`FPMG1 ${ID} 0x1 1e0\n12345`), ''],
    ['meta that is no JSON', Buffer.from(`FPMG1 ${ID} 4 0\n{"a"`), ''],
    ['meta of an unknown outcome', envelope('{"outcome":"hacked","pid":1}', Buffer.alloc(0)), ''],
    ['meta without a pid', envelope('{"outcome":"output"}', Buffer.alloc(0)), ''],
    ['meta that is null', envelope('null', Buffer.alloc(0)), ''],
  ])('%s', (_, body, stray) => {
    expect(decodeEnvelope(body, ID)).toEqual({ kind: 'none', stray });
  });

  test('any bytes are read without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ maxLength: 100 }), (before, after) => {
        decodeEnvelope(Buffer.concat([before, Buffer.from(`FPMG1 ${ID} `), after]), ID);
      }),
    );
  });
});

describe('PHP code cannot write a meta that trips the gateway', () => {
  const usage = { pid: 1, peakBytes: 1, cpuMs: 1, wallMs: 1, waits: 0 };
  const forged: [string, object][] = [
    ['a fatal error without what it was', { ...usage, outcome: 'fatal' }],
    [
      'an exception without a line',
      { ...usage, outcome: 'exception', exception: { class: 'X', message: '', file: '' } },
    ],
    ['logs that are no list', { ...usage, outcome: 'script-ended', logs: 5 }],
    ['a log of no level', { ...usage, outcome: 'script-ended', logs: [{ level: 'nope', message: '', atMs: 1 }] }],
    ['a time that is no number', { ...usage, outcome: 'output', cpuMs: '1' }],
    ['a failure without its message', { ...usage, outcome: 'failure', code: 'x' }],
    ['no figures', { outcome: 'script-ended', pid: 1 }],
    ['an outcome of its own', { ...usage, outcome: 'fine' }],
  ];
  test.each(forged)('%s', (_what, value) => {
    const meta = JSON.stringify(value);
    expect(decodeEnvelope(envelope(meta, Buffer.from('1')), ID).kind).toBe('none');
    expect(takeScriptMark(`PHP message: FPMG1 ${ID} ${meta.length} ${meta}`, ID)).toEqual({
      meta: undefined,
      stderr: '',
    });
  });
});
