package tracing

// ScopeName is the name of the instrumentation scope of every span and metric.
const ScopeName = "github.com/berth-go/berth/tracing"

// The names of the spans. There are no others.
const (
	SpanJob     = "job"
	SpanQueue   = "queue"
	SpanAcquire = "slot acquire"
	SpanRun     = "run"
	SpanBackoff = "backoff"
	SpanHold    = "slot hold"
)

// The names of the events on spans.
const (
	EventQueued    = "queued"
	EventGranted   = "granted"
	EventConfirmed = "confirmed"
	EventLost      = "lost"
)

// The keys of the attributes.
const (
	AttrKey        = "berth.key"
	AttrSource     = "berth.source"
	AttrJobName    = "berth.job.name"
	AttrAttempt    = "berth.job.attempt"
	AttrAttempts   = "berth.job.attempts"
	AttrWaitedFor  = "berth.job.waited_for"
	AttrSlotReused = "berth.slot.reused"
	AttrSlotQueued = "berth.slot.queued"
	AttrSlotAhead  = "berth.slot.ahead" // claims in line in front when this one joined, where the source tells
	AttrSlotRuns   = "berth.slot.runs"
	AttrSlotLost   = "berth.slot.lost"
	AttrErrorType  = "error.type"
	AttrState      = "state" // of slots and their time: StateIdle or StateUsed
)

// The values of the attribute "state" of slots and of their time.
const (
	StateIdle = "idle" // held, and no job runs under it
	StateUsed = "used" // a job runs under it
)

// The names of the metrics.
const (
	MetricSlotWaitTime        = "berth.slot.wait_time"
	MetricSlotUseTime         = "berth.slot.use_time"
	MetricSlotPendingRequests = "berth.slot.pending_requests"
	MetricSlotTimeouts        = "berth.slot.timeouts"
	MetricSlotLost            = "berth.slot.lost"
	MetricSlotCount           = "berth.slot.count"
	MetricSlotMax             = "berth.slot.max"
	MetricSlotRenewDuration   = "berth.slot.renew.duration"
	MetricJobDuration         = "berth.job.duration"
	MetricJobQueueTime        = "berth.job.queue_time"
	MetricJobRetries          = "berth.job.retries"
	MetricJobQueued           = "berth.job.queued"
	MetricPoolSlots           = "berth.pool.slots"
	MetricPoolSlotTime        = "berth.pool.slot_time"
	MetricPoolClaims          = "berth.pool.claims"
	MetricPoolClaimsInLine    = "berth.pool.claims_in_line"
	MetricPoolUnusedGrants    = "berth.pool.unused_grants"
)
