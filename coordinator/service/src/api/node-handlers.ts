import type { NodeId } from '@capacloud/protocol/ids';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import { reaches } from './caller.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { Handlers } from './handler.ts';
import { type LongLooks, weightOfLook } from './long-looks.ts';
import { maxShapes, nodeWhyView } from './node-why-view.ts';
import { pageOfRows } from './pages.ts';
import { nodeView } from './views.ts';

export function nodeHandlers(
  deps: ApiDependencies,
  looks: LongLooks,
): Handlers<'listNodes' | 'getNode' | 'explainNode' | 'directNode'> {
  const { store, sequencer } = deps;
  return {
    listNodes: ({ query }) =>
      pageOfRows(
        query,
        (page) => store.listNodes(page, query.id_prefix === undefined ? {} : { idPrefix: query.id_prefix }),
        (row) => nodeView(row, sequencer.state),
      ),
    getNode: async ({ params }) => {
      const row = await store.getNode(params.node);
      return row === undefined ? noNode(params.node) : accept(nodeView(row, sequencer.state));
    },
    explainNode: async ({ caller, callerName, charge, params, at, signal }) => {
      const record = sequencer.state.nodes.get(params.node);
      if (record === undefined) return noNode(params.node);
      const isOwner =
        caller?.kind === 'agent'
          ? caller.node === record.id
          : caller !== undefined && reaches(caller, record.provider);
      const question = { at, isOwner, signal };
      if (!isOwner) return accept(await nodeWhyView(sequencer, record, question));
      charge(weightOfLook(maxShapes));
      return looks.run(callerName, signal, () => nodeWhyView(sequencer, record, question));
    },
    directNode: async ({ params, body, at }) => {
      if ((await store.getNode(params.node)) === undefined) return noNode(params.node);
      const outcome = await sequencer.submit({ type: 'node.direct', at, node: params.node, to: body.to });
      if (!outcome.ok) return outcome;
      const row = await store.getNode(params.node);
      return row === undefined ? noNode(params.node) : accept(nodeView(row, sequencer.state));
    },
  };
}

function noNode(node: NodeId): Result<never> {
  return refuse('request.not_found', `There is no node ${node}.`);
}
