import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { downloadArtifact } from '@capacloud/client/artifact-files';
import { verifyEd25519 } from '@capacloud/client/ed25519';
import { verifyReceipt } from '@capacloud/client/verify-receipt';
import type { AttemptView, TaskView } from '@capacloud/protocol/routes/views';
import { formatNano } from '@capacloud/protocol/units';
import { assemblePicture } from '@capacloud/rig/images/assemble-picture';
import { verifyTypedData } from 'ethers';
import { auditLog } from './audit-log.ts';
import type { DemoNetwork } from './demo-network.ts';
import { demoDir, demoName, pictureFile } from './demo-places.ts';
import type { Rendering } from './render-picture.ts';
import { type Screen, seconds, table } from './screen.ts';

interface Context {
  readonly network: DemoNetwork;
  readonly rendering: Rendering;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

/** Downloads and joins the tiles, checks every receipt, and shows who did what for how much. */
export async function presentResult(context: Context): Promise<void> {
  const { network, rendering, screen } = context;
  await screen.step(
    'Picture',
    () => assemble(context),
    () => `Downloaded ${rendering.tasks.length} tiles, hashes checked, and joined them`,
  );
  const attempts = await Promise.all(
    rendering.tasks.map((task) => network.client.call('listAttempts', { params: { task: task.id } })),
  );
  await screen.step(
    'Receipts',
    () => checkReceipts(context),
    (count) => `Checked the signatures of ${count} receipts, up to each node's wallet`,
  );
  screen.line('');
  for (const line of taskTable(
    context,
    attempts.map(({ items }) => items),
  ))
    screen.line(line);
  screen.line('');
  await showBalances(context);
  screen.line('');
  await screen.step(
    'Audit',
    () => auditLog(network.client, network.coordinator.operator, network.firstHead),
    ({ events, stateHash }) =>
      `Audited the log from outside: ${events} signed events replay to the state ${stateHash.slice(0, 16)}…`,
  );
  screen.line('');
  screen.line(`${screen.paint.bold('The picture:')} ${pictureFile}`);
  screen.line(
    screen.paint.dim(
      `    ${rendering.grid.width}×${rendering.grid.height} pixels in ${rendering.tasks.length} tasks and ${seconds(rendering.elapsedMs)}, with ${rendering.killed} killed half way`,
    ),
  );
}

async function assemble({ network, rendering, signal }: Context): Promise<void> {
  const dir = join(demoDir, 'tiles');
  await mkdir(dir, { recursive: true });
  const tiles = [];
  for (const task of rendering.tasks) {
    const file = task.outputs.find(({ path }) => path === '/out/tile.png');
    if (file === undefined) throw new Error(`task ${task.id} has no tile`);
    const path = join(dir, `${task.index}.png`);
    await downloadArtifact(network.client, file, path, { signal });
    tiles.push({ index: task.index, count: rendering.tasks.length, png: await readFile(path) });
  }
  await mkdir(dirname(pictureFile), { recursive: true });
  await writeFile(pictureFile, assemblePicture(tiles, rendering.grid));
}

async function checkReceipts({ network, rendering }: Context): Promise<number> {
  const { chain_id: chainId } = await network.client.call('getInfo', {});
  for (const task of rendering.tasks) {
    const signed = await network.client.call('getReceipt', {
      params: { task: task.id, attempt: task.attempts },
    });
    const verdict = await verifyReceipt(signed, {
      coordinator: demoName,
      chainId,
      verifyTypedData,
      verifyEd25519,
    });
    if (!verdict.ok) throw new Error(`the receipt of ${task.id} does not verify: ${verdict.refusal.message}`);
    if (signed.receipt.reason !== 'completed')
      throw new Error(`the receipt of ${task.id} says ${signed.receipt.reason}`);
  }
  return rendering.tasks.length;
}

function taskTable({ rendering, screen }: Context, attempts: readonly (readonly AttemptView[])[]): string[] {
  const { paint } = screen;
  const rows = rendering.tasks.map((task: TaskView) => {
    const tries = attempts[task.index] ?? [];
    const last = tries.find(({ attempt }) => attempt === task.attempts);
    const agent = last === undefined ? undefined : rendering.agents.get(last.node);
    const earlier = tries
      .filter(({ attempt }) => attempt !== task.attempts)
      .map(({ reason, node }) => `${rendering.agents.get(node)?.name ?? node}: ${reason}`);
    return [
      String(task.index).padStart(2),
      agent === undefined ? '?' : paint.agent(agent.colour, agent.name),
      String(task.attempts),
      last?.metered_ms === undefined ? '' : seconds(last.metered_ms).padStart(7),
      `${capa(task.charged_nano)} CAPA`,
      (last?.receipt ?? '').slice(0, 16),
      earlier.length === 0 ? '' : paint.bad(earlier.join(', ')),
    ];
  });
  return table(['task', 'node', 'attempts', '   ran', 'charged', 'receipt', 'lost on the way'], rows, paint);
}

/** All nine decimals, so that the points stand in one column. */
function capa(amountNano: string): string {
  const [whole = '', decimals = ''] = formatNano(BigInt(amountNano)).split('.');
  return `${whole}.${decimals.padEnd(9, '0')}`;
}

async function showBalances({ network, rendering, screen }: Context): Promise<void> {
  const { items } = await network.coordinator.operator.call('listAccounts', { query: { limit: 500 } });
  const names = new Map(
    [...rendering.agents].map(([node, { name }]) => [`0x${node.slice('node_'.length)}`, name]),
  );
  const rows = items
    .filter(({ available_nano, held_nano }) => available_nano !== '0' || held_nano !== '0')
    .map(({ id, available_nano }) => [
      names.has(id) ? `${names.get(id)} ${screen.paint.dim(`${id.slice(0, 10)}…`)}` : id,
      capa(available_nano).padStart(15),
    ]);
  for (const line of table(['account', '   balance CAPA'], rows, screen.paint)) screen.line(line);
  const sum = items.reduce((total, { available_nano }) => total + BigInt(available_nano), 0n);
  if (sum !== 0n) throw new Error(`the balances sum to ${sum} nano-CAPA, not to zero`);
  screen.line(`    ${screen.paint.good('✔')} they sum to zero`);
}
