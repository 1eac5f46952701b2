/* crypt_key - the key file, the keys made from it, and the head. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pool/kinds/crypt.h"

#define KEY_FILE_MAX 80 /* 64 digits, and white space behind */

static const unsigned char crypt_magic[8] = { 'R', 'E', 'E', 'V', 'E', 'E', 'N',
	'C' };

/* --- the head
 * ------------------------------------------------------------------------- */

void
crypt_head(unsigned char *head, unsigned char cipher)
{
	memcpy(head, crypt_magic, sizeof crypt_magic);
	head[8] = 1;
	head[CRYPT_AT_CIPHER] = cipher;
	head[10] = 16;
	head[11] = 0;
}

const char *
crypt_head_fault(const unsigned char *head, size_t n)
{
	if (n < sizeof crypt_magic ||
	    memcmp(head, crypt_magic, sizeof crypt_magic) != 0)
		return "it is not what encrypt makes";
	if (n < CRYPT_HEAD)
		return "truncated: its end is missing";
	if (head[8] != 1 || head[10] != 16 || head[11] != 0 ||
	    head[CRYPT_AT_CIPHER] == 0 ||
	    head[CRYPT_AT_CIPHER] >= CRYPT_CIPHERS)
		return "it was encrypted in a way this reeve does not know";
	return NULL;
}

void
crypt_nonce(unsigned char *nonce, const unsigned char *prefix, uint32_t number,
    bool last)
{
	int i;

	memcpy(nonce, prefix, CRYPT_PREFIX);
	for (i = 0; i < 4; i++)
		nonce[CRYPT_PREFIX + i] =
		    (unsigned char)(number >> (24 - 8 * i));
	nonce[CRYPT_NONCE - 1] = last;
}

/* --- the key file
 * ----------------------------------------------------------------------- */

static int
key_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes in a file, as they are or as digits. */
static bool
key_decode(unsigned char *key, const unsigned char *text, size_t n)
{
	size_t i;
	int high, low;

	if (n == CRYPT_KEY) {
		memcpy(key, text, n);
		return true;
	}
	while (n > 0 && strchr(" \t\r\n", text[n - 1]) != NULL)
		n--;
	if (n != CRYPT_KEY * 2)
		return false;
	for (i = 0; i < CRYPT_KEY; i++) {
		high = key_digit(text[i * 2]);
		low = key_digit(text[i * 2 + 1]);
		if (high == -1 || low == -1)
			return false;
		key[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* What is open is looked at, not what has the name by now. */
static const char *
key_file_fault(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is not a file";
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return "it belongs neither to root nor to the pool's user";
	if ((st.st_mode & 077) != 0)
		return "others may read it: chmod 600";
	return NULL;
}

static const char *
key_read(unsigned char *key, const char *path)
{
	unsigned char text[KEY_FILE_MAX + 1] = { 0 };
	const char *why;
	ssize_t n = -1;
	int fd;

	/* Not blocking: the name may be a fifo's. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd == -1)
		return strerror(errno);
	why = key_file_fault(fd);
	if (why == NULL) {
		n = read(fd, text, sizeof text);
		if (n == -1)
			why = strerror(errno);
		else if (n > KEY_FILE_MAX || !key_decode(key, text, (size_t)n))
			why = "a key is 32 bytes, or 64 hexadecimal digits";
	}
	close(fd);
	OPENSSL_cleanse(text, sizeof text);
	return why;
}

/* --- the keys of a file
 * ------------------------------------------------------------------ */

static bool
keys_derive(
    unsigned char *out, size_t n, unsigned char *key, const unsigned char *head)
{
	unsigned char salt[CRYPT_SALT];
	char digest[] = "SHA256", info[] = "reeve encrypt 1";
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(
		    OSSL_KDF_PARAM_DIGEST, digest, sizeof digest - 1),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_KEY, key, CRYPT_KEY),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, salt, sizeof salt),
		OSSL_PARAM_octet_string(
		    OSSL_KDF_PARAM_INFO, info, sizeof info - 1),
		OSSL_PARAM_END,
	};
	bool ok;

	memcpy(salt, head + CRYPT_AT_SALT, sizeof salt);
	ok = ctx != NULL && EVP_KDF_derive(ctx, out, n, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok;
}

int
crypt_keys(struct crypt_keys *keys, const char *path, const unsigned char *head,
    char *why, size_t size)
{
	unsigned char key[CRYPT_KEY], both[CRYPT_KEY + CRYPT_PREFIX];
	const char *fault = "it is not an absolute path";

	if (path[0] == '/')
		fault = key_read(key, path);
	if (fault == NULL && !keys_derive(both, sizeof both, key, head))
		fault = "libcrypto: HKDF failed";
	if (fault == NULL) {
		memcpy(keys->key, both, CRYPT_KEY);
		memcpy(keys->prefix, both + CRYPT_KEY, CRYPT_PREFIX);
	}
	OPENSSL_cleanse(key, sizeof key);
	OPENSSL_cleanse(both, sizeof both);
	if (fault == NULL)
		return 0;
	snprintf(why, size, "%s", fault);
	return -1;
}
