/** The reference of the command line: the help of every command. */
import type { Command } from 'commander';
import { program } from '#cli/main.ts';

/** docs/reference/cli.md */
export async function cliPage(): Promise<string> {
  const root = await program();
  const sections = everyCommand(root).map(
    ([name, command]) => `## \`${name}\`\n\n\`\`\`text\n${helpOf(command)}\n\`\`\``,
  );
  return `# Commands

<!-- Made by scripts/docs.ts from src/cli/. Do not edit. -->

What \`chorus COMMAND --help\` says. Errors and exit codes: [errors.md](errors.md).

${sections.join('\n\n')}
`;
}

function everyCommand(command: Command, above = ''): [string, Command][] {
  const name = `${above}${command.name()}`;
  return [[name, command], ...command.commands.flatMap(inner => everyCommand(inner, `${name} `))];
}

function helpOf(command: Command): string {
  let text = '';
  command.configureHelp({ ...command.configureHelp(), helpWidth: 100 });
  command.configureOutput({
    writeOut: part => {
      text += part;
    },
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.trim().replace(/[ \t]+$/gm, '');
}
