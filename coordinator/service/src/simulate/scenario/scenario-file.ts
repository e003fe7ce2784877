import Type, { type Static } from 'typebox';
import { RulesSchema } from '../../config/config-file.ts';

const closed = { additionalProperties: false } as const;
const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const Name = Type.String({ pattern: '^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$', maxLength: 32 });
const Size = text(32);
const Span = text(32);
const Money = text(32);
const Part = Type.Number({ minimum: 0, maximum: 1 });
const Factor = Type.Number({ exclusiveMinimum: 0, maximum: 1_000_000 });

/** How long something takes: one of the three. */
const DistributionSchema = Type.Object(
  {
    fixed: Type.Optional(Span),
    exponential: Type.Optional(Span),
    lognormal: Type.Optional(Type.Object({ median: Span, p95: Span }, closed)),
  },
  { ...closed, minProperties: 1, maxProperties: 1 },
);

const AskSchema = Type.Object(
  {
    cpu_hour: Type.Optional(Money),
    memory_gib_hour: Type.Optional(Money),
    disk_gib_hour: Type.Optional(Money),
    device_hour: Type.Optional(Money),
    interruptible_discount: Type.Optional(
      Type.String({ pattern: '^([1-9]|[1-8][0-9]|9[0-5])%$', description: 'A share such as 40%.' }),
    ),
  },
  closed,
);

const NodeResourcesSchema = Type.Object(
  {
    cpu: Type.Optional(Type.Union([Type.Number({ exclusiveMinimum: 0 }), text(16)])),
    memory: Type.Optional(Size),
    disk: Type.Optional(Size),
    slots: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
    gpu: Type.Optional(
      Type.Object(
        {
          model: text(96),
          count: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
          vendor: Type.Optional(
            Type.Union([Type.Literal('nvidia'), Type.Literal('amd'), Type.Literal('intel')]),
          ),
          vram: Type.Optional(Size),
          compute_capability: Type.Optional(Type.String({ pattern: '^[0-9]{1,2}\\.[0-9]{1,2}$' })),
          cuda: Type.Optional(Type.String({ pattern: '^[0-9]{1,2}\\.[0-9]{1,2}$' })),
        },
        closed,
      ),
    ),
  },
  closed,
);

const NodesSchema = Type.Object(
  {
    name: Name,
    count: Type.Optional(Type.Integer({ minimum: 0, maximum: 100_000 })),
    trace: Type.Optional(text(4096)),
    resources: Type.Optional(NodeResourcesSchema),
    share_devices: Type.Optional(Type.Boolean()),
    ask: Type.Optional(AskSchema),
    device_hour_by_model: Type.Optional(Type.Record(Type.String({ pattern: '^.{1,96}$' }), Money, closed)),
    ask_spread: Type.Optional(Type.Number({ minimum: 0, maximum: 0.99 })),
    providers: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
    joins: Type.Optional(Type.Object({ after: Type.Optional(Span), over: Type.Optional(Span) }, closed)),
    availability: Type.Optional(
      Type.Object(
        {
          up: Span,
          down: Span,
          fault: Type.Optional(Type.Union([Type.Literal('machine'), Type.Literal('network')])),
        },
        closed,
      ),
    ),
    failure_rate: Type.Optional(Part),
  },
  closed,
);
export type NodesFile = Static<typeof NodesSchema>;

const JobsSchema = Type.Object(
  {
    name: Name,
    rate: Type.Optional(Factor),
    daily: Type.Optional(
      Type.Array(Type.Number({ minimum: 0, maximum: 1_000_000 }), { minItems: 24, maxItems: 24 }),
    ),
    trace: Type.Optional(text(4096)),
    speed: Type.Optional(Factor),
    runs: Type.Optional(DistributionSchema),
    setup: Type.Optional(DistributionSchema),
    failure_rate: Type.Optional(Part),
    consumers: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
    budget: Type.Optional(Money),
    job: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  closed,
);
export type JobsFile = Static<typeof JobsSchema>;

/** What a variant changes; entries of the lists are found by their name, and their fields replaced. */
const ChangesSchema = Type.Array(Type.Object({ name: Name }), { maxItems: 64 });
const VariantSchema = Type.Object(
  {
    name: text(40),
    rules: Type.Optional(RulesSchema),
    nodes: Type.Optional(ChangesSchema),
    jobs: Type.Optional(ChangesSchema),
  },
  closed,
);
export type VariantFile = Static<typeof VariantSchema>;

/** The scenario file. Sizes, durations and money are written as in the job file. */
export const ScenarioSchema = Type.Object(
  {
    name: Type.Optional(text(100)),
    seed: Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 })),
    duration: Span,
    warm_up: Type.Optional(Span),
    interval: Type.Optional(Span),
    usd_per_capa: Type.Optional(Money),
    default_max_rate: Type.Optional(Money),
    rules: Type.Optional(RulesSchema),
    nodes: Type.Array(NodesSchema, { minItems: 1, maxItems: 64 }),
    jobs: Type.Array(JobsSchema, { minItems: 1, maxItems: 64 }),
    compare: Type.Optional(Type.Array(VariantSchema, { minItems: 1, maxItems: 8 })),
  },
  closed,
);
export type ScenarioFile = Static<typeof ScenarioSchema>;
