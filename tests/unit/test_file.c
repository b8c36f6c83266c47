/* Whole files: read up to a limit, and replaced in one step. */
#include "property.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/larder-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command) != 0; /* NOLINT(cert-env33-c): a folder that the test made */
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void assert_content(const char *path, bytes expected)
{
    struct text content = {0};
    assert_true(file_read(path, SIZE_MAX, &content));
    assert_int_equal(content.len, expected.len);
    if (expected.len > 0)
        assert_memory_equal(content.at, expected.at, expected.len);
    text_free(&content);
}

static size_t count_files(void)
{
    DIR *directory = opendir(folder);
    size_t count = 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count - 2; /* itself, and the one above */
}

static void what_replaces_a_file_is_read_back(void **state)
{
    const char *path = path_of("f");
    assert_true(file_replace(path, BYTES("one"), 0600));
    assert_content(path, BYTES("one"));
    assert_true(file_replace(path, BYTES("a\0b\n"), 0600));
    assert_content(path, BYTES("a\0b\n"));
    assert_true(file_replace(path, (bytes){NULL, 0}, 0600));
    assert_content(path, (bytes){NULL, 0});
    assert_int_equal(count_files(), 1);
}

static void a_new_file_gets_the_mode_and_an_old_one_keeps_its_own(void **state)
{
    struct stat status;
    const char *path = path_of("f");
    mode_t mask = umask(0);
    assert_true(file_replace(path, BYTES("x"), 0600));
    umask(mask);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(chmod(path, 0640), 0);
    assert_true(file_replace(path, BYTES("y"), 0600));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
}

static void a_link_stays_a_link(void **state)
{
    char target[128];
    struct stat status;
    snprintf(target, sizeof(target), "%s", path_of("target"));
    assert_true(file_replace(target, BYTES("x"), 0600));
    const char *path = path_of("link");
    assert_int_equal(symlink(target, path), 0);
    assert_true(file_replace(path, BYTES("y"), 0600));
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_content(target, BYTES("y"));
}

static void a_replacement_that_fails_leaves_nothing_behind(void **state)
{
    assert_false(file_replace(path_of("no-such-folder/f"), BYTES("x"), 0600));
    assert_int_equal(errno, ENOENT);
    const char *path = path_of("folder");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(file_replace(path, BYTES("x"), 0600)); /* a file cannot take a folder's name */
    assert_int_equal(errno, EISDIR);
    assert_int_equal(count_files(), 1);
}

static void a_file_beyond_the_limit_is_refused(void **state)
{
    const char *path = path_of("f");
    struct text content = {0};
    assert_true(file_replace(path, BYTES("12345678"), 0600));
    assert_true(file_read(path, 8, &content));
    text_free(&content);
    assert_false(file_read(path, 7, &content));
    assert_int_equal(errno, EFBIG);
    assert_null(content.at);
}

static void what_cannot_be_read_says_why(void **state)
{
    struct text content = {0};
    assert_false(file_read(path_of("missing"), 100, &content));
    assert_int_equal(errno, ENOENT);
    assert_false(file_read(folder, 100, &content));
    assert_int_equal(errno, EISDIR);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_replaces_a_file_is_read_back),
        IN_FOLDER(a_new_file_gets_the_mode_and_an_old_one_keeps_its_own),
        IN_FOLDER(a_link_stays_a_link),
        IN_FOLDER(a_replacement_that_fails_leaves_nothing_behind),
        IN_FOLDER(a_file_beyond_the_limit_is_refused),
        IN_FOLDER(what_cannot_be_read_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
