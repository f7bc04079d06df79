/** What has many parts exports some of them: the first ones, then ever fewer. Errors are kept apart from this. Pure. */

const ALL_OF_FIRST = 1000;

/** All of the first 1,000, then 500 for each time that the number doubles: of 100,000 parts about 4,300. */
export const isThinned = (index: number): boolean => {
  if (index < ALL_OF_FIRST) return false;
  const doublings = Math.floor(Math.log2(index / ALL_OF_FIRST)) + 1;
  return index % 2 ** doublings !== 0;
};
