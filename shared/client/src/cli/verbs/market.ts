import type { BookView, PriceBucketView, TradeView } from '@capacloud/protocol/routes/market-views';
import { formatNano } from '@capacloud/protocol/units';
import { type Command, Option } from 'commander';
import type { Client } from '../../client.ts';
import { listAll } from '../../pages.ts';
import type { Context } from '../context.ts';
import { agoText, capaColumn, decimalColumn, durationText, plain, plural, roughText } from '../phrases.ts';
import { writeTable } from '../table.ts';
import type { Output } from '../terminal.ts';
import { parseLimit } from './jobs.ts';
import type { Runner } from './verb.ts';

const classHelp = 'a model, such as rtx-4090, or cpu';

export function addMarket(program: Command, runner: Runner): void {
  program
    .command('market')
    .description('what is asked by class of device, and what is free')
    .argument('[class]', classHelp)
    .action(
      runner(async (context, deviceClass?: string) => {
        const client = await context.client('public');
        const query = deviceClass === undefined ? {} : { class: deviceClass };
        const book = await client.call('getBook', { query, signal: context.signal });
        if (context.json) context.writeJson(book);
        else if (book.classes.length === 0) context.say('Nothing is on sale.');
        else writeBook(context.terminal.out, book, await usdPerCapa(context, client));
        return undefined;
      }),
    );
}

interface PriceOptions {
  readonly by: PriceBucketView['bucket'];
  readonly limit: number;
}

export function addPrices(program: Command, runner: Runner): void {
  program
    .command('prices')
    .description('what was paid by class of device, newest first')
    .argument('[class]', classHelp)
    .addOption(
      new Option('--by <bucket>', 'an hour or a day a line').choices(['hour', 'day']).default('hour'),
    )
    .option('-n, --limit <count>', 'at most so many lines', parseLimit, 24)
    .action(
      runner(async (context, deviceClass: string | undefined, options: PriceOptions) => {
        const client = await context.client('public');
        const named = deviceClass === undefined ? {} : { class: deviceClass };
        const query = { ...named, bucket: options.by, limit: Math.min(100, options.limit) };
        const buckets: PriceBucketView[] = [];
        for await (const bucket of listAll(client, 'listPrices', { query, signal: context.signal })) {
          buckets.push(bucket);
          if (buckets.length >= options.limit) break;
        }
        if (context.json) context.writeJson(buckets);
        else if (buckets.length === 0) context.say('Nothing was paid yet.');
        else writePrices(context.terminal.out, buckets, await usdPerCapa(context, client));
        return undefined;
      }),
    );
}

export function addTrades(program: Command, runner: Runner): void {
  program
    .command('trades')
    .description('attempts that ended: where, at what price, and what was paid')
    .option('-n, --limit <count>', 'at most so many', parseLimit, 20)
    .action(
      runner(async (context, options: { readonly limit: number }) => {
        const client = await context.client('public');
        const query = { limit: Math.min(100, options.limit) };
        const trades: TradeView[] = [];
        for await (const trade of listAll(client, 'listTrades', { query, signal: context.signal })) {
          trades.push(trade);
          if (trades.length >= options.limit) break;
        }
        if (context.json) context.writeJson(trades);
        else if (trades.length === 0) context.say('No trades yet.');
        else writeTrades(context.terminal.out, trades);
        return undefined;
      }),
    );
}

async function usdPerCapa({ signal }: Context, client: Client): Promise<number> {
  return Number((await client.call('getInfo', { signal })).usd_per_capa);
}

function usdColumn(amountsNano: readonly string[], usd: number): readonly string[] {
  return decimalColumn(
    amountsNano.map((nano) => roughText((Number(formatNano(BigInt(nano))) * usd).toFixed(9))),
  );
}

function writeBook(out: Output, { classes, more_classes }: BookView, usd: number): void {
  const rows = classes.flatMap(({ device_class, levels, unit }) =>
    levels.map((level, index) => ({
      name: index === 0 ? device_class : '',
      price: unit === 'device' ? level.device_hour_nano : level.cpu_hour_nano,
      level,
    })),
  );
  const prices = rows.map(({ price }) => price);
  const capa = capaColumn(prices);
  const dollars = usdColumn(prices, usd);
  const cpu = capaColumn(rows.map(({ level }) => level.cpu_hour_nano));
  const memory = capaColumn(rows.map(({ level }) => level.memory_gib_hour_nano));
  const hasDiscount = rows.some(({ level }) => level.interruptible_discount_percent !== undefined);
  writeTable(
    out,
    [
      { title: 'CLASS', shrinks: true },
      { title: 'CAPA/H', align: 'right' },
      { title: 'USD/H', align: 'right' },
      { title: 'FREE', align: 'right' },
      { title: 'OF', align: 'right' },
      { title: 'NODES', align: 'right' },
      { title: '+ CPU·H', align: 'right' },
      { title: '+ GIB·H', align: 'right' },
      ...(hasDiscount ? ([{ title: 'INTERRUPTIBLE', align: 'right' }] as const) : []),
    ],
    rows.map(({ name, level }, index) => [
      out.paint('bold', plain(name)),
      capa[index] ?? '',
      dollars[index] ?? '',
      level.free === 0 ? out.paint('dim', '0') : out.paint('green', String(level.free)),
      String(level.total),
      String(level.nodes),
      cpu[index] ?? '',
      memory[index] ?? '',
      ...(hasDiscount ? [discountText(level.interruptible_discount_percent)] : []),
    ]),
  );
  const more = classes.reduce((sum, { more_levels }) => sum + more_levels, 0);
  if (more > 0) out.write(out.paint('dim', `and ${plural(more, 'dearer level')}\n`));
  if (more_classes > 0)
    out.write(out.paint('dim', `and ${plural(more_classes, 'more class', 'more classes')}\n`));
}

function discountText(percent: number | undefined): string {
  return percent === undefined ? '' : `\u2212${percent} %`;
}

function writePrices(out: Output, buckets: readonly PriceBucketView[], usd: number): void {
  const least = capaColumn(buckets.map(({ min_nano }) => min_nano));
  const means = buckets.map(({ mean_nano, min_nano }) => mean_nano ?? min_nano);
  const mean = decimalColumn(means.map((nano) => roughText(formatNano(BigInt(nano)))));
  const dollars = usdColumn(means, usd);
  const most = capaColumn(buckets.map(({ max_nano }) => max_nano));
  const hours = decimalColumn(buckets.map(({ volume_ms }) => roughText((volume_ms / 3_600_000).toFixed(9))));
  writeTable(
    out,
    [
      { title: 'FROM' },
      { title: 'CLASS', shrinks: true },
      { title: 'MIN', align: 'right' },
      { title: 'MEAN CAPA/H', align: 'right' },
      { title: 'MAX', align: 'right' },
      { title: 'MEAN USD/H', align: 'right' },
      { title: 'HOURS', align: 'right' },
      { title: 'TRADES', align: 'right' },
    ],
    buckets.map(({ bucket, device_class, from, mean_nano, trades }, index) => [
      bucket === 'day' ? from.slice(0, 10) : `${from.slice(0, 10)} ${from.slice(11, 16)}`,
      plain(device_class),
      least[index] ?? '',
      mean_nano === undefined ? '' : out.paint('bold', mean[index] ?? ''),
      most[index] ?? '',
      mean_nano === undefined ? '' : (dollars[index] ?? ''),
      hours[index] ?? '',
      String(trades),
    ]),
  );
}

function writeTrades(out: Output, trades: readonly TradeView[]): void {
  const nowMs = Date.now();
  const rates = capaColumn(trades.map(({ rate_nano }) => rate_nano));
  const paid = capaColumn(trades.map(({ paid_nano }) => paid_nano));
  writeTable(
    out,
    [
      { title: 'ENDED', align: 'right' },
      { title: 'CLASS', shrinks: true },
      { title: 'CAPA/H', align: 'right' },
      { title: 'RAN', align: 'right' },
      { title: 'PAID CAPA', align: 'right' },
      { title: 'OUTCOME' },
      { title: 'NODE', shrinks: true },
      { title: 'TASK', shrinks: true },
    ],
    trades.map(({ device_class, ended_at, metered_ms, node, outcome, reason, task }, index) => [
      agoText(ended_at, nowMs),
      plain(device_class),
      rates[index] ?? '',
      metered_ms === undefined ? '' : durationText(metered_ms),
      outcome === 'paid' ? (paid[index] ?? '') : '',
      outcome === 'paid' ? out.paint('green', outcome) : out.paint('dim', reason),
      node,
      task,
    ]),
  );
}
