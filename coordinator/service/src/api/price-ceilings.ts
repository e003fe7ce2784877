import type { ApiQuestions, UnpricedTerms } from '../ports/questions.ts';
import type { ApiSettings } from './dependencies.ts';

/** Room for a task to be placed elsewhere, or later, when the cheapest nodes are gone. */
const headroom = 2n;

/** What a task may cost an hour where its job file does not say, by what is asked for such tasks now. */
export class PriceCeilings {
  readonly #questions: Pick<ApiQuestions, 'usualRate'>;
  readonly #defaultMaxRateNano: bigint;

  constructor(
    questions: Pick<ApiQuestions, 'usualRate'>,
    { defaultMaxRateNano }: Pick<ApiSettings, 'defaultMaxRateNano'>,
  ) {
    this.#questions = questions;
    this.#defaultMaxRateNano = defaultMaxRateNano;
  }

  /** nano-CAPA. */
  async ceilingOf(terms: UnpricedTerms): Promise<bigint> {
    const rateNano = headroom * (await this.#questions.usualRate(terms));
    return rateNano < this.#defaultMaxRateNano ? rateNano : this.#defaultMaxRateNano;
  }
}
