#include "lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_line(FILE *from)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len = getline(&line, &room, from);
    if (len < 0) {
        free(line);
        return NULL;
    }
    if (len > 0 && line[len - 1] == '\n')
        line[len - 1] = '\0';
    return line;
}

#ifdef GIBSON_CLI_LIBEDIT

#include <editline/readline.h>
#include <fcntl.h>
#include <unistd.h>

/* Opens the history, one line of text per entry. What was typed is nobody else's business. */
static FILE *open_history(int flags, const char *mode)
{
    const char *home = getenv("HOME");
    char *path;
    if (home == NULL || *home == '\0' || asprintf(&path, "%s/.gibson_history", home) == -1)
        return NULL;
    int fd = open(path, flags | O_CLOEXEC, S_IRUSR | S_IWUSR);
    free(path);
    return fd == -1 ? NULL : fdopen(fd, mode);
}

/* Takes the line over. */
static void remember(struct lines *lines, char *line)
{
    char **slot = &lines->history[lines->count++ % LINES_REMEMBERED];
    free(*slot);
    *slot = line;
    add_history(line);
}

void lines_open(struct lines *lines, bool is_terminal)
{
    lines->is_terminal = is_terminal;
    FILE *file = is_terminal ? open_history(O_RDONLY, "r") : NULL;
    if (file == NULL)
        return;
    for (char *line; (line = read_line(file)) != NULL;)
        remember(lines, line);
    fclose(file);
}

char *lines_read(struct lines *lines, const char *prompt)
{
    if (!lines->is_terminal)
        return read_line(stdin);
    char *line = readline(prompt);
    char *copy = line != NULL && *line != '\0' ? strdup(line) : NULL;
    if (copy != NULL)
        remember(lines, copy);
    return line;
}

void lines_close(struct lines *lines)
{
    FILE *file = lines->count > 0 ? open_history(O_WRONLY | O_CREAT | O_TRUNC, "w") : NULL;
    size_t oldest = lines->count > LINES_REMEMBERED ? lines->count - LINES_REMEMBERED : 0;
    for (size_t i = oldest; i < lines->count; i++) {
        char *line = lines->history[i % LINES_REMEMBERED];
        if (file != NULL)
            fprintf(file, "%s\n", line);
        free(line);
    }
    if (file != NULL)
        fclose(file);
    *lines = (struct lines){0};
}

#else

void lines_open(struct lines *lines, bool is_terminal)
{
    lines->is_terminal = is_terminal;
}

char *lines_read(struct lines *lines, const char *prompt)
{
    if (lines->is_terminal) {
        fputs(prompt, stdout);
        fflush(stdout);
    }
    return read_line(stdin);
}

void lines_close(struct lines *lines)
{
    (void)lines;
}

#endif
