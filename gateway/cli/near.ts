/** Names that may have been meant. Pure. */

/** Letters to add, remove or change (Levenshtein); names are short. */
const distance = (a: string, b: string): number => {
  let above = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let row = 1; row <= a.length; row += 1) {
    const line = [row];
    for (let at = 1; at <= b.length; at += 1) {
      const change = (above[at - 1] ?? 0) + (a[row - 1] === b[at - 1] ? 0 : 1);
      line.push(Math.min(change, (above[at] ?? 0) + 1, (line[at - 1] ?? 0) + 1));
    }
    above = line;
  }
  return above[b.length] ?? 0;
};

const NEAR_MAX = 3;

/** The closest first; none where nothing is like it. */
export const near = (name: string, known: readonly string[]): string[] => {
  const asked = name.toLowerCase().slice(0, 128);
  const limit = Math.max(2, Math.floor(asked.length / 3));
  return known
    .map((each) => ({ each, far: each.includes(asked) && asked.length > 1 ? 1 : distance(asked, each.toLowerCase()) }))
    .filter(({ far }) => far <= limit)
    .sort((a, b) => a.far - b.far)
    .slice(0, NEAR_MAX)
    .map(({ each }) => each);
};
