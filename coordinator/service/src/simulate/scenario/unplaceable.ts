import type { Command, JobTerms } from '@capacloud/core/contract/command';
import { defaultRuleset } from '@capacloud/core/contract/ruleset';
import { waitingReason } from '@capacloud/core/explain/waiting-reason';
import { apply, decide } from '@capacloud/core/machine';
import { ScheduleNotes } from '@capacloud/core/scheduler/schedule-notes';
import { createState } from '@capacloud/core/state';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { AccountId } from '@capacloud/protocol/ids';
import type { Problem } from '@capacloud/protocol/result';
import { numberedJob, numberedNode } from '../numbered-ids.ts';
import type { JobClass, Variant } from './scenario.ts';

const asker = 'acc_asker' as AccountId;

/** Classes of jobs that not one node could ever run, in the core's own judgement and with every node at rest. */
export function findUnplaceable(variant: Variant, note: (sentence: string) => void): readonly Problem[] {
  const rest = new NetworkAtRest(variant.nodes.flatMap(({ offers }) => offers));
  return variant.jobs.flatMap((each, index) => {
    const reasons = new Map<JobTerms, ReturnType<NetworkAtRest['whyNever']>>();
    for (const { terms } of each.shapes) if (!reasons.has(terms)) reasons.set(terms, rest.whyNever(terms));
    const never = each.shapes.filter(({ terms }) => reasons.get(terms) === 'no_feasible_node').length;
    if (never === each.shapes.length) {
      const message = 'asks for resources that no node of the scenario has; nothing of it would ever run';
      return [{ pointer: `/jobs/${index}`, message }];
    }
    if (never > 0) note(`${each.name}: ${never} of ${each.shapes.length} traced tasks fit on no node.`);
    noteDear(each, reasons, note);
    return [];
  });
}

function noteDear(
  { name, shapes }: JobClass,
  reasons: ReadonlyMap<JobTerms, string | undefined>,
  note: (sentence: string) => void,
): void {
  const dear = shapes.filter(({ terms }) => reasons.get(terms) === 'price_too_low').length;
  if (dear > 0)
    note(
      `${name}: every ask is above the price ceiling of ${dear === shapes.length ? 'all' : dear} of its tasks.`,
    );
}

/** One node of each kind; nothing runs there. */
class NetworkAtRest {
  readonly #state = createState();
  readonly #notes = new ScheduleNotes();
  #jobs = 0;

  constructor(offers: readonly Offer[]) {
    this.#run({
      type: 'log.open',
      at: 0,
      origin: 'rest',
      ruleset: { ...defaultRuleset, maxUnprovenNodes: Number.MAX_SAFE_INTEGER },
    });
    this.#run({ type: 'account.open', at: 0, account: asker });
    const kinds = new Map([...new Set(offers)].map((offer) => [JSON.stringify(offer), offer]));
    for (const [index, offer] of [...kinds.values()].entries()) {
      const node = numberedNode(index);
      this.#run({ type: 'node.connect', at: 0, node, provider: asker, offer, accepting: true, held: [] });
    }
  }

  whyNever(terms: JobTerms): 'no_feasible_node' | 'price_too_low' | undefined {
    this.#jobs += 1;
    const job = numberedJob(this.#jobs);
    this.#run({
      type: 'job.submit',
      at: 0,
      job,
      consumer: asker,
      terms: { ...terms, tasks: 1, holdNano: 0n },
    });
    const reason = waitingReason(this.#state, this.#notes, job)?.reason;
    this.#run({ type: 'job.cancel', at: 0, job, consumer: asker });
    return reason === 'no_feasible_node' || reason === 'price_too_low' ? reason : undefined;
  }

  #run(command: Command): void {
    const result = decide(this.#state, command, this.#notes);
    if (!result.ok) throw new Error(`${command.type}: ${result.refusal.message}`);
    for (const event of result.value) apply(this.#state, event);
  }
}
