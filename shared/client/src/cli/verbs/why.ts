import { obstacleCatalogue } from '@capacloud/protocol/catalogue/obstacles';
import type { TaskId } from '@capacloud/protocol/ids';
import { taskIdOf } from '@capacloud/protocol/ids';
import type { WhyView } from '@capacloud/protocol/routes/views';
import type { Command } from 'commander';
import type { Client } from '../../client.ts';
import type { Context } from '../context.ts';
import { findJobOrTask, findNode } from '../named-job.ts';
import { plain, plural, stateText } from '../phrases.ts';
import { writeFields, writeTable } from '../table.ts';
import { type Output, wrap } from '../terminal.ts';
import type { Runner } from './verb.ts';
import { explainNode } from './why-node.ts';

export function addWhy(program: Command, runner: Runner): void {
  program
    .command('why')
    .description('why a task waits or a node gets no work, and what would help')
    .argument('<id>', 'task (JOB.INDEX), or a job for the first of its tasks that waits, or a node id')
    .action(
      runner(async (context, idText: string) => {
        if (idText.startsWith('node_')) {
          await explainNode(context, await findNode(context, await context.client('public'), idText));
          return undefined;
        }
        const client = await context.client();
        const task = await taskOf(context, client, idText);
        const why = await client.call('explainTask', { params: { task }, signal: context.signal });
        if (context.json) context.writeJson(why);
        else writeWhy(context, why);
        return undefined;
      }),
    );
}

async function taskOf(context: Context, client: Client, idText: string): Promise<TaskId> {
  const asked = await findJobOrTask(context, client, idText);
  if (asked.kind === 'task') return asked.id;
  const query = { limit: 1, state: 'queued' } as const;
  const { items } = await client.call('listTasks', {
    params: { job: asked.id },
    query,
    signal: context.signal,
  });
  return items[0]?.id ?? taskIdOf(asked.id, 0);
}

function writeWhy({ terminal: { out } }: Context, why: WhyView): void {
  const { total, suitable, free } = why.nodes;
  writeFields(out, [
    ['task', out.paint('bold', why.task)],
    ['state', stateText(out, why.state)],
    ['why', `${plain(why.message)} ${out.paint('dim', `(${why.reason})`)}`],
    [
      'nodes',
      why.state === 'queued' ? `${plural(total, 'node')}: ${suitable} would do, ${free} now` : undefined,
    ],
    ['hint', why.hint === '' || why.changes.length > 0 ? undefined : plain(why.hint)],
  ]);
  writeObstacles(out, why);
}

/** What keeps tasks from nodes, and what would help; nothing where nothing does. */
export function writeObstacles(
  out: Output,
  { obstacles, changes }: Pick<WhyView, 'obstacles' | 'changes'>,
): void {
  if (obstacles.length > 0) {
    out.write('\n');
    writeTable(
      out,
      [
        { title: 'NODES', align: 'right' },
        { title: 'ONLY THIS', align: 'right' },
        { title: 'IN THE WAY' },
        { title: 'FOR EXAMPLE', isId: true },
      ],
      obstacles.map(({ alone, code, examples, nodes }) => [
        String(nodes),
        alone === 0 ? '' : String(alone),
        `${obstacleCatalogue[code].sentence} ${out.paint('dim', `(${code})`)}`,
        examples[0] ?? '',
      ]),
    );
  }
  if (changes.length > 0) {
    out.write(`\n${out.paint('bold', 'What would help')}\n`);
    for (const { message } of changes)
      for (const line of wrap(`  ${plain(message)}`, out.columns)) out.write(`${line}\n`);
  }
}
