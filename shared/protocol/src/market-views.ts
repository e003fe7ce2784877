import Type, { type Static } from 'typebox';
import { AccountIdSchema, NodeIdSchema } from './ids.ts';
import { NanoSchema, ResourcesSchema } from './resources.ts';
import { WhyViewSchema } from './views.ts';

/** What the REST API shows of the market. Times and amounts as in views.ts. */

const closed = { additionalProperties: false } as const;
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Decimal = Type.String({
  pattern: '^[0-9]+(\\.[0-9]{1,9})?$',
  maxLength: 40,
  description: "In the job's currency, rounded up.",
});
const Sum = Type.String({ pattern: '^(0|[1-9][0-9]*)$', maxLength: 40, description: 'nano-CAPA, decimal.' });
const DeviceClass = Type.String({
  maxLength: 1024,
  description: 'A model of device, or `cpu` for tasks without one.',
});

export const maxPlanOffers = 20;

const PlanOffer = Type.Object(
  {
    device_class: DeviceClass,
    rate_nano: Type.String({ ...NanoSchema, maxLength: 40, description: 'nano-CAPA for one task, an hour.' }),
    rate: Decimal,
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
            'earlier_tasks: the median of late tasks of this account with this image; timeout: there are none, so each task runs into its timeout.',
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
              'free_now: there is room; late_pace: how fast such tasks left the queue lately; running_ends: when what runs has to end at the latest; nowhere: no node would do.',
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
