import { usualRate } from '@capacloud/core/explain/market/usual-rate';
import { waitingReason } from '@capacloud/core/explain/waiting-reason';
import type { ReadOnly } from '@capacloud/core/read-only';
import type { State } from '@capacloud/core/state';
import type { Questions } from '../ports/questions.ts';
import type { AnsweringCore } from './answering-core.ts';
import * as attempts from './attempt-answers.ts';
import { explainNode, explainTask } from './explain.ts';
import { frozenCopy } from './frozen-copy.ts';
import { HealthWatch } from './health-watch.ts';
import { book, UsualRates } from './market-answers.ts';
import * as nodes from './node-answers.ts';
import { plan } from './plan.ts';
import { RecentStarts } from './recent-starts.ts';

/** The one list of questions. To be made before the first command, while all that the state holds is on disk. */
export function createQuestions(core: AnsweringCore, now: () => number): Questions {
  const { notes, state } = core;
  const starts = new RecentStarts(core);
  const watch = new HealthWatch(core);
  /** Looks now, and says what was found once it is on disk. */
  const answer =
    <A extends readonly unknown[], T>(look: (state: ReadOnly<State>, ...about: A) => T | Promise<T>) =>
    async (...about: A): Promise<T> => {
      const looked = look(state, ...about);
      const found = looked instanceof Promise ? await looked : looked;
      const copy = frozenCopy(found);
      await core.durable();
      return copy;
    };
  const rates = new UsualRates(
    answer((known, terms) => usualRate(known, notes, terms)),
    now,
  );
  return {
    standing: answer(() => nodes.standing(state, core.size)),
    acquaintance: answer(nodes.acquaintance),
    knownNode: answer(nodes.knownNode),
    provenAmong: answer(nodes.provenAmong),
    unreleased: answer(nodes.unreleased),
    consumerOfHeld: answer(attempts.consumerOfHeld),

    isInState: answer(({ jobs }, job) => jobs.has(job)),
    desiredOn: answer(nodes.desiredOn),
    heldBy: answer(attempts.heldBy),
    stagesOf: answer(attempts.stagesOf),
    heldUploads: answer(attempts.heldUploads),
    liveAmong: answer(attempts.liveAmong),
    uploadingFor: answer(attempts.uploadingFor),

    health: () => Promise.resolve(frozenCopy(watch.health)),
    ruleset: answer(({ ruleset }) => ruleset),
    nodeCount: answer((known) => known.nodes.size),
    hasAccount: answer(({ accounts }, account) => accounts.has(account)),
    providerOf: answer(nodes.providerOf),
    usesOf: answer(nodes.usesOf),
    waitingReason: answer((known, job) => waitingReason(known, notes, job)),
    explainTask: answer((_, task, signal) => explainTask(core, task, signal)),
    explainNode: answer((_, node, look, signal) => explainNode(core, node, look, signal)),
    book: answer(book),
    usualRate: (terms) => rates.of(terms),
    plan: answer((_, question, signal) => plan(core, starts, question, signal)),
  };
}
