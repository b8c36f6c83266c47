/* Certificates for the tests of TLS, made when they run: a key never lies in the repository. */
#ifndef LARDER_TESTS_CERTIFICATES_H
#define LARDER_TESTS_CERTIFICATES_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* A certificate with its key. */
struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

static inline void identity_extend(X509 *certificate, X509 *issuer, int what, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, what, value);
    assert_non_null(extension);
    assert_true(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

/* An identity of this name, valid from a day ago for that many days (less than 1: it has expired), signed by the
   issuer; NULL: by itself, and able to sign others. */
static inline struct identity identity_make(const char *name, const struct identity *issuer, int days)
{
    struct identity made = {.certificate = X509_new(), .key = EVP_EC_gen("P-256")};
    assert_non_null(made.certificate);
    assert_non_null(made.key);
    const struct identity *signer = issuer != NULL ? issuer : &made;
    X509 *certificate = made.certificate;
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), (long)(strlen(name) + 1));
    X509_gmtime_adj(X509_getm_notBefore(certificate), -24L * 3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), (days - 1) * 24L * 3600);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(signer->certificate));
    X509_set_pubkey(certificate, made.key);
    if (issuer == NULL)
        identity_extend(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(certificate, signer->key, EVP_sha256()) > 0);
    return made;
}

static inline void identity_free(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

/* Writes the certificate and the key, encrypted if there is a password, in PEM. */
static inline void identity_write(const struct identity *identity, const char *certificate_path, const char *key_path,
                                  const char *password)
{
    FILE *file = fopen(certificate_path, "w");
    assert_non_null(file);
    assert_true(PEM_write_X509(file, identity->certificate));
    assert_int_equal(fclose(file), 0);
    file = fopen(key_path, "w");
    assert_non_null(file);
    assert_true(PEM_write_PrivateKey(file, identity->key, password != NULL ? EVP_aes_128_cbc() : NULL,
                                     (const unsigned char *)password, password != NULL ? (int)strlen(password) : 0,
                                     NULL, NULL));
    assert_int_equal(fclose(file), 0);
}

#endif
