/** Runs what is synchronous as if it were another day, month, year, hour, minute and second: who reads the clock is found out. */

/** 400 days change the day of the week, too. */
const SHIFT_MS = ((400 * 24 + 5) * 3600 + 7 * 60 + 11) * 1000 + 123;

const laterDate = (real: DateConstructor): DateConstructor => {
  const now = (): number => real.now() + SHIFT_MS;
  return new Proxy(real, {
    construct: (target, args: unknown[], self) => Reflect.construct(target, args.length === 0 ? [now()] : args, self),
    apply: () => new real(now()).toString(),
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  });
};

/** Nobody else runs meanwhile; the clock is put right whatever is thrown. */
export const atAnotherTime = <T>(run: () => T): T => {
  const { Date: realDate, performance: realPerformance } = globalThis;
  const performanceNow = realPerformance.now;
  globalThis.Date = laterDate(realDate);
  realPerformance.now = () => performanceNow.call(realPerformance) + SHIFT_MS;
  try {
    return run();
  } finally {
    globalThis.Date = realDate;
    realPerformance.now = performanceNow;
  }
};
