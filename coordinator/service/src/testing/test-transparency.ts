import type { Transparency } from '../ports/transparency.ts';
import type { Store } from '../store/store.ts';
import { HighWaterFile } from '../transparency/high-water.ts';
import { openLogKey } from '../transparency/log-key.ts';
import { createTransparency } from '../transparency/log-transparency.ts';

/** The public log of a test's coordinator, as the engine puts it together. */
export function openTestTransparency(dataDir: string, store: Store): Transparency {
  const origin = 'capacloud.test';
  return createTransparency({
    origin,
    signer: openLogKey(dataDir, origin),
    log: store.log,
    readSubtree: store.readSubtree,
    checkpoints: store.checkpoints,
    highWater: new HighWaterFile(dataDir),
    now: Date.now,
  });
}
