import { dirname, resolve } from 'node:path';
import { parseJobFile } from '@capacloud/protocol/job/job-spec';
import { settleJobFile } from '@capacloud/protocol/job/spelling';
import type { Problem } from '@capacloud/protocol/result';
import { type Document, isMap, LineCounter, parseDocument, visit } from 'yaml';
import { CommandError, type PlacedProblem, usageError } from './command-error.ts';
import { readJobText } from './job-text.ts';
import { type JobTree, TreeFault, treeOf } from './job-tree.ts';
import { lookalike } from './lookalike.ts';
import { isRecoverable, openQuote, withoutEchoes, yamlFault } from './yaml-fault.ts';

/** A job file as it was read, with the places of its parts. */
export interface JobDocument {
  readonly value: unknown;
  /** Paths in it are relative to this folder. */
  readonly folder: string;
  /** The problems in the order of the file, each with its line and column where the file has one. */
  place(problems: readonly Problem[]): readonly PlacedProblem[];
}

/** Every tag is refused with a place: a set or a map of another kind would lose what it holds on its way into JSON. */
const plainData = { resolveKnownTags: false, prettyErrors: false } as const;
/** So many faults of the notation are told at once. */
const maxFaults = 20;

/** Reads YAML or JSON from a file, or from standard input for `-`, and applies `--set PATH=VALUE`. */
export async function readJobDocument(file: string, assignments: readonly string[]): Promise<JobDocument> {
  const text = await readJobText(file);
  const lines = new LineCounter();
  const document = parseDocument(text, { ...plainData, lineCounter: lines });
  const shownFile = file === '-' ? 'standard input' : file;
  const placeOf = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${shownFile}:${line}:${col}`;
  };
  const faults = withoutEchoes([...document.errors, ...document.warnings]).slice(0, maxFaults);
  const told = faults.map((fault) => {
    const opened = openQuote(fault, document);
    const { line, col } = lines.linePos(opened ?? 0);
    const message =
      opened === undefined
        ? yamlFault(fault, text)
        : `The quote that is opened in line ${line}, column ${col} is never closed.`;
    return { pointer: '', place: placeOf(fault.pos[0]), message };
  });
  if (!isMap(document.contents) || !faults.every(isRecoverable)) {
    const other = lookalike(text);
    if (other !== undefined) throw notJobFile(shownFile, other);
  }
  if (!faults.every(isRecoverable)) throw notYaml(told);
  if (told.length === 0) for (const assignment of assignments) assign(document, assignment);
  const tree = readTree(document, shownFile, placeOf);
  const value = settleJobFile(tree.value);
  const place: JobDocument['place'] = (problems) =>
    problems
      .map((problem) => ({ problem, offset: offsetOf(tree, problem.pointer) }))
      .sort((a, b) => (a.offset ?? -1) - (b.offset ?? -1))
      .map(({ problem, offset }) =>
        offset === undefined ? problem : { ...problem, place: placeOf(offset) },
      );
  if (told.length > 0) throw notYaml([...told, ...place(otherProblems(value))]);
  return { value, folder: file === '-' ? process.cwd() : dirname(resolve(file)), place };
}

/** What is wrong besides, so that a person mends all of it at once. Paths of this machine are looked at later. */
function otherProblems(value: unknown): readonly Problem[] {
  const parsed = parseJobFile(value);
  const problems = parsed.ok ? [] : (parsed.refusal.problems ?? []);
  return problems.filter(({ pointer }) => !/^\/inputs\/[0-9]+\/source$/.test(pointer));
}

function notYaml([first, ...more]: readonly PlacedProblem[]): CommandError {
  const place = first?.place === undefined ? '' : `${first.place}: `;
  return new CommandError(2, {
    code: 'job.invalid',
    message: `${place}${first?.message ?? 'The file cannot be read.'}`,
    hint: 'A job file is YAML or JSON.',
    problems: more,
  });
}

function notJobFile(shownFile: string, other: string): CommandError {
  return new CommandError(2, {
    code: 'job.invalid',
    message: `${shownFile} is no job file: it looks like ${other}.`,
    hint: 'A job file is a map of fields in YAML or JSON, such as version, image and command.',
  });
}

function readTree(document: Document, shownFile: string, placeOf: (offset: number) => string): JobTree {
  try {
    return treeOf(document);
  } catch (error) {
    if (!(error instanceof TreeFault)) throw error;
    const place = error.offset === undefined ? shownFile : placeOf(error.offset);
    throw notYaml([{ pointer: '', place, message: error.message }]);
  }
}

/** Fields whose values are text even when they look like something else. */
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
  try {
    document.setIn(path, textFields.test(path[0] ?? '') ? text : plainNode(text));
  } catch {
    throw usageError(
      `--set ${assignment} does not fit the job file.`,
      'The path names fields from the top, with dots between them; list items are counted from 0.',
    );
  }
}

/** What the text is in YAML. It stands nowhere in the file. */
function plainNode(text: string): unknown {
  const document = parseDocument(text, plainData);
  const [first] = [...document.errors, ...document.warnings];
  if (first !== undefined) throw first;
  treeOf(document);
  visit(document, {
    Node: (_, node) => {
      node.range = null;
    },
  });
  return document.contents;
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
function offsetOf({ places }: JobTree, pointer: string): number | undefined {
  for (let inner = pointer; ; inner = inner.slice(0, inner.lastIndexOf('/'))) {
    const offset = places.get(inner);
    if (offset !== undefined || inner === '') return offset;
    if (!inner.includes('/')) return places.get('');
  }
}
