/*
 * The driver's thread: serves all its rings, hands back what the device has finished, sees who leaves, then waits.
 *
 * A driver has its rings in a loop; here each is written out, which spares the states of the loop. In which order they are
 * served, and by how much at a time, is left out, and so are limits, which bound waits by time: neither loses a ring.
 */

/* How many entries a sleeper may ask to be there before it is woken. The driver cannot know how many are to come. */
#ifdef BREAK_DRIVER_DISTANCE
#define DRIVER_DISTANCE 2
#else
#define DRIVER_DISTANCE 1
#endif

#define IS_BUSY(ring) (consumed[REQUESTS(ring)] != produced[RESPONSES(ring)])

/* Takes one request out of the ring. What lies between the indices is nobody else's, so the entries are read at once. */
inline take(ring)
{
	/* core/backend.ts #take: this.#copy.fetch(this.#words, at); */
	id = ENTRY(REQUESTS(ring), consumed[REQUESTS(ring)]) - REQUEST(0);
	assert(id < IDS && asked[ring * IDS + id] && !in_driver[ring * IDS + id]);
	in_driver[ring * IDS + id] = 1;
	ENTRY(REQUESTS(ring), consumed[REQUESTS(ring)]) = NOTHING;
	/* core/backend.ts #take: ring.consume(); */
	consumed[REQUESTS(ring)] = NEXT(consumed[REQUESTS(ring)])
}

inline answer(ring, id)
{
	/* core/backend.ts completed: writeResponse(this.#words, at, request.idLow, request.idHigh, request.operation, request.status); */
	assert(ENTRY(RESPONSES(ring), produced[RESPONSES(ring)]) == NOTHING && in_driver[ring * IDS + id]);
	ENTRY(RESPONSES(ring), produced[RESPONSES(ring)]) = RESPONSE(id);
	in_driver[ring * IDS + id] = 0;
	/* core/backend.ts completed: ring.produce(); */
	produced[RESPONSES(ring)] = NEXT(produced[RESPONSES(ring)])
}

inline publish_responses(ring)
{
	/* core/backend.ts #publish: if (this.#ring.unpushed) pushAndNotify(this.#ring, this.#end.channel, this.pushes); */
	if
	:: IS_UNPUSHED(RESPONSES(ring)) -> push(RESPONSES(ring))
	:: !IS_UNPUSHED(RESPONSES(ring))
	fi
}

/* Takes all requests that are there to the device. One that is done at once is answered here, in two halves. */
inline service(ring)
{
	/* core/backend.ts service: const claimed = this.peek() ? ring.available() : 0; */
	if
	:: d_step { open[ring] && IS_THERE(REQUESTS(ring)) ->
		worked = 1;
		count = AVAILABLE(REQUESTS(ring));
		/* core/backend.ts service: if (claimed > this.#idleCount) { */
		assert(count + AHEAD(consumed[REQUESTS(ring)], produced[RESPONSES(ring)]) <= RING_SIZE);
		/* core/backend.ts service: const slot = this.#take(); */
		index = 0;
		do
		:: index < count -> take(ring); taken[index] = id; index++
		:: else -> break
		od;
		SEEN(REQUESTS(ring));
#ifdef DESCRIPTOR
		/* core/backend.ts service: if (request.status === Status.Okay) this.#gate.submit(request); */
		do
		:: index > 0 -> index--; taken[index] = 0
		:: else -> break
		od;
		count = 0;
		id = 0
		}
#else
		index = 0;
		do
		:: index < (count >> 1) -> answer(ring, taken[index]); taken[index] = 0; index++
		:: else -> break
		od;
#if RING_SIZE > 1
		id = 0
		};
		/* core/backend.ts service: if (i === available >> 1) this.#publish(); */
		publish_responses(ring);
		d_step {
#endif
		do
		:: index < count -> answer(ring, taken[index]); taken[index] = 0; index++
		:: else -> break
		od;
		id = 0;
		index = 0;
		count = 0
		};
		/* core/backend.ts service: this.#holding = false; */
		push(RESPONSES(ring))
#endif
	:: !open[ring] || !MUST_SEE(ring)
	fi
}

#ifdef DESCRIPTOR
/* Hands back what the device has finished; the order is that in which the requests were finished, or any other. */
inline reap(ring)
{
	/* core/domain/driver.ts #reap: for (let i = 0; i < this.#gates.length; i++) worked = this.#gates[i].reap() || worked; */
	d_step {
		do
		:: id < IDS ->
			if
			:: finished[ring * IDS + id] ->
				finished[ring * IDS + id] = 0;
				finished_count--;
				worked = 1;
				answer(ring, id)
			:: else
			fi;
			id++
		:: else -> break
		od;
		id = 0
	};
	/* core/domain/driver.ts #reap: for (let i = 0; i < open.length; i++) open[i].release(); */
	publish_responses(ring)
}

/* The device: each request that it has is finished at some time, in any order. A descriptor is readable then. */
#define AT_DEVICE(ring) AHEAD(consumed[REQUESTS(ring)], produced[RESPONSES(ring)])
active proctype device()
{
	byte at;

end_of_requests:
	do
	:: atomic { AT_DEVICE(0) + (RINGS - 1) * AT_DEVICE(RINGS - 1) > finished_count ->
		if
		:: at = 0
		:: at = 1 % (RINGS * IDS)
		:: at = 2 % (RINGS * IDS)
		:: at = 3 % (RINGS * IDS)
		fi;
		do
		:: in_driver[at] && !finished[at] -> break
		:: else -> at = (at + 1) % (RINGS * IDS)
		od;
		finished[at] = 1;
		finished_count++;
		at = 0
		}
	od
}
#endif

inline close_link(ring)
{
	/* core/backend.ts close: this.#store.switchTo(XenbusState.Closed); */
	d_step { closed[ring] = 1; open[ring] = 0 };
	/* core/backend.ts close: this.#end.channel.wakePeer(); */
	wake(APPLICATION(ring), RESPONSES(ring))
}

inline close_if_left(ring)
{
	/* core/domain/driver.ts isInUse: return backend.connected || backend.busy; */
	if
	:: open[ring] && leaving[ring] && !IS_BUSY(ring) -> close_link(ring)
	:: !open[ring] || !leaving[ring] || IS_BUSY(ring)
	fi
}

inline close_if_idle(ring)
{
	/* core/domain/driver.ts end: if (!backend.busy) backend.close(); */
	if
	:: open[ring] && !IS_BUSY(ring) -> close_link(ring)
	:: !open[ring] || IS_BUSY(ring)
	fi
}

#if RINGS > 1
#define SECOND_RING(step) step
#else
#define SECOND_RING(step)
#endif
#define ANY_OPEN (open[0] || open[RINGS - 1])
#define ANY_REQUEST (IS_THERE(REQUESTS(0)) || IS_THERE(REQUESTS(RINGS - 1)) || DEVICE_HAS_FINISHED(DRIVER))

proctype driver()
{
	byte from, id, index, count;
	byte distance = 1;
	byte taken[RING_SIZE];
	bit readable, worked, waited_before;
	bit open[RINGS] = 1;

	do
	/* core/domain/driver.ts #goesOn: return this.#open.length > 0 && this.#window.observe() !== Command.Stop; */
	/* core/domain/control.ts peekCommandWord: return this.#words[COMMAND]; */
	:: stop[DRIVER] || !ANY_OPEN -> break
	:: !MUST_SEE_STOP && ANY_OPEN ->
		/* core/domain/driver.ts #turn: let worked = this.#serveAll(); */
		/* core/deficit_round_robin.ts turn: worked = this.#visit(ring, nowMs) || worked; */
		service(0);
		SECOND_RING(service(1);)
#ifdef DESCRIPTOR
		reap(0);
		SECOND_RING(reap(1);)
#endif
#ifdef LEAVE
		/* core/domain/driver.ts #turn: if (!worked || (++this.#busyTurns & BUSY_TURNS_MASK) === 0) this.#look(); */
		if
		/* core/domain/driver.ts #look: if (!this.#waited && bell === this.#bellSeen) return; */
		:: d_step { waited_before || rung_for_look ->
			/* core/domain/driver.ts #look: this.#bellSeen = bell; */
			rung_for_look = 0;
			BELL_SEEN(DRIVER)
			};
			/* core/domain/driver.ts #look: const open = closeUnused(this.#open, this.#setup); */
			close_if_left(0);
			SECOND_RING(close_if_left(1);)
		:: worked || !(waited_before || rung_for_look)
		fi;
#endif
		/* core/domain/driver.ts #turn: this.#waited = !worked; */
		waited_before = !worked;
		worked = 0;
		/* core/domain/driver.ts serve: if (!this.#turn()) waiter.wait(this.#policy); */
		if
		:: !waited_before || !ANY_OPEN
		:: waited_before && ANY_OPEN ->
			begin_wait(DRIVER, ANY_REQUEST);
			arm_source(REQUESTS(0), DRIVER_DISTANCE);
			SECOND_RING(arm_source(REQUESTS(1), DRIVER_DISTANCE);)
			look_again(REQUESTS(0));
			SECOND_RING(look_again(REQUESTS(1));)
			fall_asleep(DRIVER);
#ifndef STOP
			/* It may sleep for ever when all applications rest: none of these has anything in flight. */
end_asleep:
#endif
			ASLEEP(DRIVER);
			end_sleep(DRIVER);
			disarm(REQUESTS(0));
			SECOND_RING(disarm(REQUESTS(1));)
			end_wait(DRIVER)
		fi
	od;
#ifdef STOP
	close_if_idle(0);
	SECOND_RING(close_if_idle(1);)
#endif
	skip
}
