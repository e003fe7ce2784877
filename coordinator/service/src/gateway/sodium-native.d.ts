/** The one function that we call of libsodium's bindings, which bring no types. */
declare module 'sodium-native' {
  const sodium: {
    /** Throws when a length is wrong: 64 bytes of signature, 32 of key. */
    readonly crypto_sign_verify_detached: (
      signature: Uint8Array,
      message: Uint8Array,
      publicKey: Uint8Array,
    ) => boolean;
  };
  export default sodium;
}
