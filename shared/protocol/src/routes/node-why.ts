import Type, { type Static } from 'typebox';
import { type Obstacle, obstacles } from '../catalogue/obstacles.ts';
import { NodeIdSchema } from '../ids-schema.ts';
import { literals, TimeSchema } from './views.ts';

const closed = { additionalProperties: false } as const;
const count = Type.Integer({ minimum: 0 });
const Code = literals(obstacles as [Obstacle, ...Obstacle[]]);

/** Of the tasks that wait for their first or next attempt. */
const QueueSchema = Type.Object(
  {
    tasks: count,
    suitable: Type.Integer({ minimum: 0, description: 'Would come to the node once there is room.' }),
    free: Type.Integer({
      minimum: 0,
      description: 'May come to it now, or go to a node that is better for them.',
    }),
    complete: Type.Boolean({ description: 'False where there are too many kinds of tasks to look at all.' }),
    obstacles: Type.Array(
      Type.Object(
        {
          code: Code,
          message: Type.String(),
          tasks: count,
          alone: Type.Integer({
            minimum: 0,
            description: 'Tasks that nothing else keeps from it, but what passes.',
          }),
        },
        closed,
      ),
    ),
    changes: Type.Array(Type.Object({ code: Code, tasks: count, message: Type.String() }, closed), {
      description: 'By the owner; the one that lets the most tasks come first.',
    }),
  },
  closed,
);

/** Why a node gets no work. */
export const NodeWhySchema = Type.Object(
  {
    node: NodeIdSchema,
    status: Type.String(),
    cause: Type.String(),
    since: TimeSchema,
    takes_work: Type.Boolean(),
    message: Type.String(),
    closed_by: Type.Array(Code, { description: 'What keeps every task from it now.' }),
    backing_off_until: Type.Optional(TimeSchema),
    reliability: Type.Object(
      {
        attempts: Type.Integer({
          minimum: 0,
          description: 'Late ones that succeeded or failed by its fault.',
        }),
        failed: Type.Integer({ minimum: 0, description: 'Of these, by its fault.' }),
        failed_in_row: count,
        silences: Type.Integer({ minimum: 0, description: 'Late ones.' }),
        tries: Type.Number({
          minimum: 1,
          description: 'Attempts that a task is expected to take there: placement counts its price so often.',
        }),
      },
      closed,
    ),
    queue: Type.Optional(
      Type.Unsafe<Static<typeof QueueSchema>>({
        ...QueueSchema,
        description: 'For the owner of the node and the operator.',
      }),
    ),
  },
  closed,
);
export type NodeWhy = Static<typeof NodeWhySchema>;
