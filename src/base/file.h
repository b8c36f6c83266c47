/* Whole files: read into memory, and replaced in one step. */
#ifndef LARDER_BASE_FILE_H
#define LARDER_BASE_FILE_H

#include "base/text.h"

/* A file's whole content, or standard input's for "-", to be freed by the caller. False: `errno` says why, EFBIG that
   it has more than `limit` bytes, and nothing is left to free. */
MUST_USE bool file_read(const char *path, size_t limit, struct text *out);

/* Puts `content` in the place of a file: whoever opens it, and whoever finds it after a crash, sees all of the old
   content or all of the new one. The file keeps its mode, a new one gets `mode`; a link stays a link; what
   is no regular file is refused. False: `errno` says why, and the file is as before. */
MUST_USE bool file_replace(const char *path, bytes content, unsigned mode);

#endif
