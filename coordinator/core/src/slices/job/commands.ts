import { maxGangTasks } from '@capacloud/protocol/job/job-spec';
import type { Result } from '@capacloud/protocol/result';
import { accept, refuse } from '@capacloud/protocol/result';
import { formatNano } from '@capacloud/protocol/units';
import type { CancelJob, JobTerms, SubmitJob } from '../../contract/command.ts';
import type { Event } from '../../contract/event.ts';
import { Decision } from '../../decision.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';

function decideSubmit(state: ReadOnly<State>, command: SubmitJob): Result<readonly Event[]> {
  const { consumer, job, terms } = command;
  const account = state.accounts.get(consumer);
  if (account === undefined) return refuse('ledger.account_unknown', `Account ${consumer} does not exist.`);
  if (state.jobs.has(job)) return refuse('request.conflict', `Job ${job} exists.`);
  const { maxTasksPerJob, maxLiveTasksPerAccount } = state.ruleset;
  if (!Number.isSafeInteger(terms.tasks) || terms.tasks < 1) {
    return refuse('job.invalid', 'A job has at least one task.');
  }
  if (terms.tasks > maxTasksPerJob) {
    return refuse(
      'job.too_many_tasks',
      `A job has at most ${maxTasksPerJob} tasks; this one has ${terms.tasks}.`,
    );
  }
  if (terms.gang === true && terms.tasks > maxGangTasks) {
    return refuse(
      'job.too_many_tasks',
      `A gang has at most ${maxGangTasks} tasks; this one has ${terms.tasks}.`,
    );
  }
  if (account.liveTasks + terms.tasks > maxLiveTasksPerAccount) {
    return refuse(
      'job.too_many_tasks',
      `An account has at most ${maxLiveTasksPerAccount} tasks that have not ended; ${consumer} has ${account.liveTasks}.`,
      { hint: 'Wait until some of your tasks have ended, or cancel some.' },
    );
  }
  const stoppedUntil = terms.image === undefined ? 0 : (state.images.get(terms.image)?.until ?? 0);
  // guard: take no job with a stopped image
  if (stoppedUntil > command.at) {
    const minutes = Math.ceil((stoppedUntil - command.at) / 60_000);
    return refuse(
      'job.image_poisoned',
      `GPUs of several providers failed under this image; jobs of ${consumer} with it are taken again in ${minutes} min.`,
    );
  }
  if (terms.holdNano < 0n || terms.maxRateNano < 0n) {
    return refuse('ledger.amount_invalid', 'Amounts are not negative.');
  }
  const totalNano = terms.holdNano * BigInt(terms.tasks);
  // guard: hold money that is there
  if (totalNano > account.availableNano) {
    return refuse(
      'ledger.insufficient_funds',
      `The job holds ${formatNano(totalNano)} CAPA; ${consumer} has ${formatNano(account.availableNano)} available.`,
    );
  }
  return accept([submitted(command, terms)]);
}

function submitted({ at, consumer, job }: SubmitJob, terms: JobTerms): Event {
  return {
    at,
    backoffInitialMs: terms.backoffInitialMs,
    backoffMaxMs: terms.backoffMaxMs,
    ...(terms.checkpoint === undefined ? {} : { checkpoint: terms.checkpoint }),
    ...(terms.constraints === undefined ? {} : { constraints: terms.constraints }),
    consumer,
    excludeProviders: terms.excludeProviders,
    ...(terms.gang === undefined ? {} : { gang: terms.gang }),
    holdNano: `${terms.holdNano}`,
    ...(terms.image === undefined ? {} : { image: terms.image }),
    ...(terms.interruptible === undefined ? {} : { interruptible: terms.interruptible }),
    job,
    maxAttempts: terms.maxAttempts,
    maxRateNano: `${terms.maxRateNano}`,
    needsRoot: terms.needsRoot,
    ...(terms.outputs === undefined ? {} : { outputs: terms.outputs }),
    ...(terms.priority === undefined ? {} : { priority: terms.priority }),
    providerLost: terms.providerLost,
    providers: terms.providers,
    queueTimeoutMs: terms.queueTimeoutMs,
    ...(terms.regions === undefined ? {} : { regions: terms.regions }),
    resources: terms.resources,
    retryExitCodes: terms.retryExitCodes,
    retryOn: terms.retryOn,
    runTimeoutMs: terms.runTimeoutMs,
    specHash: terms.specHash,
    stopGraceMs: terms.stopGraceMs,
    tasks: terms.tasks,
    type: 'job.submitted',
  };
}

/** Ends every live task at once; what nodes still hold of them is released as they let go. */
function decideCancel(state: ReadOnly<State>, command: CancelJob): Result<readonly Event[]> {
  const job = state.jobs.get(command.job);
  if (job === undefined || job.consumer !== command.consumer) {
    return refuse('request.not_found', `${command.consumer} has no live job ${command.job}.`);
  }
  // guard: cancel live tasks only
  if (job.live === 0) return refuse('job.terminal', `All tasks of ${command.job} have ended.`);
  const decision = new Decision(state, command.at);
  decision.cancelJob(job);
  return accept(decision.close());
}

export const jobCommands = {
  'job.submit': decideSubmit,
  'job.cancel': decideCancel,
};
