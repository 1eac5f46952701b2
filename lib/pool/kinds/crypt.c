/*
 * crypt - encrypt and decrypt with a key from a file.
 *
 *	key_file=PATH	32 bytes, or 64 hexadecimal digits
 *	cipher=aes-256-gcm|chacha20-poly1305	encrypt; the former when not
 *			given, the file says which it was
 *
 * The format is in crypt.h.  A byte is written only after the chunk
 * it is in has been found genuine; that the whole is complete shows at its
 * end, and what was written before is of a job that failed.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <string.h>

#include "pool/kinds/crypt.h"
#include "pool/kinds/kind.h"
#include "pool/kinds/kinds.h"

static struct crypt_cipher {
	const char *name;
	const char *openssl;
	EVP_CIPHER *evp; /* NULL: this libcrypto does not have it */
} crypt_ciphers[CRYPT_CIPHERS] = {
	[CRYPT_AES_256_GCM] = { "aes-256-gcm", "AES-256-GCM", NULL },
	[CRYPT_CHACHA20_POLY1305] = { "chacha20-poly1305", "ChaCha20-Poly1305",
	    NULL },
};

struct crypt {
	struct reeve_job *job;
	EVP_CIPHER_CTX *ctx;
	unsigned char head[CRYPT_HEAD];
	struct crypt_keys keys;
	uint64_t n; /* of the chunk */
	unsigned char in[CRYPT_CHUNK + CRYPT_TAG];
	unsigned char out[CRYPT_CHUNK + CRYPT_TAG];
};

static int
crypt_load(const char **why)
{
	size_t i;

	for (i = 1; i < CRYPT_CIPHERS; i++)
		crypt_ciphers[i].evp =
		    EVP_CIPHER_fetch(NULL, crypt_ciphers[i].openssl, NULL);
	*why = "libcrypto has no AES-256-GCM";
	return crypt_ciphers[CRYPT_AES_256_GCM].evp == NULL ? -1 : 0;
}

static void
crypt_unload(void)
{
	size_t i;

	for (i = 1; i < CRYPT_CIPHERS; i++) {
		EVP_CIPHER_free(crypt_ciphers[i].evp);
		crypt_ciphers[i].evp = NULL;
	}
}

/* --- one chunk
 * ----------------------------------------------------------------------- */

/* Sets nonce and additional data: what makes a chunk this one, here. */
static bool
crypt_begin(struct crypt *c, bool last)
{
	unsigned char nonce[CRYPT_NONCE];
	int len;

	crypt_nonce(nonce, c->keys.prefix, (uint32_t)c->n, last);
	return EVP_CipherInit_ex2(c->ctx, NULL, NULL, nonce, -1, NULL) == 1 &&
	       EVP_CipherUpdate(c->ctx, NULL, &len, c->head, CRYPT_HEAD) == 1;
}

static bool
crypt_seal(struct crypt *c, size_t n, bool last)
{
	int len, end;

	return crypt_begin(c, last) &&
	       EVP_CipherUpdate(c->ctx, c->out, &len, c->in, (int)n) == 1 &&
	       EVP_CipherFinal_ex(c->ctx, c->out + n, &end) == 1 &&
	       EVP_CIPHER_CTX_ctrl(
		   c->ctx, EVP_CTRL_AEAD_GET_TAG, CRYPT_TAG, c->out + n) == 1;
}

/* Is the chunk in c->in, n bytes and its tag, genuine?  c->out: its bytes. */
static bool
crypt_open(struct crypt *c, size_t n, bool last)
{
	int len, end;

	return crypt_begin(c, last) &&
	       EVP_CipherUpdate(c->ctx, c->out, &len, c->in, (int)n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(
		   c->ctx, EVP_CTRL_AEAD_SET_TAG, CRYPT_TAG, c->in + n) == 1 &&
	       EVP_CipherFinal_ex(c->ctx, c->out + n, &end) == 1;
}

/* The next chunk has a number that is not used up, and is still wanted. */
static int
crypt_next(struct crypt *c)
{
	if (c->job->api->cancelled(c->job))
		return -1;
	if (c->n > UINT32_MAX)
		return reeve_job_fail(
		    c->job, "%s: more than 256 TiB", c->job->input_name);
	return 0;
}

/* --- setting up
 * ---------------------------------------------------------------------- */

static int
crypt_ready(struct crypt *c, int encrypt)
{
	const struct crypt_cipher *a = &crypt_ciphers[c->head[CRYPT_AT_CIPHER]];
	const char *path = c->job->api->arg(c->job, "key_file");
	char why[256];

	if (path == NULL)
		return reeve_job_fail(c->job, "key_file=PATH is needed");
	if (a->evp == NULL)
		return reeve_job_fail(
		    c->job, "cipher=%s: libcrypto forbids it", a->name);
	if (crypt_keys(&c->keys, path, c->head, why, sizeof why) == -1)
		return reeve_job_fail(c->job, "key_file %s: %s", path, why);
	c->ctx = EVP_CIPHER_CTX_new();
	if (c->ctx == NULL || EVP_CipherInit_ex2(c->ctx, a->evp, c->keys.key,
				  NULL, encrypt, NULL) != 1)
		return reeve_job_fail(c->job, "libcrypto: no memory");
	return 0;
}

/* Keys and what was plain are not left in memory that others are given. */
static int
crypt_end(struct crypt *c, int rc)
{
	EVP_CIPHER_CTX_free(c->ctx);
	OPENSSL_cleanse(c, sizeof *c);
	return rc;
}

/* --- encrypt
 * ------------------------------------------------------------------------- */

static int
encrypt_head(struct crypt *c)
{
	const char *name = c->job->api->arg(c->job, "cipher");
	unsigned char id = CRYPT_AES_256_GCM;

	if (name != NULL)
		for (id = 1; id < CRYPT_CIPHERS; id++)
			if (strcmp(crypt_ciphers[id].name, name) == 0)
				break;
	if (id == CRYPT_CIPHERS)
		return reeve_job_fail(c->job,
		    "cipher=%.40s is not known: "
		    "aes-256-gcm or chacha20-poly1305",
		    name);
	crypt_head(c->head, id);
	if (RAND_bytes(c->head + CRYPT_AT_SALT, CRYPT_SALT) != 1)
		return reeve_job_fail(c->job, "libcrypto: no random bytes");
	return 0;
}

/* One chunk is read ahead: the last must say that it is the last. */
static int
encrypt_chunks(struct crypt *c)
{
	unsigned char next;
	ptrdiff_t n, more;

	n = kind_read_full(c->job, c->in, CRYPT_CHUNK);
	for (;; c->n++) {
		more = n < CRYPT_CHUNK ? 0 : kind_read_full(c->job, &next, 1);
		if (n == -1 || more == -1 || crypt_next(c) == -1)
			return -1;
		if (!crypt_seal(c, (size_t)n, more == 0))
			return reeve_job_fail(c->job, "libcrypto: it failed");
		if (c->job->api->write(c->job, c->out, (size_t)n + CRYPT_TAG) ==
		    -1)
			return -1;
		if (more == 0)
			return 0;
		c->in[0] = next;
		n = kind_read_full(c->job, c->in + 1, CRYPT_CHUNK - 1);
		n += n == -1 ? 0 : 1;
	}
}

static int
encrypt_run(struct reeve_job *job)
{
	static const char *const args[] = { "key_file", "cipher", NULL };
	struct crypt *c;
	int rc = -1;

	if (job->api->known_args(job, args) == -1 ||
	    (c = job->api->alloc(job, sizeof *c)) == NULL)
		return -1;
	c->job = job;
	if (encrypt_head(c) == 0 && crypt_ready(c, 1) == 0 &&
	    job->api->write(job, c->head, CRYPT_HEAD) == 0)
		rc = encrypt_chunks(c);
	return crypt_end(c, rc);
}

/* --- decrypt
 * ------------------------------------------------------------------------- */

static int
decrypt_head(struct crypt *c)
{
	ptrdiff_t n = kind_read_full(c->job, c->head, CRYPT_HEAD);
	const char *why;

	if (n == -1)
		return -1;
	why = crypt_head_fault(c->head, (size_t)n);
	if (why != NULL)
		return reeve_job_fail(
		    c->job, "%s: %s", c->job->input_name, why);
	return 0;
}

/* Which of the things that can be wrong it is, as far as can be told. */
static int
decrypt_refuse(struct crypt *c, size_t n, bool last)
{
	const char *name = c->job->input_name;

	if (crypt_open(c, n, !last))
		return last ? reeve_job_fail(c->job,
				  "%s: truncated: its end is missing", name)
			    : reeve_job_fail(c->job,
				  "%s: something follows its end", name);
	if (c->n == 0)
		return reeve_job_fail(
		    c->job, "%s: it was changed, or the key is another", name);
	return reeve_job_fail(c->job, "%s: it was changed (chunk %llu)", name,
	    (unsigned long long)c->n);
}

static int
decrypt_chunks(struct crypt *c)
{
	const ptrdiff_t whole = CRYPT_CHUNK + CRYPT_TAG;
	unsigned char next;
	ptrdiff_t n, more;

	n = kind_read_full(c->job, c->in, (size_t)whole);
	for (;; c->n++) {
		more = n < whole ? 0 : kind_read_full(c->job, &next, 1);
		if (n == -1 || more == -1 || crypt_next(c) == -1)
			return -1;
		if (n < CRYPT_TAG)
			return reeve_job_fail(c->job,
			    "%s: truncated: its end is missing",
			    c->job->input_name);
		if (!crypt_open(c, (size_t)n - CRYPT_TAG, more == 0))
			return decrypt_refuse(
			    c, (size_t)n - CRYPT_TAG, more == 0);
		if (c->job->api->write(c->job, c->out, (size_t)n - CRYPT_TAG) ==
		    -1)
			return -1;
		if (more == 0)
			return 0;
		c->in[0] = next;
		n = kind_read_full(c->job, c->in + 1, (size_t)whole - 1);
		n += n == -1 ? 0 : 1;
	}
}

static int
decrypt_run(struct reeve_job *job)
{
	static const char *const args[] = { "key_file", NULL };
	struct crypt *c;
	int rc = -1;

	if (job->api->known_args(job, args) == -1 ||
	    (c = job->api->alloc(job, sizeof *c)) == NULL)
		return -1;
	c->job = job;
	if (decrypt_head(c) == 0 && crypt_ready(c, 0) == 0)
		rc = decrypt_chunks(c);
	return crypt_end(c, rc);
}

const struct reeve_job_plugin job_kind_encrypt = {
	.abi = REEVE_JOB_ABI,
	.size = sizeof job_kind_encrypt,
	.name = "encrypt",
	.summary = "key_file=PATH; cipher=aes-256-gcm|chacha20-poly1305",
	.run = encrypt_run,
	.load = crypt_load,
	.unload = crypt_unload,
};

/* load() of encrypt is for both. */
const struct reeve_job_plugin job_kind_decrypt = {
	.abi = REEVE_JOB_ABI,
	.size = sizeof job_kind_decrypt,
	.name = "decrypt",
	.summary = "what encrypt made: key_file=PATH",
	.run = decrypt_run,
};
