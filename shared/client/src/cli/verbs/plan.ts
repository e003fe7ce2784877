import type { PlanView } from '@capacloud/protocol/routes/market-views';
import { formatNano } from '@capacloud/protocol/units';
import type { Command } from 'commander';
import { exitStatus } from '../exit-status.ts';
import { readJobDocument } from '../job-document.ts';
import { checkJob } from '../local-inputs.ts';
import {
  capaColumn,
  capaText,
  decimalColumn,
  durationText,
  gpuText,
  plain,
  plural,
  resourcesText,
  roughText,
} from '../phrases.ts';
import { writeFields, writeTable } from '../table.ts';
import type { Output } from '../terminal.ts';
import { collect, setHelp } from './submission.ts';
import type { Runner } from './verb.ts';
import { writeObstacles } from './why.ts';

export function addPlan(program: Command, runner: Runner): void {
  program
    .command('plan')
    .description('where a job would run, what it would cost and how long it would wait; nothing is held')
    .argument('<file>', 'job file (YAML or JSON), - for standard input')
    .option('--set <path=value>', setHelp, collect)
    .action(
      runner(async (context, file: string, options: { readonly set?: readonly string[] }) => {
        const { signal } = context;
        const job = await checkJob(await readJobDocument(file, options.set ?? []), signal);
        const client = await context.client();
        // Files of this machine need not be uploaded for a plan: no offer depends on them.
        const local = new Set(job.inputs.map(({ sha256 }) => `artifact:${sha256}`));
        const plan = await client.call('planJob', { body: withoutInputs(job.file, local), signal });
        if (context.json) context.writeJson(plan);
        else writePlan(context.terminal.out, plan);
        return plan.offers.length === 0 ? exitStatus.unplaceable : exitStatus.ok;
      }),
    );
}

function withoutInputs(file: unknown, sources: ReadonlySet<string>): unknown {
  const { inputs, ...rest } = file as { readonly inputs?: readonly { readonly source: string }[] };
  if (inputs === undefined) return file;
  return { ...rest, inputs: inputs.filter(({ source }) => !sources.has(source)) };
}

function writePlan(out: Output, plan: PlanView): void {
  const { resources, nodes, offers } = plan;
  const gpu = gpuText(resources);
  writeFields(out, [
    ['tasks', `${plan.tasks}, each ${resourcesText(resources)}${gpu === undefined ? '' : `, ${gpu} GPU`}`],
    ['nodes', `${plural(nodes.total, 'node')}: ${nodes.suitable} would do, ${nodes.free} now`],
  ]);
  out.write('\n');
  if (offers.length > 0) writeOffers(out, plan);
  writeFields(out, [
    ['cost', costText(out, plan)],
    ['', out.paint('dim', plain(plan.cost.message))],
    ['hold', holdText(out, plan)],
    ['wait', waitText(plan)],
    ['', out.paint('dim', plain(plan.wait.message))],
  ]);
  const { changes, kept_back, obstacles } = plan;
  if (kept_back !== undefined)
    out.write(`\n${out.paint('yellow', plain(kept_back.message))} ${plain(kept_back.hint)}\n`);
  if (offers.length === 0) writeObstacles(out, { obstacles, changes });
  else if (plan.tasks_now < plan.tasks) writeObstacles(out, { obstacles: [], changes });
}

function writeOffers(out: Output, { currency, offers, more_offers }: PlanView): void {
  const capa = capaColumn(offers.map(({ rate_nano }) => rate_nano));
  const rates = decimalColumn(offers.map(({ rate }) => rate));
  writeTable(
    out,
    [
      { title: '#', align: 'right' },
      { title: 'DEVICES', shrinks: true },
      { title: 'CAPA/H', align: 'right' },
      { title: `${currency}/H`, align: 'right' },
      { title: 'NODES', align: 'right' },
      { title: 'TASKS NOW', align: 'right' },
      { title: 'WHEN FREE', align: 'right' },
      { title: 'FOR EXAMPLE', isId: true },
    ],
    offers.map((offer, index) => [
      String(index + 1),
      `${plain(offer.device_class)}${offer.interruptible === true ? ', interruptible' : ''}`,
      capa[index] ?? '',
      // One currency needs one column.
      currency === 'CAPA' ? '' : (rates[index] ?? ''),
      String(offer.nodes),
      offer.tasks_now === 0 ? out.paint('dim', '0') : out.paint('green', String(offer.tasks_now)),
      String(offer.tasks_when_free),
      offer.examples[0] ?? '',
    ]),
  );
  if (more_offers > 0)
    out.write(`${out.paint('dim', `and ${plural(more_offers, 'more offer', 'more offers')}`)}\n`);
  out.write('\n');
}

function costText(out: Output, { cost, currency }: PlanView): string {
  const inCapa = (nano: string, text: string, capa: string) =>
    currency === 'CAPA' || nano === '0' ? `${text} ${currency}` : `${text} ${currency} (${capa} CAPA)`;
  const rough = inCapa(
    cost.estimated_nano,
    roughText(cost.estimated),
    roughText(formatNano(BigInt(cost.estimated_nano))),
  );
  const most = inCapa(cost.maximum_nano, cost.maximum, formatNano(BigInt(cost.maximum_nano)));
  return `about ${out.paint('bold', rough)}, at most ${most}`;
}

function holdText(out: Output, { account, cost }: PlanView): string {
  const text = `${capaText(cost.maximum_nano)} of ${capaText(account.available_nano)} available`;
  return account.can_afford ? text : `${out.paint('red', 'not enough:')} ${text}`;
}

function waitText({ tasks, wait }: PlanView): string {
  const { first_ms: first, all_ms: all } = wait;
  if (first === undefined || all === undefined) return 'no node would do';
  const text = (ms: number) => (ms === 0 ? 'now' : `in about ${durationText(ms)}`);
  return tasks === 1 || first === all ? text(all) : `the first ${text(first)}, the last ${text(all)}`;
}
