/** A script that tells all it sees of its request, and what of it may differ between the gateway and nginx. */
import type { Answered } from './exchange.ts';

/** All that a script can read of its request; in a header, too, as the answer to HEAD has no body. */
export const DUMP = `<?php
$files = array_map(static function (array $file): array {
    $sums = array_map(static fn (string $path): string => is_uploaded_file($path) ? md5_file($path) : '', (array) $file['tmp_name']);
    return ['tmp_name' => $sums] + $file;
}, $_FILES);
$seen = json_encode([
    'get' => $_GET, 'post' => $_POST, 'request' => $_REQUEST, 'cookie' => $_COOKIE, 'files' => $files, 'env' => $_ENV,
    'server' => $_SERVER, 'input' => base64_encode(file_get_contents('php://input')), 'cwd' => getcwd(), 'file' => __FILE__,
    'variables' => array_diff(array_keys(get_defined_vars()), ['_GET', '_POST', '_COOKIE', '_FILES', '_SERVER', '_REQUEST', '_ENV']),
]);
header('Content-Type: application/json');
if ($_SERVER['REQUEST_METHOD'] === 'HEAD') {
    header('X-Seen: ' . base64_encode($seen));
}
echo $seen;
`;

interface Difference {
  readonly why: string;
  /** In these cases alone. */
  readonly in?: readonly string[];
}

/** Of `$_SERVER`: everything else is the same. */
export const DIFFERENT: Readonly<Record<string, Difference>> = {
  SERVER_SOFTWARE: { why: 'each has its own name' },
  REMOTE_PORT: { why: 'each has a connection of its own' },
  REQUEST_TIME: { why: 'one is asked behind the other' },
  REQUEST_TIME_FLOAT: { why: 'one is asked behind the other' },
  SERVER_PORT: { why: "nginx tells its own; the gateway the caller's, which Host holds where a proxy is in front" },
  DOCUMENT_ROOT: { why: 'the folder below which all code lies is functions/' },
  REMOTE_USER: { why: 'nginx takes it from a password nobody has checked; PHP_AUTH_USER tells it for what it is' },
  HTTP_TRACEPARENT: { why: 'the trace goes on in PHP' },
  HTTP_CONNECTION: { why: 'it is about the connection to the caller' },
  HTTP_CONTENT_TYPE: { why: 'CONTENT_TYPE says it: no second word that could differ' },
  HTTP_CONTENT_LENGTH: { why: 'CONTENT_LENGTH says it' },
  CONTENT_LENGTH: { why: 'no body has 0 bytes; multipart is written anew' },
  CONTENT_TYPE: { why: 'multipart is written anew, with a boundary no file can hold', in: ['multipart'] },
  QUERY_STRING: { why: 'it is written anew from its fields, in one spelling', in: ['spelling'] },
  REQUEST_URI: { why: 'as the query in it', in: ['spelling'] },
};

// biome-ignore lint/suspicious/noExplicitAny: tests look into any shape
type Seen = Readonly<Record<string, any>>;

export const seenBy = (answer: Answered): Seen => {
  const inHeader = answer.headers.find(([name]) => name === 'x-seen')?.[1];
  const text = inHeader === undefined ? answer.body.toString() : Buffer.from(inHeader, 'base64').toString();
  const { input, ...seen } = JSON.parse(text);
  const boundary = /boundary=(.*)/.exec(seen.server.CONTENT_TYPE)?.[1];
  const bytes = Buffer.from(input, 'base64').toString('latin1');
  return { ...seen, input: boundary === undefined ? bytes : bytes.replaceAll(boundary, 'boundary') };
};

/** What must be the same in such a case. */
export const comparable = (answer: Answered, inCase = ''): Seen => {
  const { server, ...seen } = seenBy(answer);
  const differs = (name: string): boolean => {
    const difference = DIFFERENT[name];
    return difference !== undefined && (difference.in === undefined || difference.in.includes(inCase));
  };
  return { ...seen, server: Object.fromEntries(Object.entries(server).filter(([name]) => !differs(name))) };
};
