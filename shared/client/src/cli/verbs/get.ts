import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type JobId, jobIdOf } from '@capacloud/protocol/ids';
import { endedTaskStates } from '@capacloud/protocol/routes/states';
import type { TaskView } from '@capacloud/protocol/routes/views';
import type { OutputFile } from '@capacloud/protocol/wire/receipt';
import type { Command } from 'commander';
import { downloadArtifact } from '../../artifact-files.ts';
import type { Client } from '../../client.ts';
import { listAll } from '../../pages.ts';
import { CommandError } from '../command-error.ts';
import type { Context } from '../context.ts';
import { exitStatus } from '../exit-status.ts';
import { findJobOrTask, jobOrTaskArgument } from '../named-job.ts';
import { OutputFolder } from '../output-folder.ts';
import { outputNotes, plain, plural, sizeText } from '../phrases.ts';
import { TransferBar } from '../transfer-bar.ts';
import { isUnfit } from '../unfit-output.ts';
import { unpackOutputs } from '../unpack-outputs.ts';
import type { Runner } from './verb.ts';

const parallelDownloads = 4;
/** Notes of all tasks together. */
const maxNotes = 40;

export function addGet(program: Command, runner: Runner): void {
  program
    .command('get')
    .description('download outputs into DIR/<task index>/<path>; continues what was interrupted')
    .argument('<id>', jobOrTaskArgument)
    .argument('[dir]', 'folder (default: one with the name of the job id)')
    .action(runner(get, { outlivesOutput: true }));
}

interface Wanted {
  readonly task: TaskView;
  readonly output: OutputFile;
  readonly folder: OutputFolder;
}

/** What was asked for so far; the list of outputs is read while they are downloaded. */
interface Tally {
  files: number;
  doneFiles: number;
  doneBytes: number;
  totalBytes: number;
  unended: number;
  /** Tasks with more to say than their files. */
  readonly noted: TaskView[];
  /** What was not written: it would have lain elsewhere, is damaged, or is gone. */
  readonly unfit: string[];
}

async function get(context: Context, idText: string, dir?: string): Promise<undefined> {
  const client = await context.client();
  const asked = await findJobOrTask(context, client, idText);
  const job = asked.kind === 'job' ? asked.id : jobIdOf(asked.id);
  const tally: Tally = {
    files: 0,
    doneFiles: 0,
    doneBytes: 0,
    totalBytes: 0,
    unended: 0,
    noted: [],
    unfit: [],
  };
  const tasks =
    asked.kind === 'job'
      ? tasksOf(client, asked.id, context.signal)
      : one(await client.call('getTask', { params: { task: asked.id }, signal: context.signal }));
  const folderOf = ({ index }: TaskView) => new OutputFolder(join(dir ?? job, String(index)));
  const wanted = wantedFiles(tasks, folderOf, tally);
  const bar = new TransferBar(context);
  try {
    await Promise.all(
      Array.from({ length: parallelDownloads }, () => downloadSome(context, client, wanted, tally, bar)),
    );
  } finally {
    bar.end();
  }
  // Last, so that no file is written through one.
  for (const task of tally.noted) await makeLinks(context, task, folderOf(task), tally);
  tell(context, asked.id, tally);
}

function tell(context: Context, id: string, tally: Tally): void {
  const { err } = context.terminal;
  if (tally.files === 0) context.say(`${id} has no outputs${tally.unended > 0 ? ' yet' : ''}.`);
  else context.say(err.paint('dim', `${plural(tally.files, 'file')}, ${sizeText(tally.totalBytes)}`));
  if (tally.unended > 0)
    context.say(`${plural(tally.unended, 'task')} not ended yet: run it again later for the rest.`);
  let left = maxNotes;
  for (const task of tally.noted) {
    const notes = outputNotes(task).map((note) => `task ${task.index}: ${note}`);
    for (const note of notes.slice(0, left)) context.say(err.paint('yellow', note));
    left -= Math.min(left, notes.length);
  }
  if (left === 0) context.say('capacloud status TASK tells of each task what was not kept.');
  if (tally.unfit.length === 0) return;
  const [first] = tally.unfit;
  const more = tally.unfit.length === 1 ? '' : ` (and ${tally.unfit.length - 1} more)`;
  throw new CommandError(exitStatus.platform, {
    code: 'receipt.invalid',
    message: `${first}; it was not written${more}.`,
  });
}

function tasksOf(client: Client, job: JobId, signal: AbortSignal): AsyncGenerator<TaskView> {
  return listAll(client, 'listTasks', { params: { job }, query: { limit: 100 }, signal });
}

async function* one(task: TaskView): AsyncGenerator<TaskView> {
  yield await Promise.resolve(task);
}

async function* wantedFiles(
  tasks: AsyncGenerator<TaskView>,
  folderOf: (task: TaskView) => OutputFolder,
  tally: Tally,
): AsyncGenerator<Wanted> {
  for await (const task of tasks) {
    if (!endedTaskStates.includes(task.state)) tally.unended += 1;
    if (task.links !== undefined || outputNotes(task).length > 0) tally.noted.push(task);
    const folder = folderOf(task);
    for (const output of task.outputs) {
      tally.files += output.packed ?? 1;
      tally.totalBytes += output.sizeBytes;
      yield { task, output, folder };
    }
  }
}

async function downloadSome(
  context: Context,
  client: Client,
  wanted: AsyncGenerator<Wanted>,
  tally: Tally,
  bar: TransferBar,
): Promise<void> {
  for (;;) {
    const { done, value } = await wanted.next();
    if (done === true) return;
    const { task, output, folder } = value;
    const { packed, path, sha256, sizeBytes } = output;
    let counted = 0;
    const show = (doneBytes: number) => {
      tally.doneBytes += doneBytes - counted;
      counted = doneBytes;
      bar.update(`${tally.doneFiles} of ${plural(tally.files, 'file')}`, tally.doneBytes, tally.totalBytes);
    };
    try {
      const file = await folder.fileFor(path);
      const { signal } = context;
      await downloadArtifact(client, { sha256, sizeBytes }, file, { signal, onProgress: show });
      show(sizeBytes);
      tally.doneFiles += packed ?? 1;
      if (packed === undefined)
        writeFile(context, { task: task.id, path, file, sha256, size_bytes: sizeBytes });
      else await unpack(context, task, file, folder, tally);
    } catch (error) {
      noteUnfit(error, task, tally);
    }
  }
}

function writeFile(
  context: Context,
  line: { readonly file: string } & Readonly<Record<string, unknown>>,
): void {
  if (context.json) context.writeJson(line);
  else if (!(context.terminal.isLive && context.terminal.out.isTty))
    context.terminal.out.write(`${plain(line.file)}\n`);
}

/** One file that cannot be had or written keeps nobody from the others. */
function noteUnfit(error: unknown, { index }: TaskView, tally: Tally): void {
  if (!isUnfit(error)) throw error;
  tally.unfit.push(`Task ${index}: ${plain(error.message)}`);
}

async function unpack(
  context: Context,
  task: TaskView,
  archive: string,
  folder: OutputFolder,
  tally: Tally,
): Promise<void> {
  const events = {
    onFile: (path: string, file: string, sizeBytes: number) =>
      writeFile(context, { task: task.id, path, file, size_bytes: sizeBytes }),
    onUnfit: (error: unknown) => noteUnfit(error, task, tally),
  };
  try {
    await unpackOutputs(archive, folder, events, context.signal);
  } finally {
    await rm(archive, { force: true });
  }
}

async function makeLinks(
  context: Context,
  task: TaskView,
  folder: OutputFolder,
  tally: Tally,
): Promise<void> {
  for (const { path, target } of task.links ?? []) {
    try {
      writeFile(context, { task: task.id, path, file: await folder.link(path, target), link: target });
    } catch (error) {
      noteUnfit(error, task, tally);
    }
  }
}
