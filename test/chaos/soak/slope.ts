/** How something grew. Pure. */

interface Point {
  readonly atMs: number;
  readonly value: number;
}

/** Least squares, in units per hour; 0 of fewer than two points. */
export const slopePerHour = (points: readonly Point[]): number => {
  if (points.length < 2) return 0;
  const mean = (of: (point: Point) => number): number =>
    points.reduce((sum, each) => sum + of(each), 0) / points.length;
  const [atMean, valueMean] = [mean(({ atMs }) => atMs), mean(({ value }) => value)];
  const above = points.reduce((sum, { atMs, value }) => sum + (atMs - atMean) * (value - valueMean), 0);
  const below = points.reduce((sum, { atMs }) => sum + (atMs - atMean) ** 2, 0);
  return below === 0 ? 0 : (above / below) * 3_600_000;
};
