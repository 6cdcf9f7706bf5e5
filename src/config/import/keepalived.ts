/** From the text of a keepalived.conf to a configuration of Chorus, and to the list of what became of it. */
import { readBlocks } from './blocks.ts';
import type { Files } from './glob.ts';
import { readLines } from './lines.ts';
import { Enough, Problems } from './problems.ts';
import { readModel } from './read.ts';
import type { Remark } from './remarks.ts';
import { type Removal, type TranslateOptions, type Translation, translate } from './translate.ts';
import { configurationText, reportText } from './write.ts';

/** Largest file that is read, in characters. */
const longestText = 4_000_000;

export type ImportOptions = TranslateOptions & {
  /** How the file is called in messages; includes are looked for beside it. */
  readonly file: string;
  readonly files: Files;
  /** keepalived's `--config-id`. */
  readonly id: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

export type Imported = {
  /** YAML that Chorus loads. */
  readonly configuration: string;
  readonly remarks: readonly Remark[];
  readonly removal: readonly Removal[];
  /** Remarks and times as lines for people. */
  readonly report: string;
};

/**
 * Imports a text. @throws ChorusError IMPORT_INVALID with every problem by its place, IMPORT_NOTHING, IMPORT_SEVERAL; nothing else,
 * whatever the text is.
 */
export function importKeepalived(text: string, options: ImportOptions): Imported {
  const { file } = options;
  const problems = new Problems();
  let translation: Translation | undefined;
  try {
    if (text.length > longestText) {
      problems.fatal(
        { file, line: 1, column: 1 },
        `the file has ${text.length} characters`,
        `at most ${longestText}`,
      );
    }
    const lines = readLines(text, { ...options, problems });
    const statements = readBlocks(lines, problems);
    if (!problems.none) throw problems.error(file);
    const model = readModel(statements, problems);
    if (!problems.none) throw problems.error(file);
    translation = translate(model, file, options, problems);
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  if (!translation || !problems.none) throw problems.error(file);
  const { remarks, removal } = translation;
  return {
    configuration: configurationText(translation, file),
    remarks,
    removal,
    report: reportText(file, remarks, removal),
  };
}
