package faults

// plan is F0 to F24 of the plan, in its order.
var plan = []fault{
	{"F0", "the n-th message to the database, Redis or a model is lost, or its answer is, for n = 1 until none is left, while a file is read and a question answered",
		"ready and answered once for every n; 300 points at least", anomalies},
	{"F3", "PostgreSQL killed with -m immediate in the middle and started again, three times",
		"reads tried once more, writes 503 with Retry-After, never half; healthy 5 s after it is up; lost 0", databaseCrash},
	{"F4", "PostgreSQL frozen with SIGSTOP; then all its connections kept busy",
		"503 within 3 s, /readyz red within 5 s, /healthz green, no restart; healthy within 5 s", databaseFrozen},
	{"F5", "Redis killed for a minute", "everything works, errors at most 0.1 %, p95 at most 1.5 times, nobody signed out; Redis used again within 10 s", redisKilled},
	{"F6", "Redis frozen with SIGSTOP for 30 s", "no error; p95 at most 100 ms longer", redisFrozen},
	{"F8", "the model answers 429 with Retry-After, 500, 503, 401", "at most 2 retries within 10 s, then the passages quoted; the breaker opens; 401 is not retried; no cost counted", modelRefuses},
	{"F9", "the model says nothing, drips, breaks off, sends rubbish, no end mark, a token of 10 MB, or no end",
		"first word within 15 s, 20 s between words, 120 s in all, 8,192 tokens; what was said is kept as interrupted; the model's connection closed within 1 s", modelMisbehaves},
	{"F17", "SIGTERM during 50 streams; a second SIGTERM", "not ready at once; streams end within 25 s or are kept in part; exit 0 within 30 s; nothing acknowledged is lost; the second ends it at once", terminated},
}
