/** Lines of a report, with one line below them that says what is being done: on a terminal alone. */
import { styleText } from 'node:util';

const isShown = process.stderr.isTTY === true;

export const clear = (): void => {
  if (isShown) process.stderr.write('\r\u001b[2K');
};

export const show = (text: string): void => {
  if (!isShown) return;
  process.stderr.write(`\r\u001b[2K${text.slice(0, (process.stderr.columns || 80) - 1)}`);
};

export const say = (line: string): void => {
  clear();
  const colour = line.startsWith('✓') ? 'green' : line.startsWith('✗') ? 'red' : undefined;
  const isPainted = process.stdout.isTTY && colour !== undefined;
  console.log(isPainted ? `${styleText(colour, line.slice(0, 1))}${line.slice(1)}` : line);
};
