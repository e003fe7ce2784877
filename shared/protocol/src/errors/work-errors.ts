import { type ErrorEntry, entry } from './error-entry.ts';

/** Codes about jobs, money and artifacts. */
export const workErrors = {
  'job.invalid': entry(
    422,
    4400,
    false,
    'The job file is not valid',
    'Mend the fields listed in errors; `capacloud validate FILE` checks a file without sending it.',
  ),
  'job.unsupported': entry(
    422,
    4400,
    false,
    'Not supported yet',
    'Remove the fields listed in errors; nothing acts on them yet, and none is ignored silently.',
  ),
  'job.too_many_tasks': entry(
    422,
    4400,
    false,
    'Too many tasks',
    'Split the job; the limit is stated in the message.',
  ),
  'job.image_poisoned': entry(
    409,
    4409,
    false,
    'The image was stopped',
    'GPUs failed while it ran: submit a mended image under another digest or tag, or wait as long as the message says.',
  ),
  'job.artifact_missing': entry(
    422,
    4400,
    false,
    'An input is not there',
    'Upload the artifact first, then submit the job again.',
  ),
  'job.terminal': entry(409, 4409, false, 'The job has already ended', 'Submit a new job.'),

  'ledger.insufficient_funds': entry(
    402,
    4402,
    false,
    'Not enough CAPA',
    'Add funds, or lower price.max_per_hour, price.max_total, timeout or replicas.',
  ),
  'ledger.amount_invalid': entry(
    422,
    4400,
    false,
    'Amount out of range',
    'Amounts are decimal strings of nano-CAPA between 1 and 10^18.',
  ),
  'ledger.account_unknown': entry(404, 4404, false, 'No such account', 'Check the account id.'),
  'ledger.account_exists': entry(409, 4409, false, 'The account exists', 'Choose another account id.'),

  'artifact.hash_mismatch': entry(
    422,
    4400,
    false,
    'The bytes do not match the hash',
    'The upload was discarded; read the file again and upload it from the start.',
  ),
  'artifact.offset_mismatch': entry(
    409,
    4409,
    true,
    'Upload offset does not match',
    'Ask for the offset with HEAD and continue from there.',
  ),
  'artifact.quota_exceeded': entry(
    413,
    4413,
    false,
    'Artifact storage of the account is full',
    'Delete artifacts that you no longer need (capacloud rm JOB), or ask the operator for a larger quota.',
  ),
  'artifact.consumer_full': entry(
    507,
    4413,
    true,
    "The artifact storage of the task's consumer is full",
    'Keep the outputs and try again with growing pauses: nobody blames the node, and the clock of the upload stands still.',
  ),
  'artifact.store_full': entry(
    507,
    4413,
    true,
    'The artifact store is full',
    'Try again later: the operator has to make room. Outputs of tasks are kept on their nodes meanwhile.',
  ),
  'artifact.store_failed': entry(
    503,
    1011,
    true,
    'The artifact store cannot be written',
    'Try again later: the operator has to mend the disk. Outputs of tasks are kept on their nodes meanwhile.',
  ),
  'artifact.incomplete': entry(
    409,
    4409,
    true,
    'The artifact is still being uploaded',
    'Finish the upload first.',
  ),
} as const satisfies Record<string, ErrorEntry>;
