-- The line of one semaphore, and all that is done to it. Each call of this script
-- is one step that nothing comes between.
--
-- A claim is known by its ID, "session:number:limit:name". From its arrival to its
-- end it is in line, whether it waits or holds a slot:
--
--   line    sorted set: the claims by arrival. The number that orders them is the
--           fence too: later grants have higher ones, since grants follow the line
--   held    sorted set: the claims that hold a slot, by the limit they came with
--   expiry  sorted set: the claims by when they are dead unless renewed, in ms
--   last    the highest number that was given away
--   gone    sorted set: claims that ended while a copy of their request may still be
--           under way, by when that may count again
--   pause   exists while nothing may be granted
--
-- A claim whose slot was taken back has an exclamation mark in front of its ID: nobody
-- renews it under that.
--
-- Invariant: the claims in held are the first of line.
-- Invariant: while held has n claims, n is at most the smallest limit among them.
local line, held, expiry, last, gone, pause = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local op, lease, channel = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local KEEP = 3600000 -- ms after which what nobody uses is forgotten
local BOUND = 64     -- grants, and removals of the dead, in one call
local name = string.match(line, '{(.*)}')

local call = redis.call
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function count(key) return call('ZCARD', key) end

-- remove ends a claim, also one that was revoked.
local function remove(id)
	if call('ZREM', line, id) == 0 and call('ZREM', line, '!' .. id) == 1 then id = '!' .. id end
	call('ZREM', held, id)
	call('ZREM', expiry, id)
end

-- sweep removes claims whose leases are over. It is called where they may stand in
-- somebody's way, and not before: a claim that nobody misses can still be renewed.
local function sweep()
	local dead = call('ZRANGEBYSCORE', expiry, '-inf', now, 'LIMIT', 0, BOUND)
	for _, id in ipairs(dead) do remove(id) end
	return #dead == BOUND
end

-- serve grants what can be granted: the first that waits gets a slot if, with it, no
-- more are held than each of their limits allows. It does not touch leases: that of a
-- granted claim runs on from its last renewal, which is from when its owner counts.
-- It tells the owners, but for that of own, who is told by the answer. It returns
-- whether it had to stop before it was done.
local function serve(own)
	if call('EXISTS', pause) == 1 then return false end
	local n = count(held)
	local least = tonumber(call('ZRANGE', held, 0, 0, 'WITHSCORES')[2] or math.huge)
	for _ = 1, BOUND do
		local id = call('ZRANGE', line, n, n)[1]
		if not id then return false end
		local session, limit = string.match(id, '^([^:]*):[^:]*:(%d+):')
		least = math.min(least, tonumber(limit))
		if n >= least then return false end
		call('ZADD', held, limit, id)
		n = n + 1
		if id ~= own then call('PUBLISH', channel .. session, id .. '\n' .. name) end
	end
	return true
end

-- again returns in how many ms the line has to be served again although nothing
-- happens: when the next lease or the pause is over. -1: never.
local function again(more)
	if more then return 0 end
	if count(line) <= count(held) then return -1 end
	local first = call('ZRANGE', expiry, 0, 0, 'WITHSCORES')[2]
	local due = first and math.max(1, first - now) or -1
	local paused = call('PTTL', pause)
	if paused >= 0 and (due < 0 or paused < due) then due = math.max(1, paused) end
	return due
end

-- keep has what a dead fleet leaves behind forgotten one day.
local function keep()
	for _, key in ipairs({line, held, expiry}) do call('PEXPIRE', key, KEEP) end
end

-- arrive puts a claim at the end of the line. Its number follows the clock, so that
-- it rises even after last was forgotten.
local function arrive(id)
	local number = math.max(tonumber(call('GET', last) or 0) + 1, clock[1] * 1000000 + clock[2])
	call('SET', last, number, 'PX', KEEP)
	call('ZADD', line, number, id)
	call('ZADD', expiry, now + lease, id)
	return number
end

local ABSENT, WAITS, HOLDS, REVOKED = 0, 1, 2, 3

local function state(id)
	if call('ZSCORE', line, id) then return call('ZSCORE', held, id) and HOLDS or WAITS end
	return call('ZSCORE', line, '!' .. id) and REVOKED or ABSENT
end

-- claim: id, "line" or "try". Answers {state, number, how many wait in front, again}.
-- A copy of the request finds the claim there, and changes nothing.
local function claim(id, stay)
	local number = call('ZSCORE', line, id)
	if not number then
		if call('ZSCORE', gone, id) then return {ABSENT, 0, 0, -1} end
		number = arrive(id)
	end
	local more = serve(id)
	if state(id) == WAITS and sweep() then more = true end
	if state(id) == WAITS then more = serve(id) or more end
	keep()
	local is = state(id)
	if is == WAITS and stay == 'try' then
		remove(id)
		return {ABSENT, 0, 0, again(more)}
	end
	local ahead = is == WAITS and call('ZRANK', line, id) - count(held) or 0
	return {is, tonumber(number), ahead, again(more)}
end

-- leave: whether copies of the claims' requests may be under way ("1"), ids. Answers
-- {again}.
local function leave(doubt, first)
	for i = first, #ARGV do
		remove(ARGV[i])
		if doubt == '1' then call('ZADD', gone, now + 10 * lease, ARGV[i]) end
	end
	if doubt == '1' then
		call('ZREMRANGEBYSCORE', gone, '-inf', now)
		call('PEXPIRE', gone, KEEP)
	end
	return {again(serve())}
end

-- beat: ids. Answers {again, pause in ms, state of each}.
local function beat(first)
	for i = first, #ARGV do
		if call('ZSCORE', line, ARGV[i]) then call('ZADD', expiry, now + lease, ARGV[i]) end
	end
	local more = sweep()
	more = serve() or more
	keep()
	local answer = {again(more), math.max(0, call('PTTL', pause))}
	for i = first, #ARGV do answer[#answer + 1] = state(ARGV[i]) end
	return answer
end

-- inspect: how many to list. Answers {now in ms, pause in ms, held, waiting, then for
-- each that is listed its ID, number and expiry}.
local function inspect(most)
	sweep()
	serve()
	local n = count(held)
	local answer = {now, math.max(0, call('PTTL', pause)), n, count(line) - n}
	local function list(from, to)
		local ids = call('ZRANGE', line, from, to, 'WITHSCORES')
		for i = 1, #ids, 2 do
			answer[#answer + 1] = ids[i]
			answer[#answer + 1] = tonumber(ids[i + 1])
			answer[#answer + 1] = tonumber(call('ZSCORE', expiry, ids[i]) or now)
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
	return {again(serve())}
end

-- revoke: a number. The claim of that number that holds a slot goes under another ID
-- from here on, by which nobody renews it. Answers {whether there was one}.
local function revoke(number)
	for _, id in ipairs(call('ZRANGEBYSCORE', line, number, number)) do
		local limit = call('ZSCORE', held, id)
		if limit and string.sub(id, 1, 1) ~= '!' then
			local over = call('ZSCORE', expiry, id) or now
			remove(id)
			call('ZADD', line, number, '!' .. id)
			call('ZADD', held, limit, '!' .. id)
			call('ZADD', expiry, over, '!' .. id)
			keep()
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
