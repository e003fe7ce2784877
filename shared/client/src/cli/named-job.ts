import {
  isJobId,
  isJobIdPrefix,
  isNodeId,
  isNodeIdPrefix,
  isTaskId,
  type JobId,
  type NodeId,
  type TaskId,
  taskIdOf,
} from '@capacloud/protocol/ids';
import { endedJobStates } from '@capacloud/protocol/routes/states';
import type { JobView } from '@capacloud/protocol/routes/views';
import type { Client } from '../client.ts';
import { CommandError, type PlacedProblem, usageError } from './command-error.ts';
import type { Context } from './context.ts';
import { exitStatus } from './exit-status.ts';
import { agoText, plain } from './phrases.ts';

export type JobOrTask =
  | { readonly kind: 'job'; readonly id: JobId }
  | { readonly kind: 'task'; readonly id: TaskId };

export const jobArgument = 'job: its id, the first characters of it, or its name';
export const jobOrTaskArgument =
  'job (its id, the first characters of it, or its name), or JOB.INDEX for a task';

const shownCandidates = 5;
/** Pages of a thousand jobs each that are looked through for a name. */
const maxPages = 10;
const idHint =
  'Give a job as its id, as the first four or more characters of it, or as its name; capacloud ps lists them.';

/** The job that the user means: by id, by the beginning of its id, or by its name, of which the latest counts. */
export async function findJob(context: Context, client: Client, text: string): Promise<JobId> {
  if (isJobId(text)) return text;
  const prefix = text.startsWith('job_') ? text : `job_${text}`;
  const isName = isJobName(text);
  if (!isName && !isJobIdPrefix(prefix))
    throw usageError(`${JSON.stringify(text)} is neither the beginning of a job id nor a name.`, idHint);
  const [byId, byName] = await Promise.all([
    isJobIdPrefix(prefix) ? listByPrefix(context, client, prefix) : [],
    isName ? listByName(context, client, text) : [],
  ]);
  const [latest] = byName;
  const candidates = [...byId, ...byName.filter(({ id }) => byId.every((job) => job.id !== id))];
  if (byId.length > 1 || (byId.length === 1 && candidates.length > 1)) throw ambiguous(text, candidates);
  const found = byId[0] ?? latest;
  if (found === undefined) throw notFound(`No job has the name ${text} or an id that begins so.`);
  if (byName.length > 1 && !context.json)
    context.say(
      context.terminal.err.paint('dim', `${text} is ${found.id}, the latest of several jobs of that name.`),
    );
  return found.id;
}

/** As the job file has it. An id is none, for its underscore. */
function isJobName(text: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text);
}

/** The same for what must not hit the wrong job: a name that several live jobs have is refused. */
export async function findLiveJob(context: Context, client: Client, text: string): Promise<JobId> {
  if (isJobName(text)) {
    const named = await listByName(context, client, text);
    const live = named.filter(({ state }) => !endedJobStates.includes(state));
    if (live.length > 1) throw ambiguous(text, live);
    if (live[0] !== undefined) return live[0].id;
  }
  return findJob(context, client, text);
}

/** The same for what cannot be taken back: a name that several jobs have is refused. */
export async function findOnlyJob(context: Context, client: Client, text: string): Promise<JobId> {
  if (isJobName(text)) {
    const named = await listByName(context, client, text);
    if (named.length > 1) throw ambiguous(text, named);
  }
  return findJob(context, client, text);
}

/** A job as above, or one of its tasks as JOB.INDEX or JOB/INDEX. */
export async function findJobOrTask(context: Context, client: Client, text: string): Promise<JobOrTask> {
  if (isTaskId(text)) return { kind: 'task', id: text };
  const task = /^(.+)[./](0|[1-9][0-9]{0,4})$/.exec(text);
  if (task === null) return { kind: 'job', id: await findJob(context, client, text) };
  const job = await findJob(context, client, task[1] ?? '');
  return { kind: 'task', id: taskIdOf(job, Number(task[2])) };
}

/** A node by its id or the beginning of it. */
export async function findNode({ signal }: Context, client: Client, text: string): Promise<NodeId> {
  if (isNodeId(text)) return text;
  if (!isNodeIdPrefix(text))
    throw usageError(
      `${JSON.stringify(text)} is not the beginning of a node id.`,
      'A node id is node_ and 40 hexadecimal digits, of which four or more are needed; capacloud nodes lists them.',
    );
  const query = { id_prefix: text, limit: shownCandidates } as const;
  const { items } = await client.call('listNodes', { query, signal });
  const [found] = items;
  if (found === undefined)
    throw notFound(`No node has an id that begins with ${text}.`, 'capacloud nodes lists them.');
  if (items.length === 1) return found.id;
  throw severalMeant(
    text,
    items.map(({ id, status }) => ({ pointer: '', place: id, message: status })),
  );
}

async function listByPrefix(
  { signal }: Context,
  client: Client,
  prefix: string,
): Promise<readonly JobView[]> {
  const query = { id_prefix: prefix, limit: shownCandidates } as const;
  return (await client.call('listJobs', { query, signal })).items;
}

/** The latest of that name; a page looks through so many jobs and may find none of them. */
async function listByName({ signal }: Context, client: Client, name: string): Promise<readonly JobView[]> {
  let cursor: string | undefined;
  for (let page = 0; page < maxPages; page++) {
    const query = { name, limit: shownCandidates, ...(cursor === undefined ? {} : { cursor }) };
    const { items, next } = await client.call('listJobs', { query, signal });
    if (items.length > 0 || next === undefined) return items;
    cursor = next;
  }
  return [];
}

function ambiguous(text: string, jobs: readonly JobView[]): CommandError {
  const nowMs = Date.now();
  return severalMeant(
    text,
    jobs.slice(0, shownCandidates).map((job) => ({
      pointer: '',
      place: job.id,
      message: [plain(job.name ?? job.image), job.state, agoText(job.submitted_at, nowMs)].join('  '),
    })),
  );
}

function severalMeant(text: string, problems: readonly PlacedProblem[]): CommandError {
  return new CommandError(exitStatus.usage, {
    code: 'usage',
    message: `${text} may mean several:`,
    hint: 'Give more characters of the id.',
    problems,
  });
}

function notFound(message: string, hint = idHint): CommandError {
  return new CommandError(exitStatus.usage, { code: 'request.not_found', message, hint });
}
