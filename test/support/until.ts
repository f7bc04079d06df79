/** Waits for a condition, never for a time. */
export const until = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
  const endMs = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`It did not happen within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
