/** What must be the same wherever a call waits: each handler, and what it answers. */
const told = (body: string): string =>
  `try { ${body} } catch (Exception $e) { return get_class($e) . ': ' . $e->getMessage(); }`;

export const handler = (body: string): string =>
  `return static function (array $input, Call $call): mixed { ${body} };`;

export interface Case {
  readonly what: string;
  readonly body: string;
  readonly output: unknown;
}

const failed = (message: string): string => `FpmGateway\\StreamFailed: ${message}`;
const refused = (message: string): string => `InvalidArgumentException: ${message}`;

export const casesOf = (address: string): readonly Case[] => {
  const port = Number(address.split(':')[1]);
  const url = (path: string): string => `http://${address}${path}`;
  const fetch = (path: string, more = ''): string => `$call->fetch('${url(path)}'${more})`;
  const fetched = (what: string, call: string, output: unknown): Case => ({
    what,
    body: told(`return ${call};`),
    output,
  });
  return [
    {
      what: 'sleeps',
      body: '$at = hrtime(true); $call->sleep(20); return hrtime(true) - $at >= 20_000_000;',
      output: true,
    },
    {
      what: 'sleeps for less than nothing',
      body: told('$call->sleep(-1);'),
      output: refused('sleep() takes 0 to 86,400,000 ms, and this is -1.'),
    },
    fetched('an answer that ends with its connection', `${fetch('/close')}->body`, 'until the end'),
    fetched('chunks, whatever the status', `(array) ${fetch('/chunked')}`, {
      status: 404,
      headers: { 'transfer-encoding': 'chunked' },
      body: 'abcde',
    }),
    fetched('a redirect as it is', `${fetch('/redirect')}->headers['location']`, '/close'),
    fetched('what the server says early is not the answer', `${fetch('/early')}->body`, 'late'),
    fetched('a head alone', `(array) ${fetch('/length', ", 'HEAD'")}`, {
      status: 200,
      headers: { 'content-length': '100' },
      body: '',
    }),
    fetched('a large one', `strlen(${fetch('/large')}->body)`, 1_000_000),
    fetched(
      'the request',
      `$call->fetch('${url('/a?b=c#d')}', 'POST', ['X-A' => 'é'], '[1]')->body`,
      `POST /a?b=c HTTP/1.1\r\nX-A: é\r\nHost: ${address}\r\nContent-Length: 3\r\nConnection: close\r\n\r\n[1]`,
    ),
    fetched('a name', `$call->fetch('http://localhost:${port}/close')->body`, 'until the end'),
    fetched(
      'one that is too large',
      `${fetch('/large', ', maxBytes: 1000')}`,
      failed(`GET ${url('/large')}: the answer is larger than maxBytes, 1000: raise it, or ask for less.`),
    ),
    fetched(
      'one that takes too long',
      `${fetch('/never', ', timeoutMs: 50')}`,
      failed(`GET ${url('/never')}: the answer was not there when its time was over.`),
    ),
    fetched(
      'one that is cut off',
      `${fetch('/length')}`,
      failed(`GET ${url('/length')}: The connection broke in the middle of the answer.`),
    ),
    fetched(
      'no HTTP',
      `${fetch('/junk')}`,
      failed(
        `GET ${url('/junk')}: The answer is no HTTP/1.1: it does not begin as HTTP/1.1 does, but with "SSH-2.0-OpenSSH\\r\\n".`,
      ),
    ),
    fetched(
      'nobody there',
      `$call->fetch('http://127.0.0.1:1/x?secret=1')`,
      expect_('^FpmGateway.StreamFailed: GET http://127\\.0\\.0\\.1:1/x: Cannot connect to tcp://127\\.0\\.0\\.1:1: '),
    ),
    fetched(
      'no URL',
      `$call->fetch('ftp://x')`,
      refused(
        '"ftp://x" is no URL that can be fetched: use http://host[:port]/path or https://…, with what is special in it encoded.',
      ),
    ),
    fetched(
      'a login in the URL',
      `$call->fetch('http://me:secret@host/')`,
      refused('The URL of host has a login in it: put it into a header, as Authorization.'),
    ),
    fetched(
      'no method',
      `${fetch('/', ", 'get'")}`,
      refused('"get" is no method that can be fetched with: use GET, POST and the like, in capital letters.'),
    ),
    fetched(
      'a header of its own',
      `${fetch('/', ", headers: ['Connection' => 'x']")}`,
      refused("The header connection is fetch()'s own: leave it out."),
    ),
    fetched(
      'a header with two lines',
      `${fetch('/', ', headers: [\'A\' => "x\\r\\nB: y"]')}`,
      refused("The header 'A' is malformed: headers are name => value, both text, without line breaks."),
    ),
    {
      what: 'speaks by itself',
      body: `$stream = $call->connect('tcp://${address}'); $call->write($stream, "say hello\\n");
        for ($all = ''; ($piece = $call->read($stream, 3)) !== ''; $all .= $piece); return $all;`,
      output: 'hello\n',
    },
    {
      what: 'writes more than fits at once',
      body: `[$a, $b] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        ${told('$call->write($a, str_repeat("x", 10_000_000), 50);')}`,
      output: expect_('^FpmGateway.StreamFailed: write: only \\d+ of 10000000 bytes were taken in time\\.$'),
    },
    {
      what: 'writes to nobody',
      body: `[$a, $b] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); fclose($b); ${told('$call->write($a, "x");')}`,
      output: failed('write: the other side reads no more; 0 of 1 bytes are written.'),
    },
    {
      what: 'reads where nothing comes',
      body: `$stream = $call->connect('tcp://${address}'); ${told('return $call->read($stream, 1, 30);')}`,
      output: failed('read: nothing came in time.'),
    },
    {
      what: 'reads from none',
      body: `$s = $call->connect('tcp://${address}'); fclose($s); ${told('return $call->read($s);')}`,
      output: failed('Read from the stream: it is closed, or none.'),
    },
    fetched(
      'no target',
      `$call->connect('127.0.0.1:80')`,
      refused('"127.0.0.1:80" cannot be connected to: use tcp://host:port, tls://host:port or unix:///path.'),
    ),
    fetched('no time', `${fetch('/', ', timeoutMs: 0')}`, refused('timeoutMs is 0, and must be from 1 to 86400000.')),
    {
      what: 'has a pool',
      body: `$make = static fn () => new PDO('sqlite::memory:'); $pdo = $call->pool('memory', $make);
        $pdo->beginTransaction(); return [$pdo === $call->pool('memory', $make), $pdo->inTransaction()];`,
      output: [true, true],
    },
  ];
};

/** Told by a pattern: matched where it is compared. */
function expect_(pattern: string): { readonly pattern: string } {
  return { pattern };
}
