/** One call of the empty script, as soon as a php-fpm listens. */
import { join } from 'node:path';
import { Connection, collect, encodeParams, type FastCgiRequest } from 'fpm-gateway/fastcgi';

const REQUEST_ID = 1;
const LIMITS = { headMaxBytes: 65_536, bodyMaxBytes: 65_536, stderrMaxBytes: 65_536 };
const ANSWER = '{"hello":"Ada"}';

export const firstAnswer = async (socket: string, root: string): Promise<void> => {
  const request: FastCgiRequest = {
    encodedParams: encodeParams(REQUEST_ID, [
      ['SCRIPT_FILENAME', join(root, 'echo.php')],
      ['SCRIPT_NAME', '/echo.php'],
      ['REQUEST_METHOD', 'POST'],
      ['SERVER_PROTOCOL', 'HTTP/1.1'],
      ['CONTENT_TYPE', 'application/json'],
    ]),
    params: [],
    body: Buffer.from('{"name":"Ada"}'),
    ping: false,
    keepConnection: false,
  };
  const connection = await Connection.open({ kind: 'unix', path: socket }, { timeoutMs: 5000 });
  try {
    const { body } = await collect(connection, request, LIMITS).response;
    if (body.toString() !== ANSWER) throw new Error(`php-fpm answered ${body.toString('utf8', 0, 200)}`);
  } finally {
    await connection.close();
  }
};
