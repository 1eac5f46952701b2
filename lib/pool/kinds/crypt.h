/*
 * crypt - the format of what encrypt makes.
 *
 *	8	"REEVEENC"
 *	1	version: 1
 *	1	cipher: 1 AES-256-GCM, 2 ChaCha20-Poly1305
 *	1	binary logarithm of a chunk's size: 16
 *	1	0
 *	32	salt, random
 *	...	chunks of 65536 bytes, the last one of 0 to 65536, each
 *		followed by its tag of 16 bytes
 *
 * The 44 bytes of the head are additional data of every chunk.  The file has
 * keys of its own: HKDF-SHA256 of the key in key_file, with the salt, and
 * "reeve encrypt 1" as info, gives 32 bytes of key and 7 of nonce prefix.  So
 * no nonce is ever used twice with a key, however many files there are.  The
 * nonce of a chunk is the prefix, the chunk's number from 0 in 4 bytes with
 * the highest first, and 1 for the last chunk, 0 for the others (the STREAM
 * construction of Hoang, Reyhanitabar, Rogaway and Vizar, 2015): a chunk that
 * is changed, moved, left out or comes from another file is not genuine, nor
 * is a file that ends early or goes on behind its end.
 */
#ifndef POOL_KINDS_CRYPT_H
#define POOL_KINDS_CRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPT_AES_256_GCM       1
#define CRYPT_CHACHA20_POLY1305 2
#define CRYPT_CIPHERS           3

#define CRYPT_AT_CIPHER         9
#define CRYPT_AT_SALT           12
#define CRYPT_SALT              32
#define CRYPT_HEAD              (CRYPT_AT_SALT + CRYPT_SALT)
#define CRYPT_CHUNK             65536
#define CRYPT_TAG               16
#define CRYPT_KEY               32
#define CRYPT_PREFIX            7
#define CRYPT_NONCE             12

struct crypt_keys {
	unsigned char key[CRYPT_KEY];
	unsigned char prefix[CRYPT_PREFIX];
};

/* All but the salt. */
void crypt_head(unsigned char *head, unsigned char cipher);
/* NULL, or why it is no head that we can read. */
const char *crypt_head_fault(const unsigned char *head, size_t n);
void crypt_nonce(unsigned char *nonce, const unsigned char *prefix,
    uint32_t number, bool last);

/*
 * The keys of a file: from the key at path, and the salt of its head.  The
 * key must be a file of root or of this user that nobody else may read.  -1:
 * `why` says what is wrong, and never what is in it.
 */
int crypt_keys(struct crypt_keys *keys, const char *path,
    const unsigned char *head, char *why, size_t size);

#endif
