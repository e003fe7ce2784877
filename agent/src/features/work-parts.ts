import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { NodeId } from '@capacloud/protocol/ids';
import type { Logger } from 'pino';
import type { Clock } from '../core/clock.ts';
import type { Journal } from '../core/journal-port.ts';
import type { AttemptKey, PullProgress, Runtime } from '../core/ports.ts';
import type { CoordinatorAccess } from '../core/session-port.ts';
import type { CoordinatorHttp } from '../transfer/coordinator-http.ts';
import type { InputCache } from './inputs/input-cache.ts';
import type { AttemptLogs } from './logs/attempt-logs.ts';

/** What the work of attempts is done with. */
export interface WorkParts {
  readonly node: NodeId;
  readonly outputsDir: string;
  readonly runtime: Runtime;
  readonly journal: Journal;
  readonly logs: AttemptLogs;
  readonly inputs: InputCache;
  readonly http: CoordinatorHttp;
  readonly access: CoordinatorAccess;
  readonly clock: Clock;
  readonly offer: () => Offer;
  readonly log: Logger;
  readonly onPull: (key: AttemptKey, progress: PullProgress) => void;
  /** The journal changed: reports may be sent, other attempts may have room. */
  readonly onChange: () => void;
}
