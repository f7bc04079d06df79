/** PHP scripts of another application, which has the folder of the client package and nothing else of ours. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const CLIENT_FOLDER = join(import.meta.dirname, '..', '..', 'gateway', 'php', 'Client');

/** Finds classes as composer does for the package. `told()` is what a call gives, or its failure as an array. */
const PRELUDE = `
declare(strict_types=1);
use FpmGateway\\Binary;
use FpmGateway\\Client\\{CallFailed, Client, File, Item, Pending, Result};
error_reporting(E_ALL);
ini_set('display_errors', 'stderr');
spl_autoload_register(static function (string $class): void {
    $file = str_starts_with($class, 'FpmGateway\\\\Client\\\\') ? substr($class, 18) : ($class === 'FpmGateway\\\\Binary' ? 'Binary' : null);
    if ($file !== null) { require '${CLIENT_FOLDER}/' . $file . '.php'; }
});
function told(callable $call): mixed
{
    try {
        return $call();
    } catch (CallFailed $failed) {
        return get_object_vars($failed);
    } catch (InvalidArgumentException | LogicException $mistake) {
        return ['mistake' => $mistake->getMessage()];
    }
}
function waitFor(string $file): void
{
    while (!is_file($file)) { usleep(1000); clearstatcache(); }
}
`;

export interface PhpOptions {
  /** Named arguments of \`Client::connect\` behind the address, as PHP. */
  readonly options?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Hears of the process as soon as it is there. */
  readonly onPid?: (pid: number) => void;
  readonly ini?: readonly string[];
}

/** Runs a body with `$client` there; gives what it returns. Rejects when PHP says anything on standard error. */
export const php = async (address: string, body: string, phpOptions: PhpOptions = {}): Promise<unknown> => {
  const { options = '', env = {}, onPid, ini = [] } = phpOptions;
  const client = address === '' ? 'null' : `Client::connect(${JSON.stringify(address)}, ${options})`;
  const code = `${PRELUDE}
    $main = static function (?Client $client): mixed { ${body} };
    echo json_encode($main(${client}), JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION);`;
  const args = [...ini.flatMap((setting) => ['-d', setting]), '-r', code];
  const running = run('php', args, { env: { PATH: process.env.PATH, ...env }, maxBuffer: 64 * 1_048_576 });
  if (running.child.pid !== undefined) onPid?.(running.child.pid);
  const { stdout, stderr } = await running;
  if (stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout) as unknown;
};
