/** What scripts answer with: status, headers and bytes are the same through the gateway as through nginx. */
import { gunzipSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { type Answered, type Asked, valuesOf } from '../support/exchange.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { type Sites, siteProject, startSites } from '../support/sites.ts';

interface Case {
  readonly source: string;
  readonly asked?: Partial<Asked>;
  /** Where its name does not tell. */
  readonly path?: string;
}

const of = (source: string, asked: Partial<Asked> = {}): Case => ({ source: `<?php ${source}`, asked });
const GZIP: Partial<Asked> = { headers: [['Accept-Encoding', 'gzip']] };
const HEAD: Partial<Asked> = { method: 'HEAD' };

const STATUSES = [200, 201, 202, 203, 204, 206, 301, 303, 304, 307, 308, 400, 401, 404, 410, 418, 422, 429, 500, 503];

const CASES: Readonly<Record<string, Case>> = {
  ...Object.fromEntries(
    STATUSES.map((status) => [`the status ${status}`, of(`http_response_code(${status}); echo 'text';`)]),
  ),
  'a status line': of("header('HTTP/1.1 410 Gone'); echo 'gone';"),
  'a Status header': of("header('Status: 409 Conflict'); echo 'no';"),
  'two statuses': of("header('Status: 404'); header('Status: 500', false); echo 'no';"),
  'a status behind another': of("header('Status: 404'); http_response_code(503); echo 'no';"),
  'nothing at all': of(''),
  'text around code': { source: 'before\n<?php $a = 1; ?>\nmiddle <?= $a ?>\n<?php ?>\nafter\n' },
  'no code at all': { source: '<p>plain</p>\n' },
  'a byte order mark': { source: '\ufeff<?php echo 1;' },
  'a namespace with strict types': of(
    'declare(strict_types=1); namespace App; function f(int $a): int { return $a; } echo f(1);',
  ),
  'a script that returns': of("echo 'a'; return 5; echo 'b';"),
  'data behind its code': of(
    'echo file_get_contents(__FILE__, false, null, __COMPILER_HALT_OFFSET__); __halt_compiler();\ndata',
  ),
  'a redirect': of("header('Location: /elsewhere?a=b#c');"),
  'a permanent redirect': of("header('Location: http://other.example/', true, 301); exit;"),
  'a place that was made': of("header('Location: /made/1', true, 201); echo '{}';"),
  // A time to come would be told as the seconds until then, which one of the two may be asked a second later.
  cookies: of(`setcookie('a', 'b c'); setcookie('d', '', 1); setrawcookie('e', 'f');
    setcookie('g', '1', ['expires' => 1000000000, 'path' => '/', 'domain' => 'site.example', 'secure' => true, 'httponly' => true, 'samesite' => 'Lax']);
    header('Set-Cookie: h=1; expires=Wed, 18 May 2033 03:33:20 GMT; Max-Age=60', false); setcookie('a', 'again');`),
  'headers more than once': of(`header('Link: </a>; rel=preload'); header('Link: </b>; rel=preload', false);
    header('WWW-Authenticate: Basic realm="a"'); header('WWW-Authenticate: Bearer', false); header('Vary: Accept'); header('Vary: Cookie', false);`),
  'a header that replaces another': of(
    "header('Cache-Control: private'); header('cache-control: max-age=60'); echo 1;",
  ),
  'a header that is taken back': of("header('ETag: \"a\"'); header('Expires: 0'); header_remove('ETag'); echo 1;"),
  'a media type': of("header('Content-Type: text/plain'); echo 'ü';"),
  'a media type with a charset': of('header(\'Content-Type: text/csv; charset=ISO-8859-1\'); echo "\\xfc";'),
  'a download':
    of(`header('Content-Type: application/octet-stream'); header('Content-Disposition: attachment; filename="a.bin"');
    header('Content-Length: 4'); header('Accept-Ranges: none'); echo "\\0\\xff\\r\\n";`),
  'headers behind output that is still held': of(
    "echo str_repeat('a', 4000); header('ETag: \"a\"'); http_response_code(404);",
  ),
  'headers behind output that is out': of(
    "echo str_repeat('a', 5000); header('ETag: \"a\"'); http_response_code(404); echo 'end';",
  ),
  'an end in the middle': of("echo 'a'; exit; echo 'b';"),
  'last words': of("echo 'a'; exit('bye');"),
  'an exit code': of("echo 'a'; exit(3);"),
  'an end in a file it includes': of("echo 'a'; include '_exits.php'; echo 'b';"),
  'output of shutdown functions': of(`register_shutdown_function(function () { echo 'second'; header('ETag: "s"');
    register_shutdown_function(function () { echo 'third'; }); }); echo 'first'; exit;`),
  'output of destructors': of("class D { function __destruct() { echo 'gone'; } } $d = new D; echo 'here';"),
  'a buffer callback': of("ob_start(fn ($text) => strtoupper($text)); echo 'loud';"),
  'nested buffers left open': of("echo 'a'; ob_start(); echo 'b'; ob_start(); echo 'c';"),
  'buffers all ended': of(
    "echo 'lost'; while (ob_get_level() > 0) { ob_end_clean(); } echo 'kept'; flush(); echo 'too';",
  ),
  'buffers all flushed': of("echo 'a'; while (@ob_end_flush()); echo 'b';"),
  'levels of buffers': of(
    'echo ob_get_level(), json_encode(ob_list_handlers()), ob_get_length(), (int) headers_sent();',
  ),
  'output taken back': of("echo 'a'; ob_clean(); echo 'b'; $text = ob_get_clean(); echo $text . 'c';"),
  'implicit flushing': of("ob_implicit_flush(); echo 'a'; ob_flush(); flush(); echo 'b';"),
  '5 MB': of(
    "header('Content-Type: text/plain'); for ($i = 0; $i < 80; $i++) { echo str_repeat(chr(97 + $i % 26), 65536); }",
  ),
  'compressed output': of("ini_set('zlib.output_compression', '1'); echo str_repeat('text ', 5000);", GZIP),
  'output compressed by a handler': of("ob_start('ob_gzhandler'); echo str_repeat('text ', 5000);", GZIP),
  'a handler that may not compress': of("ob_start('ob_gzhandler'); echo 'text';"),
  'output compressed by itself': of("header('Content-Encoding: gzip'); echo gzencode('text');"),
  'HEAD with output': of("header('ETag: \"a\"'); setcookie('a', '1'); echo 'text';", HEAD),
  'HEAD with a length': of("header('Content-Length: 4'); echo 'text';", HEAD),
  'HEAD with a status': of("http_response_code(404); echo 'text';", HEAD),
  'HEAD with a redirect': of("header('Location: /a');", HEAD),
  'its place':
    of(`echo json_encode([__FILE__, __DIR__, __LINE__, getcwd(), $_SERVER['PHP_SELF'], $_SERVER['SCRIPT_NAME'], $_SERVER['SCRIPT_FILENAME'] === __FILE__,
    basename($_SERVER['PHP_SELF']), dirname($_SERVER['SCRIPT_NAME']), php_sapi_name(), $_SERVER['PATH_INFO'] ?? null, $argv ?? null]);`),
  'a script in a subfolder': {
    ...of("echo getcwd(), $_SERVER['SCRIPT_NAME']; include '_near.php';"),
    path: 'sub/here.php',
  },
  'files it includes':
    of(`include '_part.php'; include './_part.php'; require __DIR__ . '/_part.php'; require_once 'sub/_deep.php';
    set_include_path('sub'); include '_deep2.php'; echo json_encode([$part, $GLOBALS['part'], more(), array_map('basename', array_slice(get_included_files(), -4))]);`),
  'globals in functions': of(
    "$a = 1; function f() { global $a, $b; $a++; $b = 2; return $GLOBALS['a']; } echo f(), $a, $b;",
  ),
  'classes found by an autoloader': of(
    'spl_autoload_register(fn ($name) => require __DIR__ . "/_$name.php"); echo Found::NAME;',
  ),
  'what filters read': of(
    "echo json_encode([filter_input(INPUT_GET, 'a'), filter_input(INPUT_COOKIE, 'c'), filter_input(INPUT_SERVER, 'REQUEST_METHOD')]);",
    { headers: [['Cookie', 'c=1']] },
  ),
  'what errors it starts with': of(
    'echo json_encode([error_get_last(), error_reporting(), http_response_code(), connection_status(), headers_list()]);',
  ),
  'warnings nobody sees': of(
    "echo $undefined; echo intdiv(1, (int) $_SERVER['REQUEST_TIME']); trigger_error('x'); error_log('y'); echo 'z';",
  ),
  'an error handler of its own': of(
    "set_error_handler(function ($no, $text) { echo \"[$text]\"; return true; }); echo $undefined; trigger_error('x', E_USER_ERROR); echo 'z';",
  ),
  'an exception handler of its own': of(
    "set_exception_handler(function ($e) { http_response_code(503); echo $e->getMessage(); }); throw new Exception('sorry');",
  ),
};

const PARTS = {
  '_exits.php': "<?php echo 'x'; exit;",
  '_part.php': '<?php $part = ($part ?? 0) + 1;',
  '_Found.php': "<?php class Found { const NAME = 'found'; }",
  'sub/_near.php': "<?php echo 'near';",
  'sub/_deep.php': "<?php function more() { global $part; return $part; } include '_near.php';",
  'sub/_deep2.php': "<?php echo 'deep';",
};

const pathOf = (name: string): string => `${name.replaceAll(/[^a-zA-Z0-9]+/g, '-')}.php`;

/** The server's own, and what depends on how it frames its answers. */
const FRAMING = ['date', 'connection', 'content-length', 'transfer-encoding'];
const OF_NGINX = new Set([...FRAMING, 'server']);
const OF_GATEWAY = new Set([...FRAMING, 'request-id', 'trace-id', 'server-timing']);
/** What the gateway says where a script says nothing. */
const USUAL: Readonly<Record<string, string>> = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** Values of one name in one line, which is the same for every reader; cookies stay apart. */
const headersOf = ({ headers }: Answered, left: ReadonlySet<string>): Record<string, string | string[]> => {
  const names = [...new Set(headers.map(([name]) => name))].filter((name) => !left.has(name));
  return Object.fromEntries(
    names.map((name) => {
      const values = headers.filter(([each]) => each === name).map(([, value]) => value);
      return [name, name === 'set-cookie' ? values : values.join(', ')];
    }),
  );
};

const bodyOf = (answer: Answered): string => {
  const isGzip = valuesOf(answer, 'content-encoding').length > 0 && answer.body.length > 0;
  return (isGzip ? gunzipSync(answer.body) : answer.body).toString('latin1');
};

const file = wholeFile();
let sites: Sites;

beforeAll(async () => {
  const scripts = Object.entries(CASES).map(([name, { source, path }]) => [path ?? pathOf(name), source]);
  const session = `<?php session_save_path('${openFolder(file)}'); session_start(); echo $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;`;
  const all = { ...Object.fromEntries(scripts), ...PARTS, 'session.php': session };
  sites = await startSites(siteProject(all, "methods: ['GET']", file), file);
});

test.each(Object.entries(CASES))('%s', async (name, { asked, path }) => {
  const { gateway, nginx } = await sites.ask(`${path ?? pathOf(name)}?a=1`, asked);
  expect(gateway.status).toBe(nginx.status);
  expect(headersOf(gateway, OF_GATEWAY)).toEqual({ ...USUAL, ...headersOf(nginx, OF_NGINX) });
  expect(bodyOf(gateway)).toBe(bodyOf(nginx));
});

test('a session that began behind nginx goes on behind the gateway', async () => {
  const first = await sites.ask('session.php');
  const [cookie = ''] = valuesOf(first.nginx, 'set-cookie');
  const headers = [['Cookie', cookie.slice(0, cookie.indexOf(';'))] as const];
  const second = await sites.ask('session.php', { headers });
  expect([first.nginx, second.gateway, second.nginx].map(({ body }) => String(body))).toEqual(['1', '2', '3']);
  for (const name of ['expires', 'cache-control', 'pragma'])
    expect(valuesOf(second.gateway, name)).toEqual(valuesOf(second.nginx, name));
});
