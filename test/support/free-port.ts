/** For programs that cannot be asked which port they chose. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below those the kernel gives to whoever asks for any, which could be given away before the program takes it. */
const LOWEST = 15_000;
const HIGHEST = 31_000;

const isFree = async (port: number): Promise<boolean> => {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
};

export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (await isFree(port)) return port;
  }
};
