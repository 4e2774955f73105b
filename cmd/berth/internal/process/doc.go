// Package process starts a command and ends it together with everything that it
// has started.
//
// What "everything" covers depends on the system:
//
//   - On Linux the caller becomes a child subreaper. Whatever a command starts stays
//     below the caller, also what called setsid, or whose parent has ended; and a
//     caller without children has no descendants either, which the kernel says in
//     one answer, so nothing slips between two looks.
//   - On Windows the caller puts itself into a job object, which what it starts
//     belongs to. When the caller dies, however it dies, the system ends the rest.
//   - On macOS and the BSDs the processes are found by their parents, and by the
//     process group of the command if it has one of its own. A process whose parents
//     have ended, and that has left the group, is not found.
//
// A process that the caller may not signal, such as one of another user, is not
// ended: it stays alive in the eyes of [Tree.Gone].
package process
