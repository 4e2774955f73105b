// Berth runs commands under slots of a semaphore that machines share.
//
//	berth run nightly-report --limit 1 -- make report   # at most one anywhere
//	berth run builds --limit 4 --timeout 10m -- ./build # at most four
//	berth ls                                            # which keys are in use
//	berth ping                                          # does the engine answer?
//
// The engine is named by a URL, in --engine or the variable BERTH_ENGINE:
//
//	export BERTH_ENGINE=dflockd://locks.example.com:6388
//
// docs/berth-run.md of this repository has what run promises, and examples.
//
// # Processes
//
// On Linux, macOS and the BSDs run is two processes and the command:
//
//	berth run      the front: what the shell waits for. It passes signals on, says what
//	   │           happens on the terminal, and ends with the command's status.
//	   └─ keeper   holds the slot, starts the command, and ends it with all that it has
//	        │      started. It has a process group of its own, so that neither Ctrl-C nor
//	        │      Ctrl-Z nor a kill of the job reaches it.
//	        └─ command
//
// They watch each other. When the front is killed, the keeper ends the command and
// gives the slot back after that. When the keeper is killed, or is stopped until the
// slot can no longer be relied on, the front kills the command. On Windows they are
// one process, and the system ends what it started when it is killed.
package main
