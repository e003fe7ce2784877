import Type from 'typebox';
import { nodeIdPrefixPattern } from '../ids.ts';
import { NodeIdSchema } from '../ids-schema.ts';
import { expects } from '../input/wording.ts';
import { NodeWhySchema } from './node-why.ts';
import { closed, page, type Route } from './route.ts';
import { NodeViewSchema, pageOf } from './views.ts';

const nodeParams = Type.Object({ node: NodeIdSchema }, closed);

export const nodeRoutes = {
  listNodes: {
    method: 'GET',
    path: '/v1/nodes',
    summary: 'Nodes of the network',
    tag: 'nodes',
    auth: 'none',
    query: Type.Object(
      {
        ...page,
        id_prefix: Type.Optional(
          Type.String({
            pattern: nodeIdPrefixPattern,
            ...expects('the beginning of the id of a node: node_ and 4 hex digits or more'),
            maxLength: 45,
            description: 'Only nodes whose id begins so: node_ and at least four digits.',
          }),
        ),
      },
      closed,
    ),
    status: 200,
    response: pageOf(NodeViewSchema),
    errors: [],
  },
  getNode: {
    method: 'GET',
    path: '/v1/nodes/{node}',
    summary: 'One node',
    tag: 'nodes',
    auth: 'none',
    params: nodeParams,
    status: 200,
    response: NodeViewSchema,
    errors: ['request.not_found'],
  },
  explainNode: {
    method: 'GET',
    path: '/v1/nodes/{node}/why',
    summary:
      'Why a node gets no work; with the key of its owner or the operator, which waiting tasks it misses by what',
    tag: 'nodes',
    auth: 'none',
    params: nodeParams,
    status: 200,
    response: NodeWhySchema,
    errors: ['request.not_found'],
  },
  directNode: {
    method: 'POST',
    path: '/v1/nodes/{node}/direct',
    summary: 'Cordon, uncordon or drain a node',
    tag: 'nodes',
    auth: 'operator',
    params: nodeParams,
    body: Type.Object(
      { to: Type.Union([Type.Literal('cordon'), Type.Literal('uncordon'), Type.Literal('drain')]) },
      closed,
    ),
    status: 200,
    response: NodeViewSchema,
    errors: ['request.not_found', 'node.state_invalid'],
  },
} as const satisfies Record<string, Route>;
