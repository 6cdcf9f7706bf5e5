/** The reference of errors. */
import { errorTable, exitCodes } from '#kit/errors.ts';

const escaped = (text: string) => text.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ');

/** docs/reference/errors.md */
export function errorsPage(): string {
  const errors = Object.entries(errorTable).map(
    ([code, { message, remedy, exit }]) =>
      `## ${code}\n\n> ${escaped(message)}\n\n${escaped(remedy)} Exit code ${exit}.`,
  );
  const codes = Object.entries(exitCodes).map(([name, code]) => `| ${code} | ${name} |`);
  return `# Errors

<!-- Made by scripts/docs.ts from src/kit/errors.ts. Do not edit. -->

Every error that Chorus shows: its message, what to do, and the exit code of a command that ends with it. Words in braces stand for
details. The API gives the same as JSON: \`{ "code", "message", "remedy" }\`.

${errors.join('\n\n')}

## Exit codes

After sysexits.h where one fits.

| code | meaning |
|---|---|
${codes.join('\n')}
`;
}
