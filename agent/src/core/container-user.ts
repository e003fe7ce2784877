/** The numeric user and group of a container's first process, and the owner of what it writes. */
export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
}

/** A user id that only this attempt has, with the group of the user that its job names. */
export interface TaskUser extends ContainerUser {
  /** The user that the job names: its name, home and groups in the image are those of the task. */
  readonly namedUid: number;
}
