/** The path of a listening unix socket: claimed in one step, and removed only by the process whose it is. */
import { linkSync, lstatSync, renameSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';

/** As the kernel says it of a port. */
export class AddressInUse extends Error {
  readonly code = 'EADDRINUSE';
}

export class SocketPath {
  readonly path: string;
  /**
   * Node removes the path that it was told to bind when it closes the socket, though another process may listen on the
   * same one by then: it is told this one, which is gone by then. As long as the other, whose length has been checked.
   */
  readonly bindPath: string;
  /** Of the file that is ours; undefined: it is somebody else's. */
  #inode: number | undefined;

  constructor(path: string) {
    this.path = path;
    const name = basename(path);
    this.bindPath = join(dirname(path), (name.startsWith('~') ? '_' : '~') + name.slice(1));
  }

  /** Before it is bound. Rejects with AddressInUse where another listens there, or a file lies there. */
  async clear(): Promise<void> {
    for (const path of [this.bindPath, this.path]) {
      await removeStale(path);
      if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) throw new AddressInUse(`${path} exists`);
    }
  }

  /** Once it is bound and listens. Throws where another was faster. */
  settle(): void {
    try {
      linkSync(this.bindPath, this.path);
      rmSync(this.bindPath);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new AddressInUse(`${this.path} exists`);
      // A file system without hard links.
      renameSync(this.bindPath, this.path);
    }
    this.own(true);
  }

  get owned(): boolean {
    return this.#inode !== undefined;
  }

  own(owned: boolean): void {
    this.#inode = owned ? this.#found() : undefined;
  }

  /** If it is ours, and still the one that was made. */
  remove(): void {
    if (this.owned && this.#found() === this.#inode) rmSync(this.path, { force: true });
    this.#inode = undefined;
  }

  #found(): number | undefined {
    return lstatSync(this.path, { throwIfNoEntry: false })?.ino;
  }
}

/** What a gateway that was killed left behind. Anything else there is somebody's file and stays. */
const removeStale = async (path: string): Promise<void> => {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return;
  const inUse = await new Promise<boolean>((resolve) => {
    const probe = connect({ path }, () => {
      probe.destroy();
      resolve(true);
    });
    // ECONNREFUSED says that nobody listens; a queue that is full (EAGAIN) or a refused permission says nothing.
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
  if (!inUse) rmSync(path, { force: true });
};
