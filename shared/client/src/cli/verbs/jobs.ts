import { type JobStateName, jobStates } from '@capacloud/protocol/routes/states';
import type { JobView } from '@capacloud/protocol/routes/views';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { listAll } from '../../pages.ts';
import type { Context } from '../context.ts';
import { findJob, findLiveJob, jobArgument } from '../named-job.ts';
import { agoText, capaColumn, durationText, plain, stateText } from '../phrases.ts';
import { writeTable } from '../table.ts';
import { watchJob } from '../watch-job.ts';
import type { Runner } from './verb.ts';

const maxListed = 10_000;
const outlives = { outlivesOutput: true } as const;

export function parseLimit(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > maxListed)
    throw new InvalidArgumentError(`A number from 1 to ${maxListed} is needed.`);
  return count;
}

interface ListOptions {
  readonly state?: JobStateName;
  readonly limit: number;
  readonly quiet?: boolean;
}

export function addPs(program: Command, runner: Runner): void {
  program
    .command('ps')
    .description('list jobs, newest first')
    .addOption(new Option('--state <state>', 'only jobs in this state').choices(jobStates))
    .option('-n, --limit <count>', 'at most so many', parseLimit, 20)
    .option('-q, --quiet', 'only ids')
    .action(runner(listJobs));
}

export function addWait(program: Command, runner: Runner): void {
  program
    .command('wait')
    .description("follow a job to its end; ends with the job's own exit code")
    .argument('<job>', jobArgument)
    .action(
      runner(async (context, jobText: string) => {
        const client = await context.client();
        const job = await findJob(context, client, jobText);
        const { spec: _, ...view } = await client.call('getJob', { params: { job }, signal: context.signal });
        return watchJob(context, client, view);
      }, outlives),
    );
}

export function addCancel(program: Command, runner: Runner): void {
  program
    .command('cancel')
    .description('cancel what has not ended of a job')
    .argument('<job>', jobArgument)
    .action(
      runner(async (context, jobText: string) => {
        const client = await context.client();
        const job = await findLiveJob(context, client, jobText);
        const view = await client.call('cancelJob', { params: { job }, signal: context.signal });
        if (context.json) context.writeJson(view);
        else context.say(`${view.id} is ${stateText(context.terminal.err, view.state)}`);
        return undefined;
      }, outlives),
    );
}

async function listJobs(context: Context, options: ListOptions): Promise<undefined> {
  const client = await context.client();
  const jobs: JobView[] = [];
  const query = {
    limit: Math.min(100, options.limit),
    ...(options.state === undefined ? {} : { state: options.state }),
  };
  for await (const job of listAll(client, 'listJobs', { query, signal: context.signal })) {
    jobs.push(job);
    if (jobs.length >= options.limit) break;
  }
  const { out } = context.terminal;
  if (context.json) context.writeJson(jobs);
  else if (options.quiet === true) for (const job of jobs) out.write(`${job.id}\n`);
  else if (jobs.length === 0) context.say('No jobs. capacloud run FILE starts one.');
  else writeJobs(context, jobs);
}

function writeJobs({ terminal: { out } }: Context, jobs: readonly JobView[]): void {
  const nowMs = Date.now();
  const charged = capaColumn(jobs.map((job) => job.charged_nano));
  writeTable(
    out,
    [
      { title: 'JOB', isId: true },
      { title: 'NAME', shrinks: true },
      { title: 'STATE' },
      { title: 'DONE', align: 'right' },
      { title: 'IMAGE', shrinks: true, isOptional: true },
      { title: 'SUBMITTED', align: 'right' },
      { title: 'TOOK', align: 'right' },
      { title: 'CAPA', align: 'right' },
    ],
    jobs.map((job, index) => {
      const { total, queued, active } = job.tasks;
      const endMs = job.ended_at === undefined ? nowMs : Date.parse(job.ended_at);
      return [
        job.id,
        plain(job.name ?? ''),
        stateText(out, job.state),
        `${total - queued - active}/${total}`,
        plain(job.image),
        agoText(job.submitted_at, nowMs),
        durationText(endMs - Date.parse(job.submitted_at)),
        charged[index] ?? '',
      ];
    }),
  );
}
