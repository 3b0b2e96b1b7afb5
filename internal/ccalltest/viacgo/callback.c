#include <pthread.h>
#include <stdint.h>

extern void hopCallback(uintptr_t h);
extern int hopNext(uintptr_t h);

void hopCall(uintptr_t h) { hopCallback(h); }

static void *onThread(void *h) {
	hopCallback((uintptr_t)h);
	return 0;
}

void hopCallOnThread(uintptr_t h) {
	pthread_t t;
	if (pthread_create(&t, 0, onThread, (void *)h) == 0) {
		pthread_join(t, 0);
	}
}

void hopPump(uintptr_t h) {
	while (hopNext(h)) {
	}
}
