/** Results at the edge of what callers may get. */
import { expect, test } from 'vitest';
import { eachEngine } from '../support/engines.ts';
import { functionsProject } from '../support/project.ts';

eachEngine(({ startGateway }) => {
  test('a result may have responseMaxBytes and not one more, and the error names that setting', async () => {
    const project = functionsProject({ fill: "return str_repeat('x', $input - 2);" });
    const gateway = await startGateway({ limits: { responseMaxBytes: 2048 } }, { project });
    expect(await gateway.invoke('fill', 2048)).toHaveLength(2046);
    await expect(gateway.invoke('fill', 2049)).rejects.toMatchObject({
      code: 'response-too-large',
      message: 'fill returned 2049 bytes; limits.responseMaxBytes is 2048 (in deploy/gateway.config.ts).',
    });
    await expect(gateway.invoke('fill', 5_000_000)).rejects.toMatchObject({
      code: 'response-too-large',
      message: 'fill returned more than 2048 bytes; limits.responseMaxBytes is 2048 (in deploy/gateway.config.ts).',
    });
  });

  test('an integer that JavaScript would change is refused, and long digits in a text are not', async () => {
    const project = functionsProject({
      big: 'return PHP_INT_MAX;',
      text: "return ['id' => (string) PHP_INT_MAX, 'n' => 9007199254740991];",
    });
    const gateway = await startGateway({}, { project });
    await expect(gateway.invoke('big', null)).rejects.toMatchObject({
      code: 'invalid-function-output',
      reason: 'not-json',
      executed: 'yes',
      message: expect.stringContaining('send it as a string'),
    });
    expect(await gateway.invoke('text', null)).toEqual({ id: '9223372036854775807', n: 9007199254740991 });
  });

  test('a media type with half a quote is none', async () => {
    const project = functionsProject({
      odd: ["return new Binary('x', 'image/png; a=\"b');", "output: binary('image/*')"],
    });
    const gateway = await startGateway({}, { project });
    await expect(gateway.invoke('odd', null)).rejects.toMatchObject({ code: 'invalid-function-output' });
  });

  test('the message of a Failure is bounded', async () => {
    const project = functionsProject({
      talks: ["throw new Failure('no', null, str_repeat('x', 100000));", 'errors: { no: z.null() }'],
    });
    const gateway = await startGateway({}, { project });
    await expect(gateway.invoke('talks', null)).rejects.toMatchObject({ code: 'no', message: 'x'.repeat(1000) });
  });
});
