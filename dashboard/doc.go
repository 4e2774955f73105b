// Package dashboard is a live page about pools, to mount beside them:
//
//	rec, err := dashboard.NewRecorder()
//	p, err := pool.New(32, pool.WithSlots(src), pool.WithHooks(rec.Hooks()))
//	page, err := dashboard.Handler(dashboard.Pool{Name: "crawl", Pool: p, Recorder: rec})
//	http.Handle("/pool/", http.StripPrefix("/pool", page))
//
// What a pool has done is not known afterwards unless somebody took note, so a
// pool is given the hooks of its Recorder when it is made.
//
// # What it shows
//
// For each pool: how many workers are at work and how many jobs wait, over time;
// the jobs that have waited for longest and what for, which says what would help (a
// worker, a place in line, a slot, the engine: see [pool.WaitReason]); the lanes
// with their jobs and slots; what runs; the slowest jobs and where their time went;
// slots that were lost, attempts that were retried, and jobs and claims that
// failed, with their errors.
//
// The same is to be had as JSON at state.json below the page, with the parameters
// that the page uses: pool (a name), sort (wait, queued, running, slots or key), q
// (only lanes whose key contains it) and top (how many lanes, up to 200). Times
// are in RFC 3339, what ends in _ms is in milliseconds, and series begin with the
// oldest interval and end with the one that is not over. Fields may be added.
//
// # Who may see it
//
// The page has no login of its own, and shows keys, slot keys, names of jobs and
// messages of errors, as the program made them: these may be secrets, or personal.
// Two things help. [WithRedaction] changes what is shown. And whoever is to see the
// page is decided by a handler around it, as for any other:
//
//	http.Handle("/pool/", requireLogin(http.StripPrefix("/pool", page)))
//
// (The example of [Handler] has one with a password.) Without that, listen on a
// loopback address only. The page only ever reads: it answers GET and HEAD, and
// nothing that it can be asked for changes a pool.
//
// It is one page of plain HTML, CSS and JavaScript out of this package: nothing is
// built, and nothing is loaded from elsewhere. Its Content-Security-Policy allows
// no other script, style or connection than its own files and state.json, and texts
// become no markup anywhere, whatever they contain.
//
// # What it costs
//
// A pool with hooks takes the time of each job, has a task for each, and a
// goroutine for each claim that waits. A Recorder adds a lock and some additions to
// each submit, start and end of a job, and an allocation to its first start; see
// BenchmarkRecorder. It has no goroutine and needs no closing. Its memory is
// bounded: 150 intervals, the jobs that run, and as many losses, retries, failures
// and slow jobs as [WithKept] says, whatever the pool does and for however long.
//
// The page asks every two seconds, and not while it is hidden. An answer has as
// many lanes as are asked for and the totals of all, and lanes are looked at a few
// at a time, so ten thousand of them neither freeze a browser nor hold up the pool
// (see [pool.Pool.Lanes]). With no page open nobody looks.
//
// # Not promised
//
// Numbers of one answer are gathered one after the other and need not fit exactly
// while jobs run. What was before the Recorder was made, what it has forgotten, and
// what other processes do is not shown: each process has a page of its own.
package dashboard
