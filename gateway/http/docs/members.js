/** Inputs hold `File`s among their members; JSON has no word for them. Pure. */

/** @param {unknown} value */
const isFile = (value) => value instanceof File || (Array.isArray(value) && value[0] instanceof File);

/** @param {unknown} value @returns {value is Readonly<Record<string, unknown>>} */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value) && !isFile(value);

/**
 * @param {unknown} value
 * @param {boolean} files
 */
const membersThat = (value, files) =>
  Object.entries(isObject(value) ? value : {}).filter(([, member]) => isFile(member) === files);

/** @param {unknown} value @returns {unknown} */
export const withoutFiles = (value) => (isObject(value) ? Object.fromEntries(membersThat(value, false)) : value);

/**
 * @param {unknown} value
 * @param {unknown} holder  has the files
 * @returns {unknown}
 */
export const withFilesOf = (value, holder) =>
  isObject(value) ? { ...value, ...Object.fromEntries(membersThat(holder, true)) } : value;
