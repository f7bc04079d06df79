/** Line coverage as Clover XML, which editors and CI read. Pure. */

/** How many calls ran each executable line, by line number. */
export type Lines = ReadonlyMap<number, number>;

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

interface Count {
  readonly statements: number;
  readonly covered: number;
}

const countOf = (lines: Lines): Count => ({
  statements: lines.size,
  covered: [...lines.values()].filter((calls) => calls > 0).length,
});

/** `phpunit` writes these; some readers want all of them. */
const metrics = ({ statements, covered }: Count, files: string): string =>
  `<metrics ${files}loc="0" ncloc="0" classes="0" methods="0" coveredmethods="0" conditionals="0" coveredconditionals="0" statements="${statements}" coveredstatements="${covered}" elements="${statements}" coveredelements="${covered}"/>`;

const fileElement = ([file, lines]: [string, Lines]): string => {
  const sorted = [...lines].sort(([a], [b]) => a - b);
  const elements = sorted.map(([line, calls]) => `      <line num="${line}" type="stmt" count="${calls}"/>`);
  return [
    `    <file name="${escapeXml(file)}">`,
    ...elements,
    `      ${metrics(countOf(lines), '')}`,
    '    </file>',
  ].join('\n');
};

/** Files by absolute path. */
export const renderClover = (files: ReadonlyMap<string, Lines>, atSeconds: number): string => {
  const counts = [...files.values()].map(countOf);
  const total = {
    statements: counts.reduce((sum, { statements }) => sum + statements, 0),
    covered: counts.reduce((sum, { covered }) => sum + covered, 0),
  };
  const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<coverage generated="${atSeconds}">`,
    `  <project timestamp="${atSeconds}">`,
    ...sorted.map(fileElement),
    `    ${metrics(total, `files="${files.size}" `)}`,
    '  </project>',
    '</coverage>',
    '',
  ].join('\n');
};
