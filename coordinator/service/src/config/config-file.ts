import { defaultRuleset, type Ruleset } from '@capacloud/core/contract/ruleset';
import Type, { type Static } from 'typebox';

const closed = { additionalProperties: false } as const;
const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const days = 24 * 3600 * 1000;
const milliseconds = Type.Optional(Type.Integer({ minimum: 1, maximum: 30 * days }));

const nodes = Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000_000 }));

/** Rules that an operator may set, by their name in the file. */
const rulesetKeys = {
  fee_basis_points: 'feeBasisPoints',
  unknown_after_ms: 'unknownAfterMs',
  lease_ms: 'leaseMs',
  lost_margin_ms: 'lostMarginMs',
  assign_timeout_ms: 'assignTimeoutMs',
  pull_timeout_ms: 'pullTimeoutMs',
  start_timeout_ms: 'startTimeoutMs',
  upload_timeout_ms: 'uploadTimeoutMs',
  run_margin_ms: 'runMarginMs',
  max_tasks_per_job: 'maxTasksPerJob',
  max_live_tasks_per_account: 'maxLiveTasksPerAccount',
  node_backoff_after: 'nodeBackoffAfter',
  node_backoff_initial_ms: 'nodeBackoffInitialMs',
  node_backoff_factor: 'nodeBackoffFactor',
  node_backoff_max_ms: 'nodeBackoffMaxMs',
  flap_window_ms: 'flapWindowMs',
  poison_nodes: 'poisonNodes',
  poison_ms: 'poisonMs',
  poison_evidence_ms: 'poisonEvidenceMs',
  poison_after_ms: 'poisonAfterMs',
  preempt_after_ms: 'preemptAfterMs',
  checkpoint_timeout_ms: 'checkpointTimeoutMs',
  upload_hold_ms: 'uploadHoldMs',
  reserve_after_ms: 'reserveAfterMs',
  reserve_max_ms: 'reserveMaxMs',
  max_unproven_nodes: 'maxUnprovenNodes',
  max_away_nodes: 'maxAwayNodes',
} as const satisfies Record<string, keyof Ruleset>;

export const RulesSchema = Type.Object(
  {
    fee_basis_points: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
    unknown_after_ms: milliseconds,
    lease_ms: milliseconds,
    lost_margin_ms: milliseconds,
    assign_timeout_ms: milliseconds,
    pull_timeout_ms: milliseconds,
    start_timeout_ms: milliseconds,
    upload_timeout_ms: milliseconds,
    run_margin_ms: milliseconds,
    max_tasks_per_job: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
    max_live_tasks_per_account: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000_000 })),
    node_backoff_after: Type.Optional(Type.Integer({ minimum: 1, maximum: 16 })),
    node_backoff_initial_ms: milliseconds,
    node_backoff_factor: Type.Optional(Type.Integer({ minimum: 1, maximum: 10 })),
    node_backoff_max_ms: milliseconds,
    flap_window_ms: milliseconds,
    poison_nodes: Type.Optional(Type.Integer({ minimum: 2, maximum: 16 })),
    poison_ms: milliseconds,
    poison_evidence_ms: milliseconds,
    poison_after_ms: milliseconds,
    preempt_after_ms: milliseconds,
    checkpoint_timeout_ms: milliseconds,
    upload_hold_ms: milliseconds,
    reserve_after_ms: milliseconds,
    reserve_max_ms: milliseconds,
    max_unproven_nodes: nodes,
    max_away_nodes: nodes,
  },
  closed,
);

/** The rules of the file over the usual ones. */
export function rulesetOf(rules: Static<typeof RulesSchema> | undefined): Ruleset {
  const changed = Object.fromEntries(
    Object.entries(rules ?? {}).map(([key, value]) => [rulesetKeys[key as keyof typeof rulesetKeys], value]),
  );
  return { ...defaultRuleset, ...changed };
}

const ArtifactsSchema = Type.Object({ max_size: text(32), account_quota: text(32), total: text(32) }, closed);

/** Calls a second that are sustained, and how many at once. */
const RateSchema = Type.Object(
  {
    per_second: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
    burst: Type.Integer({ minimum: 1, maximum: 10_000_000 }),
  },
  closed,
);
const byteCount = Type.Integer({ minimum: 1, maximum: 2 ** 50 });
const ByteRateSchema = Type.Object({ per_second: byteCount, burst: byteCount }, closed);
const RatesSchema = Type.Object(
  {
    account: RateSchema,
    address: RateSchema,
    anonymous: RateSchema,
    /** Bytes of job specs, by account. */
    job_bytes: ByteRateSchema,
  },
  closed,
);

const keptDays = Type.Integer({ minimum: 1, maximum: 3650 });
/** How long what is private of ended jobs is kept; `log_days` says it of task logs. */
const RetentionSchema = Type.Object(
  { jobs_days: keptDays, receipts_days: keptDays, artifacts_days: Type.Optional(keptDays) },
  closed,
);

const joins = Type.Integer({ minimum: 1, maximum: 100_000_000 });
/** Nodes that are not known may join so often an hour. */
const JoinsSchema = Type.Object(
  { address_per_hour: joins, network_per_hour: joins, all_per_hour: joins },
  closed,
);

/** The file, with its defaults filled in. */
export const ConfigFileSchema = Type.Object(
  {
    name: text(200),
    chain_id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    data_dir: text(4096),
    listen: text(300),
    usd_per_capa: text(32),
    default_max_rate: text(32),
    log_level: Type.Union([
      Type.Literal('debug'),
      Type.Literal('info'),
      Type.Literal('warn'),
      Type.Literal('error'),
    ]),
    cors_origins: Type.Array(text(256), { maxItems: 64 }),
    trusted_proxies: Type.Array(text(64), { maxItems: 64 }),
    artifacts: ArtifactsSchema,
    rates: RatesSchema,
    joins: JoinsSchema,
    log_days: keptDays,
    job_log_quota: text(32),
    retention: RetentionSchema,
    snapshot_events: Type.Integer({ minimum: 1000, maximum: 100_000_000 }),
    rules: Type.Optional(RulesSchema),
  },
  closed,
);
export type ConfigFile = Static<typeof ConfigFileSchema>;

/** Settings that a variable or a flag can give. */
export const environmentSettings = {
  name: 'CAPACLOUD_NAME',
  chain_id: 'CAPACLOUD_CHAIN_ID',
  data_dir: 'CAPACLOUD_DATA_DIR',
  listen: 'CAPACLOUD_LISTEN',
  usd_per_capa: 'CAPACLOUD_USD_PER_CAPA',
  default_max_rate: 'CAPACLOUD_DEFAULT_MAX_RATE',
  log_level: 'CAPACLOUD_LOG_LEVEL',
} as const satisfies Partial<Record<keyof ConfigFile, string>>;

function leaves(schema: { readonly properties: object }): Record<string, null> {
  return Object.fromEntries(Object.keys(schema.properties).map((key) => [key, null]));
}

/** Every key that the file may have, for the question "did you mean". */
export const knownKeys = {
  ...leaves(ConfigFileSchema),
  artifacts: leaves(ArtifactsSchema),
  joins: leaves(JoinsSchema),
  rates: {
    account: leaves(RateSchema),
    address: leaves(RateSchema),
    anonymous: leaves(RateSchema),
    job_bytes: leaves(ByteRateSchema),
  },
  retention: leaves(RetentionSchema),
  rules: leaves(RulesSchema),
};
