import type { Guard } from './guard.ts';

const service = 'coordinator/service/src';

/** Of what is around the state machine. */
export const serviceGuards: readonly Guard[] = [
  {
    name: 'commit, then speak',
    why: 'A crash would take back what was said.',
    file: `${service}/log/command-sequencer.ts`,
    find: 'await this.#parts.log.append(',
    replace: 'void this.#parts.log.append(',
  },
  {
    name: 'answer with the first answer',
    why: 'A submission whose answer was lost would make a second job.',
    file: `${service}/api/idempotency.ts`,
    find: 'if (row !== undefined) {',
    replace: 'if (row !== undefined && row.status < 0) {',
  },
  {
    name: 'keep the answer with what it answers',
    why: 'A crash between job and answer would make a second job.',
    file: `${service}/api/job-handlers.ts`,
    find: '    asideOf(view),\n',
    replace: '',
  },
  {
    name: 'a newer session is the session of its node',
    why: 'The end of the older connection would end the newer one.',
    file: `${service}/gateway/session-table.ts`,
    find: '    if (this.#byNode.get(session.node) !== session) return;\n',
    replace: '',
  },
  {
    name: 'acknowledge what is durable',
    why: 'The agent would forget a report that a crash takes back.',
    file: `${service}/gateway/report-intake.ts`,
    find: 'this.#session.report = head.lastId;',
    replace: 'this.#session.report = this.#lastId;',
  },
  {
    name: 'the nonce of the attempt',
    why: 'Whoever knows the name of a task could report its end.',
    file: `${service}/gateway/report-intake.ts`,
    find: '      nonce === this.#nonceOf(task, attempt) &&\n',
    replace: '',
  },
  {
    name: 'the receipt of the session’s own node',
    why: 'A node could speak in the name of another.',
    file: `${service}/gateway/report-intake.ts`,
    find: 'node === this.#session.node &&',
    replace: 'node !== undefined &&',
  },
  {
    name: 'completed means exit 0 and memory enough',
    why: 'A run that failed by its own receipt would be paid.',
    file: `${service}/gateway/report-intake.ts`,
    find: "(reason !== 'completed' || ((receipt.exitCode ?? 0) === 0 && !receipt.oomKilled))",
    replace: "(reason !== 'completed' || (receipt.exitCode ?? 0) >= 0)",
  },
  {
    name: 'outputs must be there',
    why: 'A task would succeed whose outputs nobody has.',
    file: `${service}/gateway/report-intake.ts`,
    find: 'if (row === undefined || !row.complete || row.sizeBytes !== sizeBytes) return false;',
    replace: 'if (row === undefined) continue;',
  },
  {
    name: 'the signature over the receipts',
    why: 'Whoever is between agent and coordinator could write receipts.',
    file: `${service}/gateway/report-intake.ts`,
    find: 'if (checked === undefined) {',
    replace: 'if (checked === undefined && texts.length > 1e9) {',
  },
  {
    name: 'remember what runs over a restart',
    why: 'The agents would be told to drop what they run.',
    file: `${service}/gateway/gateway.ts`,
    find: '    placements.restore(sequencer.state);\n',
    replace: '',
  },
  {
    name: 'blame nobody for our own silence',
    why: 'After a long outage all nodes would count as lost while they hold leases.',
    file: `${service}/gateway/gateway.ts`,
    find: 'for (const node of sequencer.state.nodes.keys()) this.#sessions.assumeHeard(node, now());',
    replace: '',
  },
  {
    name: 'stop what ended without its node',
    why: 'A cancelled container would run to its end.',
    file: `${service}/gateway/dispatcher.ts`,
    find: 'session.queueStop({ task, attempt });',
    replace: '',
  },
  {
    name: 'follow what is durable alone',
    why: 'A session that opens would be told of attempts that a crash takes back, or not of those that run.',
    file: `${service}/gateway/placements.ts`,
    find: '          this.#remove(placement);\n          if (!event.released) listener.revoked(placement);',
    replace: '          if (!event.released) listener.revoked(placement);',
  },
];
