/** Escape codes and other control characters, line ends excepted: nothing a caller or PHP says may hold them there. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
export const CONTROLS = /[\x00-\x09\x0b-\x1f\x7f-\x9f]/;
