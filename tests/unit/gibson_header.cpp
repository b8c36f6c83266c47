// The header in C++: it compiles, and string literals are fine as keys.
#include "gibson.h"

int main()
{
    gbClient client;
    if (gb_unix_connect(&client, "/nonexistent/socket", 1) == 0)
        return 1;
    GB_INIT_BUFFER(client.request);
    bool is_refused = gb_set(&client, "key", 3, "value", 5, 0) == -1 && gb_get(&client, "key", 3) == -1;
    gb_disconnect(&client);
    return is_refused ? 0 : 1;
}
