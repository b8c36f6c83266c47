/* Whole files; see file.h. A file is replaced by writing a new one beside it, which is on the disk before it takes the
   old one's name. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_STEP = 16 * 1024 };

static bool read_all(int file, size_t limit, struct text *out)
{
    char step[READ_STEP];
    for (;;) {
        ssize_t count = read(file, step, sizeof(step));
        if (count == 0)
            return true;
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return false;
        text_append(out, (bytes){step, (size_t)count});
        if (out->is_cut || out->len > limit) {
            errno = out->is_cut ? ENOMEM : EFBIG;
            return false;
        }
    }
}

bool file_read(const char *path, size_t limit, struct text *out)
{
    bool is_standard_input = strcmp(path, "-") == 0;
    int file = is_standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool is_fine = read_all(file, limit, out);
    int reason = errno;
    if (!is_standard_input)
        close(file);
    if (!is_fine)
        text_free(out);
    errno = reason;
    return is_fine;
}

static bool write_all(int file, bytes content)
{
    while (content.len) {
        ssize_t count = write(file, content.at, content.len);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return false;
        content = (bytes){content.at + count, content.len - (size_t)count};
    }
    return true;
}

/* A fresh file beside `path`, of the same mode if that exists. `name` receives its path. Negative: errno says why. */
static int open_beside(const char *path, unsigned mode, struct text *name)
{
    enum { ATTEMPTS_MAX = 100 };
    struct stat old;
    bool has_old = stat(path, &old) == 0;
    if (has_old && !S_ISREG(old.st_mode)) { /* a device would not survive it */
        errno = S_ISDIR(old.st_mode) ? EISDIR : EINVAL;
        return -1;
    }
    int file = -1;
    for (unsigned i = 0; i < ATTEMPTS_MAX && file < 0; i++) {
        text_clear(name);
        text_append_format(name, "%s.%ld-%u.tmp", path, (long)getpid(), i);
        if (name->is_cut) {
            errno = ENOMEM;
            return -1;
        }
        file = open(name->at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
        if (file < 0 && errno != EEXIST)
            return -1;
    }
    if (file >= 0 && has_old && fchmod(file, old.st_mode & 07777) != 0) {
        int reason = errno;
        close(file);
        unlink(name->at);
        errno = reason;
        return -1;
    }
    return file;
}

/* Makes the rename last, where directories can be synced; where they cannot there is nothing to be done about it. */
static void sync_directory_of(const char *path)
{
    struct text directory = {0};
    const char *slash = strrchr(path, '/');
    text_append(&directory, slash ? (bytes){path, (size_t)(slash - path) + 1} : BYTES("."));
    int file = directory.is_cut ? -1 : open(directory.at, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        (void)fsync(file);
        close(file);
    }
    text_free(&directory);
}

static bool replace(const char *path, bytes content, unsigned mode)
{
    struct text name = {0};
    int file = open_beside(path, mode, &name);
    if (file < 0) {
        int reason = errno;
        text_free(&name);
        errno = reason;
        return false;
    }
    bool is_fine = write_all(file, content) && fsync(file) == 0;
    int reason = errno;
    close(file);
    if (is_fine && rename(name.at, path) != 0) {
        is_fine = false;
        reason = errno;
    }
    if (is_fine)
        sync_directory_of(path);
    else
        unlink(name.at);
    text_free(&name);
    errno = reason;
    return is_fine;
}

bool file_replace(const char *path, bytes content, unsigned mode)
{
    char target[PATH_MAX];
    return replace(realpath(path, target) ? target : path, content, mode);
}
