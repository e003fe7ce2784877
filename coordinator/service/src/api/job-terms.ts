import type { DeviceRequest, Resources } from '@capacloud/protocol/capacity/resources';
import type { AccountId } from '@capacloud/protocol/ids';
import type { JobSpec } from '@capacloud/protocol/job/job-spec';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import { formatNano, parseDecimalNano } from '@capacloud/protocol/units';
import { nativeSha256Hex } from '../native-sha256.ts';
import type { UnpricedTerms } from '../ports/questions.ts';

const hourMs = 3_600_000n;
const nanoPerUnit = 10n ** 9n;
/** As much as an amount on the wire may be. */
const maxAmountNano = 10n ** 18n;
const maxHoldNano = maxAmountNano;

export interface PriceTerms {
  /** Decimal text. */
  readonly usdPerCapa: string;
  /** Ceiling of a task's rate an hour for a job file that names none. */
  readonly defaultMaxRateNano: bigint;
}

/** What the job may cost, in nano-CAPA: the ceiling of a task's rate an hour, and what is held for each task. */
export function priceOf(
  spec: JobSpec,
  terms: PriceTerms,
): Result<{ readonly maxRateNano: bigint; readonly holdNano: bigint }> {
  const { currency, maxPerHourNano, maxTotalNano } = spec.price;
  const toCapa = (amountNano: bigint): bigint => {
    if (currency === 'CAPA') return amountNano;
    const usdNanoPerCapa = parseDecimalNano(terms.usdPerCapa) ?? 0n;
    if (usdNanoPerCapa < 1n) throw new RangeError('usd_per_capa is a positive decimal number');
    // Rounded down: a ceiling is never exceeded by rounding.
    return (amountNano * nanoPerUnit) / usdNanoPerCapa;
  };
  const maxRateNano = maxPerHourNano === undefined ? terms.defaultMaxRateNano : toCapa(maxPerHourNano);
  if (maxRateNano < 1n) return invalid('/price/max_per_hour', 'is less than the smallest amount there is');
  if (maxRateNano > maxAmountNano)
    return invalid('/price/max_per_hour', `is more than ${formatNano(maxAmountNano)} CAPA`);
  const longestMs = BigInt(spec.timeoutMs + spec.stopGraceMs);
  const atMost = (maxRateNano * longestMs + hourMs - 1n) / hourMs;
  const share = maxTotalNano === undefined ? atMost : toCapa(maxTotalNano) / BigInt(spec.replicas);
  const holdNano = share < atMost ? share : atMost;
  if (holdNano < 1n)
    return invalid('/price/max_total', 'leaves nothing for each task; raise it or lower replicas');
  if (holdNano > maxHoldNano)
    return invalid(
      '/timeout',
      `times the price ceiling is more than ${formatNano(maxHoldNano)} CAPA for one task`,
    );
  return accept({ maxRateNano, holdNano });
}

/** An amount in CAPA as one of the job's currency that is worth as much at least. */
export function amountIn(
  currency: JobSpec['price']['currency'],
  amountNano: bigint,
  { usdPerCapa }: Pick<PriceTerms, 'usdPerCapa'>,
): bigint {
  if (currency === 'CAPA') return amountNano;
  const usdNanoPerCapa = parseDecimalNano(usdPerCapa) ?? 0n;
  return (amountNano * usdNanoPerCapa + nanoPerUnit - 1n) / nanoPerUnit;
}

function invalid(pointer: string, message: string): Result<never> {
  return refuse('job.invalid', `${pointer} ${message}.`, { problems: [{ pointer, message }] });
}

/** The public part of a job but for its price, and the private part that its hash stands for. `salt` is random text. */
export function termsOf(
  spec: JobSpec,
  salt: string,
): { readonly terms: UnpricedTerms; readonly specText: string } {
  const specText = canonicalJson(spec);
  const terms: UnpricedTerms = {
    specHash: nativeSha256Hex(salt + specText),
    tasks: spec.replicas,
    resources: withFabric(spec),
    needsRoot: needsRoot(spec),
    providers: spec.providers,
    excludeProviders: spec.excludeProviders,
    ...(spec.regions === undefined ? {} : { regions: spec.regions }),
    ...(spec.constraints === undefined ? {} : { constraints: spec.constraints }),
    queueTimeoutMs: spec.queueTimeoutMs,
    runTimeoutMs: spec.timeoutMs,
    stopGraceMs: spec.stopGraceMs,
    maxAttempts: spec.retry.maxAttempts,
    retryOn: spec.retry.on,
    retryExitCodes: spec.retry.exitCodes,
    backoffInitialMs: spec.retry.backoffInitialMs,
    backoffMaxMs: spec.retry.backoffMaxMs,
    providerLost: spec.retry.providerLost,
    ...(spec.gang === undefined ? {} : { gang: spec.gang }),
    ...(spec.interruptible === undefined ? {} : { interruptible: spec.interruptible }),
    ...(spec.priority === undefined ? {} : { priority: spec.priority }),
    ...(spec.checkpoint === undefined ? {} : { checkpoint: true }),
    ...(spec.outputs.length === 0 ? {} : { outputs: true }),
  };
  return { terms, specText };
}

/** Tasks of a gang, and those with several GPUs, talk over NVLink; a degraded one makes them slow or fail. */
function withFabric({ gang, resources }: JobSpec): Resources {
  const { alternatives, devices } = resources;
  if (devices === undefined) return resources;
  const sound = (request: DeviceRequest): DeviceRequest =>
    gang === true || request.count > 1 ? { ...request, fabric: 'sound' } : request;
  return {
    ...resources,
    devices: sound(devices),
    ...(alternatives === undefined ? {} : { alternatives: alternatives.map(sound) }),
  };
}

/**
 * What the log shows of an image: by its digest where the job names one, else by its name and tag. A bare hash could be
 * guessed, and a keyed one that all consumers shared could be asked for, by submitting a job with the image in question. So
 * the account goes in as well: it tells which jobs of one account run the same, and nothing to anybody else. A keyed SHA-256
 * cut to 128 bits cannot be extended.
 */
export function imageFingerprint(secret: string, account: AccountId, image: string): string {
  const at = image.lastIndexOf('@');
  return nativeSha256Hex(`${secret}|${account}|${at < 0 ? image : image.slice(at + 1)}`).slice(0, 32);
}

/** User 0 is root, and so is group 0 to files that only root's group may read. */
function needsRoot(spec: JobSpec): boolean {
  return spec.user !== undefined && spec.user.split(':').some((id) => Number(id) === 0);
}
