import Type, { type Static } from 'typebox';
import { closed, count } from './route.ts';

/** What the coordinator keeps for an account. What is announced and not there yet counts as well. */
export const StorageViewSchema = Type.Object(
  {
    used_bytes: count,
    quota_bytes: count,
    artifacts_bytes: count,
    logs_bytes: count,
    /** Specs of jobs. */
    jobs_bytes: count,
    receipts_bytes: count,
    /** Kept for a day under the keys of requests that may be repeated. */
    answers_bytes: count,
  },
  closed,
);
export type StorageView = Static<typeof StorageViewSchema>;
