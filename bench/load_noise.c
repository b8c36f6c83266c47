/*
 * Samples of the run queue's waiting times, kept in a ring; the files stay open, as a sample must cost microseconds.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "load_noise.h"
#include "load_options.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void watch_file(struct noise *noise, const char *path)
{
    int *files = realloc(noise->files, (noise->files_count + 1) * sizeof *files);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (!files || file < 0)
        die("cannot watch %s: %s", path, strerror(errno));
    files[noise->files_count++] = file;
    noise->files = files;
}

/* The second number of a schedstat file; 0 once the thread is gone. */
static uint64_t waited_ns(int file)
{
    char text[96];
    ssize_t len = pread(file, text, sizeof text - 1, 0);
    if (len <= 0)
        return 0;
    text[len] = '\0';
    const char *space = strchr(text, ' ');
    return space ? strtoull(space + 1, NULL, 10) : 0;
}

struct noise *noise_watch(uint64_t server_pid, uint64_t now_ns)
{
    struct noise *noise = calloc(1, sizeof *noise);
    char path[320];
    snprintf(path, sizeof path, "/proc/%" PRIu64 "/task", server_pid);
    DIR *tasks = opendir(path);
    if (!noise || !tasks)
        die("cannot watch process %" PRIu64 ": %s", server_pid, strerror(errno));
    watch_file(noise, "/proc/thread-self/schedstat");
    for (struct dirent *task = readdir(tasks); task; task = readdir(tasks)) {
        if (task->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%" PRIu64 "/task/%s/schedstat", server_pid, task->d_name);
        watch_file(noise, path);
    }
    closedir(tasks);
    noise_sample(noise, now_ns, 0);
    return noise;
}

void noise_sample(struct noise *noise, uint64_t now_ns, uint64_t interval_ns)
{
    struct noise_sample newest = {0};
    if (noise->count > 0)
        newest = noise->samples[(noise->count - 1) % NOISE_SAMPLES];
    if (noise->count > 0 && now_ns < newest.at_ns + interval_ns)
        return;
    struct noise_sample sample = {.at_ns = now_ns};
    for (size_t i = 0; i < noise->files_count; i++)
        sample.waited_ns += waited_ns(noise->files[i]);
    if (sample.waited_ns < newest.waited_ns) /* a thread has ended and took its count with it */
        sample.waited_ns = newest.waited_ns;
    noise->samples[noise->count++ % NOISE_SAMPLES] = sample;
}

uint64_t noise_since(const struct noise *noise, uint64_t since_ns)
{
    uint64_t oldest = noise->count > NOISE_SAMPLES ? noise->count - NOISE_SAMPLES : 0;
    uint64_t number = noise->count - 1;
    const struct noise_sample *newest = &noise->samples[number % NOISE_SAMPLES];
    while (number > oldest && noise->samples[number % NOISE_SAMPLES].at_ns > since_ns)
        number--;
    return newest->waited_ns - noise->samples[number % NOISE_SAMPLES].waited_ns;
}
