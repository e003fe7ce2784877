import Type, { type Static } from 'typebox';
import { Sha256Schema } from '../ids-schema.ts';
import { distinct, wholeItem } from '../input/distinct.ts';
import { expects, expectsKey } from '../input/wording.ts';
import { asWritten } from './as-written.ts';
import { variableNamePattern } from './job-env.ts';
import { GpuSchema, SizeSchema as Size } from './job-gpu.ts';
import { ConstraintsSchema, RegionsSchema } from './job-placement.ts';
import {
  AbsolutePath,
  Account,
  command,
  cores,
  Duration,
  Ident,
  JobLabels,
  Money,
  path,
  Strings,
} from './job-texts.ts';

const closed = { additionalProperties: false } as const;
/**
 * The job file, version 1. Flat, in words people know, closed except for `x-` keys. Fields of the design that
 * nothing acts on yet are not here: job-unsupported.ts names them and they are refused, never ignored.
 */
export const JobFileSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String({ maxLength: 1024 })),
    version: Type.Literal('1'),
    name: Type.Optional(Ident),
    labels: Type.Optional(JobLabels),
    type: Type.Optional(Type.Literal('batch', { default: 'batch' })),
    // Its grammar is in image-reference.ts, which says in words what is wrong.
    image: Type.String({
      maxLength: 512,
      description: 'Image reference, best with a digest: NAME@sha256:….',
      ...expects('the name of an image, such as ubuntu:22.04'),
    }),
    entrypoint: Type.Optional(
      Type.Union(Strings.anyOf, {
        ...command,
        description: "Takes the place of the image's ENTRYPOINT. A string runs through /bin/sh -c.",
      }),
    ),
    command: Type.Optional(
      Type.Union(Strings.anyOf, {
        ...command,
        description:
          "A string runs through /bin/sh -c, in the place of the image's ENTRYPOINT. A list is run as it is, and its words " +
          'follow the ENTRYPOINT where there is one. An entrypoint of this file is given the list, or /bin/sh, -c and the ' +
          'string; one that ends with -c, such as [bash, -c], is given the string alone.',
      }),
    ),
    working_dir: Type.Optional(AbsolutePath),
    user: Type.Optional(
      Type.String({
        pattern: '^[0-9]{1,10}(:[0-9]{1,10})?$',
        default: '65532:65532',
        description:
          'UID[:GID]: the user of the image whose name, home and groups the task has. Its own user id is another one on every ' +
          'node, so what only that user may read is closed to it. Root needs a node whose owner allows it, and stays root.',
        ...expects('a user by number, such as "1000" or "1000:1000"', 'user'),
      }),
    ),
    env: Type.Optional(
      Type.Record(
        Type.String({ pattern: variableNamePattern }),
        Type.Union([Type.String({ maxLength: 32_768 }), Type.Number(), Type.Boolean()], {
          ...asWritten,
          ...expects('text, a number, true or false'),
        }),
        {
          ...closed,
          maxProperties: 256,
          ...expectsKey('a name of letters, digits and _ that does not begin with a digit', 'variable'),
          description:
            'Text, or a number or a boolean, which becomes the text as it is written: 3.10 stays 3.10.',
        },
      ),
    ),
    resources: Type.Optional(
      Type.Object(
        {
          cpu: Type.Optional(
            Type.Union(
              [
                Type.Number({ exclusiveMinimum: 0 }),
                Type.String({ pattern: '^[0-9]+m$', maxLength: 16, ...cores }),
              ],
              {
                default: 1,
                ...cores,
              },
            ),
          ),
          memory: Type.Optional({ ...Size, default: '1Gi' } as typeof Size),
          disk: Type.Optional({
            ...Size,
            default: '1Gi',
            description: 'Scratch for outputs.',
          } as typeof Size),
          shm_size: Type.Optional({
            ...Size,
            default: '64Mi',
            description: 'Bound of /dev/shm, which is part of memory.',
          } as typeof Size),
          gpu: Type.Optional(GpuSchema),
        },
        closed,
      ),
    ),
    placement: Type.Optional(
      Type.Object(
        {
          providers: Type.Optional(distinct(Type.Array(Account, { minItems: 1, maxItems: 64 }), wholeItem)),
          exclude_providers: Type.Optional(distinct(Type.Array(Account, { maxItems: 64 }), wholeItem)),
          regions: Type.Optional(RegionsSchema),
          constraints: Type.Optional(ConstraintsSchema),
        },
        closed,
      ),
    ),
    replicas: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, default: 1 })),
    gang: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          'All replicas start together, or none does; when one of them fails, all stop and start again together.',
      }),
    ),
    interruptible: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          'Costs less where owners offer that, and may be stopped there for work that pays in full; it then starts again elsewhere or later.',
      }),
    ),
    priority: Type.Optional(
      Type.Integer({
        minimum: -100,
        maximum: 100,
        default: 0,
        description:
          'Among your own jobs: a point counts as one minute of waiting. Between consumers, who uses less goes first.',
      }),
    ),
    inputs: Type.Optional(
      distinct(
        Type.Array(
          Type.Object(
            {
              name: Type.Optional(Ident),
              source: Type.String({
                minLength: 1,
                maxLength: 4096,
                description:
                  'artifact:SHA256 of an uploaded artifact. The command line also takes a path and uploads it.',
              }),
              target: AbsolutePath,
              sha256: Type.Optional(Sha256Schema),
              read_only: Type.Optional(Type.Literal(true, { default: true })),
            },
            { ...closed, 'x-short': 'source' },
          ),
          { maxItems: 64 },
        ),
        ['name'],
      ),
    ),
    outputs: Type.Optional(
      distinct(
        Type.Array(
          Type.Object(
            {
              name: Type.Optional(Ident),
              path: Type.String({
                ...path,
                description:
                  'A folder (/out), or a file in one (/out/result.json): a last part with a dot names a file.',
              }),
              max_size: Type.Optional({
                ...Size,
                description:
                  'Of all its files together; default: resources.disk. Files beyond it are skipped, with a note on the task.',
              } as typeof Size),
              optional: Type.Optional(
                Type.Boolean({
                  default: false,
                  description:
                    'The task succeeds without it; any other output that is missing fails the task.',
                }),
              ),
            },
            { ...closed, 'x-short': 'path' },
          ),
          { maxItems: 64 },
        ),
        ['name'],
      ),
    ),
    checkpoint: Type.Optional(
      Type.Object(
        {
          path: Type.String({ ...path, description: 'A folder of its own.' }),
          max_size: Type.Optional(Size),
        },
        {
          ...closed,
          'x-short': 'path',
          description:
            'What is in this folder when the task makes way (see interruptible) is there again when it goes on, on whatever node. It has its share of resources.disk, as each folder of outputs.',
        },
      ),
    ),
    network: Type.Optional(
      Type.Object(
        { mode: Type.Optional(Type.Literal('none', { default: 'none' })) },
        { ...closed, 'x-short': 'mode' },
      ),
    ),
    timeout: Type.Optional({
      ...Duration,
      default: '1h',
      description: 'How long one attempt may run.',
    } as typeof Duration),
    queue_timeout: Type.Optional({ ...Duration, default: '1d' } as typeof Duration),
    stop_grace_period: Type.Optional({ ...Duration, default: '10s' } as typeof Duration),
    retry: Type.Optional(
      Type.Object(
        {
          max_attempts: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: 100,
              default: 1,
              description: "Attempts that may end by the job's own error.",
            }),
          ),
          on: Type.Optional(
            distinct(
              Type.Array(Type.Union([Type.Literal('error'), Type.Literal('timeout'), Type.Literal('oom')]), {
                uniqueItems: true,
                maxItems: 3,
              }),
              wholeItem,
            ),
          ),
          exit_codes: Type.Optional(
            distinct(Type.Array(Type.Integer({ minimum: 1, maximum: 255 }), { maxItems: 255 }), wholeItem),
          ),
          backoff: Type.Optional(
            Type.Object({ initial: Type.Optional(Duration), max: Type.Optional(Duration) }, closed),
          ),
          provider_lost: Type.Optional(
            Type.Integer({
              minimum: 0,
              maximum: 100,
              default: 5,
              description: "A budget of its own for the providers' failures.",
            }),
          ),
        },
        { ...closed, 'x-short': 'max_attempts' },
      ),
    ),
    price: Type.Optional(
      Type.Object(
        {
          max_per_hour: Type.Optional({
            ...Money,
            description:
              'Ceiling for one task. By default twice the dearest of the cheapest offers that could take all tasks at submission.',
          } as typeof Money),
          max_total: Type.Optional({ ...Money, description: 'Ceiling for the whole job.' } as typeof Money),
          currency: Type.Optional(
            Type.Union([Type.Literal('USD'), Type.Literal('CAPA')], { default: 'USD' }),
          ),
        },
        { ...closed, 'x-short': 'max_per_hour' },
      ),
    ),
    verification: Type.Optional(
      Type.Object({ policy: Type.Literal('none') }, { ...closed, 'x-short': 'policy' }),
    ),
  },
  {
    ...closed,
    patternProperties: { '^x-': {} },
    $id: 'https://capacloud.example/schemas/job-1.schema.json',
    title: 'CapaCloud job',
    ...expects('a map of fields, such as version, image and command'),
  },
);
export type JobFile = Static<typeof JobFileSchema>;
