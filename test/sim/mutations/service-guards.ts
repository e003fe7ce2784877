import type { Guard } from './guard.ts';

/** Of what is around the state machine. */
export const serviceGuards: readonly Guard[] = [
  {
    name: 'commit, then speak',
    why: 'A crash would take back what was said.',
    find: 'await this.#parts.log.append(',
    replace: 'group.tell(), await this.#parts.log.append(',
    faults: ['coordinator-crash'],
  },
  {
    name: 'answer with the first answer',
    why: 'A submission whose answer was lost would make a second job.',
    replace: 'if (row !== undefined && row.status < 0) {',
    faults: ['cut'],
  },
  {
    name: 'keep the answer with what it answers',
    why: 'A crash between job and answer would make a second job.',
    find: '[...asides, asideOf(text)]',
    replace: 'asides',
    faults: ['cut', 'coordinator-crash'],
  },
  {
    name: 'keep the answer with the batch that it answers',
    why: 'A crash between jobs and answer would make them a second time.',
    find: 'decided.some(({ ok }) => ok) ? [asideOf(text)] : []',
    replace: '[]',
    faults: ['cut', 'coordinator-crash'],
  },
  {
    name: 'a newer session is the session of its node',
    why: 'The end of the older connection would end the newer one.',
    faults: ['twins', 'vanish'],
  },
  {
    name: 'acknowledge what is durable',
    why: 'The agent would forget a report that a crash takes back.',
    replace: 'this.#session.report = this.#lastId;',
    faults: ['coordinator-effect-crash'],
  },
  {
    name: 'the nonce of the attempt',
    why: 'Whoever knows the name of a task could report its end.',
    faults: ['lies'],
  },
  {
    name: 'the receipt of the session’s own node',
    why: 'A node could speak in the name of another.',
    replace: 'node !== undefined &&',
    faults: ['lies'],
  },
  {
    name: 'completed means exit 0 and memory enough',
    why: 'A run that failed by its own receipt would be paid.',
    replace: "(reason !== 'completed' || ((exitCode ?? 0) >= 0 && oomKilled !== undefined))",
    faults: ['lies'],
  },
  {
    name: 'outputs must be there',
    why: 'A task would succeed whose outputs nobody has.',
    replace: 'if (row === undefined) continue;',
    faults: ['lies'],
  },
  {
    name: 'the signature over the receipts',
    why: 'Whoever is between agent and coordinator could write receipts.',
    find: 'if (!verify(Buffer.from(signature,',
    replace: 'if (size > 1e9 && !verify(Buffer.from(signature,',
    faults: ['forgery'],
  },
  {
    name: 'remember what runs over a restart',
    why: 'The agents would be told to drop what they run.',
    faults: ['coordinator-crash'],
  },
  {
    name: 'blame nobody for our own silence',
    why: 'After a long outage all nodes would count as lost while they hold leases.',
    faults: ['coordinator-crash'],
  },
  {
    name: 'stop what ended without its node',
    why: 'A cancelled container would run to its end.',
  },
  {
    name: 'follow what is durable alone',
    why: 'A session that opens would be told of attempts that a crash takes back, or not of those that run.',
    faults: ['partition', 'cut'],
  },
  {
    name: 'ask a node that never lets go',
    why: 'A node that keeps silent about an ended attempt would keep its job from settling for ever.',
    faults: ['lies'],
  },
];
