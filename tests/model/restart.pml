/*
 * A driver that ends at any point of its work, and another that takes over: requests in flight are reissued, and each is
 * completed once.
 *
 * RESTARTS: how often at most. RING_SIZE; EVENT_INDEX, else sleep flags.
 *
 * What the protocol rests on:
 *
 * 1. Before a new driver begins, the one before it has ended: nothing of it can still write (the fence).
 * 2. The backend's words are cleared, then the new generation is told, then the application's bell is rung.
 * 3. The application takes what was answered, resets the ring, goes through the handshake under the new generation, and
 *    writes all requests in flight anew, in the order in which they began. It submits nothing else until they are done.
 * 4. The new driver looks at no word of the application before that says the driver's own generation.
 *
 * A request may be executed twice, which does no harm on a block device. A flush is executed after all that began before it,
 * however often the driver ended meanwhile.
 */

#define RINGS 1
#define DIRECTIONS 2
#define PAGES 2
#define DRIVER 0
#define APPLICATION 1
#define PAGE_OF(direction) ((direction) == REQUESTS(0) -> DRIVER : APPLICATION)
#define RANG(page, tells) skip
#define BELL_SEEN(page) skip
#define SEEN(direction) skip
#define DEVICE_HAS_FINISHED(page) false

#include "ring.pml"
#include "event_page.pml"
#include "waiter.pml"

#define IN_FLIGHT AHEAD(produced[REQUESTS(0)], consumed[RESPONSES(0)])

/* The hypervisor's word to the application: which driver is to be used. */
byte wanted_generation;
/* The application's words to the driver. */
byte front_generation;
byte front_state;
/* The driver's word to the application. */
byte back_state;
#define UNKNOWN 0
#define INITIALISING 1
#define INIT_WAIT 2
#define INITIALISED 3
#define CONNECTED 4

/* Whether a driver is about to end; whether it has. */
bit killed[RESTARTS + 1];
bit ended[RESTARTS + 1];

/* The application's: ids in flight, in the order in which they began; which of them are flushes. */
bit asked[IDS];
byte order[RING_SIZE];
bit is_flush[IDS];
/* The medium's: whether it was executed since it began. */
bit executed[IDS];

/* Takes one request, executes it and answers it: three steps, after each of which the driver may end. */
inline serve_one()
{
	d_step {
		id = ENTRY(REQUESTS(0), consumed[REQUESTS(0)]) - REQUEST(0);
		assert(id < IDS && asked[id]);
		taken = 1;
		consumed[REQUESTS(0)] = NEXT(consumed[REQUESTS(0)])
	};
	d_step {
		if
		:: is_flush[id] ->
			do
			:: order[index] != REQUEST(id) && order[index] != NOTHING ->
				assert(executed[order[index] - REQUEST(0)]);
				index++
			:: else -> break
			od;
			index = 0
		:: else
		fi;
		executed[id] = 1
	};
	d_step {
		ENTRY(RESPONSES(0), produced[RESPONSES(0)]) = RESPONSE(id);
		produced[RESPONSES(0)] = NEXT(produced[RESPONSES(0)]);
		taken = 0;
		id = 0
	}
}

/* The wait for the peer's state, as far as `is_there`; or until `gives_up`. */
inline await_peer_state(page, direction, is_there, gives_up)
{
	do
	/* core/link_end.ts awaitPeerState: const { bell } = end.events; */
	:: rung[page] = 0;
		/* core/link_end.ts awaitPeerState: end.channel.clear(); */
		pending[direction] = 0;
		/* core/link_end.ts awaitPeerState: if (state === wanted) return; */
		if
		:: (is_there) -> break
		:: !(is_there)
		fi;
		if
		:: (gives_up) -> break
		:: !(gives_up)
		fi;
		/* core/link_end.ts awaitPeerState: end.events.sleep(bell, LOOK_MS); */
		sleep_on_bell(page);
		IS_AWAKE(page)
	od
}

proctype driver(byte own)
{
	byte from, id, index, at;
	byte distance = 1;
	bit taken, readable;

	{
		d_step {
			produced[RESPONSES(0)] = 0;
			consumed[REQUESTS(0)] = 0
		};
		/* core/backend.ts offer: store.switchTo(XenbusState.InitWait); */
		back_state = INIT_WAIT;
		/* core/backend.ts offer: this.#end.channel.wakePeer(); */
		wake(APPLICATION, RESPONSES(0));
		/* core/backend.ts connect: if (!awaitGeneration(this.#end, store, stopRequested)) return this.abandon(); */
#ifndef BREAK_ANY_GENERATION
		do
#ifdef BREAK_LOOK_THEN_BELL
		:: front_generation == own -> break
		:: front_generation != own -> rung[DRIVER] = 0;
#else
		/* core/link_end.ts awaitGeneration: const { bell } = end.events; */
		:: rung[DRIVER] = 0;
			/* core/link_end.ts awaitGeneration: if (store.read("generation") === generation) return true; */
			if
			:: front_generation == own -> break
			:: front_generation != own
			fi;
#endif
			/* core/link_end.ts awaitGeneration: end.events.sleep(bell, LOOK_MS); */
			sleep_on_bell(DRIVER);
			IS_AWAKE(DRIVER)
		od;
#endif
		/* core/backend.ts connect: awaitPeerState(this.#end, store, XenbusState.Initialised, stopRequested); */
		await_peer_state(DRIVER, REQUESTS(0), front_state == INITIALISED, false);
		/* core/ring.ts useSleepFlags: this.disarm(); */
		disarm(REQUESTS(0));
		/* core/backend.ts connect: store.switchTo(XenbusState.Connected); */
		back_state = CONNECTED;
		/* core/backend.ts connect: this.#end.channel.wakePeer(); */
		wake(APPLICATION, RESPONSES(0));
		/* core/backend.ts connect: awaitPeerState(this.#end, store, XenbusState.Connected, stopRequested); */
		await_peer_state(DRIVER, REQUESTS(0), front_state == CONNECTED, false);
		do
		:: IS_THERE(REQUESTS(0)) ->
			serve_one();
			if
			:: push(RESPONSES(0))
			:: IS_THERE(REQUESTS(0))
			fi
		:: !IS_THERE(REQUESTS(0)) ->
			begin_wait(DRIVER, IS_THERE(REQUESTS(0)));
			arm_source(REQUESTS(0), 1);
			look_again(REQUESTS(0));
			fall_asleep(DRIVER);
end_asleep:
			ASLEEP(DRIVER);
			end_sleep(DRIVER);
			disarm(REQUESTS(0));
			end_wait(DRIVER)
		od
	} unless {
		killed[own] ->
#ifdef BREAK_NO_FENCE
		/* Taken for dead, it writes one more answer. */
		d_step { ended[own] = 1; asleep[DRIVER] = 0; at = produced[RESPONSES(0)] };
		if
		:: taken ->
			ENTRY(RESPONSES(0), at) = RESPONSE(id);
			producer[RESPONSES(0)] = NEXT(at)
		:: !taken
		fi
#else
		/* The kernel takes it out of the queue of those that sleep. */
		d_step { ended[own] = 1; asleep[DRIVER] = 0 }
#endif
	}
}

/* Begins anew: an empty ring, whose words nobody looks at meanwhile. */
inline renew()
{
	/* core/driver_change.ts #resume: link.renew(link.wantedGeneration); */
	own = wanted_generation;
	/* core/frontend_link.ts renew: this.#store.reset(); */
	front_state = UNKNOWN;
	/* core/frontend_link.ts renew: this.ring.reset(); */
	d_step {
		produced[REQUESTS(0)] = 0;
		consumed[RESPONSES(0)] = 0;
		do
		:: index < RING_SIZE -> entry[index] = NOTHING; index++
		:: else -> break
		od;
		index = 0
	};
	/* core/ring.ts initialiseRing: words.fill(0, 0, RING_HEADER_BYTES / 4); */
	producer[REQUESTS(0)] = 0;
	producer[RESPONSES(0)] = 0;
#ifdef EVENT_INDEX
	/* core/ring.ts initialiseRing: Atomics.store(words, REQ_EVENT, 1); */
	event[REQUESTS(0)] = 1;
	/* core/ring.ts initialiseRing: Atomics.store(words, RSP_EVENT, 1); */
	event[RESPONSES(0)] = 1;
#endif
	/* core/frontend_link.ts renew: this.#end.channel.reset(); */
	/* core/event_channel.ts reset: this.#local.clear(this.#localPort); */
	pending[RESPONSES(0)] = 0
}

inline write_request(id)
{
	assert(ENTRY(REQUESTS(0), produced[REQUESTS(0)]) == NOTHING);
	ENTRY(REQUESTS(0), produced[REQUESTS(0)]) = REQUEST(id);
	produced[REQUESTS(0)] = NEXT(produced[REQUESTS(0)])
}

inline reissue()
{
	/* core/driver_change.ts #reissue: for (const slot of slots) { */
	do
#ifdef BREAK_REISSUE_BY_ID
	:: index < IDS ->
		if
		:: asked[index] -> write_request(index)
		:: else
		fi;
		index++
	:: else -> break
#else
	:: index < RING_SIZE && order[index] != NOTHING -> write_request(order[index] - REQUEST(0)); index++
	:: else -> break
#endif
	od;
	index = 0
}

inline submit()
{
	id = produced[REQUESTS(0)] % IDS;
	do
	:: asked[id] -> id = (id + 1) % IDS
	:: else -> break
	od;
	asked[id] = 1;
	do
	:: order[index] != NOTHING -> index++
	:: else -> break
	od;
	order[index] = REQUEST(id);
	is_flush[id] = flush;
	write_request(id);
	index = 0;
	flush = 0;
	id = 0
}

inline take_response()
{
	id = ENTRY(RESPONSES(0), consumed[RESPONSES(0)]) - RESPONSE(0);
	/* What was not asked for, or was answered before, is not answered. */
	assert(id < IDS && asked[id]);
#ifndef BREAK_NO_FENCE
	/* What is answered was done. (Without the fence it is not, which is not what is looked for then.) */
	assert(executed[id]);
#endif
	asked[id] = 0;
	is_flush[id] = 0;
	executed[id] = 0;
	ENTRY(RESPONSES(0), consumed[RESPONSES(0)]) = NOTHING;
	consumed[RESPONSES(0)] = NEXT(consumed[RESPONSES(0)]);
	do
	:: order[index] != REQUEST(id) -> index++
	:: else -> break
	od;
	do
	:: index + 1 < RING_SIZE -> order[index] = order[index + 1]; index++
	:: else -> break
	od;
	order[index] = NOTHING;
	index = 0;
	id = 0
}

/* core/driver_change.ts #awaitNextDriver: if (link.isReplaced) return true; */
#define IS_REPLACED (wanted_generation != own)

active proctype application()
{
	byte from, id, index, own;
	byte distance = 1;
	bit readable, flush, reissuing;

	goto connect;

lost:
	/* core/driver_change.ts #salvage: this.#frontend.takeAll(); */
	do
	:: d_step { AVAILABLE(RESPONSES(0)) > 0 -> take_response() }
	:: AVAILABLE(RESPONSES(0)) == 0 -> break
	od;
	do
	/* core/driver_change.ts #awaitNextDriver: const { bell } = events; */
	:: rung[APPLICATION] = 0;
		if
		:: IS_REPLACED -> break
		:: !IS_REPLACED
		fi;
		/* core/driver_change.ts #awaitNextDriver: events.sleep(bell, LOOK_MS); */
		sleep_on_bell(APPLICATION);
		IS_AWAKE(APPLICATION)
	od;
	renew();

connect:
	/* core/frontend_link.ts connect: store.write("generation", this.generation); */
	front_generation = own;
	/* core/frontend_link.ts connect: store.switchTo(XenbusState.Initialising); */
	front_state = INITIALISING;
	/* core/frontend_link.ts connect: awaitPeerState(this.#end, store, XenbusState.InitWait, giveUp); */
	await_peer_state(APPLICATION, RESPONSES(0), back_state == INIT_WAIT, IS_REPLACED);
	if
	:: IS_REPLACED -> goto lost
	:: !IS_REPLACED
	fi;
	/* core/ring.ts useSleepFlags: this.disarm(); */
	disarm(RESPONSES(0));
	/* core/frontend_link.ts connect: store.switchTo(XenbusState.Initialised); */
	front_state = INITIALISED;
	/* core/frontend_link.ts connect: this.#end.channel.wakePeer(); */
	wake(DRIVER, REQUESTS(0));
	/* core/frontend_link.ts connect: awaitPeerState(this.#end, store, XenbusState.Connected, giveUp); */
	await_peer_state(APPLICATION, RESPONSES(0), back_state == CONNECTED, IS_REPLACED);
	if
	:: IS_REPLACED -> goto lost
	:: !IS_REPLACED
	fi;
	/* core/frontend_link.ts connect: store.switchTo(XenbusState.Connected); */
	front_state = CONNECTED;
	wake(DRIVER, REQUESTS(0));
	d_step { reissue(); reissuing = produced[REQUESTS(0)] > 0 };

	do
	:: d_step { reissuing && IN_FLIGHT == 0 -> reissuing = 0 }
	:: !reissuing && IN_FLIGHT < RING_SIZE ->
		if
		:: flush = 0
		:: flush = 1
		fi;
		d_step { submit() }

	:: IN_FLIGHT > 0 ->
poll:
		/* core/frontend.ts poll: this.#publish(); */
		if
		:: IS_UNPUSHED(REQUESTS(0)) -> push(REQUESTS(0))
		:: !IS_UNPUSHED(REQUESTS(0))
		fi;
		/* core/ring_responses.ts see: const seen = this.#ring.available(); */
		if
		:: d_step { AVAILABLE(RESPONSES(0)) > 0 ->
#ifndef BREAK_NO_FENCE
			/* core/ring_responses.ts see: if (seen > asked) throw tooManyResponses(seen, asked); */
			assert(AVAILABLE(RESPONSES(0)) <= IN_FLIGHT);
#endif
			take_response()
			}
		:: AVAILABLE(RESPONSES(0)) == 0
		:: AVAILABLE(RESPONSES(0)) == 0 ->
			/* core/frontend.ts #waitOnce: this.#waiter.wait(this.#policy); */
			begin_wait(APPLICATION, IS_THERE(RESPONSES(0)));
			arm_source(RESPONSES(0), IN_FLIGHT);
			look_again(RESPONSES(0));
			fall_asleep(APPLICATION);
			ASLEEP(APPLICATION);
			end_sleep(APPLICATION);
			disarm(RESPONSES(0));
			end_wait(APPLICATION);
			/* core/frontend.ts #waitOnce: if (!this.#change?.isDown && (!this.#responses.anyLeft() || this.#link.isReplaced)) this.#checkPeer(); */
			if
#ifdef BREAK_REPLACED_UNSEEN
			:: IS_THERE(RESPONSES(0))
#else
			:: IS_THERE(RESPONSES(0)) && IS_REPLACED -> goto lost
			:: IS_THERE(RESPONSES(0)) && !IS_REPLACED
#endif
			:: !IS_THERE(RESPONSES(0)) && (IS_REPLACED || back_state != CONNECTED) -> goto lost
			:: !IS_THERE(RESPONSES(0)) && !IS_REPLACED && back_state == CONNECTED
			fi;
			goto poll
		fi

	:: IN_FLIGHT == 0 && !reissuing ->
		/* An application that asks for nothing still looks now and then whether its driver is there. */
		/* core/frontend.ts attend: else this.#checkDriver(); */
end_of_rest:
		IS_REPLACED -> goto lost
	od
}

/* It comes last: Spin tries later processes first, and so finds errors of restarts sooner. */
active proctype hypervisor()
{
	byte current;

	run driver(0);
	do
	:: current < RESTARTS ->
		/* It ended by itself; or it hangs, or an operator wants another: then it is ended. */
		/* core/machine_domain.ts #fence: host.kill(); */
		killed[current] = 1;
		/* core/machine_domain.ts #restart: await fenced; */
		ended[current];
		current++;
		/* core/hypervisor.ts #restart: domain.events.reset(); */
		pending[REQUESTS(0)] = 0;
		/* core/machine_link.ts renew: clearBackend(this.#control); */
		back_state = UNKNOWN;
		/* core/machine_link.ts renew: front.useGeneration(this.frontPort, this.generation); */
		wanted_generation = current;
		/* core/machine_domain.ts #restart: else next.host.proceed(); */
		run driver(current);
		/* core/hypervisor.ts #restart: if (back === domain) front.events.wake(); */
		wake(APPLICATION, RESPONSES(0))
	/* Or it never ends again. */
	:: break
	od
}
