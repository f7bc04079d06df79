/** Runs once before all tests: they start php-fpm as its users do, which must be able to read this folder. */
import { join } from 'node:path';
import { isRoot, lookUpUser } from '../../gateway/pool/instance-dir.ts';
import { canRead } from '../../gateway/pool/stage.ts';

const RUNTIME = join(import.meta.dirname, '..', '..', 'gateway', 'php', 'run.php');
const USER = 'www-data';

export default (): void => {
  const user = isRoot() ? lookUpUser(USER) : undefined;
  if (user === undefined || canRead(user, [RUNTIME])) return;
  throw new Error(
    `${USER} cannot read ${RUNTIME}, so php-fpm that others run could not either, which some tests are about. ` +
      'Put the project where every user can enter, such as /srv, or run the tests as another user.',
  );
};
