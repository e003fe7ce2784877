import type { JobView } from '@capacloud/protocol/routes/views';
import type { Command } from 'commander';
import { Interrupted } from '../command-error.ts';
import type { Context } from '../context.ts';
import { readJobDocument } from '../job-document.ts';
import type { LogStyle } from '../job-screen.ts';
import { type CheckedJob, checkJob, uploadInputs } from '../local-inputs.ts';
import { durationText, gpuText, plural, resourcesText, sizeText } from '../phrases.ts';
import { writeFields } from '../table.ts';
import { watchJob } from '../watch-job.ts';
import type { Runner } from './verb.ts';

export const setHelp = 'replace a value of the file (repeatable), e.g. --set replicas=4';

export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

export function addValidate(program: Command, runner: Runner): void {
  program
    .command('validate')
    .description('check a job file without sending it')
    .argument('<file>', 'job file (YAML or JSON), - for standard input')
    .option('--set <path=value>', setHelp, collect)
    .action(runner(validate));
}

export function addRun(program: Command, runner: Runner): void {
  program
    .command('run')
    .description("upload inputs, submit a job and follow it; ends with the job's own exit code")
    .argument('<file>', 'job file (YAML or JSON), - for standard input')
    .option('-d, --detach', 'do not follow; print the job id')
    .option('--logs', 'show what the program writes (default for a job of one task)')
    .option('--no-logs', 'do not show it')
    .option('--set <path=value>', setHelp, collect)
    .action(runner(run, { outlivesOutput: true }));
}

interface FileOptions {
  readonly set?: readonly string[];
  readonly detach?: boolean;
  readonly logs?: boolean;
}

async function validate(context: Context, file: string, options: FileOptions): Promise<undefined> {
  const job = await checkJob(await readJobDocument(file, options.set ?? []), context.signal);
  if (context.json) {
    context.writeJson({ valid: true, job: job.file });
    return;
  }
  const { out } = context.terminal;
  out.write(`${out.paint('green', out.isTty ? '✓ valid' : 'valid')}\n`);
  writeFields(out, summary(job));
}

function summary({ spec, inputs }: CheckedJob): readonly (readonly [string, string | undefined])[] {
  const { resources, price } = spec;
  const uploadBytes = inputs.reduce((sum, input) => sum + input.sizeBytes, 0);
  const artifacts = plural(spec.inputs.length, 'artifact');
  const ceiling = (nano: bigint | undefined, per: string) =>
    nano === undefined ? [] : [`${Number(nano) / 1e9} ${price.currency} ${per}`];
  const ceilings = [
    ...ceiling(price.maxPerHourNano, 'per task and hour'),
    ...ceiling(price.maxTotalNano, 'in all'),
  ];
  return [
    ['name', spec.name],
    ['image', spec.image],
    ['tasks', String(spec.replicas)],
    ['each', resourcesText(resources)],
    ['GPU', gpuText(resources)],
    [
      'inputs',
      spec.inputs.length === 0
        ? undefined
        : `${artifacts}${inputs.length > 0 ? `, ${plural(inputs.length, 'local file')} of ${sizeText(uploadBytes)}` : ''}`,
    ],
    ['outputs', spec.outputs.length === 0 ? undefined : spec.outputs.map(({ path }) => path).join(', ')],
    ['checkpoint', spec.checkpoint?.path],
    [
      'timeout',
      `${durationText(spec.timeoutMs)} an attempt, ${durationText(spec.queueTimeoutMs)} in the queue`,
    ],
    ['price', ceilings.length === 0 ? "at most the coordinator's default" : `at most ${ceilings.join(', ')}`],
  ];
}

async function run(context: Context, file: string, options: FileOptions): Promise<number> {
  const checked = await checkJob(await readJobDocument(file, options.set ?? []), context.signal);
  const client = await context.client();
  await uploadInputs(context, client, checked.inputs);
  const job = await client
    .call('submitJob', { body: checked.file, signal: context.signal })
    .catch((error: unknown) => {
      if (error instanceof Interrupted)
        context.say('Interrupted while submitting: capacloud ps shows whether the job got there.');
      throw error;
    });
  if (options.detach === true) {
    if (context.json) context.writeJson(job);
    else context.terminal.out.write(`${job.id}\n`);
    return 0;
  }
  const logs = logStyle(job, options.logs ?? (job.tasks.total === 1 && !context.json));
  tellId(context, job, logs);
  return watchJob(context, client, job, logs);
}

function logStyle(job: JobView, isWanted: boolean): LogStyle {
  if (!isWanted) return 'none';
  return job.tasks.total === 1 ? 'whole' : 'lines';
}

function tellId(context: Context, job: JobView, logs: LogStyle): void {
  const { out, err, isLive } = context.terminal;
  if (context.json) context.writeJson({ kind: 'job', job });
  // Standard output belongs to the program where its output is shown.
  else if (logs !== 'none') context.say(err.paint('dim', `submitted ${job.id}`));
  // For scripts: the id is the data of this command. A live view shows it.
  else if (!out.isTty || !isLive) out.write(`${job.id}\n`);
}
