/* The one list of JuxMem's errors: it makes the C enum, the C++ enum and the strings.
 *
 * JUXMEM_ERRORS(X) calls X(NAME, name, number, "what it means and what to do") for each.
 * Numbers never change their meaning between versions. */
#ifndef JUXMEM_ERRORS_H
#define JUXMEM_ERRORS_H

#define JUXMEM_ERRORS(X)                                                                                     \
  X(OK, kOk, 0, "success")                                                                                   \
  X(EINVAL, kInvalid, 1, "an argument is not valid")                                                         \
  X(ENOMEM, kNoLocalMemory, 2, "this process has no memory left")                                            \
  X(ENOSPC, kNoSpace, 3, "no room is left for this; free blocks, add providers or make room on their disks") \
  X(ENOENT, kNotFound, 4, "there is no such block or file")                                                  \
  X(ENONAME, kNoSuchName, 5, "nothing is published under this name")                                         \
  X(EEXIST, kNameTaken, 6, "the name is already published")                                                  \
  X(ESHAPE, kImpossibleShape, 7, "the grid does not have so many sites or nodes")                            \
  X(ENOTSUP, kNotSupported, 8, "not supported yet")                                                          \
  X(ERANGE, kOutOfRange, 9, "the range goes beyond the end of the block")                                    \
  X(EBUSY, kBusy, 10, "the block is held by somebody else")                                                  \
  X(EAGAIN, kTryAgain, 11, "the grid gave no answer within the time limit; it may be tried again")           \
  X(ETIMEDOUT, kTimedOut, 12, "the time limit passed while waiting for the lock or the version")             \
  X(EOWNERDEAD, kOwnerDead, 13, "the lock was lost before the release; nothing was published")               \
  X(ENOTHELD, kNotHeld, 14, "release without acquire")                                                       \
  X(ERELEASED, kAlreadyReleased, 15, "the section was released already")                                     \
  X(EHELD, kAlreadyHeld, 16, "this thread holds the block already")                                          \
  X(EUNMAPPED, kUnmapped, 17, "the mapping was unmapped already")                                            \
  X(EFOREIGN, kForeignPointer, 18, "the pointer does not come from juxmem_mmap of this grid")                \
  X(ECONN, kUnreachable, 19, "no provider of the grid can be reached at this address")                       \
  X(EPROTO, kProtocol, 20, "the other side speaks another version or sent nonsense")                         \
  X(ECLOSED, kClosed, 21, "the grid handle was closed")                                                      \
  X(EFORKED, kForked, 22, "the handle was opened before fork() and cannot be used in the child")             \
  X(ELIMIT, kLimit, 23, "a limit per client or session was reached")                                         \
  X(ETOOBIG, kTooBig, 24, "the value is larger than the limit for its kind")                                 \
  X(EIO, kIo, 25, "a file or device could not be read or written")                                           \
  X(EINTERNAL, kInternal, 26, "a defect in JuxMem; please report it with the log")                           \
  X(EKEY, kKeyRefused, 27, "the grid refused this key")                                                      \
  X(ELOST, kLost, 28, "too many of the providers that kept this in memory have ended")                       \
  /* The following never reach a C caller; agents and coordinators use them between themselves. */           \
  X(ENOTCOORDINATOR, kNotCoordinator, 64, "this node does not lead the group")                               \
  X(EOVERLOADED, kOverloaded, 65, "too much is undecided; wait for decisions")                               \
  X(ESTOPPING, kStopping, 71, "the group is moving to its next epoch; ask again there")                      \
  X(EEXPIRED, kSessionExpired, 66, "the session has expired")                                                \
  X(ESTALE, kStale, 67, "an older operation or grant than one already seen")                                 \
  X(EEPOCH, kWrongEpoch, 68, "the group has moved to another epoch")                                         \
  X(EQUOTA, kQuota, 69, "the group needs more quota from the root")                                          \
  X(ESNAPSHOT, kSnapshotGone, 70, "the snapshot was given up; begin again with another one")

#endif
