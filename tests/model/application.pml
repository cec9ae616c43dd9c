/*
 * An application's thread at the front end of a ring: submits, polls, waits, rests, leaves, as it likes.
 */

#ifdef BREAK_APPLICATION_DISTANCE
#define APPLICATION_DISTANCE(ring) (RING_SIZE + 1)
#else
#define APPLICATION_DISTANCE(ring) IN_FLIGHT(ring)
#endif

inline publish_requests(ring)
{
	/* core/frontend.ts #publish: if (!ring.unpushed) return; */
	if
	:: IS_UNPUSHED(REQUESTS(ring)) ->
		/* core/frontend.ts #publish: pushAndNotify(ring, this.#end.channel, this.pushes); */
		push(REQUESTS(ring));
		/* core/frontend.ts #publish: if (this.#shadow.idsInUse < this.#shadow.idCount) claimEntry(this.#words, entryWord(ring.entryOf(ring.produced))); */
		assert(IN_FLIGHT(ring) >= IDS || ENTRY(REQUESTS(ring), produced[REQUESTS(ring)]) == NOTHING)
	:: !IS_UNPUSHED(REQUESTS(ring))
	fi
}

inline submit(ring)
{
	/* core/shadow_table.ts assign: const id = this.#ids[this.idsInUse++]; */
	/* Which of those that are free does not matter: here it is such that few orders of them arise. */
	id = produced[REQUESTS(ring)] % IDS;
	do
	:: asked[ring * IDS + id] -> id = (id + 1) % IDS
	:: else -> break
	od;
	asked[ring * IDS + id] = 1;
	/* core/frontend.ts submit: this.#issuer.issue(slot, operation, offsetBytes / SECTOR_SIZE, byteLength); */
	assert(ENTRY(REQUESTS(ring), produced[REQUESTS(ring)]) == NOTHING);
	ENTRY(REQUESTS(ring), produced[REQUESTS(ring)]) = REQUEST(id);
	produced[REQUESTS(ring)] = NEXT(produced[REQUESTS(ring)]);
	id = 0
}

inline take_response(ring)
{
	responses_seen--;
	/* core/response_source.ts checkedResponse: const id = words[at]; */
	id = ENTRY(RESPONSES(ring), consumed[RESPONSES(ring)]) - RESPONSE(0);
	/* core/response_source.ts checkedResponse: if (slot === NONE) throw brokenBackend(`answered id ${id}, not in flight`); */
	assert(id < IDS && asked[ring * IDS + id]);
	/* core/ring_responses.ts take: this.#shadow.release(idOf(response)); */
	asked[ring * IDS + id] = 0;
	ENTRY(RESPONSES(ring), consumed[RESPONSES(ring)]) = NOTHING;
	/* core/ring_responses.ts take: ring.consume(); */
	consumed[RESPONSES(ring)] = NEXT(consumed[RESPONSES(ring)]);
	id = 0
}

proctype application(byte ring; bit sleeps)
{
	byte from, id, responses_seen;
	byte distance = 1;
	bit readable;

	do
	:: d_step { IN_FLIGHT(ring) < IDS && !stop[APPLICATION(ring)] -> submit(ring) };
#ifdef BATCH
		/* core/frontend.ts submit: if (++this.#unpublished >= this.#batch) this.#publishEarly(); */
		if
		:: publish_requests(ring)
		:: skip
		fi
#endif

	:: IN_FLIGHT(ring) > 0 ->
poll:
		if
		:: d_step { responses_seen > 0 -> take_response(ring) }
		:: responses_seen == 0 ->
			/* core/frontend.ts poll: this.#publish(); */
			publish_requests(ring);
			/* core/ring_responses.ts see: const seen = this.#ring.available(); */
			d_step {
				responses_seen = AVAILABLE(RESPONSES(ring));
				/* core/ring_responses.ts see: if (seen > asked) throw tooManyResponses(seen, asked); */
				assert(responses_seen <= IN_FLIGHT(ring))
			};
			if
			:: d_step { responses_seen > 0 -> take_response(ring) }
			/* A workload that only polls goes on with something else. */
			:: responses_seen == 0
			/* core/frontend.ts wait: if (this.inFlight === 0 || this.#stopRequested()) return -1; */
			:: responses_seen == 0 && stop[APPLICATION(ring)] -> goto end_of_workload
			:: sleeps && responses_seen == 0 && !stop[APPLICATION(ring)] ->
				/* core/frontend.ts #waitOnce: this.#waiter.wait(this.#policy); */
				begin_wait(APPLICATION(ring), IS_THERE(RESPONSES(ring)));
				arm_source(RESPONSES(ring), APPLICATION_DISTANCE(ring));
				look_again(RESPONSES(ring));
				fall_asleep(APPLICATION(ring));
				ASLEEP(APPLICATION(ring));
				end_sleep(APPLICATION(ring));
				disarm(RESPONSES(ring));
				end_wait(APPLICATION(ring));
				goto poll
			fi
		fi

#ifdef STOP
	:: stop[APPLICATION(ring)] -> goto end_of_workload
#else
	:: IN_FLIGHT(ring) == 0 ->
end_of_rest:
		false
#endif

#ifdef LEAVE
	:: IN_FLIGHT(ring) == 0 ->
		/* core/frontend_link.ts close: store.switchTo(XenbusState.Closing); */
		leaving[ring] = 1;
#ifndef BREAK_LEAVE_UNSAID
		/* core/frontend_link.ts close: this.#end.channel.wakePeer(); */
		wake(DRIVER, REQUESTS(ring));
#endif
		do
		/* core/link_end.ts awaitPeerState: const { bell } = end.events; */
		:: rung[APPLICATION(ring)] = 0;
			/* core/link_end.ts awaitPeerState: end.channel.clear(); */
			pending[RESPONSES(ring)] = 0;
			/* core/link_end.ts awaitPeerState: const state = store.peerState(); */
			/* core/link_end.ts awaitPeerState: if (state === wanted) return; */
			if
			:: closed[ring] -> goto end_of_workload
			:: !closed[ring]
			fi;
			/* core/link_end.ts awaitPeerState: if (stopRequested()) throw new ConnectionError(`Told to stop while the peer's ${stateName(wanted)} was awaited`); */
			if
			:: stop[APPLICATION(ring)] -> goto end_of_workload
			:: !stop[APPLICATION(ring)]
			fi;
			/* core/link_end.ts awaitPeerState: end.events.sleep(bell, LOOK_MS); */
			sleep_on_bell(APPLICATION(ring));
			IS_AWAKE(APPLICATION(ring))
		od
#endif
	od;
end_of_workload:
	skip
}
