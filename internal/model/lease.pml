/*
 * Claims of one key on a lock server: who holds a slot, and whose context says
 * so. docs/evidence.md says what is modelled and assumed.
 *
 * Each of C clients makes one claim at a time. A step of a client, of the
 * server's work for it, or of the network between them is one atomic step of
 * peer; time passes in steps of clock. A message takes any number of ticks.
 *
 * What is defined says which configuration this is:
 *   C, N             clients, and the limit
 *   L, MARGIN, B, R  ticks: lease, what the guard ends before it, heartbeat,
 *                    time for a renewal's answer
 *   STRICT           the server keeps the slots of a broken connection, and
 *                    clients renew them over another; without it, it frees them
 *   CUT              connections break, unseen by either side at first
 *   CRASH, CANCEL    a client's process dies; a claimant gives up
 *   PAUSE            a client's machine is suspended and resumes
 *   DRIFT            a client's clock loses up to one tick in a lease
 *   FREEZE           the server's process is stopped and resumes
 *   RESTART          the server restarts, with a grace of GRACE ticks
 *   WAIT             the protocol in two phases, a place first and then its
 *                    slot; GHOSTS has the wait answered as the original server does
 *   LEAVE            a claimant gives its place up by a request
 *   LIMITS           the claims of client 0 have a limit of their own, 1
 *   HALT             somebody lets nothing be granted for a while
 *   REVOKE           somebody takes slots back
 * A MUTANT_ breaks one rule; mutants_test.go names the rule of the code for each.
 * BROKEN, which comes with it, has the model go on where it could not get before.
 */

#ifdef MUTANT_NO_MARGIN
#undef MARGIN
#define MARGIN 0
#endif
#ifdef MUTANT_SHORT_GRACE
#undef GRACE
#define GRACE (L - MARGIN - 1)
#endif
#define G (L - MARGIN)  /* when the guard ends a context */

mtype = { Idle, Asked, InLine, Confirming, Holding };         /* stage of a client */
mtype = { Claim, Wait, Renew };                               /* requests */
mtype = { Acquired, Queued, Granted, Expired, Yes, No };      /* answers */
mtype = { Up, Cut, Down };                 /* a cut connection is down once its client knows */
mtype = { Refused, TooLate, Broken };      /* why a context ended unasked */

/* The clients. */
mtype stage[C] = Idle;
mtype link[C] = Up;
mtype request[C];      /* on its way to the server, or 0 */
mtype answer[C];       /* on its way back, or 0 */
bool release[C];       /* on its way to the server */
bool renewing[C];
byte age[C];           /* of the request that is not answered, by the client's clock */
byte used[C];          /* of the lease: since the request that set it was sent */
bool left[C];          /* ended by its own will: no slot may stay behind */
#ifdef STRICT
bool owed[C];          /* a release whose connection broke */
#endif
#ifdef CANCEL
bool cancelled[C];
#endif
#ifdef LEAVE
bool leaving[C];       /* a request to give up the place, on its way to the server */
#endif
#ifdef PAUSE
bool paused[C];
#endif
#ifdef DRIFT
bool slipped[C], slippedSince[C];  /* since used = 0; since age = 0 */
#endif
#ifdef WAIT
bool old[C];           /* a tick has passed since the claim was sent */
#endif

/* The server. */
bool held[C];
byte lease[C];         /* what is left of it */
chan line = [C] of { byte };
bool placed[C];        /* in line */
bool closed[C];        /* the claim's connection has ended, and its turn to be cleared comes */
bool unseen[C];        /* the same, and the server does not know yet */
#ifdef WAIT
bool waits[C];         /* a wait is to be answered with the grant */
#endif
#ifdef FREEZE
bool stopped;
#endif
#ifdef RESTART
byte grace;
#endif
#ifdef HALT
bool halted;
#endif
#ifdef REVOKE
bool revoked[C];       /* not renewed any more */
#endif
#if !defined(STRICT)
byte gone[C];          /* ticks that a context has outlived its slot while its client ran */
#endif

#ifdef PAUSE
#define RUNS(i) (!paused[i])
#else
#define RUNS(i) true
#endif
#ifdef FREEZE
#define SERVES (!stopped)
#else
#define SERVES true
#endif
#if defined(RESTART) && defined(STRICT) && !defined(MUTANT_NO_GRACE)
#define FROZEN (grace > 0)
#elif defined(HALT) && !defined(MUTANT_GRANTS_HALTED)
#define FROZEN halted
#else
#define FROZEN false
#endif
#ifdef HALT
#define HALTED halted
#else
#define HALTED false
#endif
#ifdef REVOKE
#define REVOKED(i) revoked[i]
#else
#define REVOKED(i) false
#endif
#ifdef MUTANT_ONE_MORE
#define MORE 1
#else
#define MORE 0
#endif
#ifdef LIMITS
#define OWN(i) ((i) == 0 -> 1 : N)   /* the limit of a client's claims */
#define LEAST(p) (p(0) -> OWN(0) : N) /* the smallest limit of those of whom p is true */
#else
#define OWN(i) N
#define LEAST(p) N
#endif
#ifdef MUTANT_OVER_HOLDERS_LIMIT
#define MOST N
#else
#define MOST LEAST(HELD)
#endif
/* A claim is granted if fewer are held than its limit, and than that of each holder. */
#define ROOM(i) (SUM(HELD) < OWN(i) + MORE && SUM(HELD) < MOST + MORE)
#ifdef CANCEL
#define UNWANTED(i) cancelled[i]
#else
#define UNWANTED(i) false
#endif
#ifdef LEAVE
#define LEAVING(i) leaving[i]
#else
#define LEAVING(i) false
#endif
#ifdef STRICT
#define GIVEN_BACK(i) (release[i] || owed[i] || LEAVING(i))
#else
#define GIVEN_BACK(i) (release[i] || unseen[i] || closed[i])
#endif

#define USES(i) (stage[i] == Holding && RUNS(i))
#define LEAKED(i) (held[i] && left[i] && stage[i] == Idle && !GIVEN_BACK(i))
/* Nothing is on its way, so a client that waits must be in line. */
#define FORGOTTEN(i) (stage[i] == InLine && link[i] == Up && !unseen[i] && request[i] == 0 && answer[i] == 0 && !placed[i])
#if C == 2
#define SUM(p) (p(0) + p(1))
#define ANY(p) (p(0) || p(1))
#else
#define SUM(p) (p(0) + p(1) + p(2))
#define ANY(p) (p(0) || p(1) || p(2))
#endif
#define HELD(i) held[i]
/* The first in line could be granted a slot, and is not. */
#define KEPT_WAITING(i) (line?[i] && ROOM(i) && !FROZEN && SERVES)

byte i, w;             /* for loops; 0 between steps */

/* ---- The promises. ---- */

#if defined(STRICT) || !defined(CUT)
#define OUTLIVES(i) false
#define NO_MORE_THAN_LIMIT (SUM(USES) <= LEAST(USES))
#else
#define OUTLIVES(i) (gone[i] > B + R)
#define NO_MORE_THAN_LIMIT true
#endif

inline check() {
  assert(SUM(HELD) <= LEAST(HELD));
  assert(NO_MORE_THAN_LIMIT);
  assert(!ANY(KEPT_WAITING));
  assert(!ANY(OUTLIVES));
  assert(!ANY(LEAKED));
  assert(!ANY(FORGOTTEN))
}

/* ---- The server. ---- */

inline reply(c, a) {
  if
  :: link[c] == Up -> answer[c] = a
  :: link[c] != Up
  fi
}

/* tell answers a client that waits, unless the connection on which it does has
   broken: another that it has made since carries no answer for this one. */
inline tell(c) {
  if
  :: link[c] == Up && !unseen[c] -> answer[c] = Granted
  :: link[c] != Up || unseen[c]
  fi
}

inline grant(c) {
#ifndef MUTANT_GRANTS_CLOSED
  assert(!closed[c]);
#endif
  assert(!HALTED);
  held[c] = true;
  extend(c)
}

/* extend sets a lease anew. */
inline extend(c) {
  assert(!REVOKED(c));
  lease[c] = L
}

/* serve grants what is free to the first in line; those whose connection has
   ended leave. */
inline serve() {
  do
  :: !FROZEN && len(line) > 0 ->
     line?<w>;
     if
     :: ROOM(w) -> line?w; placed[w] = false; serveFirst()
     :: else -> break
     fi
  :: else -> break
  od;
  w = 0
}

inline serveFirst() {
  if
#ifdef MUTANT_GRANTS_CLOSED
  :: true ->
     assert(!closed[w]);
#else
  :: closed[w]
  :: !closed[w] ->
#endif
     grant(w);
#ifdef WAIT
     if
     :: waits[w] -> waits[w] = false; tell(w)
     :: !waits[w]
     fi
#else
     tell(w)
#endif
  fi
}

inline unhold(c) {
  held[c] = false;
#ifdef REVOKE
  revoked[c] = false;
#endif
  lease[c] = 0
}

inline takeClaim(c) {
  request[c] = 0;
  if
#ifdef MUTANT_PASSES_LINE
  :: ROOM(c) && !FROZEN ->
#else
  :: ROOM(c) && !FROZEN && len(line) == 0 ->
#endif
     assert(len(line) == 0);  /* nobody is passed */
     grant(c);
     reply(c, Acquired)
  :: else ->
     line!c;
     placed[c] = true;
#ifdef WAIT
     reply(c, Queued)
#endif
  fi
}

#ifdef WAIT
inline takeWait(c) {
  request[c] = 0;
  if
  :: held[c] ->
#ifndef GHOSTS
     extend(c);
#endif
     reply(c, Granted)
  :: placed[c] -> waits[c] = true
#ifdef GHOSTS
  :: !held[c] && !placed[c] -> reply(c, Granted)  /* although its lease has run out */
#else
  :: !held[c] && !placed[c] -> reply(c, Expired)
#endif
  fi
}
#endif

inline takeRenewal(c) {
  request[c] = 0;
  if
#ifdef MUTANT_RENEWS_REVOKED
  :: held[c] -> extend(c); reply(c, Yes)
#else
  :: held[c] && !REVOKED(c) -> extend(c); reply(c, Yes)
#endif
#ifdef MUTANT_RENEWS_EXPIRED
  :: !held[c] -> reply(c, Yes)
#else
  :: !held[c] || REVOKED(c) -> reply(c, No)
#endif
  fi
}

#ifdef REVOKE
inline revoke(c) {
#ifdef MUTANT_REVOKE_FREES
  unhold(c);
  serve()
#else
  revoked[c] = true
#endif
}
#endif

inline takeRelease(c) { release[c] = false; unhold(c); serve() }

#ifdef LEAVE
/* takeLeave frees the place, or the slot that was granted there. */
inline takeLeave(c) {
  leaving[c] = false;
  if
  :: placed[c] ->
     line??eval(c);
     placed[c] = false;
#ifndef MUTANT_LEAVES_ALONE
     serve()  /* where limits differ it may be what the others waited for */
#endif
  :: !placed[c] -> unhold(c); serve()
  fi
}
#endif

/* clear ends what a closed connection owned. */
inline clear(c) {
  closed[c] = false;
#ifdef WAIT
  waits[c] = false;
#endif
  if
  :: placed[c] -> line??eval(c); placed[c] = false
  :: !placed[c]
  fi;
#if !defined(STRICT) || defined(MUTANT_FREES_AT_CLOSE)
#ifndef MUTANT_KEEPS_AT_CLOSE
  unhold(c);
  serve()
#endif
#endif
}

/* ---- The client. ---- */

inline ask(c, r) {
  if
  :: link[c] == Up -> request[c] = r
#ifdef CUT
  :: link[c] != Up  /* it is lost */
#endif
  fi;
  age[c] = 0;
#ifdef DRIFT
  slippedSince[c] = false
#endif
}

/* rest clears what is of no meaning outside of a claim. */
inline rest(c) {
  stage[c] = Idle;
  renewing[c] = false;
  age[c] = 0;
  used[c] = 0;
#ifdef DRIFT
  slipped[c] = false;
  slippedSince[c] = false;
#endif
#ifdef WAIT
  old[c] = false;
#endif
#ifndef STRICT
  gone[c] = 0;
#endif
#ifdef CANCEL
  cancelled[c] = false
#endif
}

/* hangUp has the client close its connection. What it has sent and the server
   has not read is lost, which is worse for it than what TCP does. */
inline hangUp(c) {
  link[c] = Down;
  request[c] = 0;
  answer[c] = 0;
  unseen[c] = true
}

/* giveBack releases a slot that the client knows of. */
inline giveBack(c) {
  rest(c);
  left[c] = true;
  if
  :: link[c] == Up -> release[c] = true
  :: link[c] != Up ->
#ifdef STRICT
     owed[c] = true
#endif
  fi
}

/* lose ends a context unasked. */
inline lose(c, why) {
#ifdef STRICT
  assert(why != Broken);
#endif
  rest(c);
  if
  :: why == TooLate && link[c] == Up -> release[c] = true
  :: else
  fi
}

/* late says whether the lease may no longer be relied on. */
#ifdef MUTANT_NO_GUARD
#define LATE(c, t) false
#else
#define LATE(c, t) (t[c] >= G)
#endif

/* hold makes the slot usable, if it still is. */
inline hold(c) {
  if
#ifdef MUTANT_USES_LATE
  :: true ->
#else
  :: LATE(c, age) -> giveBack(c)
  :: !LATE(c, age) ->
#endif
     stage[c] = Holding;
     renewed(c)
  fi
}

inline renewed(c) {
  renewing[c] = false;
#ifdef MUTANT_FROM_RECEIPT
  used[c] = 0;
#else
  used[c] = age[c];
#endif
  age[c] = 0;
#ifdef DRIFT
  slipped[c] = slippedSince[c];
  slippedSince[c] = false
#endif
}

/* granted takes the news of a grant that may be old. */
inline granted(c) {
  if
#ifdef CANCEL
  :: UNWANTED(c) -> giveUnwantedBack(c)
#endif
#if defined(MUTANT_NO_CONFIRM)
  :: !UNWANTED(c) -> hold(c)
#elif defined(WAIT)
  :: !UNWANTED(c) && !old[c] -> stage[c] = Holding; renewed(c)
  :: !UNWANTED(c) && old[c] -> stage[c] = Confirming; ask(c, Renew)
#else
  :: !UNWANTED(c) -> stage[c] = Confirming; ask(c, Renew)
#endif
  fi
}

#ifdef CANCEL
inline giveUnwantedBack(c) {
#ifdef MUTANT_KEEPS_UNWANTED
  rest(c);
  left[c] = true
#else
  giveBack(c)
#endif
}
#endif

inline read(c) {
  if
#ifdef CANCEL
  :: answer[c] == Acquired && UNWANTED(c) -> giveUnwantedBack(c)
#endif
  :: answer[c] == Acquired && !UNWANTED(c) && stage[c] != Idle -> hold(c)
  :: answer[c] == Granted && stage[c] != Idle -> granted(c)
#ifdef WAIT
  :: answer[c] == Queued -> stage[c] = InLine; ask(c, Wait)
#ifndef GHOSTS
  :: answer[c] == Expired -> rest(c)
#endif
#endif
  :: answer[c] == Yes && stage[c] == Confirming -> hold(c)
  :: answer[c] == Yes && stage[c] == Holding -> renewed(c)
#ifdef MUTANT_USES_UNCONFIRMED
  :: answer[c] == No && stage[c] == Confirming -> hold(c)
#else
  :: answer[c] == No && stage[c] == Confirming -> rest(c)
#endif
#ifdef MUTANT_IGNORES_REFUSAL
  :: answer[c] == No && stage[c] == Holding -> renewed(c)
#elif defined(STRICT) && defined(RESTART) || defined(REVOKE) || defined(BROKEN)
  :: answer[c] == No && stage[c] == Holding -> lose(c, Refused)
#endif
  :: stage[c] == Idle  /* an answer that nobody needs any more */
  :: else -> assert(false)  /* cannot be; tests do not take it for a broken promise */
  fi;
  answer[c] = 0
}

/* late takes note that a renewal was not answered in time. */
inline late(c) {
#if defined(STRICT) && !defined(MUTANT_ENDS_WITH_CONNECTION) || defined(MUTANT_CLOSES_FIRST)
  hangUp(c);
  renewing[c] = false;
  age[c] = 0
#else
  lose(c, Broken);  /* the context first */
  hangUp(c)
#endif
}

/* timers does what is due. */
inline timers(c) {
  if
#ifdef MUTANT_GUARD_WAITS
  :: stage[c] == Holding && LATE(c, used) && !(renewing[c] && age[c] < R) -> lose(c, TooLate)
#else
  :: stage[c] == Holding && LATE(c, used) -> lose(c, TooLate)
#endif
  :: stage[c] == Holding && !LATE(c, used) && link[c] != Down ->
     if
#ifndef MUTANT_NO_DEADLINE
     :: renewing[c] && age[c] >= R -> late(c)
#endif
     :: !renewing[c] && used[c] >= B -> renewing[c] = true; ask(c, Renew)
     :: else
     fi
  :: else
  fi
}

#ifdef CUT
/* notice has the client learn that its connection is broken. */
inline notice(c) {
  link[c] = Down;
  request[c] = 0;
  answer[c] = 0;
  if
#if defined(STRICT) && !defined(MUTANT_ENDS_WITH_CONNECTION) || defined(MUTANT_OUTLIVES_CONNECTION)
  :: stage[c] == Holding -> renewing[c] = false; age[c] = 0
#else
  :: stage[c] == Holding -> lose(c, Broken)
#endif
#ifdef STRICT
  :: stage[c] == Confirming ->
#ifndef MUTANT_FORGETS_CONFIRMED
     owed[c] = true;
#endif
     rest(c);
     left[c] = true
#else
  :: stage[c] == Confirming -> rest(c)
#endif
  :: stage[c] == InLine || stage[c] == Asked -> rest(c)
  :: stage[c] == Idle
  fi
}

/* cut breaks the connection, and neither side knows yet. */
inline cut(c) {
  link[c] = Cut;
  unseen[c] = true;
  request[c] = 0;
#if defined(STRICT) && !defined(MUTANT_FORGETS_RELEASE)
  owed[c] = owed[c] || release[c];
#endif
  release[c] = false
}
#endif

/* redial makes a new connection, and takes over what the last one left. */
inline redial(c) {
  link[c] = Up;
  if
  :: stage[c] == Holding -> renewing[c] = true; ask(c, Renew)
  :: stage[c] == Idle
  fi;
#ifdef STRICT
  release[c] = owed[c];
  owed[c] = false
#endif
}

#ifdef CRASH
inline crash(c) {
  rest(c);
  left[c] = false;
  release[c] = false;
#ifdef STRICT
  owed[c] = false;
#endif
  request[c] = 0;
  answer[c] = 0;
  unseen[c] = unseen[c] || link[c] == Up;
  link[c] = Down
}
#endif

#ifdef CANCEL
inline cancel(c) {
  if
  :: stage[c] == InLine || stage[c] == Asked -> cancelled[c] = true  /* to give back what comes */
#if !defined(STRICT) || defined(MUTANT_LEAVES_BY_CLOSING)
  :: stage[c] == InLine || stage[c] == Asked ->
     rest(c);
     left[c] = true;
     hangUp(c)
#endif
  :: stage[c] == Confirming -> giveBack(c)
  fi
}
#endif

#ifdef LEAVE
inline leave(c) {
  rest(c);
  left[c] = true;
  leaving[c] = true
}
#endif

#define CLEAN(i) (!held[i] && !placed[i] && !GIVEN_BACK(i) && !unseen[i] && !closed[i] && request[i] == 0 && answer[i] == 0)
#ifdef WAIT
#define FIRST Asked
#else
#define FIRST InLine
#endif

active [C] proctype peer() {
  do
  :: atomic {
       if
       /* the client */
       :: stage[_pid] == Idle && link[_pid] == Up && RUNS(_pid) && CLEAN(_pid) ->
          left[_pid] = false; stage[_pid] = FIRST; ask(_pid, Claim)
       :: answer[_pid] != 0 && RUNS(_pid) -> read(_pid)
       :: stage[_pid] == Holding && RUNS(_pid) -> giveBack(_pid)  /* its job is done */
       :: link[_pid] == Down && RUNS(_pid) -> redial(_pid)
#ifdef CUT
       :: link[_pid] == Cut && RUNS(_pid) -> notice(_pid)
#endif
#ifdef CANCEL
       :: stage[_pid] != Idle && stage[_pid] != Holding && !cancelled[_pid] -> cancel(_pid)
#endif
#ifdef LEAVE
       :: stage[_pid] == InLine -> leave(_pid)
#endif
#ifdef CRASH
       :: stage[_pid] != Idle || GIVEN_BACK(_pid) -> crash(_pid)
#endif
#ifdef PAUSE
       :: stage[_pid] == Holding && !paused[_pid] -> paused[_pid] = true
       :: paused[_pid] -> timers(_pid); paused[_pid] = false
#endif
       /* the server */
       :: request[_pid] == Claim && SERVES -> takeClaim(_pid)
#ifdef WAIT
       :: request[_pid] == Wait && SERVES -> takeWait(_pid)
#endif
       :: request[_pid] == Renew && SERVES -> takeRenewal(_pid)
       :: release[_pid] && SERVES -> takeRelease(_pid)
#ifdef LEAVE
       :: leaving[_pid] && request[_pid] == 0 && SERVES -> takeLeave(_pid)
#endif
       :: unseen[_pid] && SERVES -> unseen[_pid] = false; closed[_pid] = true
       :: closed[_pid] && SERVES -> clear(_pid)
#ifdef REVOKE
       :: held[_pid] && !revoked[_pid] -> revoke(_pid)
#endif
#ifdef CUT
       /* the network */
       :: link[_pid] == Up && (stage[_pid] != Idle || release[_pid]) -> cut(_pid)
#endif
       fi;
       check()
     }
  od
}

/* pass has a tick pass for the client. */
inline pass(c) {
#ifdef MUTANT_HEEDS_NO_WALL_CLOCK
  if
  :: paused[c]
  :: !paused[c] ->
#endif
  if
#ifdef DRIFT
  :: !slipped[c] && !slippedSince[c] && (stage[c] == Holding || stage[c] == Confirming) ->
     slipped[c] = stage[c] == Holding;
     slippedSince[c] = renewing[c] || stage[c] == Confirming
#endif
  :: stage[c] != Idle ->
     if
     :: (renewing[c] || stage[c] != Holding) && age[c] < G -> age[c]++
     :: else
     fi;
     if
     :: stage[c] == Holding && used[c] < G -> used[c]++
     :: else
     fi
  :: stage[c] == Idle
  fi;
#ifdef MUTANT_HEEDS_NO_WALL_CLOCK
  fi;
#endif
#ifdef WAIT
  old[c] = stage[c] == Asked || stage[c] == InLine;
#endif
#ifndef STRICT
  if
  :: stage[c] == Holding && !held[c] && RUNS(c) && gone[c] <= B + R -> gone[c]++
  :: else
  fi;
#endif
  if
  :: RUNS(c) -> timers(c)
#ifdef PAUSE
  :: !RUNS(c)
#endif
  fi
}

/* expire ends the leases that have run out, and serves the line. */
inline expire() {
  for (i : 0 .. C - 1) {
    if
    :: held[i] && lease[i] == 0 -> unhold(i)
    :: else
    fi
  }
  serve()
}

inline tick() {
  for (i : 0 .. C - 1) { pass(i) }
  for (i : 0 .. C - 1) {
    if
    :: lease[i] > 0 -> lease[i]--
    :: else
    fi
  }
#ifdef RESTART
  if
  :: grace > 0 -> grace--
  :: else
  fi;
#endif
  if
  :: SERVES -> expire()
#ifdef FREEZE
  :: !SERVES
#endif
  fi;
  i = 0
}

#ifdef RESTART
/* restart has the server forget everything, and all connections break. */
inline restart() {
  for (i : 0 .. C - 1) {
    if
    :: link[i] == Up -> cut(i)
    :: link[i] != Up
    fi;
    unhold(i);
    placed[i] = false;
    closed[i] = false;
    unseen[i] = false
  }
  do
  :: line?_
  :: empty(line) -> break
  od;
  grace = GRACE;
  i = 0
}
#endif

active proctype clock() {
  do
  :: atomic { tick(); check() }
#ifdef RESTART
  :: atomic { restart(); check() }
#endif
#ifdef HALT
  :: atomic { !halted -> halted = true; check() }
#ifdef MUTANT_HALT_ENDS_ALONE
  :: atomic { halted -> halted = false; check() }
#else
  :: atomic { halted -> halted = false; serve(); check() }
#endif
#endif
#ifdef FREEZE
  :: atomic { !stopped -> stopped = true }
  :: atomic { stopped -> stopped = false; expire(); i = 0; check() }
#endif
  od
}
