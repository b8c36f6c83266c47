/*
 * What the machine's other work cost a request: how long the server's threads, or the generator itself, were ready to
 * run while another program held the core. The kernel counts that for each thread (schedstat); here it is sampled along
 * the run, so that the longest waits can be told without it. What the hypervisor takes away is not in it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { NOISE_SAMPLES = 8192, NOISE_INTERVAL_NS = 250 * 1000 }; /* together two seconds, longer than any likely wait */

struct noise_sample {
    uint64_t at_ns;     /* on the monotonic clock */
    uint64_t waited_ns; /* of all watched threads, since they began */
};

/* Invariant: samples[(count - 1) % NOISE_SAMPLES] is the newest, and their times and figures never fall. */
struct noise {
    int *files; /* schedstat of each watched thread */
    size_t files_count;
    uint64_t count; /* samples ever taken */
    struct noise_sample samples[NOISE_SAMPLES];
};

/* Begins to watch the threads that a server has now, and the calling thread. Ends the program if it cannot. */
struct noise *noise_watch(uint64_t server_pid, uint64_t now_ns);

/* Takes a sample if the last one is that old. */
void noise_sample(struct noise *noise, uint64_t now_ns, uint64_t interval_ns);

/* The waiting between the last sample before since_ns and the newest one. */
uint64_t noise_since(const struct noise *noise, uint64_t since_ns);
