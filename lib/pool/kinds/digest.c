/*
 * digest - a checksum of the input, as sha256sum and its like print it.
 *
 *	algorithm=sha256|sha512|blake2b|md5	sha256 when not given
 *
 * The answer is the sum in hexadecimal digits.
 */
#include <openssl/evp.h>
#include <string.h>

#include "pool/kinds/kinds.h"

#define DIGEST_BUFFER (64 << 10) /* half of a small second-level cache */

struct digest_algorithm {
	const char *name;
	const char *openssl;
	EVP_MD *md; /* NULL: this libcrypto does not have it */
};

/* Looked up once: libcrypto takes locks to find one by its name. */
static struct digest_algorithm digest_algorithms[] = {
	{ "sha256", "SHA2-256", NULL },
	{ "sha512", "SHA2-512", NULL },
	{ "blake2b", "BLAKE2B-512", NULL },
	{ "md5", "MD5", NULL },
};

#define DIGEST_N (sizeof digest_algorithms / sizeof *digest_algorithms)

static int
digest_load(const char **why)
{
	struct digest_algorithm *a = digest_algorithms;
	size_t i;

	for (i = 0; i < DIGEST_N; i++)
		a[i].md = EVP_MD_fetch(NULL, a[i].openssl, NULL);
	*why = "libcrypto has no SHA2-256";
	return a[0].md == NULL ? -1 : 0;
}

static void
digest_unload(void)
{
	size_t i;

	for (i = 0; i < DIGEST_N; i++) {
		EVP_MD_free(digest_algorithms[i].md);
		digest_algorithms[i].md = NULL;
	}
}

static const EVP_MD *
digest_find(struct reeve_job *job)
{
	const char *name = job->api->arg(job, "algorithm");
	size_t i;

	if (name == NULL)
		return digest_algorithms[0].md;
	for (i = 0; i < DIGEST_N; i++) {
		if (strcmp(digest_algorithms[i].name, name) != 0)
			continue;
		if (digest_algorithms[i].md == NULL)
			reeve_job_fail(
			    job, "algorithm=%s: libcrypto forbids it", name);
		return digest_algorithms[i].md;
	}
	reeve_job_fail(job,
	    "algorithm=%s is not known: sha256, sha512, blake2b or md5", name);
	return NULL;
}

static int
digest_answer(struct reeve_job *job, const unsigned char *sum, unsigned n)
{
	static const char digits[] = "0123456789abcdef";
	char hex[EVP_MAX_MD_SIZE * 2 + 1];
	unsigned i;

	for (i = 0; i < n; i++) {
		hex[i * 2] = digits[sum[i] >> 4];
		hex[i * 2 + 1] = digits[sum[i] & 15];
	}
	hex[n * 2] = '\0';
	return job->api->answer(job, hex);
}

static int
digest_input(struct reeve_job *job, EVP_MD_CTX *ctx)
{
	unsigned char buf[DIGEST_BUFFER], sum[EVP_MAX_MD_SIZE];
	unsigned len;
	ptrdiff_t n;

	while ((n = job->api->read(job, buf, sizeof buf)) > 0) {
		if (job->api->cancelled(job))
			return -1;
		if (EVP_DigestUpdate(ctx, buf, (size_t)n) != 1)
			return reeve_job_fail(job, "libcrypto: the sum failed");
	}
	if (n == -1)
		return -1;
	if (EVP_DigestFinal_ex(ctx, sum, &len) != 1)
		return reeve_job_fail(job, "libcrypto: the sum failed");
	return digest_answer(job, sum, len);
}

static int
digest_run(struct reeve_job *job)
{
	static const char *const args[] = { "algorithm", NULL };
	const EVP_MD *md;
	EVP_MD_CTX *ctx;
	int rc;

	if (job->api->known_args(job, args) == -1 ||
	    (md = digest_find(job)) == NULL)
		return -1;
	ctx = EVP_MD_CTX_new();
	if (ctx == NULL || EVP_DigestInit_ex2(ctx, md, NULL) != 1)
		rc = reeve_job_fail(job, "libcrypto: no memory");
	else
		rc = digest_input(job, ctx);
	EVP_MD_CTX_free(ctx);
	return rc;
}

const struct reeve_job_plugin job_kind_digest = {
	.abi = REEVE_JOB_ABI,
	.size = sizeof job_kind_digest,
	.name = "digest",
	.summary = "checksum: algorithm=sha256|sha512|blake2b|md5",
	.run = digest_run,
	.load = digest_load,
	.unload = digest_unload,
};
