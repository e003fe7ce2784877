/**
 * Why a task waits or an attempt ended. Like error codes these are a contract: never renamed or reused.
 * `fault` decides which retry budget pays, and whether anybody's reputation is touched.
 */
export interface ReasonEntry {
  /** consumer: the job's own error. provider: the node's. platform: ours, or a third party's. none: nobody's. */
  readonly fault: 'none' | 'consumer' | 'provider' | 'platform';
  /** Which entry of `retry.on` covers it; undefined when the consumer's budget never pays for it. */
  readonly retryOn?: 'error' | 'timeout' | 'oom';
  readonly sentence: string;
  readonly hint: string;
}

function reason(
  fault: ReasonEntry['fault'],
  sentence: string,
  hint: string,
  retryOn?: ReasonEntry['retryOn'],
): ReasonEntry {
  return retryOn === undefined ? { fault, sentence, hint } : { fault, sentence, hint, retryOn };
}

/** Outcomes that an agent reports in a receipt. */
export const outcomeReasons = {
  completed: reason('none', 'The container exited with 0 and its outputs were collected.', ''),
  exit_nonzero: reason(
    'consumer',
    'The container exited with a code other than 0.',
    'Read the log: capacloud logs TASK.',
    'error',
  ),
  oom_killed: reason(
    'consumer',
    'The kernel killed a process of the container because it ran out of memory.',
    'Raise resources.memory; scratch on a memory file system counts as memory too.',
    'oom',
  ),
  pids_exhausted: reason(
    'consumer',
    'The container reached its process limit and did not succeed.',
    'Start fewer processes or threads.',
    'error',
  ),
  disk_full: reason(
    'consumer',
    'The container filled its scratch disk.',
    'Raise resources.disk, or write less.',
    'error',
  ),
  run_timeout: reason(
    'consumer',
    'The container ran longer than its timeout and was stopped.',
    'Raise timeout, or split the work.',
    'timeout',
  ),
  output_missing: reason(
    'consumer',
    'An output named in the job file was not there when the container exited.',
    'Write every path listed in outputs, or give it optional: true.',
    'error',
  ),
  output_too_large: reason(
    'consumer',
    'An output is larger than allowed.',
    'Raise outputs[].max_size, or write less.',
    'error',
  ),
  output_invalid: reason(
    'consumer',
    'A listed output is neither a file nor a folder that can be kept.',
    'Write a plain file there, or a link that stays among the outputs.',
    'error',
  ),
  image_not_found: reason(
    'consumer',
    'The image does not exist or may not be read.',
    'Check the image name and tag.',
  ),
  image_wrong_platform: reason(
    'none',
    'The image is not made for the processors of the node.',
    'The task waits for a node with the right ones; build the image for more architectures to have more nodes.',
  ),
  image_too_large: reason(
    'none',
    'The image takes more room, or has more files, than the owner of the node gives to images.',
    'The task goes to nodes of other owners, and fails where too many have no room for the image; make the image smaller, or pass large data as inputs.',
  ),
  image_invalid: reason(
    'consumer',
    'No container can be made of the image: its manifest or its configuration breaks a rule.',
    'Read the message, mend the image and push it again.',
    'error',
  ),
  registry_not_allowed: reason(
    'none',
    'The owner of the node does not allow the registry of the image.',
    'The task goes to nodes of other owners. Use an image in a common registry, or name owners who allow yours in placement.',
  ),
  registry_failed: reason(
    'platform',
    'The registry of the image could not be reached, or did not serve the image.',
    'The task is tried on another node; check the name of the registry and whether it can be reached from outside.',
  ),
  image_refused: reason(
    'platform',
    'The container engine of the node did not take the image.',
    'The task is tried on another node; check that each layer of the image is a sound archive.',
  ),
  image_pull_failed: reason(
    'provider',
    'The image could not be pulled.',
    'The task is tried on another node.',
  ),
  pull_timeout: reason(
    'provider',
    'Pulling the image took too long.',
    'The task is tried on another node; a smaller image helps.',
  ),
  input_unavailable: reason(
    'platform',
    'An input could not be fetched.',
    'The task is tried again; check that the artifact still exists.',
  ),
  start_failed: reason(
    'consumer',
    'The container could not be started.',
    'Check entrypoint, command, working_dir and user.',
    'error',
  ),
  start_timeout: reason(
    'provider',
    'Starting the container took too long.',
    'The task is tried on another node.',
  ),
  upload_failed: reason(
    'provider',
    'The outputs could not be uploaded.',
    'The task is tried on another node.',
  ),
  engine_lost: reason(
    'provider',
    'The container engine of the node stopped or lost the container.',
    'The task is tried on another node.',
  ),
  lease_lapsed: reason(
    'provider',
    'The agent lost contact for longer than its lease and stopped the container.',
    'The task is tried on another node.',
  ),
  stopped: reason('none', 'The container was stopped because the coordinator asked for it.', ''),
  refused: reason('provider', 'The agent refused the task.', 'The task is tried on another node.'),
  agent_failed: reason(
    'provider',
    'The agent met an error of its own.',
    'The task is tried on another node; the owner finds the cause in the agent log.',
  ),
} as const satisfies Record<string, ReasonEntry>;
export type OutcomeReason = keyof typeof outcomeReasons;

/** Reasons that the coordinator itself gives. */
export const coordinatorReasons = {
  submitted: reason('none', 'The task waits for its first placement.', ''),
  assigned: reason('none', 'A node has been chosen.', ''),
  progressing: reason('none', 'The node reports progress.', ''),
  verifying: reason('none', 'The result is being checked.', ''),
  no_nodes: reason('none', 'No node is connected.', 'Wait, or ask the operator.'),
  no_feasible_node: reason(
    'none',
    'No connected node could ever run this task.',
    'Lower resources, or relax gpu and placement.',
  ),
  price_too_low: reason(
    'none',
    'Every node that could run this task asks for more than the ceiling.',
    'Raise price.max_per_hour.',
  ),
  no_capacity: reason(
    'none',
    'Every node that could run this task is busy.',
    'Wait; the task starts as soon as a node is free.',
  ),
  backing_off: reason('none', 'The task waits before its next attempt.', ''),
  queue_timeout: reason(
    'none',
    'The task waited longer than queue_timeout.',
    'Raise queue_timeout or price.max_per_hour, or lower resources.',
  ),
  node_lost: reason(
    'provider',
    'The node was silent for longer than its lease.',
    'The task is tried on another node.',
  ),
  assignment_timeout: reason(
    'provider',
    'The node did not begin in time.',
    'The task is tried on another node.',
  ),
  upload_timeout: reason(
    'provider',
    'The node did not finish uploading in time.',
    'The task is tried on another node.',
  ),
  safe_mode: reason(
    'platform',
    'The coordinator failed several times in a row and places nothing for now.',
    'Wait; it goes on by itself. Nothing of the job is lost.',
  ),
  job_isolated: reason(
    'platform',
    'The books of the coordinator broke over this job, so nothing of it is placed.',
    'Ask the operator, or cancel the job and submit it in another shape.',
  ),
  store_full: reason(
    'platform',
    'The artifact store of the coordinator has no room for outputs.',
    'Finished outputs are kept on their nodes for up to a day and stored once there is room; nothing runs again. The operator has to make room.',
  ),
  quota_full: reason(
    'consumer',
    "The account's artifact storage has no room for outputs.",
    'Finished outputs are kept on their nodes for up to a day and stored once there is room: delete artifacts (capacloud rm JOB), or ask the operator for a larger quota.',
  ),
  gang_stopped: reason(
    'none',
    'Another task of its gang failed, so all of them were stopped.',
    'Look at the task that failed; all start again together where its retries allow.',
  ),
  preempted: reason(
    'none',
    'The task ran at the lower price of interruptible work and was stopped for a task that pays in full.',
    'It starts again where there is room; without interruptible in the job file it costs more and is never stopped for others.',
  ),
  node_drained: reason('none', 'The node is going away.', 'The task is tried on another node.'),
  cancelled: reason('none', 'The job was cancelled.', 'Submit it again if it is still wanted.'),
  image_poisoned: reason(
    'consumer',
    'GPUs of several providers failed while the image ran on them, and its jobs were stopped.',
    'Find out what the program does to GPUs; submit a mended image under another digest or tag.',
  ),
  receipt_invalid: reason(
    'provider',
    'The receipt does not match the attempt.',
    'The task is tried on another node.',
  ),
} as const satisfies Record<string, ReasonEntry>;
export type CoordinatorReason = keyof typeof coordinatorReasons;

export type TaskReason = OutcomeReason | CoordinatorReason;
export const taskReasons: Readonly<Record<TaskReason, ReasonEntry>> = {
  ...outcomeReasons,
  ...coordinatorReasons,
};

/** The names of a catalogue as a tuple that a schema can be built from. */
export function reasonNames<T extends string>(catalogue: Readonly<Record<T, ReasonEntry>>): readonly T[] {
  return Object.keys(catalogue) as T[];
}
