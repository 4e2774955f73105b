package main

import "github.com/berth-go/berth/internal/svg"

// diagrams are all of them, by the name of their files. The times are those of a
// lease of 33 s, which is what a dflockd gives who asks for none.
func diagrams() map[string]diagram {
	return map[string]diagram{
		"granted":        granted(),
		"handed-over":    handedOver(),
		"lost":           lost(),
		"lost-immediate": lostImmediate(),
		"shutdown":       shutdown(),
	}
}

// The actors of the sequences.
const (
	job = iota
	pool
	server
	other
)

var actors = []string{"your job", "pool, machine A", "dflockd", "pool, machine B"}

func granted() sequence {
	return sequence{
		title:  "How a slot is granted: machine B holds the only slot of the key, A waits in line without a worker, is granted it, renews it and gives it back",
		actors: actors,
		steps: []step{
			{from: other, to: other, text: "a job runs under the only slot", color: svg.Good},
			{from: job, to: pool, text: "Submit, with a key"},
			{from: pool, to: server, text: "a slot of this key?"},
			{from: server, to: pool, text: "taken: you are in line", color: svg.Faint},
			{from: pool, to: pool, text: "the worker does other jobs", color: svg.Faint},
			{from: other, to: server, text: "the slot back"},
			{from: server, to: pool, text: "granted", color: svg.Good},
			{from: pool, to: job, text: "your function is called", color: svg.Good},
			{from: pool, to: server, text: "renew, every 7 s"},
			{from: job, to: pool, text: "it returns"},
			{from: pool, to: server, text: "the slot back"},
		},
	}
}

func handedOver() sequence {
	return sequence{
		title:  "How a slot is handed over: A uses it for several short jobs, and gives it to B, who waits, after the reuse window",
		actors: actors,
		steps: []step{
			{from: server, to: pool, text: "granted", color: svg.Good},
			{from: pool, to: job, text: "job 1", color: svg.Good},
			{from: other, to: server, text: "a slot of this key?"},
			{from: server, to: other, text: "taken: you are in line", color: svg.Faint},
			{from: pool, to: job, text: "job 2, job 3, …", color: svg.Good},
			{from: pool, to: pool, text: "100 ms after the grant:\nno further job on this slot", color: svg.Faint},
			{from: pool, to: server, text: "the slot back"},
			{from: server, to: other, text: "granted", color: svg.Good},
			{from: pool, to: server, text: "a place in line, for job 4"},
		},
	}
}

// lost is the picture of the README.
func lost() timeline {
	return timeline{
		title: "The network fails. A's context ends before B is granted the slot.",
		end:   42,
		lanes: []lane{
			{"A's job", []bar{{0, 31, "runs; its context is alive", svg.Good}}},
			{"A's slot at dflockd", []bar{{0, 33, "kept for A, and for nobody else", svg.Ours}}},
			{"B's job", []bar{{0, 33, "waits in line, without a worker", svg.Wait}, {33, 42, "runs", svg.Good}}},
		},
		events: []event{
			{at: 0, row: 1, text: "0 s: A's last renewal that is answered", color: svg.Faint},
			{at: 2, row: 0, text: "the network between A and dflockd fails", color: svg.Bad},
			{at: 31, row: 1, text: "31 s: the context ends", color: svg.Bad, left: true},
			{at: 33, row: 0, text: "33 s: lease ends", color: svg.Ours},
		},
	}
}

func lostImmediate() timeline {
	return timeline{
		title: "With immediate release, at worst: dflockd sees a break that A does not",
		end:   12,
		lanes: []lane{
			{"A's job", []bar{{0, 1, "", svg.Good}, {1, 10, "runs on, up to 9 s beside B's", svg.Bad}}},
			{"the slot at dflockd", []bar{{0, 1, "", svg.Ours}, {1, 12, "B's", svg.Ours}}},
			{"B's job", []bar{{0, 1, "", svg.Wait}, {1, 12, "runs", svg.Good}}},
		},
		events: []event{
			{at: 1, row: 0, text: "A has just renewed; the network falls silent", color: svg.Faint},
			{at: 8, row: 1, text: "7 s later: A renews, no answer", color: svg.Faint, left: true},
			{at: 10, row: 2, text: "2 s later: A's context ends", color: svg.Bad, left: true},
		},
	}
}

func shutdown() timeline {
	return timeline{
		title: "A pod of Kubernetes ends: its 30 s, shared out",
		end:   33,
		lanes: []lane{
			{"pool.Shutdown", []bar{{0, 25, "what runs and what is queued may end; nothing new", svg.Good}}},
			{"src.Close", []bar{{25, 26, "", svg.Ours}}},
			{"the pod", []bar{{0, 30, "gets no new requests", svg.Wait}}},
		},
		events: []event{
			{at: 0, text: "SIGTERM", color: svg.Faint},
			{at: 25, row: 0, text: "25 s: contexts end, the slots go back", color: svg.Bad, left: true},
			{at: 30, row: 1, text: "30 s: SIGKILL", color: svg.Bad, left: true},
		},
	}
}
