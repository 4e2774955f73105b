-- The line of one semaphore, and all that is done to it. Each call of this script
-- is one step that nothing comes between.
--
-- A claim is known by its ID, "session:number:limit:name", or with a pace
-- "session:number:limit/interval/burst:name", the interval in ns. From its arrival to
-- its end it is in line, whether it waits or holds a slot:
--
--   line    sorted set, in which a claim has two members, or three while it holds a
--           slot. By their scores they lie in three ranges, one after the other:
--             h<ID>  the limit of a claim that holds a slot
--             e<ID>  when the claim is dead unless renewed, in ms
--             l<ID>  the number of its arrival, which is the fence too: later grants
--                    have higher ones, since grants follow the line
--   last    the highest number that was given away
--   gone    sorted set: claims that ended while a copy of their request may still be
--           under way, by when that may count again
--   pause   exists while nothing may be granted
--   used    up to when the clock of claims with a pace is used up, in µs: the generic
--           cell rate algorithm. It goes when the clock is as good as new
--
-- One key and few commands: what a claim costs the server is the number of commands.
--
-- A claim whose slot was taken back has an exclamation mark in front of its ID: nobody
-- renews it under that.
--
-- Invariant: the claims that hold slots are the first of the line.
-- Invariant: while n hold slots, n is at most the smallest limit among them.
local line, last, gone, pause, used = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local op, lease, channel = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local KEEP = 3600000 -- ms after which what nobody uses is forgotten
local SLACK = 1000   -- ms
local BOUND = 64     -- grants, and removals of the dead, in one call
local LIMITS = 1e10  -- scores of limits are below, those of expiries above
local EXPIRIES = 1e14 -- scores of expiries are below, those of numbers above

local ABSENT, WAITS, HOLDS, REVOKED = 0, 1, 2, 3

local call = redis.call
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local now_us = clock[1] * 1000000 + clock[2]

-- text returns a whole number in full. Not every server keeps those of an answer.
local function text(number) return string.format('%.0f', number + 0) end

-- arrive puts a claim at the end of the line, with a slot if it is given the limit. Its
-- number follows the clock, so that it rises even after last was forgotten.
local function arrive(id, limit)
	local number = now_us
	local before = (call('SET', last, number, 'PX', KEEP, 'GET') or 0) + 0
	if before >= number then
		number = before + 1
		call('SET', last, number, 'PX', KEEP)
	end
	if limit then
		call('ZADD', line, number, 'l' .. id, now + lease, 'e' .. id, limit, 'h' .. id)
	else
		call('ZADD', line, number, 'l' .. id, now + lease, 'e' .. id)
	end
	call('PEXPIRE', line, KEEP)
	return number
end

-- Most claims find the line empty, and most releases leave it so. They are done here:
-- to define what follows would cost them more than they do.
if op == 'claim' and call('EXISTS', line, gone, pause) == 0 then
	local id = ARGV[4]
	local limit = string.match(id, '^[^:]*:[^:]*:(%d+):') -- nil: it has a pace
	if limit then return {HOLDS, text(arrive(id, limit)), 0, -1} end
end
local removed = false -- the only claim that a leave is of
if op == 'leave' and #ARGV == 5 and ARGV[4] ~= '1' then
	local id = ARGV[5]
	removed = call('ZREM', line, 'l' .. id, 'e' .. id, 'h' .. id) > 0
	if removed and call('EXISTS', line) == 0 then return {-1} end
end

-- And of a semaphore that many want, most claims find all slots held. None of the keys
-- behind the first two is there while nothing but leases decides what is granted when,
-- and if no lease is over, what is left is to join the line.
if op == 'claim' and ARGV[5] == 'line' and call('EXISTS', unpack(KEYS, 3)) == 0 then
	local id = ARGV[4]
	local n = call('ZCOUNT', line, '-inf', LIMITS)
	if n > 0 and n >= call('ZRANGE', line, 0, 0, 'WITHSCORES')[2] + 0 then
		local due = call('ZRANGE', line, n, n, 'WITHSCORES')[2] - now
		if due > 0 and not call('ZSCORE', line, 'l' .. id) then
			return {WAITS, text(arrive(id)), (call('ZCARD', line) - 2 - n) / 2 - n, due}
		end
	end
end

-- held returns how many hold a slot.
local function held() return call('ZCOUNT', line, '-inf', LIMITS) end

-- total returns how many are in line, given how many hold a slot.
local function total(n) return (call('ZCARD', line) - n) / 2 end

-- at returns the member of a place, and its score.
local function at(place)
	local found = call('ZRANGE', line, place, place, 'WITHSCORES')
	return found[1], found[2] and found[2] + 0
end

-- remove ends a claim, also one that was revoked.
local function remove(id)
	if call('ZREM', line, 'l' .. id, 'e' .. id, 'h' .. id) == 0 then
		call('ZREM', line, 'l!' .. id, 'e!' .. id, 'h!' .. id)
	end
end

-- sweep removes claims whose leases are over, and returns how many. It is called where
-- they may stand in somebody's way, and not before: a claim that nobody misses can
-- still be renewed.
local function sweep()
	local dead = call('ZRANGEBYSCORE', line, LIMITS, now, 'LIMIT', 0, BOUND)
	for _, member in ipairs(dead) do remove(string.sub(member, 2)) end
	return #dead
end

-- wait returns for how many µs the clock does not let a claim of this pace go, and with
-- how much of it used up it would be after that. Nothing here is done at a given time: a
-- client asks. What it asks late, a tenth of an interval at most, is made up for.
local function wait(pace)
	local interval, burst = string.match(pace, '^/(%d+)/(%d+)$')
	interval = interval / 1000
	local up_to = (call('GET', used) or 0) + 0
	local from = up_to
	if from < now_us - interval / 10 then from = now_us end
	return up_to - (burst - 1) * interval - now_us, from + interval
end

-- serve grants what can be granted: the first that waits gets a slot if, with it, no
-- more are held than each of their limits allows. It does not touch leases: that of a
-- granted claim runs on from its last renewal, which is from when its owner counts.
-- It tells the owners, but for that of own, the last in line, who is told by the answer.
-- It returns how many hold a slot, how many are in line, whether it had to stop before it
-- was done, and if the first that waits does so for the clock, for how many µs and of which
-- session it is.
local function serve(own)
	local n = held()
	local all = total(n)
	if n == all or call('EXISTS', pause) == 1 then return n, all, false end
	local least = math.huge
	if n > 0 then least = select(2, at(0)) end
	for _ = 1, BOUND do
		local member = at(n + all + n) -- behind the limits, the expiries, and those who hold
		if not member then return n, all, false end
		local session, limit, pace = string.match(member, '^l([^:]*):[^:]*:(%d+)([^:]*):')
		local id = string.sub(member, 2)
		least = math.min(least, tonumber(limit))
		if n >= least then return n, all, false end
		if pace ~= '' then
			local left, up_to = wait(pace)
			if left > 0 then return n, all, false, left, session end
			call('SET', used, text(up_to), 'PX', math.ceil((up_to - now_us) / 1000) + SLACK)
		end
		call('ZADD', line, limit, 'h' .. id)
		n = n + 1
		if id == own then return n, all, false end
		call('PUBLISH', channel .. session, id .. '\n' .. string.match(line, '{(.*)}'))
	end
	return n, all, true
end

-- settle serves the line, and returns in how many ms it has to be served again although
-- nothing happens, when the next lease or the pause is over; -1: never. dead is how many
-- were swept before. Where the first waits for the clock its owner is told for how long,
-- and asks then; the others do so in case that he does not.
local function settle(dead)
	local n, all, more, left, owner = serve()
	if left then call('PUBLISH', channel .. owner, text(math.ceil(left)) .. '\n' .. string.match(line, '{(.*)}')) end
	if n == all then return -1 end
	if more or dead == BOUND then return 0 end
	local due = math.max(1, select(2, at(n)) - now)
	local paused = call('PTTL', pause)
	if paused >= 0 and paused < due then due = math.max(1, paused) end
	if left then due = math.min(due, math.ceil(left / 1000) + SLACK) end -- should the owner not ask
	return due
end

local function state(id)
	if call('ZSCORE', line, 'h' .. id) then return HOLDS end
	if call('ZSCORE', line, 'l' .. id) then return WAITS end
	return call('ZSCORE', line, 'l!' .. id) and REVOKED or ABSENT
end

-- claim: id, "line" or "try". Answers {state, number, how many wait in front, again}.
-- A copy of the request finds the claim there, and adds nothing: the claim is not the
-- last in line then, and others behind it may have to be served.
local function claim(id, stay)
	local number, own = call('ZSCORE', line, 'l' .. id), nil
	if not number then
		if call('ZSCORE', gone, id) then return {ABSENT, 0, 0, -1} end
		number, own = arrive(id), id
	end
	local dead = 0
	serve(own)
	if state(id) == WAITS then
		dead = sweep()
		if dead > 0 then serve(own) end
	end
	local is = state(id)
	if is == WAITS and stay == 'try' then
		remove(id)
		is = ABSENT
	end
	if is ~= WAITS then return {is, text(number), 0, own and -1 or settle(dead)} end
	local n = held()
	return {is, text(number), call('ZRANK', line, 'l' .. id) - total(n) - 2 * n, settle(dead)}
end

-- leave: whether copies of the claims' requests may be under way ("1"), ids. Answers
-- {again}.
local function leave(doubt, first)
	for i = first, #ARGV do
		if not removed then remove(ARGV[i]) end
		if doubt == '1' then call('ZADD', gone, now + 10 * lease, ARGV[i]) end
	end
	if doubt == '1' then
		call('ZREMRANGEBYSCORE', gone, '-inf', now)
		if call('PTTL', gone) < 10 * lease then call('PEXPIRE', gone, 10 * lease) end
	end
	return {settle()}
end

-- beat: ids. Answers {again, pause in ms, state of each}.
local function beat(first)
	for i = first, #ARGV do call('ZADD', line, 'XX', now + lease, 'e' .. ARGV[i]) end
	local answer = {settle(sweep()), math.max(0, call('PTTL', pause))}
	call('PEXPIRE', line, KEEP)
	for i = first, #ARGV do answer[#answer + 1] = state(ARGV[i]) end
	return answer
end

-- inspect: how many to list. Answers {now in ms, pause in ms, held, waiting, then for
-- each that is listed its ID, number and expiry}.
local function inspect(most)
	settle(sweep())
	local n = held()
	local all = total(n)
	local answer = {text(now), math.max(0, call('PTTL', pause)), n, all - n}
	local function list(from, to)
		local members = call('ZRANGE', line, n + all + from, n + all + to, 'WITHSCORES')
		for i = 1, #members, 2 do
			local id = string.sub(members[i], 2)
			answer[#answer + 1] = id
			answer[#answer + 1] = text(members[i + 1])
			answer[#answer + 1] = text(call('ZSCORE', line, 'e' .. id) or now)
		end
	end
	if n > 0 then list(0, math.min(n, most) - 1) end
	list(n, n + most - 1)
	return answer
end

-- rest: for how many ms nothing may be granted; 0 ends a pause. Of two pauses the one
-- that ends last counts. Answers {again}.
local function rest(ms)
	if ms == 0 then
		call('DEL', pause)
	elseif call('PTTL', pause) < ms then
		call('SET', pause, 1, 'PX', ms)
	end
	return {settle()}
end

-- revoke: a number. The claim of that number that holds a slot goes under another ID
-- from here on, by which nobody renews it. Answers {whether there was one}.
local function revoke(number)
	for _, member in ipairs(call('ZRANGEBYSCORE', line, number, number)) do
		local id = string.sub(member, 2)
		local limit = call('ZSCORE', line, 'h' .. id)
		if limit and string.sub(id, 1, 1) ~= '!' then
			local over = call('ZSCORE', line, 'e' .. id)
			remove(id)
			call('ZADD', line, number, 'l!' .. id, over, 'e!' .. id, limit, 'h!' .. id)
			call('PEXPIRE', line, KEEP)
			return {1}
		end
	end
	return {0}
end

if op == 'claim' then return claim(ARGV[4], ARGV[5]) end
if op == 'leave' then return leave(ARGV[4], 5) end
if op == 'beat' then return beat(4) end
if op == 'inspect' then return inspect(tonumber(ARGV[4])) end
if op == 'pause' then return rest(tonumber(ARGV[4])) end
if op == 'revoke' then return revoke(ARGV[4]) end
return redis.error_reply('ERR berth: no operation ' .. op)
