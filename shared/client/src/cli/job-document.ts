import { createReadStream } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Problem } from '@capacloud/protocol/result';
import { apiLimits } from '@capacloud/protocol/routes';
import { type Document, isNode, LineCounter, parseDocument } from 'yaml';
import { CommandError, type PlacedProblem, usageError } from './command-error.ts';

/** A job file as it was read, with the places of its parts. */
export interface JobDocument {
  readonly value: unknown;
  /** Paths in it are relative to this folder. */
  readonly folder: string;
  /** The problems, each with its line and column where the file has one. */
  place(problems: readonly Problem[]): readonly PlacedProblem[];
}

/** Every tag is refused with a place: a set or a map of another kind would lose what it holds on its way into JSON. */
const plainData = { resolveKnownTags: false } as const;

/** Reads YAML or JSON from a file, or from standard input for `-`, and applies `--set PATH=VALUE`. */
export async function readJobDocument(file: string, assignments: readonly string[]): Promise<JobDocument> {
  const text = await readText(file);
  const lines = new LineCounter();
  const document = parseDocument(text, { ...plainData, lineCounter: lines, prettyErrors: false });
  const shownFile = file === '-' ? 'standard input' : file;
  const [first] = [...document.errors, ...document.warnings];
  if (first !== undefined) {
    const { line, col } = lines.linePos(first.pos[0]);
    throw notYaml(`${shownFile}:${line}:${col}: ${first.message}`);
  }
  for (const assignment of assignments) assign(document, assignment);
  return {
    value: valueOf(document, shownFile),
    folder: file === '-' ? process.cwd() : dirname(resolve(file)),
    place: (problems) =>
      problems.map((problem) => {
        const offset = offsetOf(document, problem.pointer);
        if (offset === undefined) return problem;
        const { line, col } = lines.linePos(offset);
        return { ...problem, place: `${shownFile}:${line}:${col}` };
      }),
  };
}

async function readText(file: string): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of file === '-' ? process.stdin : createReadStream(file)) {
      parts.push(part as Buffer);
      length += (part as Buffer).length;
      if (length > apiLimits.bodyBytes)
        throw usageError(`${file} is larger than a job file may be (${apiLimits.bodyBytes} bytes).`);
    }
  } catch (error) {
    if (error instanceof CommandError || !(error instanceof Error) || !('code' in error)) throw error;
    throw usageError(`${file} cannot be read: ${reasonOf(error.code)}.`, 'Check the path of the job file.');
  }
  return Buffer.concat(parts).toString('utf8');
}

function reasonOf(code: unknown): string {
  switch (code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EISDIR':
      return 'it is a folder';
    case 'EACCES':
      return 'it may not be read';
    default:
      return String(code);
  }
}

function notYaml(message: string): CommandError {
  return new CommandError(2, { code: 'job.invalid', message, hint: 'A job file is YAML or JSON.' });
}

function valueOf(document: Document, shownFile: string): unknown {
  try {
    // Aliases are counted: a few lines of YAML can stand for gigabytes.
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    // An alias may stand inside what it stands for; JSON has no way to say that.
    JSON.stringify(value);
    return value;
  } catch (error) {
    throw notYaml(`${shownFile}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Fields whose values are text even when they look like numbers. */
const textFields = /^(version|user|price|env|labels)$/;

function assign(document: Document, assignment: string): void {
  const split = assignment.indexOf('=');
  if (split < 1)
    throw usageError(
      `--set ${assignment} has no value.`,
      'Write --set PATH=VALUE, for example --set resources.memory=2Gi.',
    );
  const path = pathOf(assignment.slice(0, split));
  const text = assignment.slice(split + 1);
  let value: unknown = text;
  try {
    if (!textFields.test(path[0] ?? '')) value = plainValue(text);
    document.setIn(path, value);
  } catch {
    throw usageError(
      `--set ${assignment} does not fit the job file.`,
      'The path names fields from the top, with dots between them; list items are counted from 0.',
    );
  }
}

function plainValue(text: string): unknown {
  const document = parseDocument(text, plainData);
  const [first] = [...document.errors, ...document.warnings];
  if (first !== undefined) throw first;
  return document.toJS({ maxAliasCount: 0 });
}

/** `resources.memory`, or a JSON Pointer. */
function pathOf(text: string): readonly string[] {
  if (!text.startsWith('/')) return text.split('.');
  return text
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Where the value stands, or the nearest thing around it. */
function offsetOf(document: Document, pointer: string): number | undefined {
  for (let path = pointer === '' ? [] : [...pathOf(pointer)]; ; path = path.slice(0, -1)) {
    const node = path.length === 0 ? document.contents : document.getIn(path, true);
    if (isNode(node) && node.range !== undefined && node.range !== null) return node.range[0];
    if (path.length === 0) return undefined;
  }
}
