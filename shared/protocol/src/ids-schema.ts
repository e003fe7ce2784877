import Type from 'typebox';
import {
  type AccountId,
  accountIdPattern,
  addressPattern,
  type JobId,
  jobIdPattern,
  type NodeId,
  nodeIdPattern,
  type Sha256Hex,
  sha256Pattern,
  type TaskId,
  taskIdPattern,
} from './ids.ts';
import { expects } from './input/wording.ts';

/** A string schema whose static type is branded. The pattern is what is checked; the brand is for the compiler. */
function branded<T extends string>(pattern: string, maxLength: number, description: string, words: string) {
  return Type.Unsafe<T>(Type.String({ pattern, maxLength, description, ...expects(words) }));
}

export const AccountIdSchema = branded<AccountId>(
  accountIdPattern,
  44,
  'Account: acc_NAME or a lower-case wallet address.',
  'an account such as acc_name, or the address of a wallet in small letters',
);
export const NodeIdSchema = branded<NodeId>(
  nodeIdPattern,
  45,
  'Node: node_ and the address of its key.',
  'the id of a node: node_ and 40 hex digits in small letters',
);
export const JobIdSchema = branded<JobId>(
  jobIdPattern,
  24,
  'Job.',
  'the id of a job: job_ and 20 characters',
);
export const TaskIdSchema = branded<TaskId>(
  taskIdPattern,
  30,
  'Task: JOB.INDEX.',
  'the id of a task: that of its job, a dot and its index',
);
export const Sha256Schema = branded<Sha256Hex>(
  sha256Pattern,
  64,
  'SHA-256, lower-case hex.',
  'a SHA-256 of 64 hex digits in small letters',
);
export const AddressSchema = Type.String({
  pattern: addressPattern,
  maxLength: 42,
  description: 'Wallet address, lower-case hex.',
  ...expects('the address of a wallet: 0x and 40 hex digits in small letters'),
});
