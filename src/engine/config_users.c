/* `user` lines of configuration files: kept until the engine makes users of them, see config.h. What they mean is the
   ACL's affair. */
#include "base/mem.h"
#include "base/secret.h"
#include "engine/config_row.h"

static void free_user(struct cfg_user *user)
{
    secret_wipe(user->line.at, user->line.len);
    mem_free(user->line.at);
    mem_free(user->name.at);
}

static bool make_room(struct config *config)
{
    if (config->user_count < config->user_room)
        return true;
    size_t room = config->user_room ? config->user_room * 2 : 8;
    struct cfg_user *users = mem_realloc(config->users, room * sizeof(*users));
    if (!users)
        return false;
    config->users = users;
    config->user_room = room;
    return true;
}

static bool is_known(const struct config *config, bytes name)
{
    for (size_t i = 0; i < config->user_count; i++)
        if (bytes_equal(name, (bytes){config->users[i].name.at, config->users[i].name.len}))
            return true;
    return false;
}

bool cfg_add_user(struct config *config, bytes line, const bytes *words, size_t count, struct cfg_error *error)
{
    if (is_known(config, words[1])) {
        cfg_fail(error,
                 "Error in user declaration '%.*s': Duplicate user found. A user can only be defined once in config "
                 "files",
                 (int)(words[1].len < CFG_ERROR_SIZE ? words[1].len : CFG_ERROR_SIZE), words[1].at);
        return false;
    }
    if (config->check_user && !config->check_user(config->check_user_context, words, count, error))
        return false;
    struct cfg_user user = {0};
    if (!make_room(config) || !cfg_text_make(&user.name, words[1]) || !cfg_text_make(&user.line, line)) {
        mem_free(user.name.at);
        cfg_fail(error, "out of memory");
        return false;
    }
    config->users[config->user_count++] = user;
    return true;
}

void cfg_forget_users(struct config *config)
{
    for (size_t i = 0; i < config->user_count; i++)
        free_user(&config->users[i]);
    mem_free(config->users);
    config->users = NULL;
    config->user_count = config->user_room = 0;
}
