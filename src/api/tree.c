/* Replies as trees. A reply is parsed twice: first to count its nodes and bytes of text, then to fill one block of
   memory that holds them all. The input is what our own encoders wrote, so its form is asserted, not checked. */
#include "api/instance.h"

#include "base/mem.h"
#include "base/num.h"

bytes out_flatten(const struct out *out, char **buffer, size_t *capacity)
{
    const struct out_chunk *head = out->head;
    if (head == NULL)
        return (bytes){"", 0};
    if (likely(head == out->tail) && head->blob == NULL)
        return (bytes){head->data + head->start, out_pending(out)};
    size_t len = out_pending(out);
    if (len > *capacity) {
        mem_free(*buffer);
        *buffer = mem_alloc(len);
        *capacity = *buffer != NULL ? len : 0;
    }
    if (*buffer == NULL)
        return (bytes){NULL, 0};
    size_t at = 0;
    for (const struct out_chunk *chunk = head; chunk != NULL; chunk = chunk->next) {
        bool is_open = chunk == out->tail && out->at != NULL;
        size_t end = is_open ? (size_t)(out->at - chunk->data) : chunk->end;
        memcpy(*buffer + at, (chunk->blob != NULL ? chunk->blob->data : chunk->data) + chunk->start,
               end - chunk->start);
        at += end - chunk->start;
    }
    return (bytes){*buffer, len};
}

/* One element as it stands on the wire. */
struct element {
    char type;
    bytes line;    /* behind the type */
    bytes payload; /* of bulk strings; at is NULL for a null */
    size_t count;  /* elements that follow, of aggregates */
    bool is_null;
};

static bytes read_line(const char **at, const char *end)
{
    const char *line = *at;
    const char *stop = memchr(line, '\r', (size_t)(end - line));
    assert(stop != NULL);
    *at = stop + 2;
    return (bytes){line, (size_t)(stop - line)};
}

static struct element read_element(const char **at, const char *end)
{
    struct element element = {.type = *(*at)++};
    element.line = read_line(at, end);
    int64_t number = 0;
    switch (element.type) {
    case '$':
    case '=':
    case '*':
    case '%':
    case '~':
    case '>':
    case '|': {
        bool is_number = num_parse_int64(element.line, &number);
        assert(is_number);
        (void)is_number;
        element.is_null = number < 0;
        break;
    }
    case '_':
        element.is_null = true;
        break;
    default:
        return element;
    }
    if (element.is_null)
        return element;
    if (element.type == '$' || element.type == '=') {
        element.payload = (bytes){*at, (size_t)number};
        *at += number + 2;
        if (element.type == '=') {
            element.payload.at += 4;
            element.payload.len -= 4;
        }
    } else {
        element.count = (size_t)number * (element.type == '%' || element.type == '|' ? 2 : 1);
    }
    return element;
}

/* The text that a node of this element has; at is NULL when it has none. */
static bytes text_of(const struct element *element)
{
    if (element->payload.at != NULL)
        return element->payload;
    switch (element->type) {
    case '+':
    case '-':
    case ',':
    case '(':
        return element->line;
    default:
        return (bytes){NULL, 0};
    }
}

struct sizes {
    size_t nodes;
    size_t text;
};

static void measure(const char **at, const char *end, struct sizes *sizes)
{
    struct element element = read_element(at, end);
    if (element.type == '|') { /* attributes are skipped */
        for (size_t i = 0; i < element.count; i++)
            measure(at, end, &(struct sizes){0});
        measure(at, end, sizes);
        return;
    }
    bytes text = text_of(&element);
    sizes->nodes++;
    sizes->text += text.at != NULL ? text.len + 1 : 0;
    for (size_t i = 0; i < element.count; i++)
        measure(at, end, sizes);
}

struct builder {
    larder_reply *next_node;
    char *next_text;
};

static larder_type type_of(const struct element *element)
{
    if (element->is_null)
        return LARDER_NIL;
    switch (element->type) {
    case '+':
        return LARDER_STATUS;
    case '-':
        return LARDER_ERROR;
    case ':':
        return LARDER_INTEGER;
    case ',':
        return LARDER_DOUBLE;
    case '#':
        return LARDER_BOOLEAN;
    case '(':
        return LARDER_BIG_NUMBER;
    case '=':
        return LARDER_VERBATIM;
    case '*':
        return LARDER_ARRAY;
    case '%':
        return LARDER_MAP;
    case '~':
        return LARDER_SET;
    case '>':
        return LARDER_PUSH;
    default:
        return LARDER_STRING;
    }
}

static void fill_value(struct builder *builder, larder_reply *node, const struct element *element)
{
    node->type = type_of(element);
    bytes text = text_of(element);
    if (text.at != NULL) {
        memcpy(builder->next_text, text.at, text.len);
        builder->next_text[text.len] = '\0';
        node->text = builder->next_text;
        node->len = text.len;
        builder->next_text += text.len + 1;
    }
    if (node->type == LARDER_INTEGER) {
        bool is_number = num_parse_int64(element->line, &node->integer);
        assert(is_number);
        (void)is_number;
    } else if (node->type == LARDER_BOOLEAN) {
        node->integer = element->line.at[0] == 't';
    } else if (node->type == LARDER_DOUBLE && !num_parse_double(element->line, &node->real)) {
        node->real = __builtin_nan("");
    }
}

/* Fills a node whose memory was set aside by its parent; children lie side by side, so that `elements` is an array. */
static void build(struct builder *builder, larder_reply *node, const char **at, const char *end)
{
    struct element element = read_element(at, end);
    while (element.type == '|') {
        for (size_t i = 0; i < element.count; i++)
            measure(at, end, &(struct sizes){0});
        element = read_element(at, end);
    }
    fill_value(builder, node, &element);
    larder_reply *elements = builder->next_node;
    builder->next_node += element.count;
    node->elements = element.count > 0 ? elements : NULL;
    node->count = element.count;
    for (size_t i = 0; i < element.count; i++)
        build(builder, &elements[i], at, end);
}

/* The most usual reply: one element that has no others in it. */
static larder_reply *build_single(const struct element *element)
{
    bytes text = text_of(element);
    larder_reply *node = mem_alloc(sizeof(*node) + text.len + 1);
    if (node == NULL)
        return NULL;
    *node = (larder_reply){0};
    fill_value(&(struct builder){.next_text = (char *)(node + 1)}, node, element);
    return node;
}

larder_reply *tree_build(bytes resp)
{
    static const bytes nothing = {"_\r\n", 3}; /* CLIENT REPLY OFF */
    if (resp.len == 0)
        resp = nothing;
    const char *end = resp.at + resp.len;
    const char *at = resp.at;
    struct element first = read_element(&at, end);
    if (at == end && first.count == 0)
        return build_single(&first);
    struct sizes sizes;
    const char *last;
    at = resp.at;
    do { /* one confirmation for each channel: the last says it all */
        sizes = (struct sizes){0};
        last = at;
        measure(&at, end, &sizes);
    } while (at < end);
    larder_reply *root = mem_alloc(sizes.nodes * sizeof(*root) + sizes.text);
    if (root == NULL)
        return NULL;
    memset(root, 0, sizes.nodes * sizeof(*root));
    struct builder builder = {.next_node = root + 1, .next_text = (char *)(root + sizes.nodes)};
    at = last;
    build(&builder, root, &at, end);
    return root;
}

void larder_reply_free(larder_reply *reply)
{
    mem_free(reply);
}
