import type { JobId, TaskId } from '@capacloud/protocol/ids';
import type { JobView, TaskView } from '@capacloud/protocol/routes/views';
import type { Command } from 'commander';
import type { Client } from '../../client.ts';
import { listAll } from '../../pages.ts';
import type { Context } from '../context.ts';
import { findJobOrTask, jobOrTaskArgument } from '../named-job.ts';
import {
  agoText,
  capaColumn,
  capaText,
  durationText,
  gpuText,
  outputNotes,
  plain,
  plural,
  resourcesText,
  sizeText,
  stateText,
} from '../phrases.ts';
import { writeFields, writeTable } from '../table.ts';
import type { Output } from '../terminal.ts';
import { parseLimit } from './jobs.ts';
import type { Runner } from './verb.ts';

interface StatusOptions {
  readonly limit: number;
}

export function addStatus(program: Command, runner: Runner): void {
  program
    .command('status')
    .description('how a job or a task stands, and why')
    .argument('<id>', jobOrTaskArgument)
    .option('-n, --limit <count>', 'show at most so many tasks', parseLimit, 50)
    .action(
      runner(async (context, idText: string, options: StatusOptions) => {
        const client = await context.client();
        const asked = await findJobOrTask(context, client, idText);
        if (asked.kind === 'job') await jobStatus(context, client, asked.id, options.limit);
        else await taskStatus(context, client, asked.id);
        return undefined;
      }),
    );
}

async function jobStatus(context: Context, client: Client, id: JobId, limit: number): Promise<void> {
  const { signal } = context;
  const job = await client.call('getJob', { params: { job: id }, signal });
  const tasks: TaskView[] = [];
  const query = { limit: Math.min(100, limit) };
  for await (const task of listAll(client, 'listTasks', { params: { job: id }, query, signal })) {
    tasks.push(task);
    if (tasks.length >= limit) break;
  }
  if (context.json) {
    context.writeJson({ ...job, task_list: tasks });
    return;
  }
  const { out } = context.terminal;
  writeFields(out, jobFields(context, job));
  out.write('\n');
  writeTasks(context, tasks);
  const hidden = job.tasks.total - tasks.length;
  if (hidden > 0) context.say(`${plural(hidden, 'more task')}: --limit ${Math.min(10_000, job.tasks.total)}`);
}

function jobFields({ terminal: { out } }: Context, job: JobView) {
  const nowMs = Date.now();
  const { total, queued, active, succeeded, failed, cancelled, expired } = job.tasks;
  const counts = Object.entries({ queued, active, succeeded, failed, cancelled, expired });
  const { resources } = job;
  const tookMs =
    (job.ended_at === undefined ? nowMs : Date.parse(job.ended_at)) - Date.parse(job.submitted_at);
  return [
    ['job', out.paint('bold', job.id)],
    ['name', job.name],
    ['state', stateText(out, job.state)],
    [
      'tasks',
      `${total}: ${counts
        .filter(([, count]) => count > 0)
        .map(([name, count]) => `${count} ${name}`)
        .join(', ')}`,
    ],
    ['image', plain(job.image)],
    ['each', resourcesText(resources)],
    ['GPU', gpuText(resources)],
    ['submitted', `${job.submitted_at} (${agoText(job.submitted_at, nowMs)})`],
    [job.ended_at === undefined ? 'running for' : 'took', durationText(tookMs)],
    ['charged', capaText(job.charged_nano)],
    ['held', job.held_nano === '0' ? undefined : capaText(job.held_nano)],
    ['ceiling', `${capaText(job.max_rate_nano)} per task and hour`],
  ] as const;
}

function writeTasks({ terminal: { out } }: Context, tasks: readonly TaskView[]): void {
  const charged = capaColumn(tasks.map((task) => task.charged_nano));
  const nowMs = Date.now();
  writeTable(
    out,
    [
      { title: 'TASK', align: 'right' },
      { title: 'STATE' },
      { title: 'TRIES', align: 'right' },
      { title: 'EXIT', align: 'right' },
      { title: 'NODE', isId: true },
      { title: 'SINCE', align: 'right' },
      { title: 'CAPA', align: 'right' },
      { title: 'WHY', shrinks: true },
    ],
    tasks.map((task, index) => [
      String(task.index),
      stateText(out, task.state),
      String(task.attempts),
      task.exit_code === undefined ? '' : String(task.exit_code),
      task.node ?? '',
      agoText(task.updated_at, nowMs),
      charged[index] ?? '',
      task.state === 'succeeded' ? keptText(task) : plain(task.message),
    ]),
  );
}

function keptText({ skipped }: TaskView): string {
  return skipped === undefined ? '' : `${plural(skipped.total, 'output')} could not be kept`;
}

async function taskStatus(context: Context, client: Client, id: TaskId): Promise<void> {
  const { signal } = context;
  const [task, attempts] = await Promise.all([
    client.call('getTask', { params: { task: id }, signal }),
    client.call('listAttempts', { params: { task: id }, signal }),
  ]);
  if (context.json) {
    context.writeJson({ ...task, attempt_list: attempts.items });
    return;
  }
  const { out } = context.terminal;
  const nowMs = Date.now();
  writeFields(out, [
    ['task', out.paint('bold', task.id)],
    ['state', stateText(out, task.state)],
    ['why', `${plain(task.message)} ${out.paint('dim', `(${task.reason})`)}`],
    ['hint', task.hint === '' ? undefined : plain(task.hint).replace('TASK', task.id)],
    ['exit code', task.exit_code === undefined ? undefined : String(task.exit_code)],
    ['tried again', task.will_retry ? 'yes, by itself' : undefined],
    ['node', task.node],
    ['charged', capaText(task.charged_nano)],
    ['changed', `${task.updated_at} (${agoText(task.updated_at, nowMs)})`],
  ]);
  if (attempts.items.length > 0) {
    const charged = capaColumn(attempts.items.map((attempt) => attempt.charged_nano));
    out.write('\n');
    writeTable(
      out,
      [
        { title: 'TRY', align: 'right' },
        { title: 'STATE' },
        { title: 'EXIT', align: 'right' },
        { title: 'NODE', isId: true },
        { title: 'RAN', align: 'right' },
        { title: 'CAPA', align: 'right' },
        { title: 'WHY', shrinks: true },
      ],
      attempts.items.map((attempt, index) => [
        String(attempt.attempt),
        attempt.state,
        attempt.exit_code === undefined ? '' : String(attempt.exit_code),
        attempt.node,
        attempt.metered_ms === undefined ? '' : durationText(attempt.metered_ms),
        charged[index] ?? '',
        plain(attempt.message),
      ]),
    );
  }
  writeOutputs(out, task);
}

function writeOutputs(out: Output, task: TaskView): void {
  const { links = [], outputs } = task;
  if (outputs.length + links.length > 0) {
    out.write('\n');
    writeTable(
      out,
      [{ title: 'OUTPUT', shrinks: true }, { title: 'SIZE', align: 'right' }, { title: 'SHA-256' }],
      [
        ...outputs.map(({ packed, path, sha256, sizeBytes }) => [
          packed === undefined ? plain(path) : `${plain(path)} (${plural(packed, 'file')})`,
          sizeText(sizeBytes),
          sha256,
        ]),
        ...links.map(({ path, target }) => [`${plain(path)} -> ${plain(target)}`, 'link', '']),
      ],
    );
  }
  const notes = outputNotes(task);
  if (notes.length > 0) out.write(`\n${notes.map((note) => `${note}\n`).join('')}`);
}
