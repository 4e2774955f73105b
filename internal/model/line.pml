/*
 * Whoever claims is granted or told. Time is left out: a lease of a slot whose
 * holder is gone runs out at some time. docs/evidence.md says what is assumed.
 *
 * What is defined says which configuration this is:
 *   C, N     clients, and the limit
 *   CRASH    holders go without giving their slots back
 *   CUT      connections of those who wait break
 *   RESTART  the server restarts, once
 * A MUTANT_ breaks one rule; mutants_test.go names the rule of the code for each.
 */

mtype = { Idle, Asked, InLine, Holding, Gone };

mtype stage[C] = Idle;
bool held[C];
bool release[C];
bool broken[C];        /* the client's connection, and it does not know yet */
chan line = [C] of { byte };
byte i, w;
#ifdef RESTART
bool grace, restarted;
#define FROZEN grace
#else
#define FROZEN false
#endif

#if C == 2
#define HELD (held[0] + held[1])
#else
#define HELD (held[0] + held[1] + held[2])
#endif

/* serve grants what is free to the first in line. Whoever joins a line does not
   call it: nothing is free while somebody waits. */
inline serve() {
  do
  :: HELD < N && !FROZEN && len(line) > 0 ->
#ifdef MUTANT_LAST_FIRST
     /* by turning the line until its last is in front */
     i = len(line);
     do
     :: i > 1 -> line?w; line!w; i--
     :: else -> i = 0; break
     od;
#endif
     line?w;
     held[w] = true
  :: else -> break
  od;
  w = 0
}

/* A client claims again and again. It may stay idle for ever, and never holds for ever. */
active [C] proctype client() {
  do
  :: atomic { stage[_pid] == Idle -> stage[_pid] = Asked }
  :: atomic { stage[_pid] == InLine && held[_pid] && !broken[_pid] -> stage[_pid] = Holding }
  :: atomic { stage[_pid] == Holding -> stage[_pid] = Idle; release[_pid] = true }
#ifdef CRASH
  :: atomic { stage[_pid] == Holding -> stage[_pid] = Gone }
#endif
#if (defined(CUT) || defined(RESTART)) && !defined(MUTANT_NOT_TOLD)
  :: atomic { broken[_pid] -> broken[_pid] = false; stage[_pid] = Idle }  /* it is told */
#endif
  od
}

/* The server takes what was sent, one client's at a time. */
active [C] proctype server() {
  byte c = _pid - C;
  do
  :: atomic {
       stage[c] == Asked && !held[c] && !release[c] && !broken[c] ->
       stage[c] = InLine;
       if
       :: HELD < N && !FROZEN && len(line) == 0 -> held[c] = true
       :: else -> line!c
       fi
     }
  :: atomic {
       release[c] -> release[c] = false; held[c] = false;
#ifndef MUTANT_RELEASE_SERVES_NOBODY
       serve()
#endif
     }
#if (defined(CRASH) || defined(CUT)) && !defined(MUTANT_NO_EXPIRY)
  /* the lease of a slot that nobody renews or gives back */
  :: atomic { held[c] && !release[c] && stage[c] != Holding && stage[c] != InLine -> held[c] = false; serve() }
#endif
#ifdef CRASH
  :: atomic { stage[c] == Gone && !held[c] -> stage[c] = Idle }  /* the process is started again */
#endif
  od
}

#if defined(CUT) || defined(RESTART)
inline leave(c) {
  if
  :: line??[eval(c)] -> line??eval(c)
  :: else
  fi
}

active proctype network() {
#ifdef CUT
  byte c;
  do
  :: atomic { c = 0; do :: c < C - 1 -> c++ :: break od;
       if
       :: stage[c] == InLine && !broken[c] -> broken[c] = true; leave(c)
       :: else
       fi }
  od
#else
  atomic {
    restarted = true;
    grace = true;
    do
    :: i < C ->
       held[i] = false;
       release[i] = false;
       broken[i] = stage[i] == InLine || stage[i] == Holding;
       leave(i);
       i++
    :: else -> i = 0; break
    od
  }
#ifndef MUTANT_ENDLESS_GRACE
  atomic { grace = false; serve() }
#endif
#endif
}
#endif

/* Whoever has claimed holds a slot, or is told that it gets none. */
ltl { [] (stage[0] == Asked -> <> (stage[0] == Holding || stage[0] == Idle)) }
