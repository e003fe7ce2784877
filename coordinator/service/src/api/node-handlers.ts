import type { NodeId } from '@capacloud/protocol/ids';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import type { NodeView } from '@capacloud/protocol/routes/views';
import { maxShapes } from '../ports/explanations.ts';
import type { NodeUse } from '../ports/questions.ts';
import type { NodeRow } from '../ports/read-store.ts';
import { reaches } from './caller.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { Handlers } from './handler.ts';
import { type LongLooks, weightOfLook } from './long-looks.ts';
import { nodeWhyView } from './node-why-view.ts';
import { pageOfRows } from './pages.ts';
import { nodeView } from './views.ts';

interface UsedNode {
  readonly row: NodeRow;
  readonly use: NodeUse;
}

export function nodeHandlers(
  deps: ApiDependencies,
  looks: LongLooks,
): Handlers<'listNodes' | 'getNode' | 'explainNode' | 'directNode'> {
  const { questions, store, submitter } = deps;
  /** One question for all rows: each answer may wait for the disk. */
  const withUses = async (rows: readonly NodeRow[]): Promise<readonly UsedNode[]> => {
    const uses = await questions.usesOf(rows.map(({ id }) => id));
    return rows.map((row, index) => ({ row, use: uses[index] as NodeUse }));
  };
  const viewOf = async (row: NodeRow): Promise<NodeView> => {
    const [use] = await questions.usesOf([row.id]);
    return nodeView(row, use as NodeUse);
  };
  return {
    listNodes: ({ query }) =>
      pageOfRows(
        query,
        async (page) => {
          const prefix = query.id_prefix === undefined ? {} : { idPrefix: query.id_prefix };
          const rows = await store.listNodes(page, prefix);
          return rows === undefined ? undefined : { ...rows, items: await withUses(rows.items) };
        },
        ({ row, use }) => nodeView(row, use),
      ),
    getNode: async ({ params }) => {
      const row = await store.getNode(params.node);
      return row === undefined ? noNode(params.node) : accept(await viewOf(row));
    },
    explainNode: async ({ caller, callerName, charge, params, at, signal }) => {
      const provider = await questions.providerOf(params.node);
      if (provider === undefined) return noNode(params.node);
      const isOwner =
        caller?.kind === 'agent'
          ? caller.node === params.node
          : caller !== undefined && reaches(caller, provider);
      const explain = async () => {
        const found = await questions.explainNode(params.node, { at, withQueue: isOwner }, signal);
        return found === undefined ? noNode(params.node) : accept(nodeWhyView(found));
      };
      if (!isOwner) return explain();
      charge(weightOfLook(maxShapes));
      const looked = await looks.run(callerName, signal, explain);
      return looked.ok ? looked.value : looked;
    },
    directNode: async ({ params, body, at }) => {
      if ((await store.getNode(params.node)) === undefined) return noNode(params.node);
      const outcome = await submitter.submit({ type: 'node.direct', at, node: params.node, to: body.to });
      if (!outcome.ok) return outcome;
      const row = await store.getNode(params.node);
      return row === undefined ? noNode(params.node) : accept(await viewOf(row));
    },
  };
}

function noNode(node: NodeId): Result<never> {
  return refuse('request.not_found', `There is no node ${node}.`);
}
