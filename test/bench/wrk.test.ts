import { expect, test } from 'vitest';
import { parseWrk, wrkScript } from './wrk.ts';

const output = (more = ''): string => `Running 3s test @ http://127.0.0.1:18123
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.11ms  409.53us  11.28ms   93.05%
    Req/Sec    14.60k     1.37k   16.05k    80.00%
  Latency Distribution
     50%  984.00us
     75%    1.19ms
     90%    1.43ms
     99%    1.03s
  43600 requests in 3.00s, 8.90MB read
${more}Requests/sec:  14527.12
Transfer/sec:      2.97MB
`;

test('percentiles are milliseconds, whatever unit they were told in', () => {
  expect(parseWrk(output())).toEqual({
    calls: 43_600,
    perSecond: 14_527.12,
    p50Ms: 0.984,
    p99Ms: 1030,
    invalid: undefined,
  });
});

test('wrong answers and broken connections make it invalid', () => {
  expect(parseWrk(output('  Non-2xx or 3xx responses: 12\n')).invalid).toBe('12 answers were not 2xx');
  const errors = '  Socket errors: connect 0, read 3, write 0, timeout 1\n';
  expect(parseWrk(output(errors)).invalid).toBe('socket errors: connect 0, read 3, write 0, timeout 1');
});

test('what is no result is not taken for one', () => {
  expect(() => parseWrk('unable to connect to 127.0.0.1:1 Connection refused')).toThrow('unable to connect');
});

test('its script sends each path in turn', () => {
  const script = wrkScript(['/functions/a', '/functions/b'], '{"name":"Ada"}');
  expect(script).toContain("{ '/functions/a', '/functions/b' }");
  expect(script).toContain('[==[{"name":"Ada"}]==]');
});
