/* SHA-256 against the examples of FIPS 180-4, and its hexadecimal form. */
#include "property.h"

#include "base/mem.h"
#include "base/secret.h"
#include "base/sha256.h"

static void assert_digest(bytes message, const char *hex)
{
    struct sha256 digest;
    char text[SHA256_HEX_SIZE];
    sha256(message, &digest);
    sha256_to_hex(&digest, text);
    assert_memory_equal(text, hex, sizeof(text));
}

static void examples_of_the_standard_are_met(void **state)
{
    assert_digest(BYTES(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_digest(BYTES("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest(BYTES("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_digest(
        BYTES("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
              "mnopqrstnopqrstu"),
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

static void a_million_letters_are_digested(void **state)
{
    enum { count = 1000000 };
    char *letters = mem_alloc(count);
    memset(letters, 'a', count);
    assert_digest((bytes){letters, count}, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    mem_free(letters);
}

static void every_way_of_ending_a_block_is_right(void **state)
{
    static const struct {
        size_t len;
        const char *hex;
    } cases[] = {
        {55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
        {56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
        {57, "f13b2d724659eb3bf47f2dd6af1accc87b81f09f59f2b75e5c0bed6589dfe8c6"},
        {63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
        {64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
        {65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"},
        {119, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"},
        {120, "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c"},
        {121, "e9615320128cc7a3d6078e9af05603188e5ccbf0d07d8b735d3df5e8e0c1281f"},
        {127, "c57e9278af78fa3cab38667bef4ce29d783787a2f731d4e12200270f0c32320a"},
        {128, "6836cf13bac400e9105071cd6af47084dfacad4e5e302c94bfed24e013afb73e"},
        {129, "c12cb024a2e5551cca0e08fce8f1c5e314555cc3fef6329ee994a3db752166ae"},
    };
    char letters[129];
    memset(letters, 'a', sizeof(letters));
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_digest((bytes){letters, cases[i].len}, cases[i].hex);
}

static void hexadecimal_digests_are_read_back(void **state)
{
    struct random random = property_start("hexadecimal_digests_are_read_back");
    for (int i = 0; i < 1000; i++) {
        struct sha256 digest, again;
        char hex[SHA256_HEX_SIZE];
        for (size_t j = 0; j < SHA256_SIZE; j++)
            digest.bytes[j] = (unsigned char)random_next(&random);
        sha256_to_hex(&digest, hex);
        assert_true(sha256_from_hex((bytes){hex, sizeof(hex)}, &again));
        assert_true(secret_equal(&digest, &again, sizeof(digest)));
        again.bytes[between(&random, 0, SHA256_SIZE - 1)] ^= (unsigned char)(1 << between(&random, 0, 7));
        assert_false(secret_equal(&digest, &again, sizeof(digest)));
    }
}

static void what_is_no_digest_is_refused(void **state)
{
    char hex[SHA256_HEX_SIZE + 1];
    struct sha256 digest;
    memset(hex, 'a', sizeof(hex));
    assert_false(sha256_from_hex((bytes){hex, SHA256_HEX_SIZE - 1}, &digest));
    assert_false(sha256_from_hex((bytes){hex, SHA256_HEX_SIZE + 1}, &digest));
    assert_false(sha256_from_hex((bytes){NULL, 0}, &digest));
    for (int c = 0; c < 256; c++) {
        bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        hex[17] = (char)c;
        assert_int_equal(sha256_from_hex((bytes){hex, SHA256_HEX_SIZE}, &digest), is_digit);
    }
}

static void wiped_memory_is_zero(void **state)
{
    char secret[] = "secret";
    secret_wipe(secret, sizeof(secret));
    secret_wipe(NULL, 0);
    for (size_t i = 0; i < sizeof(secret); i++)
        assert_int_equal(secret[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_standard_are_met),     cmocka_unit_test(a_million_letters_are_digested),
        cmocka_unit_test(every_way_of_ending_a_block_is_right), cmocka_unit_test(hexadecimal_digests_are_read_back),
        cmocka_unit_test(what_is_no_digest_is_refused),         cmocka_unit_test(wiped_memory_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
