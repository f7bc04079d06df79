/** What a handler file says that a resident worker takes otherwise, found without running it. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findPhpFpm } from '../../gateway/pool/fpm-master.ts';
import { findPhp } from '../../gateway/pool/php-cli.ts';
import { temporaryFolder, wholeFile } from '../support/lifetime.ts';

interface Habit {
  readonly line: number;
  readonly what: string;
  readonly instead: string;
}

const RUNTIME = join(import.meta.dirname, '..', '..', 'gateway', 'php');
const READ = `
require ${JSON.stringify(join(RUNTIME, 'autoload.php'))};
echo json_encode(array_map(FpmGateway\\Resident\\Habits::of(...), json_decode(file_get_contents('php://stdin'))));`;

/** One PHP for all: it starts in 50 ms. */
const habitsOf = (files: readonly string[], args: readonly string[] = []): readonly (readonly Habit[])[] => {
  const php = findPhp(undefined, findPhpFpm(undefined));
  const { stdout, stderr } = spawnSync(php, [...args, '-d', 'error_reporting=-1', '-r', READ], {
    input: JSON.stringify(files),
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as readonly (readonly Habit[])[];
};

const FOUND: readonly (readonly [code: string, what: string])[] = [
  ['exit;', 'exit'],
  ['exit(1);', 'exit'],
  ['$x or die("no");', 'die'],
  ['DIE();', 'die'],
  ['global $pdo;', 'global'],
  ['header("X: y");', 'header()'],
  ['\\header("X: y");', 'header()'],
  ['Header ("X: y");', 'header()'],
  ['header(/* why */ "X: y");', 'header()'],
  ['$f = header(...);', 'header()'],
  ['header_remove();', 'header_remove()'],
  ['setcookie("a");', 'setcookie()'],
  ['setrawcookie("a");', 'setrawcookie()'],
  ['http_response_code(404);', 'http_response_code()'],
  ['@session_start();', 'session_start()'],
  ['set_time_limit(0);', 'set_time_limit()'],
  ['$pid = pcntl_fork();', 'pcntl_fork()'],
  ['register_shutdown_function(fn () => 1);', 'register_shutdown_function()'],
  ['fastcgi_finish_request();', 'fastcgi_finish_request()'],
  ['$id = $_GET["id"];', '$_GET'],
  ['$id = $_POST["id"];', '$_POST'],
  ['$ip = $_SERVER["REMOTE_ADDR"];', '$_SERVER'],
  ['$f = $_FILES;', '$_FILES'],
  ['$c = $_COOKIE;', '$_COOKIE'],
  ['$r = $_REQUEST;', '$_REQUEST'],
  ['$_SESSION["n"] = 1;', '$_SESSION'],
  ['$s = "id {$_GET["id"]}";', '$_GET'],
  ['$in = file_get_contents("php://input");', 'php://input'],
  ["$in = fopen('PHP://stdin', 'r');", 'php://stdin'],
  ['$l = fgets(STDIN);', 'STDIN'],
  ['$l = fgets(\\STDIN);', 'STDIN'],
  ['move_uploaded_file($a, $b);', 'move_uploaded_file()'],
  ['is_uploaded_file($a);', 'is_uploaded_file()'],
  ['chdir("/");', 'chdir()'],
  ['putenv("A=b");', 'putenv()'],
  ['setlocale(LC_ALL, "C");', 'setlocale()'],
  ['ini_set("precision", "9");', 'ini_set()'],
  ['return function () { define("USER", 1); };', 'define()'],
  ['return fn () => \\define("USER", 1);', 'define()'],
  ['return function () { if (true) { $c = require_once "config.php"; } };', 'require_once'],
  ['return static fn ($a, $b) => [1, include_once "config.php"];', 'include_once'],
  ['return function () { $s = "{$a["b"]}"; function helper() { return 1; } };', 'function helper'],
  ['return function () { class Helper {} };', 'class Helper'],
  ['final class A { function load() { require_once "b.php"; } }', 'require_once'],
];

const NOTHING: readonly string[] = [
  '// exit; header("X: y"); $_GET',
  '/** die() */ # session_start()',
  '$s = "exit; header() $_GETX php://input STDIN is read";',
  "$s = '$_POST[1] chdir()';",
  '$s = <<<TEXT\nheader("x"); exit;\nTEXT;',
  '$response->header("X: y");',
  '$response?->header("X: y");',
  '$loop->exit();',
  'Response::header("X: y");',
  'Loop::exit();',
  'Loop::$_GET;',
  'Http\\header("X: y");',
  'namespace\\header("X: y");',
  '$r = new Header("X: y");',
  '$r = Io::STDIN;',
  '$r = Exit_::class;',
  '$r = header;',
  '$r = $header("X: y");',
  'run(exit: true, global: false);',
  'class A { public function header(): void {} function exit(): void {} const STDIN = 1; const HEADER = 2; }',
  'enum Way: string { case Exit = "exit"; case Header = "header"; }',
  '#[Header("X: y"), Chdir("/")] function f() {}',
  'putenvironment(); chdirs(); my_header();',
  'require_once "vendor/autoload.php"; define("A", 1); function f() {} class B {} return fn () => 1;',
  '$f = fn () => 1; require_once "b.php"; $g = [fn ($x) => [$x, 1], include_once "c.php"];',
  'return function () { $o = new class { function f() {} }; $n = A::class; $f = function () {}; $o->define("A", 1); };',
  'return function () { if (!function_exists("f")) { function f() {} } };',
  'abstract class A { abstract function f(); const B = 1; function g() {} }',
];

const FILES = {
  imported:
    '<?php\nnamespace App;\nuse function Http\\header;\nuse function Os\\{chdir, go as putenv};\nheader("x"); chdir("/"); putenv("a"); setlocale(0, "C");',
  declared: '<?php\nnamespace App;\nfunction header(string $x): void {}\nheader("x");\n\\header("x");',
  method: '<?php\nnamespace App;\nclass A { public function header(): void { header("x"); } }',
  handler:
    '<?php\nreturn static function (array $input) {\n    if ($input === []) {\n        exit(1);\n    }\n    header("A: b"); header("C: d");\n\n    return $_GET;\n};\n',
  broken: '<?php\nreturn function ( { exit;',
};

const folder = temporaryFolder(wholeFile());
const write = (name: string, text: string): string => {
  const file = join(folder, `${name}.php`);
  writeFileSync(file, text);
  return file;
};
const whats = (habits: readonly Habit[] = []): string[] => habits.map(({ line, what }) => `${line} ${what}`);

const found = habitsOf(FOUND.map(([code], at) => write(`found-${at}`, `<?php\n${code}\n`)));
const nothing = habitsOf(NOTHING.map((code, at) => write(`nothing-${at}`, `<?php\n${code}\n`)));

test.each(FOUND.map(([code, what], at) => ({ code, what, at })))('$code is told', ({ what, at }) => {
  expect(whats(found[at])).toEqual([`2 ${what}`]);
  expect(found[at]?.[0]?.instead).toMatch(/^\S.{20,}/);
});

test.each(NOTHING.map((code, at) => ({ code, at })))('$code is nothing', ({ at }) => {
  expect(nothing[at]).toEqual([]);
});

test('in a file with a namespace its own functions are not PHP’s', () => {
  const [imported, declared, method] = habitsOf([
    write('imported', FILES.imported),
    write('declared', FILES.declared),
    write('method', FILES.method),
  ]);
  expect(whats(imported)).toEqual(['5 setlocale()']);
  expect(whats(declared)).toEqual(['5 header()']);
  expect(whats(method)).toEqual(['3 header()']);
});

test('each is told with its line, once for a line, in the order of the file', () => {
  const [handler] = habitsOf([write('handler', FILES.handler)]);
  expect(whats(handler)).toEqual(['4 exit', '6 header()', '8 $_GET']);
});

test('a file that does not parse is read as far as it goes, one that is not there is nothing', () => {
  expect(habitsOf([write('broken', FILES.broken), join(folder, 'absent.php')]).map(whats)).toEqual([['2 exit'], []]);
});

test('without the tokenizer nothing is told', () => {
  // -n: no php.ini, so no shared extensions; elsewhere the tokenizer may be compiled in.
  const php = findPhp(undefined, findPhpFpm(undefined));
  const { stdout } = spawnSync(php, ['-n', '-m'], { encoding: 'utf8' });
  const expected = stdout.includes('tokenizer') ? ['4 exit', '6 header()', '8 $_GET'] : [];
  expect(habitsOf([write('handler', FILES.handler)], ['-n']).map(whats)).toEqual([expected]);
});
