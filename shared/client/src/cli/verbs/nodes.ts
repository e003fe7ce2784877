import { shownRows } from '@capacloud/protocol/capacity/dimensions';
import type { NodeView } from '@capacloud/protocol/routes/views';
import type { Command } from 'commander';
import { listAll } from '../../pages.ts';
import type { Context } from '../context.ts';
import { amountText, capaColumn, plain } from '../phrases.ts';
import { writeTable } from '../table.ts';
import type { Output } from '../terminal.ts';
import { parseLimit } from './jobs.ts';
import type { Runner } from './verb.ts';

export function addNodes(program: Command, runner: Runner): void {
  program
    .command('nodes')
    .description('machines of the network, what they sell and for how much')
    .option('-n, --limit <count>', 'at most so many', parseLimit, 100)
    .action(
      runner(async (context, options: { readonly limit: number }) => {
        const client = await context.client('public');
        const nodes: NodeView[] = [];
        const query = { limit: Math.min(100, options.limit) };
        for await (const node of listAll(client, 'listNodes', { query, signal: context.signal })) {
          nodes.push(node);
          if (nodes.length >= options.limit) break;
        }
        if (context.json) context.writeJson(nodes);
        else if (nodes.length === 0) context.say('No nodes.');
        else writeNodes(context, nodes);
        return undefined;
      }),
    );
}

/** A node, its free of its total, and its price for a core and for a device an hour. */
function writeNodes({ terminal: { out } }: Context, nodes: readonly NodeView[]): void {
  const cpuPrices = capaColumn(nodes.map((node) => node.offer.ask.cpuHourNano));
  const devicePrices = capaColumn(nodes.map((node) => node.offer.ask.deviceHourNano));
  writeTable(
    out,
    [
      { title: 'NODE', isId: true },
      { title: 'STATUS' },
      { title: 'REGION' },
      ...shownRows.map(({ noun }) => ({ title: noun.toUpperCase(), align: 'right' as const })),
      { title: 'GPU', shrinks: true },
      { title: 'CAPA/CPU·H', align: 'right' },
      { title: 'CAPA/GPU·H', align: 'right' },
      { title: 'LABELS', shrinks: true, isOptional: true },
    ],
    nodes.map((node, index) => {
      const { offer, used } = node;
      return [
        node.id,
        statusText(out, node),
        offer.region ?? '',
        ...shownRows.map(
          (row) => `${amountText(used[row.view], row)}/${amountText(row.offered(offer), row)}`,
        ),
        devicesText(node),
        cpuPrices[index] ?? '',
        offer.devices.length === 0 ? '' : (devicePrices[index] ?? ''),
        labelsText(node),
      ];
    }),
  );
  if (out.isTty) out.write(out.paint('dim', 'used/offered\n'));
}

function devicesText({ offer }: NodeView): string {
  const counts = new Map<string, number>();
  for (const { model, health } of offer.devices) {
    const name = health === 'healthy' ? model : `${model} (${health})`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return plain([...counts].map(([name, count]) => `${count} × ${name}`).join(', '));
}

function labelsText({ offer: { labels = {} } }: NodeView): string {
  return plain(
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(' '),
  );
}

function statusText(output: Output, { status }: NodeView): string {
  switch (status) {
    case 'ready':
      return output.paint('green', status);
    case 'joining':
    case 'cordoned':
    case 'draining':
      return output.paint('yellow', status);
    case 'unknown':
    case 'lost':
      return output.paint('red', status);
    case 'gone':
      return output.paint('dim', status);
  }
}
