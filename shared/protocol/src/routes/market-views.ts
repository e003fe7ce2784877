import Type, { type Static } from 'typebox';
import { NanoSchema, ResourcesSchema } from '../capacity/resources-schema.ts';
import { AccountIdSchema, NodeIdSchema, TaskIdSchema } from '../ids-schema.ts';
import { AttemptNumberSchema } from '../wire/receipt-schema.ts';
import { AttemptViewSchema, TimeSchema, WhyViewSchema } from './views.ts';

/** What the REST API shows of the market. Times and amounts as in views.ts. */

const closed = { additionalProperties: false } as const;
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Decimal = Type.String({
  pattern: '^[0-9]+(\\.[0-9]{1,9})?$',
  maxLength: 40,
  description: "In the job's currency, rounded up.",
});
const Sum = Type.String({ pattern: '^(0|[1-9][0-9]*)$', maxLength: 40, description: 'nano-CAPA, decimal.' });
export const DeviceClassSchema = Type.String({
  maxLength: 8192,
  description: 'A model of device, or `cpu` for tasks without one; several models with ` + ` between them.',
});
export const BucketSchema = Type.Union([Type.Literal('hour'), Type.Literal('day')]);

export const maxPlanOffers = 20;

const PlanOffer = Type.Object(
  {
    device_class: DeviceClassSchema,
    rate_nano: Type.String({ ...NanoSchema, maxLength: 40, description: 'nano-CAPA for one task, an hour.' }),
    rate: Decimal,
    interruptible: Type.Optional(
      Type.Literal(true, {
        description: 'The rate is less because tasks may be stopped there for others who pay in full.',
      }),
    ),
    nodes: count,
    providers: count,
    tasks_now: Type.Integer({ minimum: 0, description: 'Tasks like this one that could start there now.' }),
    tasks_when_free: Type.Integer({ minimum: 0, description: 'The same, if nothing else ran there.' }),
    examples: Type.Array(NodeIdSchema, { maxItems: 10, description: 'Those with room first.' }),
  },
  { ...closed, description: 'Nodes where a task costs the same, on devices of the same class.' },
);

/** What a job would meet if it were submitted now. Nothing is held, and nothing promised. */
export const PlanViewSchema = Type.Object(
  {
    tasks: count,
    resources: ResourcesSchema,
    currency: Type.Union([Type.Literal('USD'), Type.Literal('CAPA')]),
    nodes: WhyViewSchema.properties.nodes,
    tasks_now: count,
    tasks_when_free: count,
    kept_back: Type.Optional(
      Type.Object(
        { reason: Type.String(), message: Type.String(), hint: Type.String() },
        {
          ...closed,
          description:
            'Why nothing of the job would start now, whatever the nodes have free; absent where it would.',
        },
      ),
    ),
    offers: Type.Array(PlanOffer, {
      maxItems: maxPlanOffers,
      description:
        'First where tasks could start now, as they would be placed; then by price where they would wait.',
    }),
    more_offers: Type.Integer({ minimum: 0, description: 'Offers that are not listed.' }),
    cost: Type.Object(
      {
        estimated_nano: Sum,
        estimated: Decimal,
        run_ms: Type.Integer({ minimum: 0, description: 'How long the estimate lets a task run.' }),
        basis: Type.Union([Type.Literal('earlier_tasks'), Type.Literal('timeout')], {
          description:
            'earlier_tasks: the median of recent tasks of this account with this image; timeout: there are none, so each task runs into its timeout.',
        }),
        samples: Type.Integer({ minimum: 0, description: 'Tasks that the estimate rests on.' }),
        maximum_nano: Type.String({
          ...Sum,
          description: 'What submission would hold: it never costs more.',
        }),
        maximum: Decimal,
        message: Type.String(),
      },
      closed,
    ),
    account: Type.Object(
      { id: AccountIdSchema, available_nano: Sum, can_afford: Type.Boolean() },
      { ...closed, description: 'Whether the maximum cost is available to be held.' },
    ),
    wait: Type.Object(
      {
        first_ms: Type.Optional(count),
        all_ms: Type.Optional(count),
        basis: Type.Union(
          [
            Type.Literal('free_now'),
            Type.Literal('late_pace'),
            Type.Literal('running_ends'),
            Type.Literal('nowhere'),
          ],
          {
            description:
              'free_now: there is room; late_pace: how fast such tasks left the queue recently; running_ends: when what runs has to end or to make way at the latest; nowhere: no node would do.',
          },
        ),
        queued_before: Type.Integer({ minimum: 0, description: 'Tasks of the same kind that wait already.' }),
        message: Type.String(),
      },
      {
        ...closed,
        description: 'Until the first task and until the last has started. Absent where nothing would do.',
      },
    ),
    obstacles: Type.Array(WhyViewSchema.properties.obstacles.items),
    changes: Type.Array(WhyViewSchema.properties.changes.items),
  },
  closed,
);
export type PlanView = Static<typeof PlanViewSchema>;
export type PlanOfferView = PlanView['offers'][number];

const BookLevel = Type.Object(
  {
    device_hour_nano: NanoSchema,
    cpu_hour_nano: NanoSchema,
    memory_gib_hour_nano: NanoSchema,
    disk_gib_hour_nano: NanoSchema,
    interruptible_discount_percent: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 95, description: 'What interruptible tasks pay less.' }),
    ),
    nodes: count,
    providers: count,
    total: count,
    free: count,
  },
  { ...closed, description: 'Nodes that ask the same.' },
);

/** What nodes that take work ask. */
export const BookViewSchema = Type.Object(
  {
    at: TimeSchema,
    classes: Type.Array(
      Type.Object(
        {
          device_class: DeviceClassSchema,
          unit: Type.Union([Type.Literal('device'), Type.Literal('slot')], {
            description:
              'What total and free count: healthy devices, or containers of nodes without devices.',
          }),
          total: count,
          free: Type.Integer({ minimum: 0, description: 'Of these, with nothing in use.' }),
          levels: Type.Array(BookLevel, {
            description: 'The cheapest first, by device and then by processor.',
          }),
          more_levels: count,
        },
        closed,
      ),
      { description: 'The class with the most on sale first.' },
    ),
    more_classes: count,
  },
  closed,
);
export type BookView = Static<typeof BookViewSchema>;

/** An attempt that has ended. */
export const TradeViewSchema = Type.Object(
  {
    event: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: 'Index in the log of the event that ended it; not known of those of early releases.',
      }),
    ),
    task: TaskIdSchema,
    attempt: AttemptNumberSchema,
    node: NodeIdSchema,
    provider: AccountIdSchema,
    device_class: DeviceClassSchema,
    outcome: Type.Union([Type.Literal('paid'), Type.Literal('unpaid')]),
    reason: AttemptViewSchema.properties.reason,
    rate_nano: Type.String({ ...Sum, description: 'nano-CAPA for the task, an hour.' }),
    unit_rate_nano: Type.String({
      ...Sum,
      description: 'The same for one whole device, or processor where there is none, with what came with it.',
    }),
    metered_ms: Type.Optional(count),
    charged_nano: Sum,
    paid_nano: Type.String({ ...Sum, description: 'To the provider; the rest of the charge is the fee.' }),
    assigned_at: TimeSchema,
    ended_at: TimeSchema,
  },
  closed,
);
export type TradeView = Static<typeof TradeViewSchema>;

/** Prices of one whole device, or processor in the class `cpu`, an hour, with what came with it, as they were paid. */
export const PriceBucketViewSchema = Type.Object(
  {
    device_class: DeviceClassSchema,
    bucket: BucketSchema,
    from: TimeSchema,
    min_nano: Sum,
    mean_nano: Type.Optional(Type.String({ ...Sum, description: 'Weighted by volume.' })),
    max_nano: Sum,
    trades: count,
    volume_ms: Type.Integer({ minimum: 0, description: 'Milliseconds that whole units were metered.' }),
    charged_nano: Sum,
  },
  closed,
);
export type PriceBucketView = Static<typeof PriceBucketViewSchema>;
