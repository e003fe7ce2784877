import type { TaskId } from '@capacloud/protocol/ids';
import type { HelloFrame } from '@capacloud/protocol/wire/frames';
import { wireLimits } from '@capacloud/protocol/wire/frames';
import { expect, test } from 'vitest';
import type { Connection } from './connection.ts';
import { defaultGatewayLimits } from './gateway-limits.ts';
import { Rates } from './rates.ts';
import { Session } from './session.ts';

test('assignments share a frame by their bytes, not by their characters', () => {
  const frames: string[] = [];
  const connection = {
    isOpen: true,
    bufferedBytes: 0,
    batch: (sends: () => void) => sends(),
    send: (text: string) => frames.push(text),
  } as unknown as Connection;
  const address = `0x${'1'.repeat(40)}`;
  const hello = {
    delegation: { node: address, provider: address, sessionKey: `0x${'2'.repeat(64)}` },
    attempts: [] as HelloFrame['attempts'],
    signature: '0x',
  } as unknown as HelloFrame;
  const session = new Session({
    number: 1,
    token: 'token',
    hello,
    protocol: 3,
    connection,
    limits: defaultGatewayLimits,
    rates: new Rates(defaultGatewayLimits, () => 0),
    nowMs: 0,
  });
  session.isOpen = true;
  for (let i = 0; i < 3; i++)
    session.queueAssignment(
      { task: `job_${'a'.repeat(20)}.${i}` as TaskId, attempt: 1 },
      `{"env":"${'é'.repeat(60_000)}"}`,
    );
  session.flush();
  expect(frames).toHaveLength(2);
  for (const frame of frames) expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(wireLimits.frameBytes);
});
