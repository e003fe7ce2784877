import { obstacleCatalogue } from '@capacloud/protocol/catalogue/obstacles';
import type { NodeId } from '@capacloud/protocol/ids';
import type { NodeWhy } from '@capacloud/protocol/routes/node-why';
import type { Context } from '../context.ts';
import { plain, plural } from '../phrases.ts';
import { writeFields, writeTable } from '../table.ts';

/** Works without a key; with that of its owner it tells of the tasks that wait. */
export async function explainNode(context: Context, node: NodeId): Promise<void> {
  const client = await context.client('public');
  const why = await client.call('explainNode', { params: { node }, signal: context.signal });
  if (context.json) context.writeJson(why);
  else writeNodeWhy(context, why);
}

function writeNodeWhy({ terminal: { out } }: Context, why: NodeWhy): void {
  const { attempts, failed, silences, tries } = why.reliability;
  const { queue } = why;
  writeFields(out, [
    ['node', out.paint('bold', why.node)],
    ['status', `${plain(why.status)} ${out.paint('dim', `(${plain(why.cause)}, since ${why.since})`)}`],
    ['why', plain(why.message)],
    ['pause', why.backing_off_until === undefined ? undefined : `until ${why.backing_off_until}`],
    [
      'name',
      `${failed} of ${plural(attempts, 'recent attempt')} failed by its fault, ${plural(silences, 'silence')}: placement counts its price ${tries.toFixed(2)} times`,
    ],
    [
      'queue',
      queue === undefined
        ? undefined
        : `${plural(queue.tasks, 'task')} ${queue.complete ? '' : 'and more '}wait: ${queue.suitable} would come, ${queue.free} now`,
    ],
  ]);
  if (queue === undefined) return;
  if (queue.obstacles.length > 0) {
    out.write('\n');
    writeTable(
      out,
      [
        { title: 'TASKS', align: 'right' },
        { title: 'ONLY THIS', align: 'right' },
        { title: 'BECAUSE SUCH NODES', shrinks: true },
      ],
      queue.obstacles.map(({ alone, code, tasks }) => [
        String(tasks),
        alone === 0 ? '' : String(alone),
        `${obstacleCatalogue[code].sentence} ${out.paint('dim', `(${code})`)}`,
      ]),
    );
  }
  if (queue.changes.length > 0) {
    out.write(`\n${out.paint('bold', 'What would help')}\n`);
    for (const { message } of queue.changes) out.write(`  ${plain(message)}\n`);
  }
}
