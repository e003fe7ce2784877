import { accept } from '@capacloud/protocol/result';
import type { PriceBucketView, TradeView } from '@capacloud/protocol/routes/market-views';
import type { PriceRow, TradeRow } from '../ports/read-store.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { Handlers } from './handler.ts';
import { type LongLooks, weightOfLook } from './long-looks.ts';
import { MarketBook } from './market-book.ts';
import { pageOfRows } from './pages.ts';
import { planView } from './plan-view.ts';
import { PriceCeilings } from './price-ceilings.ts';
import { timeText } from './views.ts';

export function marketHandlers(
  deps: ApiDependencies,
  looks: LongLooks,
): Handlers<'planJob' | 'getBook' | 'listTrades' | 'listPrices'> {
  const { store } = deps;
  const book = new MarketBook(deps);
  const parts = { deps, ceilings: new PriceCeilings(deps.questions, deps.settings) };
  return {
    planJob: async ({ caller, callerName, charge, body, signal }) => {
      charge(weightOfLook(await deps.questions.nodeCount()));
      const plan = await looks.run(callerName, signal, () => planView(parts, caller.account, body, signal));
      return plan.ok ? plan.value : plan;
    },
    getBook: async ({ query }) => {
      const view = await book.view();
      if (query.class === undefined) return accept(view);
      const classes = view.classes.filter(({ device_class }) => device_class === query.class);
      return accept({ ...view, classes, more_classes: 0 });
    },
    listTrades: ({ query }) => pageOfRows(query, (page) => store.listTrades(page), tradeView),
    listPrices: ({ query }) => {
      const { bucket = 'hour', class: deviceClass } = query;
      const filter = { span: bucket, ...(deviceClass === undefined ? {} : { deviceClass }) };
      return pageOfRows(
        query,
        (page) => store.listPrices(filter, page),
        (row) => priceBucketView(row, bucket),
      );
    },
  };
}

function tradeView(row: TradeRow): TradeView {
  return {
    ...(row.event === undefined ? {} : { event: row.event }),
    task: row.task,
    attempt: row.attempt,
    node: row.node,
    provider: row.provider,
    device_class: row.deviceClass,
    outcome: row.meteredMs === undefined ? 'unpaid' : 'paid',
    reason: row.reason,
    rate_nano: `${row.rateNano}`,
    unit_rate_nano: `${row.unitRateNano}`,
    ...(row.meteredMs === undefined ? {} : { metered_ms: row.meteredMs }),
    charged_nano: `${row.chargedNano}`,
    paid_nano: `${row.payNano}`,
    assigned_at: timeText(row.assignedAt),
    ended_at: timeText(row.endedAt),
  };
}

function priceBucketView(row: PriceRow, bucket: PriceBucketView['bucket']): PriceBucketView {
  return {
    device_class: row.deviceClass,
    bucket,
    from: timeText(row.from),
    min_nano: `${row.minNano}`,
    ...(row.meanNano === undefined ? {} : { mean_nano: `${row.meanNano}` }),
    max_nano: `${row.maxNano}`,
    trades: row.trades,
    volume_ms: row.volumeMs,
    charged_nano: `${row.chargedNano}`,
  };
}
