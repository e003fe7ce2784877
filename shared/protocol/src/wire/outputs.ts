/** Path of the archive of further files. No job can list it, because an output lies inside a folder. */
export const packedOutputPath = '/more-files.tar';

/** At most this many outputs are named in one receipt; further files are packed into the last one. */
export const maxOutputFiles = 1000;
/** At most this many symbolic links are named in one receipt. */
export const maxOutputLinks = 1000;

/** Why something among the outputs was not kept, with the end of a sentence that begins with its path. */
export const skippedReasons = {
  special: 'is neither a file, a folder nor a link',
  name: 'has a name that is not plain UTF-8 text',
  long_name: 'has a path of more than 1,024 characters',
  link_outside: 'is a link that leads out of the outputs',
  link_dangling: 'is a link to something that was not kept',
  link_loop: 'is a link that leads back to itself',
  too_large: 'is larger than what max_size of its output leaves',
  not_storable: 'is larger than any file that the coordinator stores',
  too_many: 'comes after as many files or links as one task can keep',
} as const;
export type SkippedReason = keyof typeof skippedReasons;

/** Names that are told of what was skipped, and how long each may be. */
export const maxSkippedNames = 20;
export const maxSkippedNameChars = 256;
