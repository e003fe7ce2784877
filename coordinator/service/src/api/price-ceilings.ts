import { usualRate } from '@capacloud/core/explain/market/usual-rate';
import { shapeOf } from '@capacloud/core/slices/job/queue';
import type { ApiDependencies } from './dependencies.ts';
import type { UnpricedTerms } from './job-terms.ts';

/** Offers change by the second; a stream of like jobs is not worth looking at nodes for each. */
const keptForMs = 2000;
/** Shapes that are kept: a few hundred bytes each. */
const maxKept = 1024;
/** Room for a task to be placed elsewhere, or later, when the cheapest nodes are gone. */
const headroom = 2n;

/** What a task may cost an hour where its job file does not say, by what is asked for such tasks now. */
export class PriceCeilings {
  readonly #deps: Pick<ApiDependencies, 'sequencer' | 'settings' | 'now'>;
  readonly #kept = new Map<string, { readonly at: number; readonly rateNano: bigint }>();

  constructor(deps: Pick<ApiDependencies, 'sequencer' | 'settings' | 'now'>) {
    this.#deps = deps;
  }

  /** nano-CAPA. */
  ceilingOf(terms: UnpricedTerms): bigint {
    const { defaultMaxRateNano } = this.#deps.settings;
    const rateNano = headroom * this.#usualRate(terms);
    return rateNano < defaultMaxRateNano ? rateNano : defaultMaxRateNano;
  }

  #usualRate(unpriced: UnpricedTerms): bigint {
    const at = this.#deps.now();
    const terms = { ...unpriced, maxRateNano: 0n, holdNano: 0n };
    const key = `${terms.tasks} ${shapeOf(terms)}`;
    const known = this.#kept.get(key);
    if (known !== undefined && at - known.at < keptForMs) return known.rateNano;
    const rateNano = usualRate(this.#deps.sequencer.state, this.#deps.sequencer.notes, terms);
    this.#kept.delete(key);
    this.#kept.set(key, { at, rateNano });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= maxKept) break;
      this.#kept.delete(oldest);
    }
    return rateNano;
  }
}
