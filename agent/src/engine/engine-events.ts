const maxBytes = 2 ** 20;
const fatalSignals: ReadonlySet<string> = new Set([
  '2',
  '3',
  '9',
  '15',
  'SIGINT',
  'SIGQUIT',
  'SIGKILL',
  'SIGTERM',
]);

/** Actions of the engine's events, one JSON text a line; a kill counts only when its signal is meant to end. */
export async function readEngineEvents(chunks: AsyncIterable<Buffer>): Promise<readonly string[]> {
  let text = '';
  for await (const chunk of chunks) {
    text += chunk.toString('utf8');
    if (text.length > maxBytes) break;
  }
  return text.split('\n').flatMap((line) => {
    const action = readAction(line);
    return action === undefined ? [] : [action];
  });
}

function readAction(line: string): string | undefined {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof event !== 'object' || event === null || !('Action' in event)) return undefined;
  const { Action: action } = event;
  if (action !== 'kill') return typeof action === 'string' ? action : undefined;
  const actor =
    'Actor' in event ? (event.Actor as { Attributes?: Record<string, string> } | undefined) : undefined;
  return fatalSignals.has(actor?.Attributes?.['signal'] ?? '') ? 'kill' : undefined;
}

/** Seconds since 1970. */
export interface EventWindow {
  readonly since: number;
  readonly until: number;
}

/**
 * Seconds since 1970 between which a run of a container has its events, as the engine's call takes them. The engine
 * notes the start when it hears of it, which may be after a program that was quick has ended; and it refuses to look
 * for events that end before they begin. Of the end itself it tells late, by `lateSeconds` at
 * most; asked for a moment that is still to come, it answers when that is over.
 */
export function runWindow(
  run: { readonly StartedAt: string; readonly FinishedAt: string },
  lateSeconds = 0,
): EventWindow {
  const seconds = [run.StartedAt, run.FinishedAt].map((time) => Date.parse(time) / 1000);
  return { since: Math.floor(Math.min(...seconds)), until: Math.max(...seconds) + lateSeconds };
}

/**
 * The window from the making of a container until now, both by the engine's clock: the agent's may differ, and the engine
 * refuses a window that ends before it begins. Undefined where the engine's clock does not lie after the making.
 */
export function windowUntilNow(created: string, now: string): EventWindow | undefined {
  const since = Math.floor(Date.parse(created) / 1000);
  const until = Date.parse(now) / 1000;
  return until >= since ? { since, until } : undefined;
}
