import Type from 'typebox';
import { AddressSchema } from '../ids-schema.ts';

/** 0x and 64 hex digits. */
const Bytes32 = Type.String({ pattern: '^0x[0-9a-f]{64}$', maxLength: 66 });

export const DelegationSchema = Type.Object(
  {
    node: AddressSchema,
    provider: AddressSchema,
    sessionKey: Bytes32,
    nonce: Bytes32,
    coordinator: Type.String({ minLength: 1, maxLength: 253 }),
    expiresAt: Type.Integer({ minimum: 0, description: 'Unix time in seconds.' }),
  },
  { additionalProperties: false },
);
