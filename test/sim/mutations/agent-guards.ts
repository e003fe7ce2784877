import type { Guard } from './guard.ts';

/** Of the agent. */
export const agentGuards: readonly Guard[] = [
  {
    name: 'let the lease lapse',
    why: 'A node without contact would run what was given to another.',
    find: 'nowMs >= this.#untilMs;',
    replace: 'nowMs < 0;',
    faults: ['partition'],
  },
  {
    name: 'count the lease from when the heartbeat was sent',
    why: 'The agent would believe in its lease for longer than the coordinator.',
    find: 'this.#extend(newest + this.#leaseMs)',
    replace: 'this.#extend(newest + 2 * this.#leaseMs)',
    faults: ['delay'],
  },
  {
    name: 'count only heartbeats that were acknowledged',
    why: 'Heartbeats that never arrived would extend the lease.',
    faults: ['delay', 'partition'],
  },
  {
    name: 'no lease without a grant',
    why: 'After a loss of power the agent would begin work that was given to another meanwhile.',
    find: 'new Lease(journal.attempts().length === 0 ? undefined : 0)',
    replace: 'new Lease(undefined)',
    faults: ['reboot'],
    stubborn: true,
  },
  {
    name: 'a lease of another boot is none',
    why: 'The clock began anew, so that the old end lies far ahead.',
    find: 'note !== undefined && note.bootId === clock.bootId',
    replace: 'note !== undefined',
    faults: ['reboot'],
  },
  {
    name: 'drop what the coordinator does not want',
    why: 'An attempt that was given up while the node was away would run on.',
    faults: ['partition'],
    stubborn: true,
  },
  {
    name: 'start a container once',
    why: 'An engine that is killed in a start forgets it, and the program would run twice in one attempt.',
    faults: ['docker-kill'],
  },
  {
    name: 'note a start before it is made',
    why: 'Nobody would know that the engine may have made it.',
    faults: ['docker-kill'],
  },
  {
    name: 'pause where a failure cannot be noted',
    why: 'An agent with a full disk would try the same step again and again, and do nothing else.',
    faults: ['agent-disk-full'],
  },
  {
    name: 'wait for room',
    why: 'A container would start on a device that another still uses.',
    faults: ['agent-freeze'],
    stubborn: true,
  },
  {
    name: 'remove what nobody knows',
    why: 'Containers of a lost journal would run for ever.',
    faults: ['agent-restore'],
  },
  {
    name: 'stop at the end of the run time',
    why: 'A program could run for as long as it likes.',
    replace:
      'const disarm = arm(1e9 + remainingRunMs(assignment.runTimeoutMs, record.runStart, clock), onTimeout);',
  },
  {
    name: 'let the run time go on while the agent is away',
    why: 'Every restart would give the program its whole time again.',
    find: 'limitMs - (clock.bootMs() - start.atBootMs)',
    replace: 'limitMs',
    faults: ['agent-crash'],
    stubborn: true,
  },
  {
    name: 'an engine that was lost completes nothing',
    why: 'A container that died with its engine could count as a success.',
    replace: '  if (ending.engineLost && ending.exitCode !== 0)\n',
    faults: ['docker-restart'],
  },
  {
    name: 'an exit code other than 0 is a failure',
    why: 'A failed program would be paid for.',
    replace: 'const failed = ending.exitCode === undefined;',
  },
  {
    name: 'keep reports until they are durable',
    why: 'A report that was sent and lost would never be sent again.',
    replace: 'const report = this.#sentReport;',
    faults: ['delay', 'coordinator-crash'],
  },
  {
    name: 'remember a settled attempt until its report is durable',
    why: 'The node would be given the attempt anew and run it a second time.',
    find: 'record.log.done && !view.unacked',
    replace: 'record.log.done',
    faults: ['coordinator-disk-stall', 'vanish'],
  },
  {
    name: 'number reports once',
    why: 'After a restart two reports would have one number, and one acknowledgement would cover both.',
    faults: ['agent-crash'],
  },
  {
    name: 'notice a coordinator that fell silent',
    why: 'On a connection that died without a word the agent would wait for ever.',
    replace: 'if (nowMs < 0) {',
    faults: ['vanish'],
  },
  {
    name: 'give up a handshake that gets no answer',
    why: 'An agent whose greeting was lost would wait for ever.',
    find: "setTimeout(() => this.#lose('the handshake took too long'), handshakeTimeoutMs)",
    replace: 'setTimeout(() => {}, handshakeTimeoutMs)',
    faults: ['vanish', 'cut'],
  },
  {
    name: 'an assignment is taken once',
    why: 'A repeated assignment would begin an attempt anew.',
    faults: ['coordinator-disk-stall'],
  },
];
