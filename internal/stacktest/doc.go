// Package stacktest holds the tests of the whole stack: pools, the dflockd
// client and the server together, under faults.
//
//   - Package check says whether what was recorded keeps the promises: at most
//     N at once, first come first served, one result per job.
//   - Package faultnet breaks connections: in memory, in a synctest bubble
//     whose clock is simulated, and between real processes.
//   - Package counts says how much was tried, and how much must be.
//   - Program worker is a process that tests kill and stop.
//   - Package lockserver runs lock servers as programs, the original one too.
//   - Program soak runs the random tests of all packages for as long as one likes,
//     and program uncovered lists what no test takes.
//   - Package mutation breaks one rule of the shipped code after the other and
//     asks that the test named for it notices.
//
// The tests draw what they do from a seed, which they print. Set BERTH_SEED to
// that number to have it done again. The environment also makes them long:
// BERTH_SIMULATIONS is how many worlds to simulate, each for 45 minutes of its
// clock, BERTH_HISTORIES how many concurrent histories to check, and BERTH_KILLS
// how often to kill and stop real processes. Program soak does that for as long as
// one likes.
package stacktest
