import { join } from 'node:path';
import { type JobId, jobIdOf } from '@capacloud/protocol/ids';
import type { OutputFile } from '@capacloud/protocol/receipt';
import { endedTaskStates, type TaskView } from '@capacloud/protocol/views';
import type { Command } from 'commander';
import { downloadArtifact } from '../../artifact-files.ts';
import type { Client } from '../../client.ts';
import { listAll } from '../../pages.ts';
import { CommandError } from '../command-error.ts';
import type { Context } from '../context.ts';
import { exitStatus } from '../exit-status.ts';
import { findJobOrTask, jobOrTaskArgument } from '../named-job.ts';
import { plain, plural, sizeText } from '../phrases.ts';
import { TransferBar } from '../transfer-bar.ts';
import type { Runner } from './verb.ts';

const parallelDownloads = 4;

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
  readonly file: string;
}

/** What was asked for so far; the list of outputs is read while they are downloaded. */
interface Tally {
  files: number;
  doneFiles: number;
  doneBytes: number;
  totalBytes: number;
  unended: number;
}

async function get(context: Context, idText: string, dir?: string): Promise<undefined> {
  const client = await context.client();
  const asked = await findJobOrTask(context, client, idText);
  const job = asked.kind === 'job' ? asked.id : jobIdOf(asked.id);
  const tally: Tally = { files: 0, doneFiles: 0, doneBytes: 0, totalBytes: 0, unended: 0 };
  const tasks =
    asked.kind === 'job'
      ? tasksOf(client, asked.id, context.signal)
      : one(await client.call('getTask', { params: { task: asked.id }, signal: context.signal }));
  const wanted = wantedFiles(tasks, dir ?? job, tally);
  const bar = new TransferBar(context);
  try {
    await Promise.all(
      Array.from({ length: parallelDownloads }, () => downloadSome(context, client, wanted, tally, bar)),
    );
  } finally {
    bar.end();
  }
  const { err } = context.terminal;
  if (tally.files === 0) context.say(`${asked.id} has no outputs${tally.unended > 0 ? ' yet' : ''}.`);
  else context.say(err.paint('dim', `${plural(tally.files, 'file')}, ${sizeText(tally.totalBytes)}`));
  if (tally.unended > 0)
    context.say(`${plural(tally.unended, 'task')} not ended yet: run it again later for the rest.`);
}

function tasksOf(client: Client, job: JobId, signal: AbortSignal): AsyncGenerator<TaskView> {
  return listAll(client, 'listTasks', { params: { job }, query: { limit: 100 }, signal });
}

async function* one(task: TaskView): AsyncGenerator<TaskView> {
  yield await Promise.resolve(task);
}

async function* wantedFiles(
  tasks: AsyncGenerator<TaskView>,
  dir: string,
  tally: Tally,
): AsyncGenerator<Wanted> {
  for await (const task of tasks) {
    if (!endedTaskStates.includes(task.state)) tally.unended += 1;
    for (const output of task.outputs) {
      tally.files += 1;
      tally.totalBytes += output.sizeBytes;
      yield { task, output, file: outputFile(dir, task.index, output.path) };
    }
  }
}

/** The path was chosen by a stranger's container: nothing that it says may lead out of the folder. */
function outputFile(dir: string, index: number, path: string): string {
  const parts = path.split('/').filter((part) => part !== '');
  const isSafe =
    parts.length > 0 && parts.every((part) => part !== '.' && part !== '..' && !/[\0\\]/.test(part));
  if (!isSafe)
    throw new CommandError(exitStatus.platform, {
      code: 'receipt.invalid',
      message: `Task ${index} names an output ${JSON.stringify(path)}, which is no plain path; it was not downloaded.`,
    });
  return join(dir, String(index), ...parts);
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
    const { task, output, file } = value;
    const { sha256, sizeBytes } = output;
    let counted = 0;
    const show = (doneBytes: number) => {
      tally.doneBytes += doneBytes - counted;
      counted = doneBytes;
      bar.update(`${tally.doneFiles} of ${plural(tally.files, 'file')}`, tally.doneBytes, tally.totalBytes);
    };
    await downloadArtifact(client, { sha256, sizeBytes }, file, { signal: context.signal, onProgress: show });
    show(sizeBytes);
    tally.doneFiles += 1;
    if (context.json)
      context.writeJson({ task: task.id, path: output.path, file, sha256, size_bytes: sizeBytes });
    else if (!(context.terminal.isLive && context.terminal.out.isTty))
      context.terminal.out.write(`${plain(file)}\n`);
  }
}
