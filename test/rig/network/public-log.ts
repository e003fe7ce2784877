import type { Client } from '@capacloud/client/client';
import type { Event, EventOf } from '@capacloud/core/contract/event';

/** All entries of the public log. */
export async function readEvents(client: Client): Promise<readonly Event[]> {
  return (await readEntries(client)).map((entry) => JSON.parse(entry) as Event);
}

/** All entries of the public log as the canonical text that was hashed. */
export async function readEntries(
  client: Client,
  size = Number.MAX_SAFE_INTEGER,
): Promise<readonly string[]> {
  const entries: string[] = [];
  for (;;) {
    const limit = Math.min(1000, size - entries.length);
    if (limit === 0) return entries;
    const page = await client.call('listLogEntries', { query: { from: entries.length, limit } });
    entries.push(...page.entries);
    if (entries.length >= page.size) return entries;
  }
}

export function eventsOf<T extends Event['type']>(events: readonly Event[], type: T): readonly EventOf<T>[] {
  return events.filter((event): event is EventOf<T> => event.type === type);
}
