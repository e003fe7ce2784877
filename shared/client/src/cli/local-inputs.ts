import { stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { holdsPattern } from '@capacloud/protocol/job/job-mounts';
import { type JobSpec, parseJobFile } from '@capacloud/protocol/job/job-spec';
import type { Problem } from '@capacloud/protocol/result';
import { hashFile, uploadArtifact } from '../artifact-files.ts';
import type { Client } from '../client.ts';
import { CommandError } from './command-error.ts';
import type { Context } from './context.ts';
import type { JobDocument } from './job-document.ts';
import { sizeText } from './phrases.ts';
import { TransferBar } from './transfer-bar.ts';

/** A file of this machine that a job takes as an input. */
export interface LocalInput {
  readonly path: string;
  /** As the job file names it. */
  readonly source: string;
  readonly sha256: Sha256Hex;
  readonly sizeBytes: number;
}

export interface CheckedJob {
  readonly spec: JobSpec;
  /** The job file with every path replaced by `artifact:SHA256`, ready to be sent. */
  readonly file: unknown;
  /** Each file once. */
  readonly inputs: readonly LocalInput[];
}

/** Checks a job file and the files that it names, without asking anybody. */
export async function checkJob(document: JobDocument, signal: AbortSignal): Promise<CheckedJob> {
  const found = new Map<string, LocalInput>();
  const problems: Problem[] = [];
  const file = structuredClone(document.value);
  const inputs = inputsOf(file);
  for (const [index, input] of inputs) {
    if (!isPath(input.source)) continue;
    const path = isAbsolute(input.source) ? input.source : resolve(document.folder, input.source);
    const known = found.get(path) ?? (await readInput(path, input.source, signal));
    if (typeof known === 'string') {
      problems.push({ pointer: `/inputs/${index}/source`, message: known });
      // Keeps the parser from complaining about the same line.
      input.source = `artifact:${input.sha256 ?? '0'.repeat(64)}`;
      continue;
    }
    found.set(path, known);
    input.source = `artifact:${known.sha256}`;
  }
  const parsed = parseJobFile(file);
  if (!parsed.ok || problems.length > 0) {
    const refusal = parsed.ok ? undefined : parsed.refusal;
    throw new CommandError(2, {
      code: refusal?.code ?? 'job.invalid',
      message:
        refusal?.code === 'job.unsupported'
          ? 'The job asks for what is not supported yet.'
          : 'The job file is not valid.',
      hint:
        refusal?.code === 'job.unsupported'
          ? 'Remove these fields; nothing acts on them yet, and none is ignored silently.'
          : '',
      problems: document.place([...problems, ...(refusal?.problems ?? [])]),
    });
  }
  return { spec: parsed.value, file, inputs: [...found.values()] };
}

/** Uploads what the coordinator does not have yet. */
export async function uploadInputs(
  context: Context,
  client: Client,
  inputs: readonly LocalInput[],
): Promise<void> {
  for (const { path, source, sha256, sizeBytes } of inputs) {
    const bar = new TransferBar(context);
    const startedAt = Date.now();
    try {
      await uploadArtifact(client, path, {
        sha256,
        signal: context.signal,
        onProgress: (done, total) => bar.update(`uploading ${source}`, done, total),
      });
    } finally {
      bar.end();
    }
    const seconds = (Date.now() - startedAt) / 1000;
    context.say(
      context.terminal.err.paint(
        'dim',
        `uploaded ${source} (${sizeText(sizeBytes)}, ${seconds.toFixed(1)} s)`,
      ),
    );
  }
}

interface InputField {
  source: string;
  readonly sha256?: string;
}

function inputsOf(file: unknown): readonly (readonly [index: number, input: InputField])[] {
  const inputs =
    typeof file === 'object' && file !== null && 'inputs' in file && Array.isArray(file.inputs)
      ? (file.inputs as readonly unknown[])
      : [];
  return [...inputs.entries()].filter(
    (entry): entry is [number, InputField] =>
      typeof entry[1] === 'object' &&
      entry[1] !== null &&
      'source' in entry[1] &&
      typeof entry[1].source === 'string',
  );
}

/** Anything without a scheme is a path; `./c:x` is how to spell one that looks like it had one. */
function isPath(source: string): boolean {
  return !/^[a-z][a-z0-9+.-]*:/.test(source);
}

async function readInput(path: string, source: string, signal: AbortSignal): Promise<LocalInput | string> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return `${source} is a folder: pack it first (tar) and unpack it in the job`;
    if (!found.isFile()) return `${source} is not a plain file`;
    return { path, source, sha256: await hashFile(path, signal), sizeBytes: found.size };
  } catch (error) {
    signal.throwIfAborted();
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code !== 'ENOENT') return `${source} cannot be read (${code})`;
    return holdsPattern(source)
      ? `${source} does not exist, and wildcards are not expanded: name each file, or pack them into one (tar)`
      : `${source} does not exist`;
  }
}
